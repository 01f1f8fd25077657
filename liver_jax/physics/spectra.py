"""Proton spectra of fat: where its peaks lie from water, and how they dephase with echo time."""

import dataclasses
from collections.abc import Sequence

import numpy as np

GYROMAGNETIC_RATIO_MHZ_PER_T = 42.57747892


@dataclasses.dataclass(frozen=True)
class Spectrum:
    """Peaks of fat: shift from water in ppm (negative: lower frequency) and relative amplitude."""

    shift_ppm: tuple[float, ...]
    amplitude: tuple[float, ...]


# Hamilton et al., NMR Biomed 2011;24:784, human liver, reduced to six peaks.
HAMILTON_LIVER = Spectrum(
    shift_ppm=(-3.80, -3.40, -2.60, -1.95, -0.50, 0.60),
    amplitude=(0.088, 0.700, 0.120, 0.006, 0.039, 0.047),
)
# ISMRM fat-water challenge 2012; the amplitudes sum to 0.999 and are normalised where used.
ISMRM_2012 = Spectrum(
    shift_ppm=(-3.80, -3.40, -2.60, -1.94, -0.39, 0.60),
    amplitude=(0.087, 0.693, 0.128, 0.004, 0.039, 0.048),
)
# The same publication's nine peaks, absolute ppm less water's 4.70.
HAMILTON_LIVER_9 = Spectrum(
    shift_ppm=(-3.80, -3.40, -3.10, -2.68, -2.46, -1.95, -0.50, 0.49, 0.59),
    amplitude=(0.088, 0.642, 0.058, 0.062, 0.058, 0.006, 0.039, 0.010, 0.037),
)
# Fat phantoms at room temperature: water lies about 0.1 ppm further from fat than in the body.
ROOM_TEMPERATURE = Spectrum(
    shift_ppm=(-3.90, -3.50, -2.70, -2.04, -0.49, 0.50),
    amplitude=(0.087, 0.694, 0.128, 0.004, 0.039, 0.048),
)

# By the names that flags and records use.
NAMED = {
    "hamilton_liver_6": HAMILTON_LIVER,
    "hamilton_liver_9": HAMILTON_LIVER_9,
    "ismrm_2012": ISMRM_2012,
    "room_temperature": ROOM_TEMPERATURE,
}


def dephasing(
    spectrum: Spectrum, te_ms: Sequence[float] | np.ndarray, field_strength_t: float
) -> np.ndarray:
    """Sum of the fat peaks, c(t) = sum_p a_p exp(i 2 pi f_p t); c(0) = 1.

    Args:
        spectrum: The peaks; amplitudes are normalised here.
        te_ms: Echo times, any shape.
        field_strength_t: B0 in tesla.

    Returns:
        complex128 of the shape of `te_ms`.
    """
    amplitude = np.asarray(spectrum.amplitude) / np.sum(spectrum.amplitude)
    frequency_hz = np.asarray(spectrum.shift_ppm) * GYROMAGNETIC_RATIO_MHZ_PER_T * field_strength_t
    te_s = np.asarray(te_ms, dtype=np.float64)[..., None] / 1000.0
    return np.exp(2j * np.pi * frequency_hz * te_s) @ amplitude
