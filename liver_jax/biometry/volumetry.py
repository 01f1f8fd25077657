"""Liver volume from a mask, as the paper measures it (Volumetry: area x section thickness)."""

import numpy as np

from liver_jax.volume import geometry


def volume_ml(
    mask: np.ndarray, affine: np.ndarray, section_positions_mm: np.ndarray | None = None
) -> float:
    """The sum over sections of the mask's area times the section thickness.

    The thickness is taken from where the sections lie, never from what a header calls their
    thickness, and along the true normal of their planes, so that a sheared grid (gantry tilt) is
    measured right. On a uniform grid, the only kind that one affine can describe, this equals the
    voxel count times the voxel volume, whichever axis is called the section's; it is the one
    nearest to the patient's long axis.

    Sections at uneven positions, as some series of images have them, are given one by one. Each
    then stands for half the distance to its neighbours on both sides (the trapezoidal rule); the
    first and the last one reach as far out as in.

    Args:
        mask: bool [x, y, z].
        affine: [4, 4], voxel indices to RAS+ millimetres. With positions only its two axes within
            a section count.
        section_positions_mm: [section, 3], where the first voxel of each section lies (any voxel,
            the same one in all), in the frame of the affine and in the order of the mask's
            sections, which are then those of the axis that the positions run along; None: as the
            affine has them.

    Returns:
        The volume in millilitres; 0.0 for an empty mask.

    Raises:
        ValueError: Fewer than two positions, not one for each section, or not in ascending or
            descending order.
    """
    steps_mm = np.asarray(affine, np.float64)[:3, :3]  # column k: one voxel along axis k
    if section_positions_mm is None:
        section_axis = int(np.flatnonzero(geometry.canonical_transform(affine)[:, 0] == 2)[0])
    else:
        positions_mm = np.asarray(section_positions_mm, np.float64)
        section_axis = _axis_along(positions_mm, steps_mm)
    row_axis, column_axis = (axis for axis in range(3) if axis != section_axis)
    normal_mm2 = np.cross(steps_mm[:, row_axis], steps_mm[:, column_axis])
    pixel_area_mm2 = float(np.linalg.norm(normal_mm2))
    normal = normal_mm2 / pixel_area_mm2
    if section_positions_mm is None:
        thickness_mm = np.full(mask.shape[section_axis], abs(steps_mm[:, section_axis] @ normal))
    else:
        thickness_mm = _thickness_mm(positions_mm @ normal)
    if thickness_mm.size != mask.shape[section_axis]:
        raise ValueError(
            f"{thickness_mm.size} positions for {mask.shape[section_axis]} sections "
            f"(axis {section_axis} of {mask.shape})"
        )
    areas_mm2 = np.count_nonzero(mask, axis=(row_axis, column_axis)) * pixel_area_mm2
    return float(areas_mm2 @ thickness_mm / 1000.0)


def _axis_along(positions_mm: np.ndarray, steps_mm: np.ndarray) -> int:
    """The axis of the grid that runs most nearly as the positions do."""
    if positions_mm.ndim != 2 or positions_mm.shape[1] != 3 or len(positions_mm) < 2:
        raise ValueError(f"positions {positions_mm.shape}: want [section, 3], two or more")
    directions = steps_mm / np.linalg.norm(steps_mm, axis=0)
    return int(np.argmax(np.abs((positions_mm[-1] - positions_mm[0]) @ directions)))


def _thickness_mm(along_mm: np.ndarray) -> np.ndarray:
    """What each section stands for, from the positions along the normal; both [section]."""
    gaps_mm = np.diff(along_mm)
    if not ((gaps_mm > 0).all() or (gaps_mm < 0).all()):
        raise ValueError("section positions neither ascend nor descend along the normal")
    gaps_mm = np.abs(gaps_mm)
    return np.convolve(np.pad(gaps_mm, 1, mode="edge"), (0.5, 0.5), mode="valid")
