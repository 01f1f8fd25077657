"""What the simulated echoes show: accuracy slice, vials, repeats, a hard field, phase errors."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from benchmarks.fatwater_signal import Truth

# Hernando et al. 2017: vials of known fat fraction, here with iron of every amount as well.
VIAL_FAT = (0.0, 0.05, 0.10, 0.15, 0.20, 0.30, 0.40, 0.50, 0.60, 0.80, 0.90, 1.0)
VIAL_R2STAR = (20.0, 40.0, 70.0, 100.0, 150.0, 200.0, 250.0, 300.0)
VIAL_SIZE = 8
REPEAT_FAT = (0.03, 0.10, 0.20, 0.35, 0.60, 0.90)
REPEAT_R2STAR = (30.0, 60.0, 120.0, 240.0)
REPEAT_SIZE = 24


def gradients(size: int = 96, field_hz: float = 80.0) -> Truth:
    """The slice of the accuracy table: smooth, every fat fraction with every R2*.

    FF grows with the square of the column from 1.7 to 90 %, so that lean tissue fills the larger
    part as in the body, and R2* from 30 to 120 1/s with the row. The field is smooth between
    -field_hz and +field_hz, the phase between -1 and 1 radian.
    """
    down, across = np.meshgrid(*2 * [np.linspace(0, 1, size)], indexing="ij")
    return Truth(
        fat_fraction=0.017 + (0.90 - 0.017) * across**2,
        r2star_per_s=30 + 90 * down,
        field_hz=field_hz * np.sin(np.pi * (down - 0.5)) * np.cos(np.pi * (across - 0.3)),
        phase_radian=np.sin(2 * np.pi * (0.3 * down + 0.2 * across)),
        amplitude=np.ones((size, size)),
    )


def vials() -> Truth:
    """A vial for each of VIAL_R2STAR (down) and VIAL_FAT (across), VIAL_SIZE wide, no gaps."""
    return _blocks(VIAL_FAT, VIAL_R2STAR, VIAL_SIZE)


def repeats() -> Truth:
    """The same voxel REPEAT_SIZE**2 times for each of REPEAT_R2STAR (down) and REPEAT_FAT."""
    return _blocks(REPEAT_FAT, REPEAT_R2STAR, REPEAT_SIZE)


def of_blocks(values: np.ndarray, size: int) -> np.ndarray:
    """The voxels of each block of `vials` or `repeats`, [block down, block across, voxel]."""
    rows, columns = values.shape[0] // size, values.shape[1] // size
    parts = values.reshape(rows, size, columns, size).swapaxes(1, 2)
    return parts.reshape(rows, columns, size * size)


def hard_body(field_strength_t: float, size: int = 160) -> Truth:
    """A trunk in a field that is hard to follow, and what else breaks field maps.

    Subcutaneous fat of 92 % all round; liver of 6 % with R2* 40 1/s to the left, iron-loaded liver
    of 12 % with 200 1/s below it, muscle and spleen; a thin layer of visceral fat between; two arms
    that touch nothing, one of them 150 Hz off; two bubbles of gas without signal, each with a
    dipole of 300 Hz at its edge; and a field that falls by 400 Hz from one side of the trunk to
    the other, faster towards the edge. Half these offsets at 1.5 T. Outside there is noise alone.
    """
    y, x = np.meshgrid(*2 * [np.linspace(-1, 1, size)], indexing="ij")

    def ellipse(x0: float, y0: float, a: float, b: float) -> np.ndarray:
        return ((x - x0) / a) ** 2 + ((y - y0) / b) ** 2 < 1

    trunk, inner = ellipse(0, 0, 0.72, 0.66), ellipse(0, 0, 0.62, 0.56)
    liver = ellipse(-0.24, -0.04, 0.34, 0.42) & inner
    arms = [ellipse(side * 0.87, 0.1, 0.10, 0.2) for side in (-1, 1)]
    bubbles = [(0.18, -0.30, 0.09), (0.30, 0.10, 0.07)]
    tissues = [  # where, fat fraction, R2*; later ones lie on top
        (trunk, 0.92, 45.0),
        (inner, 0.03, 40.0),
        (ellipse(0.22, -0.1, 0.36, 0.40), 0.85, 45.0),
        (ellipse(0.40, 0.05, 0.16, 0.28), 0.01, 35.0),
        (liver, 0.06, 40.0),
        (liver & (y > 0.10), 0.12, 200.0),
        (arms[0] | arms[1], 0.92, 45.0),
        (ellipse(-0.87, 0.1, 0.06, 0.14) | ellipse(0.87, 0.1, 0.06, 0.14), 0.02, 40.0),
    ]
    fat, r2star, amplitude = (np.zeros(x.shape) for _ in range(3))
    for where, fraction, rate in tissues:
        fat[where], r2star[where], amplitude[where] = fraction, rate, 1.0
    field = -300.0 * y * (1 + 0.5 * x**2) + 100.0 * x**2
    field[arms[1]] += 150.0
    for x0, y0, radius in bubbles:
        away = np.hypot(x - x0, y - y0)
        outside = np.maximum(away, radius)
        # A cylinder across the field, seen along its axis: the field lies along y.
        cosine = ((y - y0) ** 2 - (x - x0) ** 2) / np.maximum(away, 1e-6) ** 2
        field += 300.0 * (radius / outside) ** 2 * cosine
        amplitude[away < radius] = 0
    scale = field_strength_t / 3.0
    return Truth(fat, r2star, scale * field, 0.5 + x - 0.5 * y, amplitude)


@dataclasses.dataclass(frozen=True)
class PhaseError:
    """Phase that the signal equation does not know, in radian.

    Attributes:
        odd_even: Between echoes read forwards and backwards, a ramp along the rows from -odd_even
            to +odd_even.
        first: Of the first echo alone, everywhere.
        eddy: Of the first echo, halving with each that follows, and growing along the columns from
            0.5 to 1 of it.
    """

    odd_even: float = 0.0
    first: float = 0.0
    eddy: float = 0.0

    def applied(self, images: np.ndarray) -> np.ndarray:
        """Echoes [row, column, echo] with the error."""
        rows, columns, echoes = images.shape
        number = np.arange(echoes)
        ramp = np.linspace(-1, 1, rows)[:, None, None]
        growth = np.linspace(0.5, 1, columns)[None, :, None]
        phase = self.odd_even * ramp * (-1.0) ** number + self.eddy * growth * 0.5**number
        return images * np.exp(1j * (phase + self.first * (number == 0)))


def _blocks(fat: Sequence[float], r2star: Sequence[float], size: int) -> Truth:
    fractions, rates = np.meshgrid(fat, r2star)
    fractions, rates = (np.kron(values, np.ones((size, size))) for values in (fractions, rates))
    rows, columns = fractions.shape
    down, across = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    return Truth(
        fat_fraction=fractions,
        r2star_per_s=rates,
        field_hz=40 * down - 30 * across**2,
        phase_radian=0.4 + 0.5 * across,
        amplitude=np.ones(fractions.shape),
    )
