"""PDFF and R2* of an examination: from its echoes, or from the map that came with it."""

from collections.abc import Mapping

import numpy as np

from liver_jax.biometry import acquisition, maps, parenchyma, pdff, r2star
from liver_jax.biometry.acquisition import T1Correction
from liver_jax.biometry.fatwater import Fit
from liver_jax.cohort.manifest import Exam
from liver_jax.examine.options import FitOptions
from liver_jax.examine.scan import Scan


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


def t1_correction(exam: Exam, options: FitOptions) -> T1Correction | None:
    """The correction that is asked for, or None.

    Raises:
        InputError: The examination does not tell what it needs.
    """
    if not options.t1_correction:
        return None
    conditions = (exam.field_strength_t, exam.tr_ms, exam.flip_angle_deg)
    given = (options.t1_water_ms, options.t1_fat_ms)
    return acquisition.t1_correction(*conditions, *given, exam.images[0])


def facts(
    found: Fit, scan: Scan, mask: np.ndarray | None, options: FitOptions, t1: T1Correction | None
) -> dict:
    """What a record says of a fit; `liver_voxels` is None without a liver."""
    told = maps.facts(found, scan.acquired, options.spectrum, t1)
    return told | {
        "regularised": None if told["method"] == "complex" else options.regularised,
        "spacing_known": scan.spacing_known,
        "liver_voxels": maps.counts(found, mask) if mask is not None and mask.any() else None,
    }


def over_liver(found: Fit, scan: Scan, mask: np.ndarray) -> Mapping[str, dict]:
    """`pdff` and `r2star` of a fit over a liver that is not empty, in a few numbers each."""
    affine, fitted = scan.volume.affine, np.asarray(found.fitted)
    vessels = parenchyma.find_vessels(scan.volume.data, mask, affine)
    percent, per_s = np.asarray(found.pdff_percent), np.asarray(found.r2star_per_s)
    source = {"source": f"{maps.method(found)}_fit"}
    return {
        "pdff": source | pdff.summarise(percent, mask, affine, vessels, fitted).to_json(),
        "r2star": source | r2star.summarise(per_s, mask, affine, vessels, fitted).to_json(),
    }
