"""From probability to mask, and what may be done to a mask after that."""

import numpy as np
from scipy import ndimage

from liver_jax.biometry import extent

_NEIGHBOURS_26 = np.ones((3, 3, 3), bool)


def threshold(probability: np.ndarray) -> np.ndarray:
    """The mask of a probability map on the scan's own grid: bool, at least one half.

    The paper names no other step after the network, so none is taken for its figures.
    """
    return probability >= 0.5


def largest_component(mask: np.ndarray) -> np.ndarray:
    """The mask without what is not connected to its largest part.

    Voxels are connected by face, edge or corner, so that a thin bridge between the lobes holds. Of
    parts of the same size all are kept: nothing tells them apart that does not depend on how the
    scan is stored.

    Args:
        mask: bool [x, y, z].

    Returns:
        bool [x, y, z], a new array; empty where the mask is.
    """
    kept = np.zeros_like(mask, bool)
    box = extent.bounding_box(mask)
    if box is None:
        return kept
    inside = np.asarray(mask[box], bool)
    labels, _ = ndimage.label(inside, structure=_NEIGHBOURS_26, output=np.int32)
    sizes = np.bincount(labels.ravel(order="K"))
    sizes[0] = 0  # the background
    kept[box] = (sizes == sizes.max())[labels]
    return kept


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """The mask with its cavities filled: background that it encloses on all sides, in 3D.

    Background is connected by faces. What is open to the end of the grid in any direction is no
    cavity, nor is what is enclosed in one section alone: that would fill the gallbladder's bed, the
    fissures and the vena cava.

    Args:
        mask: bool [x, y, z].

    Returns:
        bool [x, y, z], a new array.
    """
    filled = np.array(mask, bool)
    box = extent.bounding_box(mask)
    if box is None:
        return filled
    # A cavity lies within the mask's box, and a margin makes one piece of all that is outside.
    outside, _ = ndimage.label(np.pad(~filled[box], 1, constant_values=True), output=np.int32)
    cavity = (outside != 0) & (outside != outside[0, 0, 0])
    filled[box] |= cavity[1:-1, 1:-1, 1:-1]
    return filled
