"""The least standard deviation that an unbiased fit of the echoes can have (Cramér-Rao)."""

from collections.abc import Sequence

import numpy as np

from benchmarks import fatwater_signal
from benchmarks.fatwater_signal import Truth

# Parameters of the signal: which of them a method fits makes its bound. In quadrature: turned by a
# quarter from the phase that both share.
WATER, FAT, R2STAR, FIELD, PHASE, WATER_IN_QUADRATURE, FAT_IN_QUADRATURE = range(7)
_PARAMETERS = {
    "magnitude": (WATER, FAT, R2STAR),
    "one_phase": (WATER, FAT, R2STAR, FIELD, PHASE),
    "complex": (WATER, FAT, R2STAR, FIELD, WATER_IN_QUADRATURE, FAT_IN_QUADRATURE),
}


def bound(
    truth: Truth,
    te_ms: Sequence[float],
    field_strength_t: float,
    snr: float,
    kind: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations of PDFF in points and of R2* in 1/s, of the shape of the truth.

    Args:
        truth: What the voxels hold.
        te_ms: Echo times.
        field_strength_t: B0.
        snr: Of each channel, for an amplitude of 1.
        kind: `complex` (water and fat each with a phase), `one_phase` (both with the same), or
            `magnitude` (noise taken as Gaussian).
    """
    frequency, share = fatwater_signal.peaks_hz("hamilton_liver_6", field_strength_t)
    te_s = np.asarray(te_ms, float) / 1000
    dephasing = np.exp(2j * np.pi * np.outer(te_s, frequency)) @ share
    fraction = truth.fat_fraction.ravel()[:, None]
    amplitude = truth.amplitude.ravel()[:, None]
    decay = np.exp(-truth.r2star_per_s.ravel()[:, None] * te_s)
    signal = amplitude * (1 - fraction + fraction * dephasing) * decay
    of_fat = dephasing * decay
    slopes = {
        WATER: decay + 0j,
        FAT: of_fat,
        R2STAR: -te_s * signal,
        FIELD: 2j * np.pi * te_s * signal,
        PHASE: 1j * signal,
        WATER_IN_QUADRATURE: 1j * decay,
        FAT_IN_QUADRATURE: 1j * of_fat,
    }
    slopes = {key: slopes[key] for key in _PARAMETERS[kind]}
    if kind == "magnitude":
        turned = np.conj(signal) / np.maximum(np.abs(signal), 1e-12)
        slopes = {key: (slope * turned).real for key, slope in slopes.items()}
    matrix = np.stack(list(slopes.values()), axis=-1)
    matrix = np.concatenate([matrix.real, matrix.imag], axis=1)
    size = np.linalg.norm(matrix, axis=1, keepdims=True)
    matrix = matrix / size
    information = np.einsum("vep,veq->vpq", matrix, matrix)
    covariance = np.linalg.inv(information) / snr**2
    covariance /= size[:, 0, :, None] * size[:, 0, None, :]
    gradient = np.zeros((len(signal), matrix.shape[-1]))
    gradient[:, WATER], gradient[:, FAT] = -fraction[:, 0], 1 - fraction[:, 0]
    gradient *= 100 / amplitude
    variance = np.einsum("vp,vpq,vq->v", gradient, covariance, gradient)
    shape = truth.fat_fraction.shape
    return np.sqrt(variance).reshape(shape), np.sqrt(covariance[:, R2STAR, R2STAR]).reshape(shape)
