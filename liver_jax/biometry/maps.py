"""Maps of one examination, from its echoes to files: PDFF, R2*, field, and where to believe them.

`pdff_percent.nii.gz` is not cut off at 0 and 100 (see `fatwater.Fit`). `fit_status.nii.gz` says of
each voxel what its numbers are worth: see `STATUS`. The maps are 0 in the background and where the
fit failed.
"""

import dataclasses
import pathlib

import numpy as np

from liver_jax.biometry import acquisition, fatwater
from liver_jax.biometry.acquisition import Acquisition, T1Correction
from liver_jax.biometry.fatwater import Fit
from liver_jax.errors import InputError
from liver_jax.physics import spectra
from liver_jax.volume import geometry, nifti, phase
from liver_jax.volume.geometry import Volume

SPECTRA = tuple(spectra.NAMED)
STATUS = {"background": 0, "fitted": 1, "ambiguous": 2, "failed": 3}
FILES = (
    "pdff_percent.nii.gz",
    "pdff_standard_error_percent.nii.gz",
    "r2star_per_s.nii.gz",
    "r2star_standard_error_per_s.nii.gz",
    "field_map_hz.nii.gz",
    "fit_status.nii.gz",
)


def check(echoes: Volume, acquired: Acquisition, subject: str | pathlib.Path) -> None:
    """Refuses echoes that `fit` would refuse, as far as that is known without the work of it.

    Args:
        echoes: Magnitude (float32) or complex64 `[x, y, z, echo]`.
        acquired: How.
        subject: The file or examination, for messages.

    Raises:
        InputError: As `acquisition.check`; or real images cannot be magnitudes.
    """
    acquisition.check(acquired, echoes.echo_count, subject)
    if not np.iscomplexobj(echoes.data):
        phase.check_magnitude(echoes, subject)


def fit(
    echoes: Volume,
    acquired: Acquisition,
    subject: str | pathlib.Path,
    spectrum: str = "hamilton_liver_6",
    t1: T1Correction | None = None,
    regularised: bool = False,
    body: np.ndarray | None = None,
    liver: np.ndarray | None = None,
    spacing_known: bool = True,
) -> Fit:
    """Fits water, fat and R2*; of complex echoes the field, too.

    Args:
        echoes: Magnitude (float32) or complex64 `[x, y, z, echo]`.
        acquired: How.
        subject: The file or examination, for messages.
        spectrum: One of `SPECTRA`.
        t1: The correction to make; None for none.
        regularised: Whether neighbours help to tell fat from water in magnitude; in complex echoes
            they always do.
        body: bool `[x, y, z]`: where to fit; by default the foreground.
        liver: bool `[x, y, z]`: fitted even where it is outside the body, being dark with iron.
        spacing_known: Whether the echoes' affine tells the true size of a voxel.

    Raises:
        InputError: As `check`; the spectrum is unknown; or nothing in the echoes can be fitted.
    """
    check(echoes, acquired, subject)
    if spectrum not in SPECTRA:
        known = ", ".join(SPECTRA)
        raise InputError("--spectrum", f"there is no {spectrum!r}", f"Write one of {known}")
    weight = t1.weight if t1 else None
    region = np.asarray(fatwater.foreground(echoes.data)) if body is None else body
    if liver is not None:
        region = region | liver
    if not region.any():
        raise InputError(subject, "is empty: no voxel stands out", "Name the echoes of a scan")
    given = (echoes.data, acquired.te_ms, acquired.field_strength_t, spectrum)
    if np.iscomplexobj(echoes.data):
        found = fatwater.fit_complex(
            *given,
            precession=acquired.precession,
            spacing_mm=tuple(echoes.spacing_mm.tolist()) if spacing_known else None,
            t1_weight=weight,
            mask=region,
        )
    else:
        found = fatwater.fit_magnitude(
            *given, t1_weight=weight, mask=region, regularised=regularised
        )
    if not np.asarray(found.fitted).any():
        remedy = "Check echo times, field strength and the order of the images"
        raise InputError(subject, "no voxel could be fitted", remedy)
    return found


def write(folder: pathlib.Path, found: Fit, like: geometry.Placed) -> None:
    """Writes the maps on the echoes' own grid.

    Args:
        folder: Gets `FILES`; of magnitude echoes without the field map.
        found: The fit.
        like: The echoes.

    Raises:
        InputError: A file cannot be written.
    """
    held = {
        "pdff_percent": found.pdff_percent,
        "pdff_standard_error_percent": found.pdff_standard_error_percent,
        "r2star_per_s": found.r2star_per_s,
        "r2star_standard_error_per_s": found.r2star_standard_error_per_s,
        "field_map_hz": found.field_map_hz,
    }
    for name, values in held.items():
        if values is not None:
            nifti.write(folder / f"{name}.nii.gz", np.asarray(values), like, np.float32)
    nifti.write(folder / "fit_status.nii.gz", status(found), like)


def status(found: Fit) -> np.ndarray:
    """What each voxel's numbers are worth: uint8 `[x, y, z]`, a value of `STATUS`."""
    fitted, ambiguous = np.asarray(found.fitted), np.asarray(found.ambiguous)
    values = np.zeros(fitted.shape, np.uint8)
    values[fitted] = STATUS["fitted"]
    values[fitted & ambiguous] = STATUS["ambiguous"]
    values[np.asarray(found.failed)] = STATUS["failed"]
    return values


def counts(found: Fit, mask: np.ndarray | None = None) -> dict[str, int]:
    """How many voxels have each `STATUS`: of all, or of those in a mask (bool `[x, y, z]`)."""
    values = status(found)
    values = values.ravel() if mask is None else values[mask]
    return {name: int(np.count_nonzero(values == value)) for name, value in STATUS.items()}


def method(found: Fit) -> str:
    """Which fit it was: `complex` or `magnitude`."""
    return "magnitude" if found.field_map_hz is None else "complex"


def facts(
    found: Fit, acquired: Acquisition, spectrum: str, t1: T1Correction | None
) -> dict[str, object]:
    """What a record says of a fit, ready for JSON."""
    errors = found.phase_error_radian
    return {
        "method": method(found),
        "te_ms": list(acquired.te_ms),
        "field_strength_t": acquired.field_strength_t,
        "precession": acquired.precession,
        "spectrum": spectrum,
        "t1_correction": {**dataclasses.asdict(t1), "weight": t1.weight} if t1 else None,
        "voxels": counts(found),
        "noise": float(found.noise),
        "phase_error_radian": None if errors is None else np.asarray(errors).tolist(),
    }
