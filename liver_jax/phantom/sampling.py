"""From continuous subjects to voxels: grids, partial volume, smooth random fields, orientation."""

import collections
import concurrent.futures
import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from nibabel import orientations

from liver_jax.phantom.body import Body
from liver_jax.physics.tissues import Tissue
from liver_jax.volume.geometry import Volume

_POINTS_AT_ONCE = 600_000
_UPRIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
Coordinates = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Grid:
    """Voxels along x (right), y (front) and z (head), turned about their middle.

    Attributes:
        shape: Voxels along each axis.
        spacing_mm: Between them.
        first_mm: The centre of the first one, before the turn.
        rotation: Rows of a rotation matrix: an oblique acquisition has one.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    first_mm: tuple[float, float, float]
    rotation: tuple[tuple[float, float, float], ...] = _UPRIGHT

    @property
    def affine(self) -> np.ndarray:
        """Voxel to RAS+ mm, [4, 4]."""
        rotation = np.asarray(self.rotation)
        affine = np.eye(4)
        affine[:3, :3] = rotation @ np.diag(self.spacing_mm)
        middle = self._middle_mm
        affine[:3, 3] = middle + rotation @ (np.asarray(self.first_mm) - middle)
        return affine

    @property
    def _middle_mm(self) -> np.ndarray:
        extent = (np.asarray(self.shape) - 1) * self.spacing_mm
        return np.asarray(self.first_mm) + extent / 2

    def axis_mm(self, axis: int) -> np.ndarray:
        """Voxel centres along an axis, before the turn."""
        return self.first_mm[axis] + self.spacing_mm[axis] * np.arange(self.shape[axis])

    def rotated(self, rotation: np.ndarray) -> "Grid":
        """The same voxels turned about their middle by a rotation matrix, [3, 3]."""
        return dataclasses.replace(self, rotation=tuple(map(tuple, rotation.tolist())))

    def turned(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Coordinates:
        """Points given along the grid's axes as points of the body.

        An upright grid gives them back as they are, open grids open.
        """
        if self.rotation == _UPRIGHT:
            return x, y, z
        centre = self._middle_mm
        local = (x - centre[0], y - centre[1], z - centre[2])
        return tuple(
            centre[k] + sum(r * p for r, p in zip(self.rotation[k], local, strict=True))
            for k in range(3)
        )

    def layer_mm(self, k: int) -> Coordinates:
        """Voxel centres of slice k in the body, each broadcasting to [x, y]."""
        x, y = self.axis_mm(0)[:, None], self.axis_mm(1)[None, :]
        return self.turned(x, y, np.full((1, 1), self.axis_mm(2)[k]))


def around(
    body: Body,
    matrix: int,
    slice_mm: float,
    margins_mm: tuple[float, float],
    air_fraction: float,
    square: bool = False,
) -> Grid:
    """A grid that a technician would plan: the body fills it, the liver lies inside it.

    Args:
        body: Who lies in the scanner.
        matrix: Voxels from right to left, a multiple of 8; front to back as many as the body needs.
        slice_mm: Slice thickness, no gap.
        margins_mm: Room below and above the liver; negative cuts it.
        air_fraction: Air on both sides as a part of the body's width.
        square: As many voxels from front to back as from right to left, as CT has.

    Returns:
        The grid; its field of view is 340 mm or more, rounded to the voxel size a protocol has.
    """
    (left, back, floor), (right, front, ceiling) = body.extent_mm
    width = max((right - left) * (1 + air_fraction), 340.0)
    pixel = round(width / matrix, 3)
    needed = 8 * int(np.ceil((front - back) * (1 + air_fraction) / pixel / 8))
    rows = matrix if square else min(matrix, needed)
    low = max(body.liver_range_mm[0] - margins_mm[0], floor)
    high = min(body.liver_range_mm[1] + margins_mm[1], ceiling)
    # What is to be cut off, or lies above the known anatomy, is not imaged.
    whole = int if margins_mm[1] < 0 else math.ceil
    slices = max(min(whole((high - low) / slice_mm), int((ceiling - low) / slice_mm)), 1)
    return Grid(
        (matrix, rows, slices),
        (pixel, pixel, slice_mm),
        (
            round((left + right) / 2 - pixel * (matrix - 1) / 2, 3),
            round((back + front) / 2 - pixel * (rows - 1) / 2, 3),
            round(low + slice_mm / 2, 3),
        ),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Composition:
    """What the voxels of one slice are made of.

    Attributes:
        tissue: uint8 [x, y], the commonest tissue of each voxel.
        mixed: int64 [n], flat indices of the voxels that hold more than one tissue.
        fractions: float32 [n, tissue], what those hold; each row sums to 1.
    """

    tissue: np.ndarray
    mixed: np.ndarray
    fractions: np.ndarray

    def mean(self, table: np.ndarray) -> np.ndarray:
        """The average of a value of each tissue over each voxel (partial volume).

        Args:
            table: [tissue, ...], real or complex.

        Returns:
            [x, y, ...] of the table's type.
        """
        table = np.asarray(table)
        values = table[self.tissue.ravel()]
        if len(self.mixed):
            flat = table.reshape(len(table), -1)
            mixed = self.fractions.astype(np.result_type(flat.dtype, np.float32)) @ flat
            values[self.mixed] = mixed.reshape(-1, *table.shape[1:])
        return values.reshape(*self.tissue.shape, *table.shape[1:])

    def fraction(self, wanted: Sequence[Tissue]) -> np.ndarray:
        """The part of each voxel that the wanted tissues fill, float32 [x, y]."""
        table = np.zeros(len(Tissue), np.float32)
        table[list(wanted)] = 1.0
        return self.mean(table)


def compositions(
    body: Body, grid: Grid, samples: int, thickness: float = 1.0, threads: int = 1
) -> Iterator[tuple[int, Composition]]:
    """What each voxel is made of, slice by slice.

    Every voxel is sampled at the points of a lattice that spreads evenly along all three of its
    axes (steps of the plastic number in the plane, one layer for each sample along z): partial
    volume in every direction at the cost of a few points.

    Args:
        body: What to sample.
        grid: The voxels.
        samples: Points in each voxel.
        thickness: Of the sampled slab, in parts of the grid's step along z.
        threads: How many slices are painted at once.

    Returns:
        For each slice, in order, its index and its composition.
    """
    order = np.arange(samples)
    offsets = np.stack(
        [(order * 0.7548777) % 1, (order * 0.5698403) % 1, (order + 0.5) / samples], axis=1
    )
    offsets[:, :2] -= offsets[:, :2].mean(axis=0)
    offsets[:, 2] -= 0.5
    offsets[:, 2] *= thickness
    shift = offsets * grid.spacing_mm
    # The samples come first: in that order every layer is one contiguous image.
    x = grid.axis_mm(0)[None, :, None] + shift[:, 0, None, None]
    y = grid.axis_mm(1)[None, None, :] + shift[:, 1, None, None]
    heights = grid.axis_mm(2)
    # Small slices are painted several at once: most of their cost is that of the calls.
    together = max(1, _POINTS_AT_ONCE // (samples * grid.shape[0] * grid.shape[1]))
    parts = [heights[k : k + together] for k in range(0, len(heights), together)]

    def composed(part: np.ndarray) -> list[Composition]:
        z = (part[:, None] + shift[:, 2]).reshape(-1, 1, 1)
        repeated = (np.tile(axis, (len(part), 1, 1)) for axis in (x, y))
        tissue = body.tissue(*grid.turned(*repeated, z))
        return [_composition(layers) for layers in np.split(tissue, len(part))]

    return enumerate(itertools.chain.from_iterable(_in_order(composed, parts, threads)))


def _in_order(
    make: Callable[[np.ndarray], list[Composition]], parts: Sequence[np.ndarray], threads: int
) -> Iterator[list[Composition]]:
    """As map, a few parts ahead in threads."""
    if threads <= 1:
        yield from map(make, parts)
        return
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        ahead: collections.deque = collections.deque()
        for part in parts:
            ahead.append(pool.submit(make, part))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _composition(tissue: np.ndarray) -> Composition:
    """From uint8 [sample, x, y] labels."""
    first = tissue[0]
    if len(tissue) == 1:
        return Composition(first, np.zeros(0, np.int64), np.zeros((0, len(Tissue)), np.float32))
    differs = tissue[1] != first
    for layer in tissue[2:]:
        differs |= layer != first
    mixed = np.flatnonzero(differs)
    rows = len(Tissue) * np.arange(len(mixed), dtype=np.int64)
    labels = tissue.reshape(len(tissue), -1)[:, mixed]
    counts = np.bincount((rows + labels).ravel(), minlength=len(mixed) * len(Tissue))
    fractions = counts.reshape(len(mixed), len(Tissue)).astype(np.float32) / len(tissue)
    commonest = first.copy()
    commonest.reshape(-1)[mixed] = fractions.argmax(axis=1)
    return Composition(commonest, mixed, fractions)


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
