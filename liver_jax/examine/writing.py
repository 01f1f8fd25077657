"""The files of one examination; measurements.json comes last, so that it tells of whole results."""

import datetime
import pathlib
import platform
from importlib import metadata

import jax

from liver_jax import files
from liver_jax.biometry import maps
from liver_jax.examine import dicom_objects
from liver_jax.examine.examination import Clock, Found
from liver_jax.examine.options import DONE, SCHEMA_VERSION, Options
from liver_jax.report import preview, scan_page
from liver_jax.volume import nifti

MASK, PROBABILITY = "mask.nii.gz", "probability.nii.gz"
PREVIEW, PAGE = "preview.png", "report.html"
SEGMENTATION, REPORT = "segmentation.dcm", "measurements.dcm"
_PACKAGES = ("jax", "flax", "numpy", "scipy", "nibabel", "pydicom")


def write(found: Found, options: Options, folder: pathlib.Path, clock: Clock | None = None) -> None:
    """Writes the files; those of an earlier run are removed first.

    Args:
        found: What to write.
        options: Which files are asked for.
        folder: Where.
        clock: Measures it.

    Raises:
        InputError: A file cannot be written.
        OSError: Something else cannot.
    """
    clock = clock or Clock()
    clock.begin("writing")
    clear(folder)
    grid, mask = found.image, found.mask
    mask_sha256 = None
    if mask is not None:
        with files.replacing(folder / MASK) as temporary:
            nifti.write(temporary, mask, grid)
            nifti.check_written(temporary, mask, grid)
        mask_sha256 = files.sha256(folder / MASK)
    if found.probability is not None:
        nifti.write(folder / PROBABILITY, found.probability, grid)
    if found.fit is not None and options.maps:
        maps.write(folder, found.fit, grid)
    record = {"schema_version": SCHEMA_VERSION} | found.record
    record |= {"mask_sha256": mask_sha256, "versions": _versions(), "device": _device()}
    record["dicom_reason"] = None
    if found.scan.origin is not None and mask is not None:
        written = dicom_objects.write(found, folder / SEGMENTATION, folder / REPORT)
        record["dicom_reason"] = written
    if options.pictures and mask is not None:
        modality = found.scan.exam.modality
        preview.write(folder / PREVIEW, grid, modality, mask)
        scan_page.write(folder / PAGE, grid, modality, mask, record)
    clock.end()
    record["seconds"] |= {"write": round(clock.seconds["writing"], 3)}
    finished = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    files.write_json(folder / DONE, record | {"finished_utc": finished})


def clear(folder: pathlib.Path) -> None:
    """Makes the folder where there is none, and removes an earlier run's files from it."""
    folder.mkdir(parents=True, exist_ok=True)
    files.sweep(folder)
    for name in (DONE, MASK, PROBABILITY, PREVIEW, PAGE, SEGMENTATION, REPORT, *maps.FILES):
        (folder / name).unlink(missing_ok=True)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("liver_jax", *_PACKAGES):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # run from its source folder
    return found


def _device() -> str:
    device = jax.devices()[0]
    return f"{jax.device_count()} x {device.device_kind} ({device.platform})"
