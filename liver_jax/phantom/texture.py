"""Texture of tissues: random fields of several scales, continuous along all three axes.

No tissue is one number: fat has septa and small vessels, muscle has streaks of fat, marrow has
trabeculae, lung has vessels. Five components stand for that. Three are Gaussian: white noise on
lattices of 2.5, 6 and 18 mm, interpolated by cubic B-splines. Two are shapes: sheets lie where a
smooth field passes through zero, threads where two of them do so at once.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy import sparse

from liver_jax.phantom.sampling import Grid
from liver_jax.physics.tissues import Tissue

_FINE_MM, _MEDIUM_MM, _COARSE_MM = 2.5, 6.0, 18.0
# Sheets and threads are about as thick as their lattice's step times twice the width.
_SHAPE_MM, _SHEET_WIDTH, _THREAD_WIDTH = 8.0, 0.13, 0.17


@dataclasses.dataclass(frozen=True)
class Grain:
    """Texture of one tissue, in the unit of what is imaged.

    Attributes:
        fine: SD of the component of 2.5 mm; thick slices average most of it away.
        medium: SD of that of 6 mm.
        coarse: SD of that of 18 mm.
        sheets: How far septa, some 2 mm thick, stand out of what lies between them.
        threads: The same of small vessels.
    """

    fine: float = 0.0
    medium: float = 0.0
    coarse: float = 0.0
    sheets: float = 0.0
    threads: float = 0.0


# CT, in HU; customary values, chosen so that the SDs within organs stand beside those of real
# scans once noise is added.
CT = {
    Tissue.SKIN: Grain(fine=15),
    # Septa of connective tissue, small vessels.
    Tissue.SUBCUTANEOUS_FAT: Grain(fine=4, medium=4, coarse=3, sheets=20, threads=30),
    # Vessels, lymph nodes and leaves of the mesentery.
    Tissue.VISCERAL_FAT: Grain(fine=5, medium=7, coarse=5, sheets=25, threads=80),
    # Streaks of fat between bundles of fibres.
    Tissue.MUSCLE: Grain(fine=6, medium=7, coarse=6, sheets=-38),
    Tissue.CORTICAL_BONE: Grain(fine=90, medium=60),
    # Trabeculae; the basivertebral veins are the coarse part.
    Tissue.MARROW: Grain(fine=45, medium=30, coarse=20),
    Tissue.DISC: Grain(medium=8),
    Tissue.CORD: Grain(medium=3),
    # Vessels in air; perfusion and ventilation vary from lobule to lobule.
    Tissue.LUNG: Grain(fine=20, medium=15, coarse=20, threads=420),
    # Portal tracts and veins too small to be drawn.
    Tissue.LIVER: Grain(fine=3, medium=2, coarse=1.5),
    Tissue.LESION: Grain(fine=4, medium=8, coarse=5),
    Tissue.INFILTRATE: Grain(fine=4, medium=8, coarse=6),
    Tissue.SPLEEN: Grain(fine=3, medium=2, coarse=1.5),
    Tissue.KIDNEY_CORTEX: Grain(fine=4, medium=6, coarse=3),
    Tissue.KIDNEY_MEDULLA: Grain(fine=4, medium=6, coarse=3),
    # Fat between the lobules.
    Tissue.PANCREAS: Grain(fine=6, medium=10, coarse=4, sheets=-50),
    Tissue.BOWEL_WALL: Grain(fine=6, medium=8),
    # Food, some of it fat, some contrast agent.
    Tissue.BOWEL_FLUID: Grain(fine=8, medium=12, coarse=10),
    # Bubbles of gas.
    Tissue.STOOL: Grain(fine=60, medium=70, coarse=30, threads=-400),
    Tissue.CARTILAGE: Grain(fine=8, medium=12),
}


def table(grains: Mapping[Tissue, Grain]) -> np.ndarray:
    """Amplitudes of the components by tissue, float32 [component, tissue]."""
    amplitudes = np.zeros((len(dataclasses.fields(Grain)), len(Tissue)), np.float32)
    for tissue, grain in grains.items():
        amplitudes[:, tissue] = dataclasses.astuple(grain)
    return amplitudes


class Texture:
    """The random fields of one body on one grid. Every component has a mean of 0."""

    def __init__(self, grid: Grid, generator: np.random.Generator) -> None:
        """Draws the fields; the grid's voxels average them over their extent."""
        steps = (_FINE_MM, _MEDIUM_MM, _COARSE_MM, _SHAPE_MM, _SHAPE_MM)
        self._fields = [_Field(grid, step, generator) for step in steps]

    def layer(self, k: int) -> np.ndarray:
        """Slice k: float32 [component, x, y], in the order of `Grain`'s attributes.

        The Gaussian components have an SD of 1 where voxels are small. Sheets and threads are 1
        along their middle, above a background that makes up for it.
        """
        components = np.stack([field.layer(k) for field in self._fields])
        first, second = components[3], components[4]
        np.square(components[3:], out=components[3:])
        second += first
        # Means of exp(-u^2 / 2w^2) over a standard normal u, and over two of them.
        for part, width, power in ((first, _SHEET_WIDTH, 0.5), (second, _THREAD_WIDTH, 1.0)):
            part *= -0.5 / width**2
            np.exp(part, out=part)
            part -= (width**2 / (1 + width**2)) ** power
        return components


class _Field:
    """White noise on a lattice, interpolated by cubic B-splines, averaged over voxels."""

    def __init__(self, grid: Grid, step_mm: float, generator: np.random.Generator) -> None:
        self._along = [
            spline(grid.shape[axis], grid.spacing_mm[axis], step_mm, scaled=True)
            for axis in range(3)
        ]
        counts = [weights.shape[1] for weights in self._along]
        # z comes first: the lattice's layers that a slice lies between are then one block.
        self._nodes = generator.standard_normal((counts[2], *counts[:2]), dtype=np.float32)

    def layer(self, k: int) -> np.ndarray:
        along_x, along_y, along_z = self._along
        near = along_z[[k]]
        pairs = zip(near.data, self._nodes[near.indices], strict=True)
        return upsampled(sum(weight * nodes for weight, nodes in pairs), along_x, along_y)


def spline(count: int, spacing: float, step: float, scaled: bool = False) -> sparse.csr_array:
    """Weights of cubic B-splines on a lattice, averaged over the voxels of an axis.

    Args:
        count: Voxels.
        spacing: Between them.
        step: Of the lattice, in the same unit.
        scaled: Whether white noise of SD 1 shall give an SD of 1, at points (not at voxels, whose
            average is less). Otherwise a lattice of ones gives ones.

    Returns:
        float32 [voxel, node]; node 1 lies at the first voxel's edge.
    """
    inside = (np.arange(4) + 0.5) / 4 - 0.5
    points = (np.arange(count)[:, None] + 0.5 + inside) * (spacing / step) + 1
    nodes = np.arange(int(np.ceil(points.max())) + 3)
    distance = np.abs(points[:, :, None] - nodes)
    weights = np.where(
        distance < 1,
        2 / 3 - distance**2 + distance**3 / 2,
        np.maximum(2 - distance, 0) ** 3 / 6,
    )
    if scaled:
        weights /= np.sqrt((weights**2).sum(axis=2, keepdims=True))
    return sparse.csr_array(weights.mean(axis=1).astype(np.float32))


def upsampled(
    nodes: np.ndarray, along_x: sparse.csr_array, along_y: sparse.csr_array
) -> np.ndarray:
    """Values [x, y] at voxels from those at nodes, by the weights of both axes."""
    # Sparse: dense products would set the threads of BLAS against those that paint.
    return along_x @ np.ascontiguousarray((along_y @ np.ascontiguousarray(nodes.T)).T)
