"""A liver mask in nine regions that stand for Couinaud's segments, and one circle in each.

Readers measure fat by nine circles, one in each segment, clear of vessels and of the liver's edge
(for instance Campo et al., "Proton density fat-fraction by whole-liver 9 ROI sampling"). They tell
the segments by the hepatic veins and the branches of the portal vein. A mask shows neither, so this
partition is an approximation: it cuts where the veins run in an ordinary liver, by shares of the
volume. It spreads nine circles over the liver as readers do; it says nothing of the true segments,
least of all in a liver of another shape, a resected one, or one that the scan cuts off.

The cuts, in the patient's directions whatever the grid's:
- The hepatic veins run together at the vena cava. Seen from above, the planes along them are a fan
  around it: first the left lateral section (2, 3), then 4, the right anterior section (5, 8), and
  the right posterior (6, 7).
- The plane of the portal vein's branches cuts each section into an upper and a lower half.
- Segment 1 is what lies nearest to the vena cava, halfway up.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from liver_jax.biometry import parenchyma
from liver_jax.volume import geometry
from liver_jax.volume.geometry import Volume

SEGMENTS = ("1", "2", "3", "4a", "4b", "5", "6", "7", "8")  # label k + 1 is SEGMENTS[k]
DIAMETER_MM = 20.0
# Where the wanted circle does not fit, the largest that does; a smaller one than this is none.
SMALLEST_DIAMETER_MM = 10.0

# Of the liver's volume, about what the sections of an ordinary liver hold. Left of the vena cava
# lies a fifth and behind it three tenths, in round numbers of the label maps that were looked at.
_SEGMENT_1 = 0.04
_LEFT_OF_CAVA, _BEHIND_CAVA = 0.2, 0.3
_SECTIONS = (("2", "3"), ("4a", "4b"), ("8", "5"), ("7", "6"))  # upper, lower; as the fan runs
_SECTION_ENDS = (0.18, 0.34, 0.70)  # of what is not segment 1
# Positions that differ by less are one: a grid stored in another order has other last digits.
_SAME = 1e-4


class Circle(NamedTuple):
    """One region of interest in an axial section of the grid.

    Attributes:
        segment: One of `SEGMENTS`.
        diameter_mm: None where no circle fits.
        centre: Its voxel on the grid given, or None.
        reason: Why there is none.
    """

    segment: str
    diameter_mm: float | None
    centre: tuple[int, int, int] | None
    reason: str | None


@dataclasses.dataclass(frozen=True, eq=False)
class NineRois:
    """Nine circles.

    Attributes:
        labels: uint8 [x, y, z]: k + 1 inside the circle of `SEGMENTS[k]`, 0 elsewhere.
        circles: One for each of `SEGMENTS`, in order.
    """

    labels: np.ndarray
    circles: tuple[Circle, ...]


def partition(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Cuts a liver mask into nine regions, by its own shape and the patient's directions.

    Args:
        mask: bool [x, y, z].
        affine: [4, 4], voxel indices to RAS+ millimetres.

    Returns:
        uint8 [x, y, z]: k + 1 in the region that stands for `SEGMENTS[k]`, 0 outside the mask. A
        region may be empty in a mask of few voxels or few sections.
    """
    canonical = geometry.to_canonical(Volume(mask.astype(bool, copy=False), affine))
    labels = np.zeros(canonical.grid_shape, np.uint8)
    where = np.nonzero(canonical.data)
    if where[0].size:
        steps_mm = canonical.affine[:3, :3]
        labels[where] = _segments(np.stack(where, axis=-1) @ steps_mm.T)
    return geometry.from_canonical(labels, Volume(mask, affine))


def nine_rois(
    mask: np.ndarray,
    affine: np.ndarray,
    avoid: np.ndarray | None = None,
    diameter_mm: float = DIAMETER_MM,
) -> NineRois:
    """Places one circle in each region, as a reader does by hand.

    It lies in one section of the grid, of those nearest to axial, clear of other regions, of
    `avoid`, and of what is within `parenchyma.BORDER_MM` of the mask's surface. Of all places with
    room for it the deepest is taken. Where none has, the circle is as large as fits, down to 10 mm.

    Args:
        mask: bool [x, y, z].
        affine: [4, 4], voxel indices to RAS+ millimetres.
        avoid: bool [x, y, z], vessels as a rule.
        diameter_mm: What is wanted.

    Returns:
        The circles. One that does not fit is absent, with the reason.

    Raises:
        ValueError: The shapes differ, or the diameter is below 10 mm.
    """
    if avoid is not None and avoid.shape != mask.shape:
        raise ValueError(f"mask {mask.shape} and what to avoid {avoid.shape} differ in shape")
    if not diameter_mm >= SMALLEST_DIAMETER_MM:
        raise ValueError(f"diameter_mm={diameter_mm}: want at least {SMALLEST_DIAMETER_MM:g}")
    grid = Volume(mask, affine)
    allowed = parenchyma.erode_mm(mask, affine, parenchyma.BORDER_MM)
    if avoid is not None:
        allowed &= ~avoid.astype(bool, copy=False)
    regions = geometry.to_canonical(Volume(partition(mask, affine), affine))
    allowed = geometry.to_canonical(Volume(allowed, affine)).data
    voxel_numbers = np.arange(mask.size).reshape(mask.shape)
    voxel_numbers = geometry.to_canonical(Volume(voxel_numbers, affine)).data

    labels = np.zeros(regions.grid_shape, np.uint8)
    circles = []
    for label, segment in enumerate(SEGMENTS, 1):
        region = allowed & (regions.data == label)
        radius_mm, centre = _best_place(region, regions.spacing_mm, diameter_mm / 2)
        diameter = 2 * radius_mm
        if diameter < SMALLEST_DIAMETER_MM:
            reason = f"no circle of {SMALLEST_DIAMETER_MM:g} mm fits"
            if not (regions.data == label).any():
                reason = "the liver's shape leaves its region empty"
            circles.append(Circle(segment, None, None, reason))
            continue
        labels[..., centre[2]][_disc(regions, centre, diameter)] = label
        own = np.unravel_index(voxel_numbers[centre], mask.shape)
        circles.append(Circle(segment, diameter, tuple(map(int, own)), None))
    return NineRois(geometry.from_canonical(labels, grid), tuple(circles))


def _segments(position_mm: np.ndarray) -> np.ndarray:
    """The label of each voxel of a liver at positions [voxel, (right, front, head)]."""
    right, front, head = position_mm.T
    cava = (_share(right, _LEFT_OF_CAVA), _share(front, _BEHIND_CAVA))
    right, front = right - cava[0], front - cava[1]
    labels = np.zeros(len(position_mm), np.uint8)
    from_cava_mm = np.sqrt(right**2 + front**2 + (head - _share(head, 0.5)) ** 2)
    near = from_cava_mm <= _share(from_cava_mm, _SEGMENT_1) + _SAME
    labels[near] = 1
    rest = np.flatnonzero(~near)
    if not rest.size:
        return labels
    # From the left and back, where there is no liver, over the left and the front to the right.
    angle = np.mod(1.25 * np.pi - np.arctan2(front[rest], right[rest]), 2 * np.pi)
    section = sum((angle > _share(angle, end) + _SAME).astype(int) for end in _SECTION_ENDS)
    for number, (upper, lower) in enumerate(_SECTIONS):
        voxels = rest[section == number]
        if voxels.size:
            above = head[voxels] > _share(head[voxels], 0.5) + _SAME
            labels[voxels[above]] = SEGMENTS.index(upper) + 1
            labels[voxels[~above]] = SEGMENTS.index(lower) + 1
    return labels


def _share(values: np.ndarray, share: float) -> float:
    """The value that so large a share of the voxels does not exceed: always one of theirs."""
    return float(np.quantile(values, share, method="inverted_cdf"))


def _best_place(
    region: np.ndarray, spacing_mm: np.ndarray, wanted_mm: float
) -> tuple[float, tuple[int, int, int] | None]:
    """The radius of the circle to draw in a region and its centre; 0 and None where it is empty.

    Where several points have room for the wanted radius in their section, the best is deepest in
    the region in all three directions: the sections above and below then belong to it, too.
    """
    spans = [np.flatnonzero(region.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    if not spans[0].size:
        return 0.0, None
    start = [span[0] for span in spans]
    box = tuple(slice(span[0], span[-1] + 1) for span in spans)
    region = np.pad(region[box], 1)  # the edge of the grid bounds a circle as any border does
    depth_mm = ndimage.distance_transform_edt(region, sampling=spacing_mm)
    room_mm = np.zeros(region.shape)
    for k in range(region.shape[2]):
        section = ndimage.distance_transform_edt(region[..., k], sampling=spacing_mm[:2])
        room_mm[..., k] = section
    # The border is halfway to the nearest voxel outside.
    radius_mm = np.clip(room_mm - min(spacing_mm[:2]) / 2, 0, wanted_mm)
    candidates = np.where(region & (radius_mm == radius_mm.max()), depth_mm, -1)
    best = np.unravel_index(candidates.argmax(), region.shape)
    centre = tuple(int(at) - 1 + int(first) for at, first in zip(best, start, strict=True))
    return float(radius_mm[best]), centre


def _disc(grid: Volume, centre: tuple[int, int, int], diameter_mm: float) -> np.ndarray:
    """Marks the voxels [x, y] of a section whose centres are within a circle."""
    x, y = np.ogrid[: grid.grid_shape[0], : grid.grid_shape[1]]
    across_mm, along_mm = grid.spacing_mm[:2]
    distance_mm = np.hypot((x - centre[0]) * across_mm, (y - centre[1]) * along_mm)
    return distance_mm <= diameter_mm / 2
