"""Liver volume from a mask, as the paper measures it (Volumetry: area x section thickness)."""

from typing import NamedTuple

import numpy as np

from liver_jax.volume import geometry


class Section(NamedTuple):
    """One section of a mask.

    Attributes:
        index: Its place along the grid's section axis, from 0.
        level_mm: How high it lies in the patient: its middle plane along the sections' normal,
            upwards, in the frame of the affine. Of axial sections that is z.
        area_cm2: The mask's area in it.
    """

    index: int
    level_mm: float
    area_cm2: float


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
        across = section_axis(affine)
    else:
        positions_mm = np.asarray(section_positions_mm, np.float64)
        across = _axis_along(positions_mm, steps_mm)
    row_axis, column_axis = (axis for axis in range(3) if axis != across)
    normal_mm2 = np.cross(steps_mm[:, row_axis], steps_mm[:, column_axis])
    pixel_area_mm2 = float(np.linalg.norm(normal_mm2))
    normal = normal_mm2 / pixel_area_mm2
    if section_positions_mm is None:
        thickness_mm = np.full(mask.shape[across], abs(steps_mm[:, across] @ normal))
    else:
        thickness_mm = _thickness_mm(positions_mm @ normal)
    if thickness_mm.size != mask.shape[across]:
        raise ValueError(
            f"{thickness_mm.size} positions for {mask.shape[across]} sections "
            f"(axis {across} of {mask.shape})"
        )
    areas_mm2 = np.count_nonzero(mask, axis=(row_axis, column_axis)) * pixel_area_mm2
    return float(areas_mm2 @ thickness_mm / 1000.0)


def section_areas_cm2(mask: np.ndarray, affine: np.ndarray) -> list[Section]:
    """The mask's area in each section, from the first that holds any of it to the last.

    The sections are those of `volume_ml`: the planes of the grid, not resampled, that lie nearest
    to axial, whatever plane the scan was acquired in. The sum of the areas times the distance
    between neighbouring levels is therefore the volume, on oblique and sheared grids as well.

    Args:
        mask: bool [x, y, z].
        affine: [4, 4], voxel indices to RAS+ millimetres.

    Returns:
        The sections in the order of the grid; an empty list for an empty mask.
    """
    affine = np.asarray(affine, np.float64)
    across = section_axis(affine)
    in_plane = tuple(axis for axis in range(3) if axis != across)
    normal_mm2 = np.cross(*(affine[:3, axis] for axis in in_plane))
    pixel_area_mm2 = float(np.linalg.norm(normal_mm2))
    upwards = normal_mm2 / (pixel_area_mm2 * np.sign(normal_mm2[2]))
    pixels = np.count_nonzero(mask, axis=in_plane)
    held = np.flatnonzero(pixels)
    if not held.size:
        return []
    first_mm, step_mm = upwards @ affine[:3, 3], upwards @ affine[:3, across]
    return [
        Section(
            index=index,
            level_mm=float(first_mm + index * step_mm),
            area_cm2=float(pixels[index] * pixel_area_mm2 / 100.0),
        )
        for index in range(int(held[0]), int(held[-1]) + 1)
    ]


def section_axis(affine: np.ndarray) -> int:
    """The axis of the grid nearest to the patient's long axis."""
    return int(np.flatnonzero(geometry.canonical_transform(affine)[:, 0] == 2)[0])


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
