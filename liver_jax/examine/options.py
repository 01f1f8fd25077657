"""What is asked for of an examination, and how a finished one is told from another request."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping

from liver_jax import files
from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError
from liver_jax.inference.predictor import Predictor, identity
from liver_jax.volume import matlab, reader

DONE = "measurements.json"
# Raised whenever what is measured changes: finished examinations are then done anew.
SCHEMA_VERSION = 4


@dataclasses.dataclass(frozen=True)
class FitOptions:
    """How to fit; the rest is the examination's.

    Attributes:
        spectrum: Of fat, one of `maps.SPECTRA`.
        regularised: Whether neighbours help to tell fat from water in magnitude. Without, noise
            turns some of a liver's water into fat, and its mean is too high.
        t1_correction: Whether to divide out how T1 weights fat over water.
        t1_water_ms: For the correction; None for the literature's.
        t1_fat_ms: As `t1_water_ms`.
    """

    spectrum: str = "hamilton_liver_6"
    regularised: bool = True
    t1_correction: bool = False
    t1_water_ms: float | None = None
    t1_fat_ms: float | None = None


@dataclasses.dataclass(frozen=True)
class Options:
    """What to do with an examination.

    Attributes:
        series: Which series of a DICOM folder; None for the rule of `volume.dicom.choice`.
        echo: The echo to segment, from 1; None for the consensus of all.
        augmented: Whether to average over images slightly turned and magnified.
        contrasts: Whether to average over images with other grey values.
        postprocessed: Whether to keep the largest component alone, without holes and necks.
        probability: Whether to write the probability map.
        pictures: Whether to write preview.png and report.html.
        keep_identifiers: Whether file names and a DICOM file's identifiers may be written.
        maps: Whether to write PDFF and R2* maps; echoes that do not allow them are then refused.
        fit: How to fit the echoes.
    """

    series: str | None = None
    echo: int | None = 1
    augmented: bool = False
    contrasts: bool = False
    postprocessed: bool = True
    probability: bool = False
    pictures: bool = True
    keep_identifiers: bool = False
    maps: bool = False
    fit: FitOptions = dataclasses.field(default_factory=FitOptions)


def request(exam: Exam, predictor: Predictor | None, options: Options) -> dict:
    """What the results of an examination depend on, to tell whether they are still those.

    Raises:
        InputError: An image cannot be read.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "exam_id": exam.exam_id,
        "modality": exam.modality,
        "contrast_phase": exam.contrast_phase,
        "images_sha256": [_sha256(path, options.series) for path in exam.images],
        "pdff_map_sha256": reader.sha256(exam.pdff_map) if exam.pdff_map else None,
        "pdff_unit": exam.pdff_unit,
        "tr_ms": exam.tr_ms,
        "flip_angle_deg": exam.flip_angle_deg,
        "checkpoint": identity(predictor) if predictor else None,
        "echoes": fit_request(exam),
        "options": dataclasses.asdict(options),
    }


def fit_request(exam: Exam) -> dict:
    """What the fit of an examination depends on beside its magnitude images and the options.

    Raises:
        InputError: An image cannot be read.
    """
    return {
        "phase_sha256": [reader.sha256(path) for path in exam.phase_images],
        "phase_unit": exam.phase_unit,
        "precession": exam.precession,
        "te_ms": list(exam.te_ms),
        "field_strength_t": exam.field_strength_t,
    }


def _sha256(path: pathlib.Path, series: str | None) -> str:
    if not matlab.is_matlab_name(path):
        return reader.sha256(path, series)
    try:
        return files.sha256(path)
    except OSError as error:
        fault = f"cannot be read: {error.strerror or error}"
        raise InputError(path, fault, "Correct the name, or put the file there") from error


def is_done(folder: pathlib.Path, wanted: Mapping) -> bool:
    """Whether a folder holds the results of this request, whole: they are written in that order."""
    try:
        return json.loads((folder / DONE).read_text(encoding="utf-8"))["request"] == wanted
    except (OSError, ValueError, KeyError, TypeError):
        return False  # not there yet, or damaged


def forget_other(folder: pathlib.Path, wanted: Mapping) -> None:
    """Removes the record of another request: it is not to stand where this one is refused or fails.

    Raises:
        OSError: It cannot be removed.
    """
    if not is_done(folder, wanted):
        (folder / DONE).unlink(missing_ok=True)
