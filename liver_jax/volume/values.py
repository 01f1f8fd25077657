"""From what a file stores to the values that are computed on, a few slices at a time."""

import pathlib

import numpy as np

from liver_jax.errors import InputError


def image_values(
    subject: str | pathlib.Path,
    stored: np.ndarray,
    start: int = 0,
    slope: float = 1.0,
    intercept: float = 0.0,
) -> np.ndarray:
    """The values of some slices of an image.

    Args:
        subject: The file, for messages.
        stored: Real numbers as they are in the file, slices along the last axis.
        start: The index of the first of these slices, for messages.
        slope: Stored values are multiplied by this, ...
        intercept: ... then this is added.

    Returns:
        float32, in the shape of `stored`.

    Raises:
        InputError: A value is NaN or infinite; or float32 cannot hold it (a whole number that it
            would round, or a magnitude beyond 3.4e38).
    """
    values = _scaled(stored, slope, intercept)
    _check_finite(subject, values, start)
    with np.errstate(over="ignore"):
        held = values.astype(np.float32)
    whole = stored.dtype.kind != "f" and float(slope).is_integer() and float(intercept).is_integer()
    if not np.isfinite(held).all() or (whole and not _exact(values, held)):
        largest = np.abs(values.astype(np.float64)).max()
        fault = f"holds values up to {largest:.10g}, which float32 cannot hold"
        raise InputError(subject, fault, "Subtract an offset or rescale the image, and save it")
    return held


def label_values(
    subject: str | pathlib.Path,
    stored: np.ndarray,
    start: int = 0,
    slope: float = 1.0,
    intercept: float = 0.0,
) -> np.ndarray:
    """The labels of some slices of a mask; arguments as for `image_values`.

    Returns:
        int32, in the shape of `stored`: whole to within 0.001, which is what float scaling costs.

    Raises:
        InputError: A value is not a whole number, or beyond int32.
    """
    if (slope, intercept) == (1.0, 0.0) and np.can_cast(stored.dtype, np.int32):
        return stored.astype(np.int32)
    values = _scaled(stored, slope, intercept).astype(np.float64)
    _check_finite(subject, values, start)
    whole = np.rint(values)
    fractions = np.abs(values - whole) > 1e-3
    if fractions.any():
        fault = f"holds {values[fractions][0]:.6g}, while labels are whole numbers"
        raise InputError(subject, fault, "Resample labels by nearest neighbour, threshold maps")
    if whole.min() < -(2**31) or whole.max() >= 2**31:
        fault = f"holds labels from {whole.min():.0f} to {whole.max():.0f}, beyond int32"
        raise InputError(subject, fault, "Renumber the labels")
    return whole.astype(np.int32)


def _scaled(stored: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    if (slope, intercept) == (1.0, 0.0):
        return stored
    with np.errstate(over="ignore", invalid="ignore"):
        return stored.astype(np.float64) * slope + intercept


def _check_finite(subject: str | pathlib.Path, values: np.ndarray, start: int) -> None:
    faulty = ~np.isfinite(values)
    if faulty.any():
        index = int(np.flatnonzero(faulty.any(axis=tuple(range(values.ndim - 1))))[0])
        inside = faulty[..., index]
        where = [*(int(axis) for axis in np.argwhere(inside)[0]), start + index]
        fault = f"holds NaN or infinite voxels ({inside.sum()} in one slice, the first at {where})"
        raise InputError(subject, fault, "Replace them by true values, or leave the scan out")


def _exact(values: np.ndarray, held: np.ndarray) -> bool:
    """Whether float32 holds whole numbers as they are; fractions may be rounded."""
    largest = np.abs(held).max()
    if largest < 2**24:
        return True
    # Beyond 2**53 float64, in which they are compared, would round both sides alike.
    return bool(largest <= 2**53 and (values.astype(np.float64) == held).all())
