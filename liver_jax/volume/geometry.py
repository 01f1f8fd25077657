"""What a scan is in space: voxels, and the affine that places them in the patient."""

import dataclasses
import itertools
import pathlib
from typing import Protocol

import numpy as np
from nibabel import orientations

from liver_jax.errors import InputError

# How far apart corresponding corners of one grid may lie: headers are rounded.
TOLERANCE_MM = 0.1


class Placed(Protocol):
    """Whatever lies on a grid of voxels in space: a `Volume`, or a file's header alone."""

    affine: np.ndarray

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """The number of voxels along each spatial axis."""


@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """Voxels in space without their values.

    Attributes:
        grid_shape: The number of voxels along each spatial axis.
        affine: `[4, 4]` float64, from voxel indices to RAS+ millimetres.
    """

    grid_shape: tuple[int, int, int]
    affine: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Volume:
    """A scan, a mask or a map, with its geometry.

    Attributes:
        data: `[x, y, z]` or `[x, y, z, echo]`, on the axes of the file it came from.
        affine: `[4, 4]` float64, from voxel indices to RAS+ millimetres (x to the patient's right,
            y to the front, z to the head). Spacing, axes and handedness are derived from it.
    """

    data: np.ndarray
    affine: np.ndarray

    def __post_init__(self):
        """Holds the affine as float64; the shapes must be those named above."""
        object.__setattr__(self, "affine", np.array(self.affine, np.float64))
        if self.data.ndim not in (3, 4) or self.affine.shape != (4, 4):
            raise ValueError(
                f"data {self.data.shape}, affine {self.affine.shape}: want 3 or 4 axes and (4, 4)"
            )

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """The number of voxels along each spatial axis."""
        return self.data.shape[:3]

    @property
    def echo_count(self) -> int:
        """The length of the echo axis; 1 where there is none."""
        return self.data.shape[3] if self.data.ndim == 4 else 1

    @property
    def spacing_mm(self) -> np.ndarray:
        """The distance between neighbouring voxels along each of the data's axes, `[3]`."""
        return spacing_mm(self.affine)

    @property
    def voxel_volume_ml(self) -> float:
        """The volume of one voxel: the determinant, which holds for oblique and sheared grids."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    @property
    def axis_codes(self) -> tuple[str, str, str]:
        """Where each axis points, nearly: `("R", "A", "S")` for the canonical orientation."""
        return orientations.ornt2axcodes(canonical_transform(self.affine))


def spacing_mm(affine: np.ndarray) -> np.ndarray:
    """The lengths of the affine's three columns: millimetres for one voxel step along each axis."""
    return np.linalg.norm(affine[:3, :3], axis=0)


def canonical_transform(affine: np.ndarray) -> np.ndarray:
    """The permutation and flips that bring a grid nearest to RAS+.

    Returns:
        `[3, 2]`, as nibabel has it: for each data axis the canonical axis, and 1 or -1 for a flip.
    """
    return orientations.io_orientation(affine)


def canonical_grid(grid: Placed) -> Grid:
    """The same grid with its axes permuted and flipped nearest to RAS+."""
    transform = canonical_transform(grid.affine)
    affine = grid.affine @ orientations.inv_ornt_aff(transform, grid.grid_shape)
    shape = np.array(grid.grid_shape)[np.argsort(transform[:, 0])]
    return Grid(tuple(shape.tolist()), affine)


def canonical_view(volume: Volume) -> Volume:
    """The same voxels with their axes permuted and flipped nearest to RAS+; nothing is resampled.

    The affine follows the axes, so every voxel keeps its place in the patient. The data are a view:
    no voxel is copied, and what is written to it is written to the volume.
    """
    transform = canonical_transform(volume.affine)
    data = orientations.apply_orientation(volume.data, transform)
    return Volume(data, canonical_grid(volume).affine)


def to_canonical(volume: Volume) -> Volume:
    """As `canonical_view`, copied into an array of its own."""
    view = canonical_view(volume)
    return Volume(np.ascontiguousarray(view.data), view.affine)


def is_turned(one: Placed, other: Placed, tolerance_mm: float = TOLERANCE_MM) -> bool:
    """Whether two grids have the same voxels in the same places, on axes that differ."""
    if corner_distance_mm(one, other) <= tolerance_mm:
        return False
    return corner_distance_mm(canonical_grid(one), canonical_grid(other)) <= tolerance_mm


def from_canonical(data: np.ndarray, like: Placed) -> np.ndarray:
    """Brings an array back from the canonical axes to a file's own axes: undoes `to_canonical`.

    Args:
        data: `[x, y, z]` or `[x, y, z, echo]` on the grid of `to_canonical(like)`.
        like: The scan whose axes are wanted.

    Returns:
        The same values on the axes of `like`.
    """
    identity = [[0, 1], [1, 1], [2, 1]]
    back = orientations.ornt_transform(identity, canonical_transform(like.affine))
    result = np.ascontiguousarray(orientations.apply_orientation(data, back))
    if result.shape[:3] != tuple(like.grid_shape):
        raise ValueError(f"{data.shape} is not the canonical shape of a grid {like.grid_shape}")
    return result


def corners_mm(volume: Placed) -> np.ndarray:
    """The eight outer corners of the grid, `[8, 3]` in RAS+ millimetres.

    They are corners of voxels, not centres: a single slice then still shows its thickness.
    """
    ends = [(-0.5, length - 0.5) for length in volume.grid_shape]
    corners = np.array(list(itertools.product(*ends)))
    return corners @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def corner_distance_mm(one: Placed, other: Placed) -> float:
    """How far the corners of two grids of one shape lie apart at most; inf of other shapes."""
    if tuple(one.grid_shape) != tuple(other.grid_shape):
        return np.inf
    return float(np.linalg.norm(corners_mm(one) - corners_mm(other), axis=1).max())


def check_same_grid(
    reference: Placed,
    other: Placed,
    subject: str | pathlib.Path,
    reference_name: str,
    tolerance_mm: float = TOLERANCE_MM,
) -> None:
    """Refuses a volume that does not lie voxel on voxel with its reference.

    Args:
        reference: The grid that is right, an image's as a rule.
        other: The grid to compare with it.
        subject: The file that holds `other`, for the message.
        reference_name: What `reference` is called in the message.
        tolerance_mm: How far apart corresponding corners may lie.

    Raises:
        InputError: The shapes differ, or a corner lies further off than the tolerance.
    """
    distance_mm = corner_distance_mm(reference, other)
    if distance_mm <= tolerance_mm:
        return
    if is_turned(reference, other, tolerance_mm):
        fault = f"has the voxels of {reference_name} in their places, on axes turned otherwise"
        remedy = "Turn them; python -m liver_jax.prepare --cohort=folders does"
        raise InputError(subject, fault, remedy)
    remedy = f"Resample it onto the grid of {reference_name}, or name the file that belongs to it"
    if tuple(reference.grid_shape) != tuple(other.grid_shape):
        found = " x ".join(map(str, other.grid_shape))
        wanted = " x ".join(map(str, reference.grid_shape))
        fault = f"has {found} voxels, while {reference_name} has {wanted}"
        raise InputError(subject, fault, remedy)
    fault = (
        f"lies on another grid than {reference_name}: corners are up to {distance_mm:.4g} mm "
        f"apart, while {tolerance_mm:g} mm is allowed"
    )
    raise InputError(subject, fault, remedy)
