"""Complex echoes from magnitude and phase images."""

import math
import pathlib

import numpy as np

from liver_jax.errors import InputError
from liver_jax.volume import geometry
from liver_jax.volume.geometry import Volume

# What one step of a phase image is, in radians.
RADIANS = {"radian": 1.0, "scanner": math.pi / 4096}
PRECESSIONS = ("clockwise", "counterclockwise")


def combine(
    magnitude: Volume, phase: Volume, unit: str, magnitude_name: str, phase_name: str
) -> Volume:
    """Joins magnitude and phase into complex echoes.

    Args:
        magnitude: float32 `[x, y, z, echo]`.
        phase: float32, of the same shape and on the same grid.
        unit: What the phase is in: `radian`, or `scanner` (-4096 to 4095 for -pi to pi).
        magnitude_name: The magnitude's file, for messages.
        phase_name: The phase's file, for messages.

    Returns:
        complex64 `[x, y, z, echo]`.

    Raises:
        InputError: The grids or the numbers of echoes differ; the magnitude has negative values
            (a real or imaginary part); or the phase does not have the range of its unit.
    """
    geometry.check_same_grid(magnitude, phase, phase_name, f"the magnitude {magnitude_name}")
    if magnitude.data.shape != phase.data.shape:
        fault = f"{phase.echo_count} phase images for {magnitude.echo_count} magnitude images"
        raise InputError(phase_name, fault, "Give one for each echo")
    check_magnitude(magnitude, magnitude_name)
    check_range(phase, unit, phase_name)
    angle = phase.data * np.float32(RADIANS[unit])
    data = np.empty(magnitude.data.shape, np.complex64)
    data.real = magnitude.data * np.cos(angle)
    data.imag = magnitude.data * np.sin(angle)
    return Volume(data, magnitude.affine)


def check_magnitude(magnitude: Volume, name: str | pathlib.Path) -> None:
    """Refuses images that cannot be magnitudes; interpolation's slight undershoot may pass."""
    lowest, highest = float(magnitude.data.min()), float(magnitude.data.max())
    if highest <= 0:
        raise InputError(name, "has no value above 0", "Name the magnitude images of the echoes")
    if lowest < -0.1 * highest:
        fault = f"holds values from {lowest:g} to {highest:g}, which no magnitude does"
        remedy = "Of real and imaginary images, compute magnitude and phase, and name those"
        raise InputError(name, fault, remedy)


def check_range(phase: Volume, unit: str, name: str | pathlib.Path) -> None:
    """Refuses phase images whose values are not those of their unit."""
    lowest, highest = float(phase.data.min()), float(phase.data.max())
    found = f"has values from {lowest:g} to {highest:g}, named {unit}"
    if unit == "radian":
        if max(-lowest, highest) > 2 * math.pi + 0.01:
            remedy = "Write scanner if pi is stored as 4096, or rescale to radians"
            raise InputError(name, f"{found}: beyond two pi", remedy)
    elif max(-lowest, highest) <= 7:
        raise InputError(name, f"{found}: looks like radian", "Name its true unit")
    elif max(-lowest, highest) > 4096:
        raise InputError(name, f"{found}: beyond 4096", "Rescale it to -4096 to 4095")
    elif lowest >= 0:
        fault = f"{found}: nothing below 0, so half of the circle is missing"
        remedy = "Apply the slope and intercept that it was exported without (2 and -4096)"
        raise InputError(name, fault, remedy)
