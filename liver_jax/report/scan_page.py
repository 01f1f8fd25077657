"""One page for one scan: its slices with the mask's outline, the measurements, what to doubt.

The page is one file that needs nothing else, as those of `viewer`, whose parts it has. The whole
body is shown in the plane, and all slices where they fit: a reader who judges a mask must see what
it missed, too.
"""

import html
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from liver_jax import files
from liver_jax.report import overview, scan_measures, slices, viewer
from liver_jax.report.scan_measures import Line
from liver_jax.volume.geometry import Volume

# The pictures before base64, which adds a third: a page of at most 8 MB.
_LARGEST_BYTES = 5_400_000
# Where all slices would be smaller than this, only those near the mask are shown.
_LEAST_SIDE = 256
_MARGIN_MM = 30.0


def write(
    path: str | os.PathLike,
    image: Volume,
    modality: str,
    mask: np.ndarray,
    record: Mapping[str, Any],
) -> None:
    """Writes the page, atomically. It holds no names but those that the record holds.

    Args:
        path: The HTML file.
        image: The scan, `[x, y, z]`, one echo.
        modality: `CT` or `MR`.
        mask: bool [x, y, z]; may be empty.
        record: The fields of measurements.json.

    Raises:
        OSError: It cannot be written.
    """
    window = slices.window_of(image, modality)
    planes, drawn, nothing = slices.reader_view(image, mask, np.zeros(mask.shape, bool))
    where = slices.placing(image)
    extent = slices.extent(drawn, where.pixel_mm)
    rows, columns = overview.field(planes, extent, window, where.pixel_mm)
    shown = slice(0, len(planes))
    if not extent.empty:
        side = viewer.side(planes[:, rows, columns], window, _LARGEST_BYTES)
        if side < min(_LEAST_SIDE, max(rows.stop - rows.start, columns.stop - columns.start)):
            shown = viewer.near(extent, where.levels_mm, _MARGIN_MM)
    data = viewer.held(
        planes, (drawn, nothing), where, (shown, rows, columns), window, modality, _LARGEST_BYTES
    )
    files.write_text(path, _page(record, data | {"outlines": ["Liver"]}, len(planes)))


def _page(record: Mapping[str, Any], data: Mapping[str, Any], count: int) -> str:
    shown = len(data["pictures"])
    told = f"{count} slices" if shown == count else f"the {shown} of {count} slices near the mask"
    facts = [record["modality"], told]
    texts = {
        "TITLE": html.escape(f"Liver: {record['exam_id']}"),
        "FACTS": html.escape(" · ".join(facts)),
        "BACK": "",
        "OUTLINES": viewer.outline_box("automated", "Outline", "a"),
        "AREA_KEY": "automated",
        "AREAS": "Area",
        "STATUS": _status(record),
        "FLAGS": _flags(record["flags"]),
        "FIGURES": "",
        "BELOW": viewer.figures(_rows(scan_measures.lines(record))),
        "MORE": _more(record),
    }
    return viewer.filled(texts, data)


def _status(record: Mapping[str, Any]) -> str:
    if record["status"] == "ok":
        return ""
    return (
        '<p class="banner">No liver was found. Look whether the scan shows one, and whether it is '
        "of a kind that the network was trained on.</p>"
    )


def _flags(flags: Sequence[Mapping[str, str]]) -> str:
    if not flags:
        return '<p class="quiet">No flags.</p>'
    items = (
        f'<li><span class="flag">{html.escape(flag["flag"])}</span> {html.escape(flag["reason"])}'
        "</li>"
        for flag in flags
    )
    return f'<ul class="flags">{"".join(items)}</ul>'


def _rows(lines: Sequence[Line]) -> str:
    return "\n".join(
        f'<tr><th scope="row">{html.escape(line.label)}</th>'
        f'<td class="n">{html.escape(line.value)}</td>'
        f'<td class="note">{html.escape(line.note)}</td></tr>'
        for line in lines
    )


def _more(record: Mapping[str, Any]) -> str:
    """What was mended while reading, how the figures were made, and names if they are wanted."""
    parts = []
    if record["input"]["notes"]:
        items = "".join(f"<li>{html.escape(note)}</li>" for note in record["input"]["notes"])
        parts.append(f"<h2>Notes on reading</h2><ul>{items}</ul>")
    if named := scan_measures.identifiers(record):
        parts.append(f"<h2>Identifiers</h2>{_list(named)}")
    made = _list(scan_measures.provenance(record))
    parts.append(f"<details><summary>How it was made</summary>{made}</details>")
    return "\n".join(parts)


def _list(lines: Sequence[Line]) -> str:
    items = (
        f"<dt>{html.escape(line.label)}</dt><dd>{html.escape(line.value)}"
        + (f'<span class="note">{html.escape(line.note)}</span>' if line.note else "")
        + "</dd>"
        for line in lines
    )
    return f'<dl class="made">{"".join(items)}</dl>'
