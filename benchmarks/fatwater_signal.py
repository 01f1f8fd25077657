"""Fat-water echoes from the signal equation, written a second time.

Nothing of liver_jax is used, so that an error in its signal shows as an error of its fit: other
formulae (absolute ppm of the peaks, cosines instead of a matrix product), and numbers of its own.

Convention: s(t) = (W + F c(t)) exp(i phase) exp(-R2* t) exp(+i 2 pi psi t), fat at the lower
frequency ("clockwise"). W + F is 1 unless said otherwise; the SNR is (W + F) over the standard
deviation of the noise in each of the real and the imaginary channel.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

TE_2D_MS = (1.15, 2.30, 3.45, 4.60, 5.75, 6.90)
TE_3D_MS = (0.90, 1.66, 2.42, 3.18, 3.94, 4.70)
# MHz per tesla, CODATA 2018.
_PROTON = 42.577478518
# Peaks in absolute ppm with their share of fat's protons, and where water lies beside them.
# Hamilton et al. 2011, liver; the ISMRM challenge of 2012; fat phantoms at room temperature.
_PEAKS = {
    "hamilton_liver_6": (
        4.70,
        ((0.90, 8.8), (1.30, 70.0), (2.10, 12.0), (2.75, 0.6), (4.20, 3.9), (5.30, 4.7)),
    ),
    "hamilton_liver_9": (
        4.70,
        (
            (0.90, 8.8),
            (1.30, 64.2),
            (1.60, 5.8),
            (2.02, 6.2),
            (2.24, 5.8),
            (2.75, 0.6),
            (4.20, 3.9),
            (5.19, 1.0),
            (5.29, 3.7),
        ),
    ),
    "ismrm_2012": (
        4.70,
        ((0.90, 8.7), (1.30, 69.3), (2.10, 12.8), (2.76, 0.4), (4.31, 3.9), (5.30, 4.8)),
    ),
    "room_temperature": (
        4.80,
        ((0.90, 8.7), (1.30, 69.4), (2.10, 12.8), (2.76, 0.4), (4.31, 3.9), (5.30, 4.8)),
    ),
}
SPECTRA = tuple(_PEAKS)


@dataclasses.dataclass(frozen=True, eq=False)
class Truth:
    """What the voxels hold, each attribute of the same shape [row, column].

    Attributes:
        fat_fraction: F / (W + F).
        r2star_per_s: Of both.
        field_hz: Offset of the field.
        phase_radian: At echo time 0.
        amplitude: W + F.
    """

    fat_fraction: np.ndarray
    r2star_per_s: np.ndarray
    field_hz: np.ndarray
    phase_radian: np.ndarray
    amplitude: np.ndarray


def peaks_ppm(spectrum: str) -> tuple[float, tuple[tuple[float, float], ...]]:
    """Water's absolute ppm, and each peak of fat's with its share in percent."""
    return _PEAKS[spectrum]


def peaks_hz(spectrum: str, field_strength_t: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequency of each peak of fat from water (negative: lower), and shares that sum to 1."""
    water_ppm, peaks = _PEAKS[spectrum]
    ppm, share = np.array(peaks).T
    return (ppm - water_ppm) * _PROTON * field_strength_t, share / share.sum()


def echoes(
    truth: Truth,
    te_ms: Sequence[float],
    field_strength_t: float,
    spectrum: str = "hamilton_liver_6",
    fat_weight: float = 1.0,
) -> np.ndarray:
    """Noiseless echoes, complex128 [row, column, echo].

    Args:
        truth: What the voxels hold.
        te_ms: Echo times.
        field_strength_t: B0.
        spectrum: One of SPECTRA.
        fat_weight: Fat's T1 weighting over water's.
    """
    frequency, share = peaks_hz(spectrum, field_strength_t)
    fat = truth.amplitude * truth.fat_fraction * fat_weight
    water = truth.amplitude * (1 - truth.fat_fraction)
    images = []
    for te in np.asarray(te_ms, float) * 1e-3:
        in_phase = water + fat * sum(share * np.cos(2 * np.pi * frequency * te))
        in_quadrature = fat * sum(share * np.sin(2 * np.pi * frequency * te))
        turned = truth.phase_radian + 2 * np.pi * truth.field_hz * te
        decay = np.exp(-truth.r2star_per_s * te)
        real = in_phase * np.cos(turned) - in_quadrature * np.sin(turned)
        imaginary = in_phase * np.sin(turned) + in_quadrature * np.cos(turned)
        images.append(decay * (real + 1j * imaginary))
    return np.stack(images, axis=-1)


def with_noise(images: np.ndarray, snr: float, seed: int) -> np.ndarray:
    """Adds noise of standard deviation 1 / snr to each channel; none where snr is infinite."""
    generator = np.random.default_rng(seed)
    channels = generator.standard_normal((2, *images.shape)) / snr
    return images + channels[0] + 1j * channels[1]
