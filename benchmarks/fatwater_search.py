"""The exact magnitude model searched exhaustively: what magnitude echoes can tell, and no more.

|W + F c(t)| exp(-R2* t) is fitted by least squares over a dense grid of every fat fraction from 0
to 1 and every R2* from 0 to 300 1/s, the amplitude being linear. The best cell is polished by
Gauss-Newton steps, in which water or fat may become a little negative by noise, but R2* may not. No
prior, no neighbours, no start from complex data. (A search that lets R2* be negative exchanges fat
and water twice as often at the 3D echo times.)
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from benchmarks import fatwater_signal

_FRACTIONS = np.linspace(0, 1, 201)
_R2STAR_PER_S = np.arange(0, 302.5, 2.5)
_STEPS = 12
_CHUNK = 512  # voxels scored against the grid at once


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """The best fit of each voxel.

    Attributes:
        pdff_percent: Of the least sum of squares.
        r2star_per_s: With it.
    """

    pdff_percent: np.ndarray
    r2star_per_s: np.ndarray


def search(
    magnitude: np.ndarray,
    te_ms: Sequence[float],
    field_strength_t: float,
    spectrum: str = "hamilton_liver_6",
) -> Found:
    """Fits magnitudes [..., echo] by brute force."""
    frequency, share = fatwater_signal.peaks_hz(spectrum, field_strength_t)
    te_s = np.asarray(te_ms, float) / 1000
    dephasing = np.exp(2j * np.pi * np.outer(te_s, frequency)) @ share
    data = magnitude.reshape(-1, magnitude.shape[-1]).astype(float)
    water, fat, r2star = _polished(data, te_s, dephasing, _best_cell(data, te_s, dephasing)).T
    shape = magnitude.shape[:-1]
    return Found((100 * fat / (water + fat)).reshape(shape), r2star.reshape(shape))


def _best_cell(data: np.ndarray, te_s: np.ndarray, dephasing: np.ndarray) -> np.ndarray:
    """Water, fat and R2* of the best cell of the grid for each voxel, [voxel, 3]."""
    shape = np.abs(1 - _FRACTIONS[:, None] + _FRACTIONS[:, None] * dephasing)
    atoms = shape[:, None] * np.exp(-_R2STAR_PER_S[:, None] * te_s)
    atoms = atoms.reshape(-1, len(te_s))
    length = np.linalg.norm(atoms, axis=1)
    unit = (atoms / length[:, None]).T
    projection = np.empty(len(data))
    best = np.empty(len(data), int)
    for begin in range(0, len(data), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        # The greatest projection leaves the least sum of squares.
        scores = data[part] @ unit
        best[part] = scores.argmax(axis=1)
        projection[part] = scores.max(axis=1)
    amplitude = projection / length[best]
    row, column = np.divmod(best, len(_R2STAR_PER_S))
    fraction = _FRACTIONS[row]
    return np.stack(
        [amplitude * (1 - fraction), amplitude * fraction, _R2STAR_PER_S[column]], axis=1
    )


def _polished(
    data: np.ndarray, te_s: np.ndarray, dephasing: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Damped Gauss-Newton from `start`; only steps that lower the sum of squares are taken."""
    x = start.copy()
    damping = np.full(len(data), 1e-3)
    residual, jacobian = _model(x, data, te_s, dephasing)
    cost = (residual**2).sum(axis=1)
    for _ in range(_STEPS):
        normal = np.einsum("vep,veq->vpq", jacobian, jacobian)
        scale = np.einsum("vpp->vp", normal) + 1e-12
        normal += (damping[:, None] * scale)[:, :, None] * np.eye(3)
        gradient = np.einsum("vep,ve->vp", jacobian, residual)
        trial = x - np.linalg.solve(normal, gradient[..., None])[..., 0]
        trial[:, 2] = np.maximum(trial[:, 2], 0)
        new_residual, new_jacobian = _model(trial, data, te_s, dephasing)
        new_cost = (new_residual**2).sum(axis=1)
        better = new_cost < cost
        x[better], cost[better] = trial[better], new_cost[better]
        residual[better], jacobian[better] = new_residual[better], new_jacobian[better]
        damping = np.where(better, damping / 5, damping * 8)
    return x


def _model(
    x: np.ndarray, data: np.ndarray, te_s: np.ndarray, dephasing: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Residuals [voxel, echo] and their derivatives [voxel, echo, (W, F, R2*)]."""
    water, fat, r2star = x[:, :1], x[:, 1:2], x[:, 2:]
    decay = np.exp(-r2star * te_s)
    phasor = water + fat * dephasing
    size = np.maximum(np.abs(phasor), 1e-9)
    value = size * decay
    of_water = decay * phasor.real / size
    of_fat = decay * (phasor * dephasing.conj()).real / size
    return value - data, np.stack([of_water, of_fat, -te_s * value], axis=-1)
