"""The points that a subject is painted at, moved by its warp, with its random textures."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from liver_jax.phantom import noise, shapes
from liver_jax.phantom.noise import Noise
from liver_jax.phantom.shapes import Box, Vessels
from liver_jax.physics.tissues import Tissue

Block = tuple[slice, slice, slice]
FAR_MM = 1e3


@dataclasses.dataclass(frozen=True)
class Grain:
    """What makes a subject irregular.

    Attributes:
        warp: Shifts in mm along x, y and z.
        textures: Random fields of mean 0 and SD 1: coarse (waves of about 60 mm), medium (20 mm)
            and fine (7 mm).
    """

    warp: tuple[Noise, Noise, Noise]
    textures: tuple[Noise, Noise, Noise]


def draw_grain(generator: np.random.Generator) -> Grain:
    """Draws warp and textures."""
    return Grain(
        tuple(noise.draw(generator, (130, 280), float(generator.uniform(2, 4)), 6) for _ in "xyz"),
        tuple(noise.draw(generator, lengths, 1.0) for lengths in ((45, 80), (15, 26), (5.5, 10))),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Points:
    """Points to paint, and what each index of each axis of their arrays covers.

    Attributes:
        x: And y, z: coordinates after the warp, in mm, of three axes.
        height: z before the warp; as given, often an open grid.
        tissue: What is painted so far.
        coarse: And medium, fine: textures.
        bounds: For each axis of the arrays: lowest and highest x, y and z of each index, [2, 3, n].
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    height: np.ndarray
    tissue: np.ndarray
    coarse: np.ndarray
    medium: np.ndarray
    fine: np.ndarray
    bounds: tuple[np.ndarray, np.ndarray, np.ndarray]

    @classmethod
    def of(cls, grain: Grain, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> "Points":
        """Points in mm; x, y and z broadcast to three axes, open grids are the cheap way."""
        given = x, y, z
        shape = np.broadcast_shapes(*(p.shape for p in given))
        lattice = noise.terms(x, y, z)
        places = given if lattice is None else lattice
        shifts = [np.broadcast_to(noise.field(w, places), shape) for w in grain.warp]
        textures = [np.broadcast_to(noise.field(w, places), shape) for w in grain.textures]
        x, y, z = (p.astype(np.float32) for p in given)
        warped = [p + s for p, s in zip((x, y, z), shifts, strict=True)]
        if lattice is None:
            bounds = tuple(_covered(warped, axis) for axis in range(3))
        else:
            reach = [(s.min(), s.max()) for s in shifts]
            bounds = tuple(_covered_lattice(lattice, reach, axis) for axis in range(3))
        return cls(*warped, z, np.zeros(shape, np.uint8), *textures, bounds)

    @property
    def box(self) -> np.ndarray:
        """Lowest and highest x, y and z, [2, 3]."""
        low, high = self.bounds[0]
        return np.stack([low.min(axis=1), high.max(axis=1)])

    @property
    def z_range(self) -> tuple[float, float]:
        """Lowest and highest z."""
        box = self.box
        return float(box[0, 2]), float(box[1, 2])

    def block(self, box: Box) -> Block | None:
        """The part of the arrays that can lie in the box, None where there is none.

        Painting only there makes the cost of an organ that of its box.
        """
        start, end = np.array(box)[..., None]
        found = []
        for low, high in self.bounds:
            index = np.flatnonzero(((high >= start) & (low <= end)).all(axis=0))
            if not index.size:
                return None
            found.append(slice(int(index[0]), int(index[-1]) + 1))
        return tuple(found)

    def within(self, block: Block) -> "Points":
        """A view of a block: what is painted there is painted here."""
        arrays = (self.x, self.y, self.z, self.tissue, self.coarse, self.medium, self.fine)
        x, y, z, tissue, *textures = (array[block] for array in arrays)
        height = np.broadcast_to(self.height, self.tissue.shape)[block]
        # Keep an open grid open.
        height = height[tuple(slice(0, n) for n in np.minimum(self.height.shape, height.shape))]
        bounds = tuple(b[..., s] for b, s in zip(self.bounds, block, strict=True))
        return Points(x, y, z, height, tissue, *textures, bounds)

    def at(self, block: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coordinates of a block."""
        return self.x[block], self.y[block], self.z[block]

    def near(
        self, vessels: Vessels, margin_mm: float = 0.0
    ) -> Iterator[tuple[int, Block, np.ndarray]]:
        """Every part of the vessels that the points reach: which, where, and the distance in mm."""
        if not vessels.parts:
            return
        low, high = self.box
        start = vessels.boxes[:, 0] - margin_mm
        end = vessels.boxes[:, 1] + margin_mm
        reached = np.flatnonzero(((end >= low) & (start <= high)).all(axis=1))
        for k, block in zip(*self._blocks(reached, start[reached], end[reached]), strict=True):
            part = vessels.parts[k]
            where = self.at(block)
            yield k, block, shapes.segment_distance(part.start, part.end, part.radii, *where)

    def _blocks(
        self, numbers: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> tuple[list[int], list[Block]]:
        """As `block`, of many boxes at once ([box, 3] corners): which have one, and theirs."""
        held = np.ones(len(numbers), bool)
        limits = []
        for low, high in self.bounds:
            inside = ((high >= start[..., None]) & (low <= end[..., None])).all(axis=1)
            held &= inside.any(axis=1)
            limits += [inside.argmax(axis=1), inside.shape[1] - inside[:, ::-1].argmax(axis=1)]
        rows = np.stack(limits, axis=1)[held].tolist()
        blocks = [(slice(a, b), slice(c, d), slice(e, f)) for a, b, c, d, e, f in rows]
        return numbers[held].tolist(), blocks

    def paint_vessels(self, vessels: Vessels, tissue: Tissue, over: tuple[Tissue, ...]) -> None:
        """Paints vessels where the tissues `over` are."""
        free = np.zeros(len(Tissue), bool)
        free[list(over)] = True
        for _, block, distance in self.near(vessels):
            part = self.tissue[block]
            part[(distance < 0) & free[part]] = tissue


def _covered(warped: list[np.ndarray], axis: int) -> np.ndarray:
    others = tuple({0, 1, 2} - {axis})
    return np.stack(
        [[p.min(axis=others) for p in warped], [p.max(axis=others) for p in warped]]
    ).astype(np.float64)


def _covered_lattice(
    lattice: noise.Terms, reach: list[tuple[float, float]], axis: int
) -> np.ndarray:
    others = [lattice[k] for k in range(3) if k != axis]
    low, high = np.array(reach, np.float64).T
    low = low + sum(part.min(axis=0) for part in others)
    high = high + sum(part.max(axis=0) for part in others)
    return np.stack([(lattice[axis] + low).T, (lattice[axis] + high).T])
