"""Spoiled gradient echo: T1 weighting, fat-water interference and contrast agent."""

from collections.abc import Sequence

import numpy as np

from liver_jax.physics import spectra


def spgr_weight(
    t1_ms: float | np.ndarray, tr_ms: float, flip_angle_deg: float
) -> float | np.ndarray:
    """Steady-state weight of a spoiled gradient echo (Ernst), sin(a)(1 - E1)/(1 - E1 cos(a)).

    Args:
        t1_ms: Longitudinal relaxation time, any shape.
        tr_ms: Repetition time.
        flip_angle_deg: Flip angle.

    Returns:
        The fraction of the equilibrium magnetisation seen, of the shape of `t1_ms`.
    """
    e1 = np.exp(-tr_ms / np.asarray(t1_ms, dtype=np.float64))
    angle = np.deg2rad(flip_angle_deg)
    return np.sin(angle) * (1.0 - e1) / (1.0 - e1 * np.cos(angle))


def fat_over_water_weight(
    tr_ms: float, flip_angle_deg: float, t1_water_ms: float, t1_fat_ms: float
) -> float:
    """By how much a spoiled gradient echo weights fat over water: F's weight over W's.

    Fat's T1 is shorter, so the ratio is above 1 and an uncorrected fat fraction too high
    (Liu et al., Magn Reson Med 2007;58:354).

    Args:
        tr_ms: Repetition time.
        flip_angle_deg: Flip angle.
        t1_water_ms: T1 of the tissue's water, `tissues.MR[Tissue.LIVER].t1_ms` for liver.
        t1_fat_ms: T1 of fat, `tissues.FAT_T1_MS`.

    Returns:
        The ratio, which the fits take as `t1_weight`.
    """
    weights = spgr_weight(np.array([t1_fat_ms, t1_water_ms]), tr_ms, flip_angle_deg)
    return float(weights[0] / weights[1])


def multiecho(
    water: float | np.ndarray,
    fat: float | np.ndarray,
    r2star_per_s: float | np.ndarray,
    te_ms: Sequence[float],
    field_strength_t: float,
    spectrum: spectra.Spectrum = spectra.HAMILTON_LIVER,
) -> np.ndarray:
    """Complex signal (W + F c(t)) exp(-R2* t), with the T1 weighting already in W and F.

    Args:
        water: Weighted water signal, any shape.
        fat: Weighted fat signal, of the shape of `water`.
        r2star_per_s: Decay rate of both, of the shape of `water`.
        te_ms: Echo times [echo].
        field_strength_t: B0 in tesla.
        spectrum: Of fat.

    Returns:
        complex128 [..., echo]: the shape of `water` and one axis more.
    """
    te_s = np.asarray(te_ms, dtype=np.float64) / 1000.0
    decay = np.exp(-np.asarray(r2star_per_s)[..., None] * te_s)
    c = spectra.dephasing(spectrum, te_ms, field_strength_t)
    return (np.asarray(water)[..., None] + np.asarray(fat)[..., None] * c) * decay


def pdff_percent(water: np.ndarray, fat: np.ndarray) -> np.ndarray:
    """Proton density fat fraction, 100 F / (W + F), of unweighted densities; 0 where both are 0."""
    total = water + fat
    return 100.0 * np.divide(fat, total, out=np.zeros_like(total), where=total > 0)


def enhanced_t1_ms(t1_ms: float, relaxivity_per_s_mm: float, concentration_mm: float) -> float:
    """T1 in the presence of a contrast agent: 1/T1 = 1/T10 + r1 C, with C in mmol/L."""
    return 1000.0 / (1000.0 / t1_ms + relaxivity_per_s_mm * concentration_mm)
