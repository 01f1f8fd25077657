"""A page of pictures of any cohort: sections of each examination with the outlines of its masks."""

import html
import os
import pathlib
from collections.abc import Sequence

import numpy as np
import tqdm
from matplotlib import figure
from matplotlib.backends import backend_agg

from liver_jax import files
from liver_jax.cohort import manifest
from liver_jax.cohort.exam import Exam
from liver_jax.errors import InputError
from liver_jax.volume import geometry, reader
from liver_jax.volume.geometry import Volume

# Where axial sections are taken, as parts of the liver's height from its lower end.
_LEVELS = (0.3, 0.6, 0.85)
_CT_WINDOW_HU = (-110.0, 190.0)
_OUTLINES = {
    "reader2_mask": ("second reader", "#4cc9f0"),
    "mask": ("reader", "#ffd166"),
    "vessel_mask": ("vessels", "#3a86ff"),
    "lesion_mask": ("lesions", "#ef476f"),
}
_PANEL_INCHES = 2.5

_HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ background: #111; color: #ddd; font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; }}
figure {{ margin: 0 0 1.2rem; }} img {{ max-width: 100%; display: block; }}
figcaption {{ margin-bottom: .3rem; }} b {{ color: #fff; }} .key span {{ margin-right: 1.2rem; }}
</style></head><body><h1>{title}</h1>
<p>Axial sections through the lower, middle and upper liver and a coronal one, seen from the feet
and from the front: the patient's right is on the left. Multiecho MRI: the first echo, the second
in the middle of the liver as well, and the PDFF map (0 to 50 %).</p><p class="key">{key}</p>
"""


def write(path: str | os.PathLike, output: pathlib.Path, progress: bool = False) -> pathlib.Path:
    """Writes the page.

    Args:
        path: The manifest.
        output: The page's folder, which must not exist yet.
        progress: Whether to show a bar.

    Returns:
        Its index.html.

    Raises:
        InputError: The folder exists, or the manifest or a file that it names is refused.
    """
    exams = manifest.read(path)
    if output.exists():
        raise InputError(output, "exists already", "Name a folder that does not")
    with files.replacing_folder(output) as folder:
        key = "".join(
            f'<span style="color: {colour}">&#9632; {name}</span>'
            for name, colour in _OUTLINES.values()
        )
        parts = [_HEAD.format(title=html.escape(f"{len(exams)} examinations"), key=key)]
        for exam in tqdm.tqdm(exams, desc="gallery", unit="exam", disable=not progress):
            _draw(exam).savefig(folder / f"{exam.exam_id}.png", dpi=100, facecolor="#111")
            parts.append(
                f"<figure><figcaption>{_caption(exam)}</figcaption>"
                f'<img loading="lazy" src="{exam.exam_id}.png" alt="{exam.exam_id}"></figure>\n'
            )
        (folder / "index.html").write_text("".join([*parts, "</body></html>\n"]), encoding="utf-8")
    return output / "index.html"


def _caption(exam: Exam) -> str:
    field = f"{exam.field_strength_t:g} T" if exam.field_strength_t else ""
    words = [exam.technique, exam.contrast_phase, field, exam.cohort, exam.split]
    words += [f"{name} {value}" for name, value in exam.extra.items() if value]
    text = " &middot; ".join(html.escape(word) for word in words if word)
    return f"<b>{html.escape(exam.exam_id)}</b> {text}"


def _draw(exam: Exam) -> figure.Figure:
    image = geometry.to_canonical(manifest.load_image(exam))
    echoes = image.data if image.data.ndim == 4 else image.data[..., None]
    masks = {column: mask for column in _OUTLINES if (mask := _mask(exam, column)) is not None}
    pdff = manifest.load_pdff_percent(exam)

    levels = _levels(masks.get("mask"), image.grid_shape)
    middle = levels[1]
    rows = _row_of_liver(masks.get("mask"), image.grid_shape)
    sections: list[tuple[np.ndarray, tuple, float]] = []
    right, front, head = image.spacing_mm
    for k in levels:
        sections.append((echoes[..., k, 0], np.s_[:, :, k], front / right))
    if echoes.shape[3] > 1:
        sections.append((echoes[..., middle, 1], np.s_[:, :, middle], front / right))
    sections.append((echoes[:, rows, :, 0], np.s_[:, rows, :], head / right))
    if pdff is not None:
        data = geometry.to_canonical(pdff).data[..., middle]
        sections.append((data, np.s_[:, :, middle], front / right))

    columns, rows_of_plane = image.grid_shape[:2]
    height = _PANEL_INCHES * rows_of_plane * front / (columns * right)
    drawn = figure.Figure(figsize=(_PANEL_INCHES * len(sections), height))
    backend_agg.FigureCanvasAgg(drawn)
    for place, (section, where, aspect) in enumerate(sections):
        axes = drawn.add_axes((place / len(sections), 0, 0.99 / len(sections), 1))
        axes.set_axis_off()
        is_pdff = pdff is not None and place == len(sections) - 1
        low, high = (0.0, 50.0) if is_pdff else _window(exam, section)
        colours = "inferno" if is_pdff else "gray"
        axes.imshow(_seen(section), cmap=colours, vmin=low, vmax=high, aspect=aspect)
        for column, mask in masks.items():
            outline = mask[where]
            if min(outline.shape) > 1 and outline.any() and not outline.all() and not is_pdff:
                colour = _OUTLINES[column][1]
                axes.contour(_seen(outline), levels=[0.5], colors=colour, linewidths=0.7)
    return drawn


def _mask(exam: Exam, column: str) -> np.ndarray | None:
    """A mask on canonical axes."""
    path = getattr(exam, column)
    if path is None:
        return None
    if column == "mask":
        labels = manifest.load_mask(exam)
    else:
        labels = reader.read_labels(path)
        image = manifest.read_header(exam.images[0])
        geometry.check_same_grid(image, labels, path, f"the image {exam.images[0].name}")
    return geometry.to_canonical(Volume(labels.data, labels.affine)).data > 0


def _levels(mask: np.ndarray | None, shape: Sequence[int]) -> list[int]:
    held = np.flatnonzero(mask.any(axis=(0, 1))) if mask is not None else np.zeros(0, int)
    first, last = (held[0], held[-1]) if held.size else (0, shape[2] - 1)
    return [round(first + level * (last - first)) for level in _LEVELS]


def _row_of_liver(mask: np.ndarray | None, shape: Sequence[int]) -> int:
    """The coronal section with the most liver."""
    if mask is None or not mask.any():
        return shape[1] // 2
    return int(mask.sum(axis=(0, 2)).argmax())


def _seen(section: np.ndarray) -> np.ndarray:
    """[x, z or y] as a radiologist sees it: right on the left, front or head up."""
    return section.T[::-1, ::-1]


def _window(exam: Exam, section: np.ndarray) -> tuple[float, float]:
    if exam.modality == "CT":
        return _CT_WINDOW_HU
    return 0.0, float(max(np.percentile(section, 99.5), 1e-6))
