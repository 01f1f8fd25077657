"""Where in its grid a mask lies."""

import numpy as np


def bounding_box(*masks: np.ndarray, margin: int = 0) -> tuple[slice, slice, slice] | None:
    """The smallest box that holds all the masks, and a margin around it within the grid.

    Args:
        *masks: bool [x, y, z], one or more on one grid.
        margin: In voxels.

    Returns:
        One slice for each axis; None where all the masks are empty.
    """
    box = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        occupied = np.flatnonzero(np.logical_or.reduce([mask.any(axis=others) for mask in masks]))
        if not occupied.size:
            return None
        first, last = int(occupied[0]), int(occupied[-1])
        box.append(slice(max(first - margin, 0), min(last + 1 + margin, masks[0].shape[axis])))
    return tuple(box)
