"""Test-time augmentation: the same slices seen again, turned and magnified, or in other greys."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import ndimage

# Degrees and magnifications of the passes beside the slices as they are. Of shifts, turns,
# magnifications and other grey values, alone and together, these moved the Dice of the multimodal
# network most, by a thousandth (benchmarks/README.md). There is no flip: the liver has a side.
_CHANGES = ((-4.0, 1.0), (4.0, 1.0), (0.0, 0.95), (0.0, 1.05))


# Exponents of the grey values.
_EXPONENTS = (0.7, 1.4)
# What is darker than this share of the range is taken for air, and stays dark when inverted.
_AIR = 0.06


def mean_probability(
    forward: Callable[[np.ndarray], np.ndarray], images: np.ndarray, unchanged: np.ndarray
) -> np.ndarray:
    """The mean over all passes, each brought back to where the slices are.

    Args:
        forward: From images to probability, [slice, row, column] both ways.
        images: [slice, row, column] in [0, 1].
        unchanged: [slice, row, column], what `forward` makes of the images as they are.

    Returns:
        [slice, row, column] float32. A pixel that a pass pushes over the edge has its probability
        from the others alone.
    """
    total, passes = unchanged.astype(np.float32), np.ones(images.shape[1:], np.float32)
    for angle_deg, magnification in _CHANGES:
        turn = _turn(angle_deg, magnification)
        found = forward(_moved(images, turn))
        back = np.linalg.inv(turn)
        total += _moved(found, back)
        # What came from outside counts for nothing, not for "no liver".
        passes += _moved(_moved(np.ones((1, *images.shape[1:]), np.float32), turn), back)[0]
    return np.minimum(total / passes, 1.0)


def other_contrasts(
    forward: Callable[[np.ndarray], np.ndarray], images: np.ndarray
) -> Iterator[np.ndarray]:
    """What the network finds where the same slices have other grey values.

    Args:
        forward: As for `mean_probability`.
        images: [slice, row, column] in [0, 1].

    Yields:
        [slice, row, column] float32 for each of: darker and brighter middle tones, and all of the
        body inverted.
    """
    for exponent in _EXPONENTS:
        yield forward(images**exponent)
    yield forward(np.where(images > _AIR, 1.0 + _AIR - images, images))


def _turn(angle_deg: float, magnification: float) -> np.ndarray:
    """[2, 2]: from places in the result to places in the slice, about its centre."""
    cosine, sine = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return np.array([[cosine, -sine], [sine, cosine]]) / magnification


def _moved(slices: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Linear interpolation; 0 where it comes from outside."""
    centre = (np.array(slices.shape[1:]) - 1) / 2
    offset = centre - turn @ centre
    moved = np.empty_like(slices)
    for before, after in zip(slices, moved, strict=True):
        ndimage.affine_transform(before, turn, offset, output=after, order=1)
    return moved
