"""What no scan exceeds: bounds that keep a damaged or hostile file from taking memory or time."""

import math
import pathlib
from collections.abc import Sequence

import numpy as np

from liver_jax.errors import InputError

# All echoes together, 2 GiB as float32: 512 x 512 x 2048, more than a CT from head to foot.
MOST_VOXELS = 2**29
# Deflate shrinks no further (zlib's notes, "Maximum Compression Factor").
LARGEST_RATIO = 1032
# What may lie in a file before or after its voxels.
MOST_BYTES_BESIDE = 2**26
SPACING_MM = (0.01, 1000.0)
FARTHEST_MM = 1e6


def check_size(subject: str | pathlib.Path, shape: Sequence[int]) -> None:
    """Refuses a shape with more voxels than any scan has; to be asked before allocating."""
    count = math.prod(int(length) for length in shape)
    if count > MOST_VOXELS:
        sides = " x ".join(map(str, shape))
        fault = f"has {sides} voxels by its header, while at most {MOST_VOXELS} are read"
        raise InputError(subject, fault, "Crop the scan, or convert it again if it is not so large")


def check_affine(subject: str | pathlib.Path, affine: np.ndarray) -> None:
    """Refuses an affine that no scan has: spacing or position out of range, or a flat grid.

    Args:
        subject: The file, for the message.
        affine: `[4, 4]`, voxel to mm.
    """
    remedy = "Convert the scan again from its source, so that the header has its true spacing"
    with np.errstate(over="ignore", invalid="ignore"):
        spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    low, high = SPACING_MM
    if not (np.isfinite(affine).all() and (low <= spacing_mm).all() and (spacing_mm <= high).all()):
        sides = " x ".join(f"{value:.4g}" for value in spacing_mm)
        fault = f"has a spacing of {sides} mm, while {low:g} to {high:g} is possible"
        raise InputError(subject, fault, remedy)
    if abs(np.linalg.det(affine[:3, :3])) < 1e-3 * spacing_mm.prod():
        raise InputError(subject, "has two axes in one direction", remedy)
    farthest_mm = float(np.abs(affine[:3, 3]).max())
    if farthest_mm > FARTHEST_MM:
        fault = f"lies {farthest_mm:.4g} mm from its origin, while {FARTHEST_MM:g} is possible"
        raise InputError(subject, fault, remedy)
