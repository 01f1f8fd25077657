"""One page for one case: all slices of the liver, with the outlines of both masks.

The page is one file that needs nothing else. It holds the slices as pictures over a range of
values wider than the window, so that a reader can change window and level, and both masks exactly,
on the scan's own pixels.
"""

import html
import os
from collections.abc import Mapping, Sequence
from typing import Any

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
_PROBES = 7  # slices whose bytes tell those of all
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
    planes, ours, theirs = slices.reader_view(image, automated, manual)
    where = slices.placing(image)
    extent = slices.extent(ours | theirs, where.pixel_mm)
    crop = (near(extent, where.levels_mm, _MARGIN_MM), extent.rows, extent.columns)
    window = slices.window_of(image, modality)
    data = held(planes, (ours, theirs), where, crop, window, modality, _LARGEST_BYTES)
    files.write_text(path, _page(row, data | {"outlines": ["Automated", "manual"]}))


def near(extent: slices.Extent, levels_mm: np.ndarray, margin_mm: float) -> slice:
    """The slices that hold a mask and a margin below and above it."""
    count = len(levels_mm)
    step_mm = abs(levels_mm[-1] - levels_mm[0]) / max(1, count - 1)
    margin = max(2, round(margin_mm / step_mm)) if step_mm > 0 else 0
    return slice(max(0, extent.held.start - margin), min(count, extent.held.stop + margin))


def held(
    planes: np.ndarray,
    masks: tuple[np.ndarray, np.ndarray],
    where: slices.Placing,
    crop: tuple[slice, slice, slice],
    window: tuple[float, float],
    modality: str,
    largest_bytes: int,
) -> dict[str, Any]:
    """What `assets/viewer.js` shows: pictures over more than the window, and both masks exactly.

    Args:
        planes: [slice, row, column], the scan as `slices.axial` has it.
        masks: bool, two of the same shape, the automated and the manual one.
        where: Where the planes lie.
        crop: What of them is shown.
        window: The grey window at first.
        modality: `CT` or `MR`.
        largest_bytes: Of all pictures; base64 adds a third.
    """
    low, high = window
    width = high - low
    stored = (low - (_BELOW * width if modality == "CT" else 0.0), high + _ABOVE * width)
    ours, theirs = (np.ascontiguousarray(mask[crop]) for mask in masks)
    area_cm2 = where.pixel_mm[0] * where.pixel_mm[1] / 100.0
    return {
        "rows": ours.shape[1],
        "columns": ours.shape[2],
        "pixel_mm": where.pixel_mm,
        "unit": "HU" if modality == "CT" else "",
        "stored": stored,
        "window": window,
        "indices": where.indices[crop[0]].tolist(),
        "levels_mm": [round(level, 1) for level in where.levels_mm[crop[0]].tolist()],
        "areas_cm2": [
            [round(float(pixels) * area_cm2, 2) for pixels in np.count_nonzero(mask, axis=(1, 2))]
            for mask in (ours & ~theirs, theirs & ~ours, ours & theirs)
        ],
        "pictures": _pictures(planes[crop], stored, largest_bytes),
        "masks": encoding.runs(ours, theirs),
    }


def side(planes: np.ndarray, window: tuple[float, float], largest_bytes: int) -> int:
    """The longer side in pixels at which all planes take so many bytes as pictures."""
    longest = min(_LARGEST_SIDE, max(planes.shape[1:]))
    probes = [len(planes) * part // (2 * _PROBES) for part in range(1, 2 * _PROBES, 2)]
    # More than once: a smaller picture has more bytes for each of its pixels.
    while longest > _SMALLEST_SIDE:
        found = [len(_jpeg(planes[place], window, longest)) for place in probes]
        expected = len(planes) * float(np.mean(found))
        if expected <= largest_bytes:
            break
        longest = max(_SMALLEST_SIDE, int(longest * min(0.98, (largest_bytes / expected) ** 0.5)))
    return longest


def _pictures(planes: np.ndarray, stored: tuple[float, float], largest_bytes: int) -> list[str]:
    """Each slice as JPEG in base64; the number of pixels is what the page can hold."""
    longest = side(planes, stored, largest_bytes)
    return [encoding.base64_text(_jpeg(plane, stored, longest)) for plane in planes]


def _jpeg(plane: np.ndarray, stored: tuple[float, float], longest: int) -> bytes:
    rows, columns = plane.shape
    scale = min(1.0, longest / max(rows, columns))
    size = (max(1, round(rows * scale)), max(1, round(columns * scale)))
    return encoding.jpeg(slices.resized(slices.windowed(plane, *stored), size), _QUALITY)


def filled(texts: Mapping[str, str], data: Mapping[str, Any]) -> str:
    """The page of `assets/viewer.html` with its scripts, data and what is told beside them.

    Args:
        texts: What the template asks for and is not of the viewer itself, as HTML.
        data: As of `held`, with `outlines`: what its masks are called.
    """
    own = {
        "BASE_CSS": encoding.asset("base.css"),
        "CSS": encoding.asset("viewer.css"),
        "MASKS_JS": encoding.asset("masks.js"),
        "JS": encoding.asset("viewer.js"),
        "DATA": encoding.json_text(data),
    }
    return encoding.filled(encoding.asset("viewer.html"), {**texts, **own})


def figures(rows: str) -> str:
    """A table of measurements, from its rows."""
    return f'<h2>Figures</h2>\n<table class="figures"><tbody>\n{rows}\n</tbody></table>'


def outline_box(name: str, words: str, key: str) -> str:
    """The box that shows or hides a mask's outline; `key` is the letter that does the same."""
    return (
        f'      <label><input id="show-{name}" type="checkbox" checked>\n'
        f'        <span class="key {name}"></span>{words} <kbd>{key}</kbd></label>'
    )


def _page(row: dict, data: Mapping[str, Any]) -> str:
    name = predictions.name((row["exam_id"], row["echo"]))
    facts = " · ".join(measures.facts(row))
    link = html.escape(f"../../index.html#case={row['model']}/{name}")
    texts = {
        "TITLE": html.escape(name),
        "FACTS": html.escape(facts),
        "BACK": f'<a class="back no-print" href="{link}">Report</a>',
        "OUTLINES": outline_box("manual", "Manual", "m")
        + "\n"
        + outline_box("automated", "Automated", "a"),
        "AREA_KEY": "both",
        "AREAS": "Areas",
        "STATUS": _status(row),
        "FLAGS": _flags(row["flags"]),
        "FIGURES": figures(_figures(row)),
        "BELOW": "",
        "MORE": "",
    }
    return filled(texts, data)


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
