"""Liver volume from a mask, as the paper measures it (Volumetry: area x section thickness)."""

import numpy as np

from liver_jax.volume import geometry


def volume_ml(mask: np.ndarray, affine: np.ndarray) -> float:
    """The sum over axial sections of the mask's area times the section thickness.

    The sections are the grid's planes along the axis nearest to the patient's long axis. Their
    thickness is the distance between neighbouring planes along the planes' normal, taken from the
    positions in the affine, so that a sheared grid (gantry tilt) is measured right. On a uniform
    grid, the only kind that one affine can describe, this equals the voxel count times the voxel
    volume.

    Args:
        mask: bool [x, y, z].
        affine: [4, 4], voxel indices to RAS+ millimetres.

    Returns:
        The volume in millilitres; 0.0 for an empty mask.
    """
    steps_mm = np.asarray(affine, np.float64)[:3, :3]  # column k: one voxel along axis k
    section_axis = int(np.flatnonzero(geometry.canonical_transform(affine)[:, 0] == 2)[0])
    row_axis, column_axis = (axis for axis in range(3) if axis != section_axis)
    normal_mm2 = np.cross(steps_mm[:, row_axis], steps_mm[:, column_axis])
    pixel_area_mm2 = float(np.linalg.norm(normal_mm2))
    thickness_mm = abs(float(steps_mm[:, section_axis] @ normal_mm2)) / pixel_area_mm2
    pixels = np.count_nonzero(mask, axis=(row_axis, column_axis))
    areas_mm2 = pixels * pixel_area_mm2
    return float(areas_mm2.sum() * thickness_mm / 1000.0)
