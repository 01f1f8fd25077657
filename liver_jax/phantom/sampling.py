"""From continuous subjects to voxels: grids, partial volume, smooth random fields, orientation."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from nibabel import orientations

from liver_jax.phantom import anatomy
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue
from liver_jax.volume.geometry import Volume


@dataclasses.dataclass(frozen=True)
class Grid:
    """Voxels along x (right), y (front) and z (head); `first_mm` is the centre of the first."""

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    first_mm: tuple[float, float, float]

    @property
    def affine(self) -> np.ndarray:
        """Voxel to RAS+ mm, [4, 4]."""
        affine = np.diag([*self.spacing_mm, 1.0])
        affine[:3, 3] = self.first_mm
        return affine

    def axis_mm(self, axis: int) -> np.ndarray:
        """Voxel centres along an axis."""
        return self.first_mm[axis] + self.spacing_mm[axis] * np.arange(self.shape[axis])


def around(
    subject: anatomy.Subject,
    matrix: int,
    slice_mm: float,
    margins_mm: tuple[float, float],
    air_fraction: float,
) -> Grid:
    """A grid that a technician would plan: the body fills it, the liver lies inside it.

    Args:
        subject: Who lies in the scanner.
        matrix: Voxels from right to left, a multiple of 8; front to back as many as the body needs.
        slice_mm: Slice thickness, no gap.
        margins_mm: Room below and above the liver.
        air_fraction: Air on both sides as a part of the body's width.

    Returns:
        The grid; its field of view is 340 mm or more, rounded to the voxel size a protocol has.
    """
    half_x, half_y = (h + subject.warp_limit_mm for h in subject.body)
    width = max(2 * half_x * (1 + air_fraction), 340.0)
    pixel = round(width / matrix, 3)
    rows = min(matrix, 8 * int(np.ceil(2 * half_y * (1 + air_fraction) / pixel / 8)))
    low, high = subject.scan_range_mm
    low, high = low - margins_mm[0], high + margins_mm[1]
    slices = int(np.ceil((high - low) / slice_mm))
    return Grid(
        (matrix, rows, slices),
        (pixel, pixel, slice_mm),
        (
            round(-pixel * (matrix - 1) / 2, 3),
            round(subject.back - pixel * (rows - 1) / 2, 3),
            round(low + slice_mm / 2, 3),
        ),
    )


def tissue_fractions(
    subject: anatomy.Subject, grid: Grid, samples: int
) -> Iterator[tuple[int, np.ndarray]]:
    """What each voxel is made of, slice by slice.

    Every voxel is sampled at the points of a lattice that spreads evenly along all three of its
    axes (Fibonacci steps in the plane, one layer for each sample along z): partial volume in every
    direction at the cost of a few points.

    Args:
        subject: Whom to sample.
        grid: The voxels.
        samples: Points in each voxel.

    Yields:
        The slice's index, and float32 [x, y, tissue] fractions that sum to 1.
    """
    order = np.arange(samples)
    offsets = np.stack(
        [(order * 0.7548777) % 1, (order * 0.5698403) % 1, (order + 0.5) / samples], axis=1
    )
    offsets[:, :2] -= offsets[:, :2].mean(axis=0)
    offsets[:, 2] -= 0.5
    shift = offsets * grid.spacing_mm
    x = grid.axis_mm(0)[:, None, None] + shift[:, 0]
    y = grid.axis_mm(1)[None, :, None] + shift[:, 1]
    columns, rows = grid.shape[:2]
    voxel = (len(Tissue) * np.arange(columns * rows, dtype=np.int64)).reshape(columns, rows, 1)
    for k, z in enumerate(grid.axis_mm(2)):
        tissue = anatomy.paint(subject, x, y, z + shift[None, None, :, 2])
        counts = np.bincount((voxel + tissue).ravel(), minlength=columns * rows * len(Tissue))
        yield k, counts.reshape(columns, rows, -1).astype(np.float32) * np.float32(1 / samples)


def liver_fraction(fractions: np.ndarray) -> np.ndarray:
    """The part of each voxel that a reader calls liver, from [..., tissue] fractions."""
    return fractions[..., list(LIVER_TISSUES)].sum(axis=-1)


def smooth_field(
    grid: Grid, wavelength_mm: tuple[float, float], generator: np.random.Generator
) -> np.ndarray:
    """A smooth random field: a few products of waves, one for each axis.

    Args:
        grid: Where.
        wavelength_mm: The range that the waves' lengths are drawn from.
        generator: Source of the waves.

    Returns:
        float32 [x, y, z] with a mean near 0 and an SD near 1.
    """
    count = 6
    waves = []
    for axis in range(3):
        k = 2 * np.pi / generator.uniform(*wavelength_mm, (count, 1))
        phase = generator.uniform(0, 2 * np.pi, (count, 1))
        waves.append(np.sqrt(2.0) * np.cos(k * grid.axis_mm(axis) + phase))
    weight = generator.choice([-1.0, 1.0], count) / np.sqrt(count)
    field = np.einsum("m,mx,my,mz->xyz", weight, *waves, optimize=True)
    return field.astype(np.float32)


def oriented(data: np.ndarray, grid: Grid, axis_codes: str) -> Volume:
    """Stores [x, y, z] or [x, y, z, echo] data of a grid along other axes, as scanners do.

    Args:
        data: On the grid's own axes (RAS).
        grid: Where they lie.
        axis_codes: Such as "LPS"; the patient stays where he is.

    Returns:
        The permuted and flipped data with the affine that belongs to them.
    """
    transform = orientations.ornt_transform(
        orientations.axcodes2ornt("RAS"), orientations.axcodes2ornt(axis_codes)
    )
    affine = grid.affine @ orientations.inv_ornt_aff(transform, grid.shape)
    return Volume(orientations.apply_orientation(data, transform), affine)
