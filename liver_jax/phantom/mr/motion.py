"""Breathing and pulsation: every line of k-space sees another body."""

import dataclasses

import numpy as np
from scipy import fft

# What each grade moves, in mm, when a breath held in is let out: the front of the body backwards,
# its organs to the head; and how much of the breath-hold succeeds before that.
_GRADES = {
    1: (1.5, 3.0, (0.40, 0.55)),
    2: (4.0, 7.0, (0.10, 0.40)),
    3: (8.0, 13.0, (0.00, 0.10)),
}
_STATES = 6


@dataclasses.dataclass(frozen=True, eq=False)
class Motion:
    """Breathing while the lines of k-space are acquired one after another.

    Attributes:
        backward_mm: How far the front of the body sinks at a full excursion.
        upward_mm: How far the organs move to the head; by one section at the most.
        excursion: [line], 0 (where the body is held) to 1, in the order of acquisition, which is
            from the most negative spatial frequency to the most positive.
    """

    backward_mm: float
    upward_mm: float
    excursion: np.ndarray


def draw(
    grade: int, lines: int, line_time_s: float, generator: np.random.Generator
) -> Motion | None:
    """Draws a failing breath-hold.

    Args:
        grade: 0 (none; gives None), 1 (mild), 2 (moderate) or 3 (severe).
        lines: Phase-encoding lines.
        line_time_s: From one line to the next: TR, times the partitions of a 3D acquisition.
        generator: Source of period (3 to 5 s), irregularity and depth.
    """
    if not grade:
        return None
    backward, upward, held = _GRADES[grade]
    factor = float(generator.uniform(0.8, 1.2))
    start = float(generator.uniform(*held))
    period_lines = max(float(generator.uniform(3, 5)) / line_time_s, 4.0)
    steps = 1.0 + 0.15 * generator.standard_normal(lines)
    time = np.arange(lines)
    cycles = np.cumsum(np.where(time >= start * lines, steps, 0.0)) / period_lines
    return Motion(backward * factor, upward * factor, 0.5 - 0.5 * np.cos(2 * np.pi * cycles))


def corrupt(
    motion: Motion,
    image: np.ndarray,
    below: np.ndarray,
    moving_share: np.ndarray,
    upward_share: np.ndarray,
    spacing_mm: tuple[float, float, float],
) -> np.ndarray:
    """A slice as it is reconstructed from lines of k-space that saw it in different places.

    Phase is encoded along y, so the moving parts return as ghosts along y: a period of p lines puts
    them n / p pixels away (Haacke and Patrick, Magn Reson Imaging 1986;4:349).

    Args:
        motion: The breathing; one line for each row of the image along y.
        image: Complex [x, y, channel] of the body held still.
        below: The slice below it, which moves into this one; of the same shape.
        moving_share: [y], what part of the full backward movement a row takes.
        upward_share: [x, y], what part of the movement along z: 1 in organs, 0 in the wall.
        spacing_mm: Of the voxels.

    Returns:
        complex64 [x, y, channel].
    """
    lines = image.shape[1]
    # Between two places the lines are interpolated: no place is more than a step from a computed
    # one.
    place = np.fft.ifftshift(motion.excursion) * (_STATES - 1)
    total = np.zeros(image.shape, np.complex64)
    rows, change = np.arange(lines), below - image
    for state in range(_STATES):
        weight = np.maximum(1.0 - np.abs(place - state), 0.0)
        if not weight.any():
            continue
        part = state / (_STATES - 1)
        seen = image
        if part:
            mixed = min(part * motion.upward_mm / spacing_mm[2], 1.0)
            seen = image + (np.float32(mixed) * upward_share)[..., None] * change
            source = rows + moving_share * (part * motion.backward_mm / spacing_mm[1])
            first = np.clip(np.floor(source).astype(int), 0, lines - 2)
            ahead = np.clip(source - first, 0.0, 1.0).astype(np.float32)[:, None]
            seen = seen[:, first] * (1 - ahead) + seen[:, first + 1] * ahead
        spectrum = fft.fft(seen.astype(np.complex64, copy=False), axis=1)
        spectrum *= weight.astype(np.float32)[:, None]
        total += spectrum
    return fft.ifft(total, axis=1, overwrite_x=True)


def pulse(
    depth: float, lines: int, line_time_s: float, generator: np.random.Generator
) -> np.ndarray:
    """How the signal of arteries changes from line to line: float32 [line], in order, 0 on average.

    Blood that flows in has seen fewer pulses, and dephases: most so at the peak of the flow.

    Args:
        depth: The amplitude, as a part of the signal.
        lines: Phase-encoding lines.
        line_time_s: From one line to the next.
        generator: Source of the heart rate, 55 to 90 a minute, and its phase.
    """
    rate_per_s, phase = float(generator.uniform(55, 90)) / 60, generator.uniform(0, 2 * np.pi)
    cycles = np.arange(lines) * line_time_s * rate_per_s
    return (depth * np.cos(2 * np.pi * cycles + phase)).astype(np.float32)


def pulsate(image: np.ndarray, arteries: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """A slice whose arteries change from line to line: they return as ghosts along y.

    Args:
        image: Complex [x, y, channel].
        arteries: [x, y], what part of each voxel they fill.
        changes: [line] in order of acquisition, from the most negative spatial frequency.

    Returns:
        complex64 [x, y, channel].
    """
    image = image.astype(np.complex64, copy=True)
    columns = np.flatnonzero(arteries.any(axis=1))
    spectrum = fft.fft(image[columns] * arteries[columns][..., None], axis=1)
    spectrum *= np.fft.ifftshift(changes)[:, None]
    image[columns] += fft.ifft(spectrum, axis=1, overwrite_x=True)
    return image
