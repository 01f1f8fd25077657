"""One page for one case: all slices of the liver, with the outlines of both masks.

The page is one file that needs nothing else. It holds the slices as pictures over a range of
values wider than the window, so that a reader can change window and level, and both masks exactly,
on the scan's own pixels.
"""

import html
import os
from collections.abc import Sequence

import numpy as np

from liver_jax import files
from liver_jax.evaluation import predictions
from liver_jax.report import encoding, measures, slices
from liver_jax.volume.geometry import Volume

# What is shown above and below the liver.
_MARGIN_MM = 15.0
# The pictures of one case, before base64: about 2 MB of page.
_LARGEST_BYTES = 1_350_000
_LARGEST_SIDE, _SMALLEST_SIDE = 384, 96
_QUALITY = 78
# The range of values kept, in widths of the window below and above it.
_BELOW, _ABOVE = 0.3, 0.5


def write(
    path: str | os.PathLike,
    image: Volume,
    modality: str,
    automated: np.ndarray | None,
    manual: np.ndarray,
    row: dict,
) -> None:
    """Writes the page of one case, atomically.

    Args:
        path: The page, `<report>/cases/<model>/<name>.html`: it links back to the report.
        image: The scan, `[x, y, z]`, one echo.
        modality: `CT` or `MR`.
        automated: bool [x, y, z] on the scan's grid, or None where there is none.
        manual: bool [x, y, z] on the scan's grid.
        row: The case's row of `cases[]`.
    """
    low, high = slices.window_of(image, modality)
    planes, ours, theirs = slices.reader_view(image, automated, manual)
    where = slices.placing(image)
    extent = slices.extent(ours | theirs, where.pixel_mm)
    shown = _shown(extent, where.levels_mm)
    crop = (shown, extent.rows, extent.columns)

    width = high - low
    stored = (low - (_BELOW * width if modality == "CT" else 0.0), high + _ABOVE * width)
    ours, theirs = np.ascontiguousarray(ours[crop]), np.ascontiguousarray(theirs[crop])
    area_cm2 = where.pixel_mm[0] * where.pixel_mm[1] / 100.0
    data = {
        "rows": ours.shape[1],
        "columns": ours.shape[2],
        "pixel_mm": where.pixel_mm,
        "unit": "HU" if modality == "CT" else "",
        "stored": stored,
        "window": (low, high),
        "indices": where.indices[shown].tolist(),
        "levels_mm": [round(level, 1) for level in where.levels_mm[shown].tolist()],
        "areas_cm2": [
            [round(float(pixels) * area_cm2, 2) for pixels in np.count_nonzero(mask, axis=(1, 2))]
            for mask in (ours & ~theirs, theirs & ~ours, ours & theirs)
        ],
        "pictures": _pictures(planes[crop], stored),
        "masks": encoding.runs(ours, theirs),
    }
    files.write_text(path, _page(row, data))


def _shown(extent: slices.Extent, levels_mm: np.ndarray) -> slice:
    """The slices of both masks' height and a margin."""
    count = len(levels_mm)
    step_mm = abs(levels_mm[-1] - levels_mm[0]) / max(1, count - 1)
    margin = max(2, round(_MARGIN_MM / step_mm)) if step_mm > 0 else 0
    return slice(max(0, extent.held.start - margin), min(count, extent.held.stop + margin))


def _pictures(planes: np.ndarray, stored: tuple[float, float]) -> list[str]:
    """Each slice as JPEG in base64; the number of pixels is what the page can hold."""
    rows, columns = planes.shape[1:]

    def encode(place: int, side: int) -> bytes:
        scale = min(1.0, side / max(rows, columns))
        size = (max(1, round(rows * scale)), max(1, round(columns * scale)))
        grey = slices.windowed(planes[place], *stored)
        return encoding.jpeg(slices.resized(grey, size), _QUALITY)

    side = min(_LARGEST_SIDE, max(rows, columns))
    count = len(planes)
    probes = [encode(count * part // 8, side) for part in (2, 4, 6)]
    expected = count * float(np.mean([len(probe) for probe in probes]))
    if expected > _LARGEST_BYTES:
        side = max(_SMALLEST_SIDE, int(side * (_LARGEST_BYTES / expected) ** 0.5))
    return [encoding.base64_text(encode(place, side)) for place in range(count)]


def _page(row: dict, data: dict) -> str:
    name = predictions.name((row["exam_id"], row["echo"]))
    facts = " · ".join(measures.facts(row))
    texts = {
        "TITLE": html.escape(name),
        "FACTS": html.escape(facts),
        "BACK": html.escape(f"../../index.html#case={row['model']}/{name}"),
        "STATUS": _status(row),
        "FLAGS": _flags(row["flags"]),
        "FIGURES": _figures(row),
        "BASE_CSS": encoding.asset("base.css"),
        "CSS": encoding.asset("viewer.css"),
        "MASKS_JS": encoding.asset("masks.js"),
        "JS": encoding.asset("viewer.js"),
        "DATA": encoding.json_text(data),
    }
    return encoding.filled(encoding.asset("viewer.html"), texts)


def _status(row: dict) -> str:
    if row["status"] == "ok":
        return ""
    reason = f": {row['reason']}" if row.get("reason") else ""
    return f'<p class="banner">{html.escape(row["status"].capitalize() + reason)}</p>'


def _flags(flags: Sequence[str]) -> str:
    if not flags:
        return '<p class="quiet">No flags.</p>'
    items = (
        f'<li><span class="flag">{html.escape(flag)}</span> '
        f"{html.escape(measures.FLAGS.get(flag, ''))}</li>"
        for flag in flags
    )
    return f'<ul class="flags">{"".join(items)}</ul>'


def _figures(row: dict) -> str:
    lines = []
    for measure in measures.MEASURES:
        text = measures.value(row, measure)
        if text is not None:
            lines.append(
                f'<tr title="{html.escape(measure.meaning)}"><th scope="row">'
                f'{html.escape(measure.label)}</th><td class="n">{html.escape(text)}</td></tr>'
            )
    return "\n".join(lines)
