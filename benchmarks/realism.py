"""The phantom's physical figures beside those of real scans.

The real ones: an unenhanced CT of 3 mm (ct_native), an enhanced CT of 0.98 mm (ct_dicom, JPEG
2000 lossless: `pip install pydicom pylibjpeg pylibjpeg-openjpeg`; left out where they are missing)
and five fat-suppressed T2-weighted MR examinations with manual masks (mr_t2spir). Phantom subjects
are imaged with the same spacing. The MR contrast is another (hepatobiliary T1-weighted), so only
figures without a unit are compared.
"""

import json
import os
import pathlib
import statistics
from typing import Any

import nibabel
import numpy as np
from absl import flags

from benchmarks import image_figures
from liver_jax import cli
from liver_jax.errors import InputError
from liver_jax.phantom import anatomy, ct, mri, person, sampling
from liver_jax.phantom.institution import Institution
from liver_jax.physics.tissues import Tissue

USAGE = """
Compares physical figures of the phantom with those of real scans.

  python -m benchmarks.realism --data=DIR --output=FILE.json

  --data=DIR       folder with ct_native, ct_dicom and mr_t2spir; default $LIVER_JAX_TEST_DATA
  --subjects=N     phantom subjects for each real contrast; default 4
  --seed=N         of the subjects; default 0
  --only=NAME      one of ct_native, ct_dicom, mr_t2spir; default all
  --output=FILE    the figures as JSON
  --picture=FILE   slices, spectra and histograms side by side, as PNG
"""
_NAMES = ("ct_native", "ct_dicom", "mr_t2spir")
_CT_LIVER_LABEL, _MR_LIVER_LABEL = 5, 1
_SPLEEN_LABEL, _BACK_MUSCLE_LABELS = 1, (86, 87)
_VOLUME = person.VolumeRange(1700, 500, 900, 3000)
_PREVALENCE = {person.Finding.STEATOSIS: 0.25, person.Finding.LESIONS: 0.1}
# Of figures that have the unit of an image whose unit is arbitrary, only ratios are kept.
_MR_FIGURES = (
    "liver_fine_sd_percent",
    "liver_coarse_sd_percent",
    "noise_mean_frequency_per_mm",
    "noise_slice_correlation",
    "border_sharpness_per_mm",
)
_CURVES = ("spectrum_per_mm", "spectrum", "histogram")
_Figures = dict[str, Any]
# An image [x, y, z], masks of the liver and of other tissues, and voxel sizes in mm.
_Exam = tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray]


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    folder = os.environ.get("LIVER_JAX_TEST_DATA")
    flags.DEFINE_string("data", folder, "See --help.", values)
    flags.DEFINE_integer("subjects", 4, "See --help.", lower_bound=1, flag_values=values)
    flags.DEFINE_integer("seed", 0, "See --help.", lower_bound=0, flag_values=values)
    flags.DEFINE_enum("only", None, _NAMES, "See --help.", values)
    flags.DEFINE_string("output", None, "See --help.", values)
    flags.DEFINE_string("picture", None, "See --help.", values)


def main(given: flags.FlagValues = flags.FLAGS) -> None:
    """Measures, prints a table and writes the JSON."""
    if not given.data:
        raise InputError("--data", "it is missing", "Name the folder of the real scans.")
    folder = pathlib.Path(given.data)
    readers = {"ct_native": _native, "ct_dicom": _dicom, "mr_t2spir": _t2spir}
    result, pictures = {}, {}
    for name, read in readers.items():
        if given.only not in (None, name):
            continue
        try:
            real = read(folder / name)
        except ImportError as error:
            print(f"{name} is left out: {error}")
            continue
        spacing = real[0][3]
        slices = [exam[0].shape[2] for exam in real]
        make = _phantom_mr if name == "mr_t2spir" else _phantom_ct
        phantom = [make(name, given.seed + i, spacing, max(slices)) for i in range(given.subjects)]
        modality = name[:2]
        result[name] = {
            "real": [_figures(exam, modality) for exam in real],
            "phantom": [_figures(exam, modality) for exam in phantom],
        }
        pictures[name] = (real, phantom)
    _compare_histograms(result)
    print("\n\n".join(_table(name, sides) for name, sides in result.items()))
    if given.output:
        pathlib.Path(given.output).write_text(json.dumps(result, indent=1) + "\n")
    if given.picture:
        _draw(result, pictures, given.picture)


def _native(folder: pathlib.Path) -> list[_Exam]:
    """The unenhanced CT."""
    image, labels = (
        nibabel.as_closest_canonical(nibabel.load(folder / name))
        for name in ("ct.nii.gz", "labels.nii.gz")
    )
    return [_labelled_ct(np.asarray(image.dataobj), labels)]


def _dicom(folder: pathlib.Path) -> list[_Exam]:
    """The enhanced CT: its slices by their place, on the axes of its labels."""
    try:
        import openjpeg  # noqa: F401  the decoder that pydicom finds by itself
        import pydicom
    except ImportError as error:
        raise ImportError("it needs pydicom, pylibjpeg and pylibjpeg-openjpeg") from error

    slices = [pydicom.dcmread(path) for path in folder.glob("CT.*")]
    slices.sort(key=lambda dataset: float(dataset.ImagePositionPatient[2]))
    # Rows run to the back and columns to the left: both turned, they are y and x.
    planes = [
        dataset.pixel_array.T[::-1, ::-1] * float(dataset.RescaleSlope)
        + float(dataset.RescaleIntercept)
        for dataset in slices
    ]
    labels = nibabel.load(folder.parent / "ct_dicom_labels.nii.gz")
    return [_labelled_ct(np.stack(planes, axis=2), nibabel.as_closest_canonical(labels))]


def _labelled_ct(image: np.ndarray, labels: nibabel.Nifti1Image) -> _Exam:
    values = np.asarray(labels.dataobj).astype(int)
    liver = values == _CT_LIVER_LABEL
    kept = liver.sum(axis=(0, 1)) > 0
    others = {
        "spleen": (values == _SPLEEN_LABEL)[..., kept],
        "muscle": np.isin(values, _BACK_MUSCLE_LABELS)[..., kept],
    }
    spacing = np.array(labels.header.get_zooms()[:3], float)
    return image[..., kept].astype(np.float32), liver[..., kept], others, spacing


def _t2spir(folder: pathlib.Path) -> list[_Exam]:
    """The MR examinations."""
    exams = []
    for path in sorted(folder.glob("*_image.nii.gz")):
        image = nibabel.as_closest_canonical(nibabel.load(path))
        label_path = path.with_name(path.name.replace("_image", "_label"))
        labels = nibabel.as_closest_canonical(nibabel.load(label_path))
        liver = np.asarray(labels.dataobj) == _MR_LIVER_LABEL
        kept = liver.sum(axis=(0, 1)) > 0
        data = np.asarray(image.dataobj).astype(np.float32)[..., kept]
        exams.append((data, liver[..., kept], {}, np.array(image.header.get_zooms()[:3], float)))
    return exams


def _body(generator: np.random.Generator) -> anatomy.Subject:
    return anatomy.draw(person.draw(generator, _PREVALENCE, _VOLUME), generator)


def _grid(body: anatomy.Subject, spacing_mm: np.ndarray, slices: int) -> sampling.Grid:
    """A square field of view around the body, over its liver."""
    (left, back, _), (right, front, _) = body.extent_mm
    low, high = body.liver_range_mm
    pixel, step = float(spacing_mm[0]), float(spacing_mm[2])
    count = min(slices, int((high - low) / step))
    matrix = int(np.ceil(1.08 * max(right - left, front - back) / pixel))
    half = pixel * (matrix - 1) / 2
    middle = (low + high) / 2 - step * (count - 1) / 2
    return sampling.Grid(
        (matrix, matrix, count),
        (pixel, pixel, step),
        ((left + right) / 2 - half, (back + front) / 2 - half, middle),
    )


def _phantom_ct(name: str, seed: int, spacing_mm: np.ndarray, slices: int) -> _Exam:
    generator = np.random.default_rng(seed)
    body = _body(generator)
    grid = _grid(body, spacing_mm, slices)
    phase = "unenhanced" if name == "ct_native" else "portal_venous"
    institution = list(Institution)[seed % 2]
    protocol = ct.draw_protocol(phase, institution, grid.spacing_mm[2], generator)
    images = ct.acquire(body, grid, protocol, generator, threads=2)
    truth = images.truth
    others = {"spleen": truth.labels == Tissue.SPLEEN}
    # The muscles of the back, as the labels of the real scans have them.
    x, y = grid.axis_mm(0)[:, None, None], grid.axis_mm(1)[None, :, None]
    beside_spine = (np.abs(x) < 65) & (y < body.extent_mm[0][1] + 75)
    others["muscle"] = (truth.labels == Tissue.MUSCLE) & beside_spine
    return images.image.astype(np.float32), truth.liver, others, np.array(grid.spacing_mm)


def _phantom_mr(name: str, seed: int, spacing_mm: np.ndarray, slices: int) -> _Exam:
    generator = np.random.default_rng(seed)
    body = _body(generator)
    grid = _grid(body, spacing_mm, slices)
    institution = list(Institution)[seed % 2]
    protocol = mri.draw_protocol("hbp_t1w", (1.5, 3.0)[seed % 2], institution, generator)
    images = mri.acquire(body, grid, protocol, generator, threads=2)
    return images.image.astype(np.float32), images.truth.liver, {}, np.array(grid.spacing_mm)


def _figures(exam: _Exam, modality: str) -> _Figures:
    image, liver, others, spacing = exam
    figures = image_figures.liver_figures(image, liver, spacing)
    if modality == "mr":
        for scale in ("fine", "coarse"):
            ratio = figures[f"liver_{scale}_sd"] / figures["liver_mean"]
            figures[f"liver_{scale}_sd_percent"] = 100 * ratio
        power = np.array(figures["spectrum"])
        figures["spectrum"] = (power / power.mean()).tolist()
        return {key: figures[key] for key in (*_MR_FIGURES, *_CURVES[:2])}
    for tissue, mask in others.items():
        inner = image_figures.eroded(mask, spacing, 4.0)
        if inner.sum() > 50:
            figures[f"{tissue}_mean"] = float(image[inner].mean())
            figures[f"{tissue}_sd"] = float(image[inner].std())
    body = image_figures.body_mask(image, spacing, -300)
    return figures | image_figures.ct_figures(image, body, spacing)


def _compare_histograms(result: dict[str, dict[str, list[_Figures]]]) -> None:
    """Adds each phantom's distance to the real scan, and that of the real ones to one another."""
    reals = {name: sides["real"][0] for name, sides in result.items() if name.startswith("ct")}
    for name, real in reals.items():
        for figures in result[name]["phantom"]:
            figures["histogram_distance_hu"] = image_figures.histogram_distance_hu(
                figures["histogram"], real["histogram"]
            )
        others = [other for key, other in reals.items() if key != name]
        if others:
            real["histogram_distance_hu"] = image_figures.histogram_distance_hu(
                real["histogram"], others[0]["histogram"]
            )


def _table(name: str, sides: dict[str, list[_Figures]]) -> str:
    """Figures of the real scans and of the phantom: mean and range."""
    rows = [f"{name:32}{'real':>26}{'phantom: mean (min to max)':>34}"]
    keys = [key for key in sides["phantom"][0] if key not in _CURVES]
    for key in keys:
        cells = [_cell([f[key] for f in sides[side] if key in f]) for side in ("real", "phantom")]
        rows.append(f"{key:32}{cells[0]:>26}{cells[1]:>34}")
    return "\n".join(rows)


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.3g}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3g} to {max(values):.3g})"


def _draw(
    result: dict[str, dict[str, list[_Figures]]],
    exams: dict[str, tuple[list[_Exam], list[_Exam]]],
    path: str,
) -> None:
    """One row for each contrast: a real slice, two of the phantom, spectra, histograms."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, rows = pyplot.subplots(
        len(result), 5, figsize=(20, 4 * len(result)), squeeze=False, layout="constrained"
    )
    for axes, (name, sides) in zip(rows, result.items(), strict=True):
        real, phantom = exams[name]
        for axis, exam in zip(axes, (real[0], *phantom[:2]), strict=False):
            _show(axis, exam, name)
        for colour, side in (("black", "real"), ("tab:orange", "phantom")):
            for figures in sides[side]:
                axes[3].semilogy(figures["spectrum_per_mm"], figures["spectrum"], color=colour)
                if "histogram" in figures:
                    middle = image_figures.HISTOGRAM_HU[:-1] + 2.5
                    axes[4].plot(middle, figures["histogram"], color=colour)
        axes[3].set_xlabel("1/mm")
        axes[4].set_xlabel("HU")
        axes[4].set_visible(name.startswith("ct"))
    figure.savefig(path, dpi=60)


def _show(axis: Any, exam: _Exam, name: str) -> None:
    image, liver, _, _ = exam
    plane = image[..., liver.sum(axis=(0, 1)).argmax()].T[::-1]
    window = (-150, 250) if name.startswith("ct") else (0, np.percentile(plane, 99.5))
    axis.imshow(plane, cmap="gray", vmin=window[0], vmax=window[1])
    axis.axis("off")


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
