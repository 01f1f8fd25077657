"""Where the field of view cuts an organ: its mask at the outer border of the grid."""

import numpy as np


def cut_area_cm2(mask: np.ndarray, affine: np.ndarray) -> float:
    """The area of a mask on the outer border of its grid, where the rest of the organ is missing.

    Summed are the faces of the mask's voxels that look out of the grid, on all six sides, each
    with its true area: anisotropic, oblique and sheared grids are right. Only the grid is looked
    at: where an image was padded, what was cut off before does not show.

    Args:
        mask: bool [x, y, z].
        affine: [4, 4], voxel indices to RAS+ millimetres.

    Returns:
        The area in cm2; exactly 0.0 where the mask does not reach the border.
    """
    steps_mm = np.asarray(affine, np.float64)[:3, :3]
    area_mm2 = 0.0
    for axis in range(3):
        first, second = (steps_mm[:, other] for other in range(3) if other != axis)
        ends = np.moveaxis(mask, axis, 0)[[0, -1]]  # a single section looks out on both sides
        faces = int(np.count_nonzero(ends))
        area_mm2 += faces * float(np.linalg.norm(np.cross(first, second)))
    return area_mm2 / 100.0
