"""A body on a coarse lattice: what reaches further than a voxel is computed there."""

import dataclasses
import math

import numpy as np

from liver_jax.phantom.body import Body
from liver_jax.phantom.sampling import Coordinates, Grid
from liver_jax.physics.tissues import Tissue


@dataclasses.dataclass(frozen=True, eq=False)
class Lattice:
    """Tissues at points along the body's own axes.

    Attributes:
        labels: uint8 [x, y, z] labels of `Tissue`.
        first_mm: Where the first point lies.
        step_mm: Between points, along every axis.
    """

    labels: np.ndarray
    first_mm: tuple[float, float, float]
    step_mm: float

    def points_mm(self, axis: int) -> np.ndarray:
        """Coordinates along an axis."""
        return self.first_mm[axis] + self.step_mm * np.arange(self.labels.shape[axis])

    def where(self, tissue: Tissue) -> Coordinates:
        """Coordinates in mm of the points that a tissue fills, each [n]."""
        found = np.nonzero(self.labels == tissue)
        return tuple(self.points_mm(axis)[index] for axis, index in enumerate(found))


def heights_mm(grid: Grid) -> tuple[float, float]:
    """The lowest and the highest z of a grid's voxel centres, oblique or not."""
    corners = np.stack(np.meshgrid(*((0, n - 1) for n in grid.shape), indexing="ij"), axis=-1)
    z = corners.reshape(-1, 3) @ grid.affine[2, :3] + grid.affine[2, 3]
    return float(z.min()), float(z.max())


def sample(body: Body, heights_mm: tuple[float, float], step_mm: float) -> Lattice:
    """Samples a body from front to back and from side to side.

    Args:
        body: What to sample.
        heights_mm: Between which z, as far as the body is known.
        step_mm: Between points.

    Returns:
        The lattice.
    """
    low, high = (list(corner) for corner in body.extent_mm)
    low[2], high[2] = max(low[2], heights_mm[0]), min(high[2], heights_mm[1])
    counts = [max(math.ceil((b - a) / step_mm), 1) for a, b in zip(low, high, strict=True)]
    first = tuple(
        (a + b - step_mm * (n - 1)) / 2 for a, b, n in zip(low, high, counts, strict=True)
    )
    x, y, z = (a + step_mm * np.arange(n) for a, n in zip(first, counts, strict=True))
    labels = np.empty(counts, np.uint8)
    # A slab at a time: painting needs room for its intermediate values.
    for k in range(0, counts[2], 16):
        slab = z[k : k + 16]
        labels[..., k : k + 16] = body.tissue(
            x[:, None, None], y[None, :, None], slab[None, None, :]
        )
    return Lattice(labels, first, step_mm)
