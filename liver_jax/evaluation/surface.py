"""Distances between the surfaces of two masks, by the definitions of the CHAOS challenge.

The surface of a mask is the set of its voxels that one erosion with the six-neighbourhood removes,
where everything beyond the volume's border counts as inside (a liver cut by the field of view has
no surface at the cut). Distances run between voxel centres in millimetres, through the whole 3 x 3
part of the affine: anisotropic, oblique and sheared grids are all exact.

    ASSD  sum of the distances from each surface to the other, both directions, over the number of
          voxels in both surfaces
    MSSD  the largest of these distances (the Hausdorff distance)
    HD95  the larger of the two directed 95th percentiles (linear interpolation)
    NSD   the share of both surfaces that lies within a tolerance of the other one, by area: each
          surface voxel weighs the summed area of its faces towards the outside of its mask
          (after Nikolov et al. 2021, J Med Internet Res 23(7):e26151, who weigh a marching-cubes
          surface)

A mask that is empty or fills the whole volume has no surface: every distance is undefined.
"""

import dataclasses

import numpy as np
from scipy import spatial

from liver_jax.biometry import extent

# Spacings are often rounded to float32: a distance of "1 mm" must not miss the 1 mm tolerance.
_ROUNDING_MM = 1e-6


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Agreement of two surfaces; lengths in mm, NSD from 0 (none) to 1 (all)."""

    assd_mm: float
    mssd_mm: float
    hd95_mm: float
    nsd_1mm: float
    nsd_2mm: float
    nsd_3mm: float


def compare(automated: np.ndarray, manual: np.ndarray, affine: np.ndarray) -> Agreement | None:
    """Compares the surfaces of two masks on one grid.

    Args:
        automated: bool [x, y, z].
        manual: bool [x, y, z].
        affine: [4, 4], voxel indices to millimetres.

    Returns:
        The agreement; None where either mask has no surface.

    Raises:
        ValueError: The shapes differ.
    """
    if automated.shape != manual.shape:
        raise ValueError(f"masks {automated.shape} and {manual.shape} differ in shape")
    # One voxel more on all sides keeps the box's border from being taken for the volume's.
    box = extent.bounding_box(automated, manual, margin=1)
    if box is None:
        return None
    steps_mm = np.asarray(affine, np.float64)[:3, :3]
    first, first_area = _surface(np.ascontiguousarray(automated[box], bool), steps_mm)
    second, second_area = _surface(np.ascontiguousarray(manual[box], bool), steps_mm)
    if not first.size or not second.size:
        return None
    shape = automated[box].shape
    forth_mm = _distances(first, second, shape, steps_mm)
    back_mm = _distances(second, first, shape, steps_mm)
    both_mm = np.concatenate((forth_mm, back_mm))
    area_mm2 = np.concatenate((first_area, second_area))

    def nsd(tolerance_mm: float) -> float:
        return float(area_mm2[both_mm <= tolerance_mm + _ROUNDING_MM].sum() / area_mm2.sum())

    return Agreement(
        assd_mm=float(both_mm.mean()),
        mssd_mm=float(both_mm.max()),
        hd95_mm=float(max(np.percentile(forth_mm, 95), np.percentile(back_mm, 95))),
        nsd_1mm=nsd(1.0),
        nsd_2mm=nsd(2.0),
        nsd_3mm=nsd(3.0),
    )


def _surface(mask: np.ndarray, steps_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The surface voxels of a mask: flat indices [n], ascending, and their areas in mm2 [n]."""
    faces = []  # for each axis, how many of a voxel's two faces look outside: uint8 [x, y, z]
    for axis in range(3):
        before = tuple(slice(None, -1) if other == axis else slice(None) for other in range(3))
        after = tuple(slice(1, None) if other == axis else slice(None) for other in range(3))
        exposed = np.zeros(mask.shape, np.uint8)
        exposed[before] += mask[before] & ~mask[after]
        exposed[after] += mask[after] & ~mask[before]
        faces.append(exposed.ravel())
    voxels = np.flatnonzero(faces[0] | faces[1] | faces[2])
    area_mm2 = np.zeros(voxels.size)
    for axis in range(3):
        along, across = (steps_mm[:, other] for other in range(3) if other != axis)
        area_mm2 += faces[axis][voxels] * np.linalg.norm(np.cross(along, across))
    return voxels, area_mm2


def _distances(
    source: np.ndarray, target: np.ndarray, shape: tuple[int, ...], steps_mm: np.ndarray
) -> np.ndarray:
    """The distance in mm from each source voxel to the nearest target voxel.

    Args:
        source: Flat indices [n] into an array of `shape`.
        target: Flat indices [m], ascending.
        shape: The grid's shape.
        steps_mm: [3, 3], the linear part of the affine.

    Returns:
        [n].
    """
    distances_mm = np.zeros(source.size)
    # Where good masks coincide, most of the surface is shared, and its distance is 0 unasked.
    apart = ~np.isin(source, target, assume_unique=True)
    if apart.any():
        # Plain midpoint cells: up to ten times faster than the defaults where the masks lie apart
        # (a failed segmentation), as fast where they nearly agree.
        tree = spatial.cKDTree(
            _positions(target, shape, steps_mm),
            leafsize=64,
            compact_nodes=False,
            balanced_tree=False,
        )
        distances_mm[apart] = tree.query(_positions(source[apart], shape, steps_mm))[0]
    return distances_mm


def _positions(voxels: np.ndarray, shape: tuple[int, ...], steps_mm: np.ndarray) -> np.ndarray:
    positions_mm = np.zeros((voxels.size, 3))
    # No matrix product: its threads would get in the way of the other cases' threads.
    for indices, step_mm in zip(np.unravel_index(voxels, shape), steps_mm.T, strict=True):
        positions_mm += indices[:, None] * step_mm
    return positions_mm
