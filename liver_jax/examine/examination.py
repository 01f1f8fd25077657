"""One examination: read, segmented, fitted, measured, and written into a folder.

`predict` does all of it; `evaluate` takes the fit alone.
"""

import dataclasses
import datetime
import json
import pathlib
import platform
from collections.abc import Mapping
from importlib import metadata

import numpy as np

from liver_jax import files
from liver_jax.biometry import acquisition, maps, parenchyma, pdff, r2star, volumetry
from liver_jax.biometry.acquisition import Acquisition, T1Correction
from liver_jax.biometry.fatwater import Fit
from liver_jax.cohort import manifest
from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError
from liver_jax.inference import postprocess
from liver_jax.inference.predictor import Predictor, identity
from liver_jax.volume import geometry, matlab, nifti
from liver_jax.volume.geometry import Volume

_DONE = "measurements.json"
_MASK = "mask.nii.gz"
# Raised whenever what is measured changes: finished examinations are then done anew.
_SCHEMA_VERSION = 2
_NO_MASK, _EMPTY_MASK = "no mask was asked for", "the mask is empty"


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


@dataclasses.dataclass(frozen=True, eq=False)
class Scan:
    """An examination with its images.

    Attributes:
        exam: The examination; of a `.mat` file with what that tells.
        volume: The echoes, complex64 where there is phase, or the only image.
        body: bool `[x, y, z]`, where its file says that the body is; None where it does not.
        spacing_known: Whether its files tell the size of a voxel.
    """

    exam: Exam
    volume: Volume
    body: np.ndarray | None = None
    spacing_known: bool = True

    @property
    def first_echo(self) -> Volume:
        """Its magnitude, float32 `[x, y, z]`."""
        data = self.volume.data
        data = data if data.ndim == 3 else data[..., 0]
        return Volume(np.abs(data) if np.iscomplexobj(data) else data, self.volume.affine)

    @property
    def acquired(self) -> Acquisition:
        """What the fit needs to know of its echoes."""
        return acquired(self.exam, np.iscomplexobj(self.volume.data))


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What was made of one examination.

    Attributes:
        grid: The images, for their grid.
        mask: bool `[x, y, z]`; None where none was asked for.
        fit: None where none was asked for, or there are no echoes.
        record: What measurements.json says.
    """

    grid: Volume
    mask: np.ndarray | None
    fit: Fit | None
    record: dict

    @property
    def empty(self) -> bool:
        """Whether a mask was asked for, and no liver was found."""
        return self.mask is not None and not self.mask.any()


def has_echoes(exam: Exam) -> bool:
    """Whether a row of a manifest is one to fit: MR, with enough echo times."""
    return exam.modality == "MR" and len(exam.te_ms) >= acquisition.FEWEST_ECHOES


def acquired(exam: Exam, with_phase: bool) -> Acquisition:
    """What the fit needs to know of an examination, with or without its phase."""
    precession = exam.precession if with_phase else None
    return Acquisition(exam.te_ms, exam.field_strength_t, precession)


def check_echoes(exam: Exam, image: nifti.Header, echo_count: int) -> None:
    """Checks what the fit needs, as far as the row and the files' headers tell.

    Args:
        exam: The examination.
        image: The header of its first image.
        echo_count: The echoes that its images hold.

    Raises:
        InputError: Echo times, field strength or phase images that cannot be used.
    """
    first = exam.images[0]
    acquisition.check(acquired(exam, bool(exam.phase_images)), echo_count, first)
    if not exam.phase_images:
        return
    manifest.check_phase(exam)
    headers = {path: nifti.read_header(path) for path in exam.phase_images}
    for path, header in headers.items():
        geometry.check_same_grid(image, header, path, f"the image {first.name}")
    phase_count = sum(header.echo_count for header in headers.values())
    if phase_count != echo_count:
        fault = f"{phase_count} phase images for {echo_count} magnitude images"
        raise InputError(exam.phase_images[0], fault, "Give one for each echo")


def request(exam: Exam, predictor: Predictor | None, options: FitOptions | None) -> dict:
    """What the results of an examination depend on, to tell whether they are still those.

    Raises:
        InputError: An image cannot be read.
    """
    sequence = {"tr_ms": exam.tr_ms, "flip_angle_deg": exam.flip_angle_deg}
    return {
        "schema_version": _SCHEMA_VERSION,
        "modality": exam.modality,
        "images_sha256": list(manifest.image_hashes(exam)),
        "checkpoint": identity(predictor) if predictor else None,
        "fit": fit_request(exam) | sequence | dataclasses.asdict(options) if options else None,
    }


def fit_request(exam: Exam) -> dict:
    """What the fit of an examination depends on beside its magnitude images and the options.

    Raises:
        InputError: An image cannot be read.
    """
    return {
        "phase_sha256": [manifest.image_hash(path) for path in exam.phase_images],
        "phase_unit": exam.phase_unit,
        "precession": exam.precession,
        "te_ms": list(exam.te_ms),
        "field_strength_t": exam.field_strength_t,
    }


def is_done(folder: pathlib.Path, wanted: Mapping) -> bool:
    """Whether a folder holds the results of this request, whole: they are written in that order."""
    try:
        return json.loads((folder / _DONE).read_text(encoding="utf-8"))["request"] == wanted
    except (OSError, ValueError, KeyError, TypeError):
        return False  # not there yet, or damaged


def forget_other(folder: pathlib.Path, wanted: Mapping) -> None:
    """Removes the record of another request: it is not to stand where this one is refused or fails.

    Raises:
        OSError: It cannot be removed.
    """
    if not is_done(folder, wanted):
        (folder / _DONE).unlink(missing_ok=True)


def read(exam: Exam, with_phase: bool) -> Scan:
    """Reads the images of an examination.

    Args:
        exam: The examination; its only image may be an ISMRM `.mat` file.
        with_phase: Whether to read phase images, too, where there are any.

    Raises:
        InputError: As `manifest.load_complex`, `manifest.load_image` and `matlab.read`.
    """
    if matlab.is_matlab_name(exam.images[0]):
        held = matlab.read(exam.images[0])
        told = {"te_ms": held.te_ms, "field_strength_t": held.field_strength_t}
        exam = dataclasses.replace(exam, **told, precession=held.precession)
        return Scan(exam, held.volume, held.mask, held.spacing_known)
    echoes = manifest.load_complex(exam) if with_phase else None
    return Scan(exam, manifest.load_image(exam) if echoes is None else echoes)


def find(
    exam: Exam, predictor: Predictor | None, options: FitOptions | None, wanted: Mapping
) -> Found:
    """Computes what is asked for of one examination; writes nothing.

    Args:
        exam: The examination. A row of a manifest that has no echoes is not fitted; one made from
            flags is to have them.
        predictor: Segments; None for no mask.
        options: Of the fit; None for no maps.
        wanted: The `request` of these three.

    Raises:
        InputError: As `read`, `fit` and `Predictor.probability`. Echoes that cannot be fitted are
            refused before the network's work.
    """
    fitting = options is not None and (exam.manifest is None or has_echoes(exam))
    scan = read(exam, fitting)
    mask = found = told = t1 = None
    if fitting:
        maps.check(scan.volume, scan.acquired, exam.images[0])
        t1 = _t1_correction(scan.exam, options) if options.t1_correction else None
    if predictor:
        subject = str(exam.images[0])
        probability = predictor.probability(scan.first_echo, exam.modality, subject)
        mask = postprocess.threshold(probability)
    if fitting:
        found = fit(scan, mask, options, t1)
        told = maps.facts(found, scan.acquired, options.spectrum, t1)
        told |= {
            "regularised": None if told["method"] == "complex" else options.regularised,
            "spacing_known": scan.spacing_known,
            "liver": _over_liver(found, scan, mask),
        }
    record = _record(scan, mask, predictor) | {"maps": told, "request": dict(wanted)}
    return Found(scan.volume, mask, found, record)


def fit(
    scan: Scan,
    liver: np.ndarray | None = None,
    options: FitOptions | None = None,
    t1: T1Correction | None = None,
) -> Fit:
    """Fits the echoes of a scan in its body, and wherever there is said to be liver.

    Args:
        scan: The echoes.
        liver: bool `[x, y, z]`: fitted even where it is dark; None for no more than the body.
        options: By default those of `FitOptions`.
        t1: The correction to make; None for none.

    Raises:
        InputError: As `maps.fit`.
    """
    subject = scan.exam.images[0]
    options = options or FitOptions()
    how = (options.spectrum, t1, options.regularised)
    where = (scan.body, liver, scan.spacing_known)
    return maps.fit(scan.volume, scan.acquired, subject, *how, *where)


def write(found: Found, folder: pathlib.Path) -> None:
    """Writes the files, measurements.json last; those of an earlier run are removed first.

    Raises:
        InputError: A map or a mask cannot be written.
        OSError: Something else cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (_DONE, _MASK, *maps.FILES):
        (folder / name).unlink(missing_ok=True)
    mask_sha256 = None
    if found.mask is not None:
        nifti.write(folder / _MASK, found.mask, found.grid)
        mask_sha256 = files.sha256(folder / _MASK)
    if found.fit is not None:
        maps.write(folder, found.fit, found.grid)
    packages = ("jax", "numpy", "scipy", "nibabel")
    versions = {package: metadata.version(package) for package in packages}
    closing = {
        "mask_sha256": mask_sha256,
        "versions": {"python": platform.python_version(), **versions},
        "finished_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    files.write_json(folder / _DONE, found.record | closing)


def words(found: Found) -> str:
    """The outcome in a line for the terminal."""
    parts = []
    if found.empty:
        parts.append("no liver was found")
    elif found.mask is not None:
        parts.append(f"liver volume {found.record['volume_ml']:.1f} mL")
        liver = found.record["maps"] and found.record["maps"]["liver"]
        if liver and liver["pdff"]["mean"]["value"] is not None:
            parts.append(f"mean PDFF {liver['pdff']['mean']['value']:.1f} %")
    if found.fit is not None:
        method, voxels = found.record["maps"]["method"], found.record["maps"]["voxels"]
        doubtful = f"{voxels['ambiguous']} ambiguous, {voxels['failed']} failed"
        seen = sum(voxels.values()) - voxels["background"]
        parts.append(f"{method} fit of {seen} voxels ({doubtful})")
    return "; ".join(parts)


def _t1_correction(exam: Exam, options: FitOptions) -> T1Correction:
    conditions = (exam.field_strength_t, exam.tr_ms, exam.flip_angle_deg)
    given = (options.t1_water_ms, options.t1_fat_ms)
    return acquisition.t1_correction(*conditions, *given, exam.images[0])


def _over_liver(found: Fit, scan: Scan, mask: np.ndarray | None) -> dict | None:
    """The maps over the liver in a few numbers; None without a liver."""
    if mask is None or not mask.any():
        return None
    affine, fitted = scan.volume.affine, np.asarray(found.fitted)
    vessels = parenchyma.find_vessels(scan.volume.data, mask, affine)
    percent, per_s = np.asarray(found.pdff_percent), np.asarray(found.r2star_per_s)
    return {
        "voxels": maps.counts(found, mask),
        "pdff": pdff.summarise(percent, mask, affine, vessels, fitted).to_json(),
        "r2star": r2star.summarise(per_s, mask, affine, vessels, fitted).to_json(),
    }


def _record(scan: Scan, mask: np.ndarray | None, predictor: Predictor | None) -> dict:
    exam = scan.exam
    reason = _NO_MASK if mask is None else None if mask.any() else _EMPTY_MASK
    return {
        "status": "empty" if reason == _EMPTY_MASK else "ok",
        "input": [path.name for path in exam.images],
        "phase": [path.name for path in exam.phase_images],
        "modality": exam.modality,
        "volume_ml": None if reason else volumetry.volume_ml(mask, scan.volume.affine),
        "volume_ml_reason": reason,
        "mask_voxels": None if mask is None else int(mask.sum()),
        "checkpoint": predictor.checkpoint if predictor else None,
    }
