"""One page for one case with the whole scan in three planes and as a volume, drawn by NiiVue.

NiiVue (BSD-2-Clause) comes with the Python package `ipyniivue`, which is found and read but never
imported; its licence goes into each page. The page is one file that needs nothing else. It is some
3 MB before any scan, so it is made for the worst cases only.
"""

import functools
import gzip
import html
import importlib.metadata
import importlib.util
import os
import pathlib
import re
import urllib.parse
from collections.abc import Sequence

import nibabel
import numpy as np

from liver_jax import files
from liver_jax.evaluation import predictions, summary
from liver_jax.report import encoding, measures, slices
from liver_jax.volume import geometry
from liver_jax.volume.geometry import Volume

COUNT = 5
# More voxels than this are thinned out in plane: the page shall stay below some 20 MB.
_LARGEST_VOXELS = 12_000_000
# The package keeps NiiVue's own module as the only long text coded like an address.
_CODED = re.compile(r"\"([A-Za-z0-9%_.!~*'()-]{500000,})\"")


@functools.cache
def library() -> str | None:
    """NiiVue as the text of one ECMAScript module; None where it is not installed."""
    found = importlib.util.find_spec("ipyniivue")
    if found is None or not found.submodule_search_locations:
        return None
    widget = pathlib.Path(found.submodule_search_locations[0]) / "static" / "widget.js"
    if not widget.is_file():
        return None
    coded = _CODED.search(widget.read_text(encoding="utf-8"))
    module = urllib.parse.unquote(coded[1]) if coded else ""
    if "class Niivue" not in module and "Niivue" not in module[-3000:]:
        return None
    return module.replace("</script", "<\\/script")


def _licence() -> str:
    read = importlib.metadata.distribution("ipyniivue").read_text
    return read("licenses/LICENSE") or read("LICENSE") or "BSD-2-Clause, (c) Niivue"


def worst(rows: Sequence[dict], count: int = COUNT) -> list[dict]:
    """The rows to show: the lowest Dice first, those without a mask or a Dice left out."""
    shown = [row for row in rows if row["status"] != "failed" and row["dice"] is not None]
    shown.sort(key=lambda row: (summary.dice_or_zero(row), row["exam_id"], row["model"]))
    return shown[:count]


def write(
    path: str | os.PathLike,
    image: Volume,
    modality: str,
    automated: np.ndarray | None,
    manual: np.ndarray,
    row: dict,
) -> bool:
    """Writes the page of one case, atomically; as `viewer.write`.

    Args:
        path: The page, `<report>/cases/<model>/<name>.volume.html`: the report links to this name.
        image: The scan, `[x, y, z]`, one echo.
        modality: `CT` or `MR`.
        automated: bool [x, y, z] on the scan's grid, or None where there is none.
        manual: bool [x, y, z] on the scan's grid.
        row: The case's row of `cases[]`.

    Returns:
        Whether it was written: False where NiiVue is not installed.
    """
    module = library()
    if module is None:
        return False
    labels = np.asarray(manual, bool) * np.uint8(2)
    if automated is not None:
        labels = labels + np.asarray(automated, bool)
    step = np.ones(3, int)
    while np.prod([-(-n // s) for n, s in zip(image.grid_shape, step, strict=True)]) > (
        _LARGEST_VOXELS
    ):
        spacing = geometry.spacing_mm(image.affine) * step
        step[int(spacing.argmin())] += 1
    thinned = tuple(slice(None, None, int(stride)) for stride in step)
    affine = image.affine @ np.diag([*step, 1.0])
    low, high = slices.window_of(image, modality)
    name = predictions.name((row["exam_id"], row["echo"]))
    data: dict[str, object] = {
        "image": _nifti(slices.windowed(image.data[thinned], low, high), affine),
        "labels": _nifti(labels[thinned].astype(np.uint8), affine),
    }
    if labels.any():  # where the cross starts
        middle = np.array([np.mean(held) for held in np.nonzero(labels)])
        data["middle_mm"] = (image.affine[:3, :3] @ middle + image.affine[:3, 3]).tolist()
    texts = {
        "TITLE": html.escape(name),
        "FACTS": html.escape(" · ".join(measures.facts(row))),
        "BACK": html.escape(f"../../index.html#case={row['model']}/{name}"),
        "THINNED": ""
        if (step == 1).all()
        else f"Every {' x '.join(map(str, step))}th voxel is shown. ",
        "BASE_CSS": encoding.asset("base.css"),
        "CSS": encoding.asset("volume_view.css"),
        "DATA": encoding.json_text(data),
        "MODULE": module,
        "JS": encoding.asset("volume_view.js"),
        "LICENCE": html.escape(_licence()),
    }
    files.write_text(path, encoding.filled(encoding.asset("volume_view.html"), texts))
    return True


def _nifti(data: np.ndarray, affine: np.ndarray) -> str:
    """A compressed NIfTI file in base64; its header holds the grid and nothing else."""
    image = nibabel.Nifti1Image(data, affine)
    return encoding.base64_text(gzip.compress(image.to_bytes(), compresslevel=6, mtime=0))
