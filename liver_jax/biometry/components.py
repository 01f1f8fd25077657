"""The connected components of a mask."""

import numpy as np
from scipy import ndimage

from liver_jax.biometry import extent

_NEIGHBOURS_26 = np.ones((3, 3, 3), bool)


def voxel_counts(mask: np.ndarray) -> np.ndarray:
    """Counts the voxels of each component; voxels are connected by face, edge or corner.

    Args:
        mask: bool [x, y, z].

    Returns:
        int64 [component], the largest first; of length 0 for an empty mask. Single voxels count as
        components, too.
    """
    box = extent.bounding_box(mask)
    if box is None:
        return np.zeros(0, np.int64)
    inside = np.ascontiguousarray(mask[box], bool)
    labels, count = ndimage.label(inside, structure=_NEIGHBOURS_26, output=np.int32)
    if count == 1:
        return np.array([np.count_nonzero(inside)])
    return np.sort(np.bincount(labels.ravel(), minlength=count + 1)[1:])[::-1]
