"""The mask and the measurements as DICOM objects, where the scan came as DICOM."""

import datetime
import pathlib
from collections.abc import Mapping
from importlib import metadata

import numpy as np

from liver_jax.examine.examination import Found
from liver_jax.volume.dicom import derived, segmentation, structured_report
from liver_jax.volume.dicom.derived import Algorithm
from liver_jax.volume.dicom.structured_report import Measurements
from liver_jax.volume.geometry import Volume

# What is measured by MR; the estimate from attenuation is none.
_MEASURED = ("magnitude_fit", "complex_fit", "map")


def write(found: Found, segmentation_path: pathlib.Path, report_path: pathlib.Path) -> str | None:
    """Writes the segmentation and, where there is anything to report, the structured report.

    Args:
        found: With a mask, of a scan that came as DICOM.
        segmentation_path: The segmentation's file.
        report_path: The report's file.

    Returns:
        Why the images cannot be referred to, so that nothing was written; else None.

    Raises:
        OSError: A file cannot be written.
    """
    origin, mask = found.scan.origin, found.mask
    if why := derived.obstacle(origin):
        return why
    checkpoint = found.record["request"]["checkpoint"]
    algorithm = Algorithm(version=_version(), checkpoint_sha256=checkpoint["record_sha256"])
    # One moment for both; the local one, as DICOM's dates and times are.
    created = datetime.datetime.now().replace(microsecond=0)
    whole = Volume(np.asarray(mask, bool), found.image.affine)
    segmentation.write(segmentation_path, whole, origin, algorithm, created)
    measured = _measurements(found.record)
    if measured != Measurements():
        structured_report.write(
            report_path, measured, segmentation_path, origin, algorithm, created
        )
    return None


def _measurements(record: Mapping) -> Measurements:
    def mean(name: str) -> float | None:
        summary = record[name]
        return summary["mean"]["value"] if summary and summary["source"] in _MEASURED else None

    attenuation = record["attenuation"]
    return Measurements(
        volume_ml=record["volume_ml"],
        pdff_percent=mean("pdff"),
        r2star_per_s=mean("r2star"),
        attenuation_hu=attenuation["mean_hu"] if attenuation else None,
    )


def _version() -> str:
    try:
        return metadata.version("liver_jax")
    except metadata.PackageNotFoundError:  # run from its source folder
        return "unknown"
