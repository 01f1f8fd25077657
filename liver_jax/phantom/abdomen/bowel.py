"""Stomach and bowel: hollow organs, packed against each other and against everything else."""

import dataclasses
import enum

import numpy as np

from liver_jax.phantom import shapes
from liver_jax.phantom.abdomen.frame import Frame
from liver_jax.phantom.abdomen.points import FAR_MM, Points
from liver_jax.phantom.person import Finding
from liver_jax.phantom.shapes import Vector, Vessels
from liver_jax.physics.tissues import Tissue


class Content(enum.Enum):
    """What fills a hollow organ."""

    FLUID = "fluid"
    FOOD = "food"
    STOOL = "stool"
    NOTHING = "nothing"  # collapsed: two walls lie on each other


@dataclasses.dataclass(frozen=True)
class Loop:
    """A stretch of gut.

    Attributes:
        tube: Where it lies.
        wall_mm: How thick its wall is.
        folds_mm: How far the folds of its wall stand out.
        content: What fills it.
        gas_y: Above this height (towards the front) there is gas.
    """

    tube: Vessels
    wall_mm: float
    folds_mm: float
    content: Content
    gas_y: float


@dataclasses.dataclass(frozen=True)
class Bowel:
    """All loops."""

    loops: tuple[Loop, ...]

    def paint(self, p: Points, room: np.ndarray) -> None:
        """Paints the loops where `room` (distance in mm to what is not theirs) is positive.

        Where two loops meet they share a wall: each point belongs to the nearer one.
        """
        nearest = np.full(room.shape, FAR_MM, np.float32)
        second = nearest.copy()
        owner = np.zeros(room.shape, np.uint8)
        found = False
        for k, loop in enumerate(self.loops):
            for _, block, distance in p.near(loop.tube, 3.0):
                found = True
                best, other, whose = nearest[block], second[block], owner[block]
                closer = distance < best
                mine = whose == k
                # The loop that is left behind is the second one, unless it is this loop itself.
                np.copyto(other, best, where=closer & ~mine)
                np.minimum(other, distance, out=other, where=~closer & ~mine)
                np.copyto(best, distance, where=closer)
                np.copyto(whose, np.uint8(k), where=closer)
        if not found:
            return
        index = np.flatnonzero((nearest < 1.5) & (room > 0) & (p.tissue == Tissue.VISCERAL_FAT))
        best, whose, space = nearest.ravel()[index], owner.ravel()[index], room.ravel()[index]
        medium, fine = p.medium.ravel()[index], p.fine.ravel()[index]
        wall, folds, gas_y, content = self._table()
        best += 0.9 * medium
        inner = np.maximum(best, -space)
        np.maximum(inner, (best - second.ravel()[index]) * 0.5, out=inner)
        inner += wall[whose] + folds[whose] * (0.5 * medium + 0.6 * fine)
        kind = content[whose]
        filled = _CONTENT_TISSUE[kind]
        solid = (kind == _ORDER[Content.STOOL]) | (kind == _ORDER[Content.FOOD])
        bubbles = fine + 0.7 * medium
        crumbs = (kind == _ORDER[Content.FOOD]) & (bubbles > 0.6)
        filled[crumbs] = Tissue.STOOL
        gas = p.y.ravel()[index] > gas_y[whose] + 2.0 * solid * medium
        gas |= solid & (bubbles > np.where(kind == _ORDER[Content.STOOL], 1.0, 2.7))
        filled[gas & (kind != _ORDER[Content.NOTHING])] = Tissue.BOWEL_GAS
        painted = np.where(inner < 0, filled, np.uint8(Tissue.BOWEL_WALL))
        p.tissue.flat[index[best < 0]] = painted[best < 0]

    def _table(self) -> tuple[np.ndarray, ...]:
        numbers = np.array([(e.wall_mm, e.folds_mm, e.gas_y) for e in self.loops], np.float32).T
        return (*numbers, np.array([_ORDER[e.content] for e in self.loops]))


_ORDER = {content: k for k, content in enumerate(Content)}
_CONTENT_TISSUE = np.array(
    [Tissue.BOWEL_FLUID, Tissue.BOWEL_FLUID, Tissue.STOOL, Tissue.BOWEL_WALL], np.uint8
)


def draw(frame: Frame, generator: np.random.Generator) -> Bowel:
    """Draws oesophagus, stomach, duodenum, colon and small bowel."""
    oesophagus = shapes.smooth_tube(
        [
            (-9.0, frame.spine_y + 28, 70.0),
            (-13.0, frame.spine_y + 34, 0.0),
            frame.at(generator, (-0.22, -0.02, -42.0)),
            frame.at(generator, (-0.36, 0.02, -56.0)),
        ],
        (7.5, 7.5, 8.0, 10.0),
        16.0,
    )
    gullet = Loop(oesophagus, 3.0, 0.0, Content.NOTHING, FAR_MM)
    return Bowel(
        (
            gullet,
            _stomach(frame, generator),
            _duodenum(frame, generator),
            *_colon(frame, generator),
            *_small_bowel(frame, generator),
        )
    )


def _stomach(frame: Frame, generator: np.random.Generator) -> Loop:
    uniform = generator.uniform
    fill = float(uniform(0.6, 1.15)) * (frame.a / 122) ** 0.5
    sunk = 0.5 * frame.sinking_mm
    path = [
        frame.at(generator, place, 4)
        for place in (
            (-0.45, -0.22, -44),
            (-0.54, 0.02, -66 - sunk),
            (-0.50, 0.34, -100 - sunk),
            (-0.22, 0.56, -126 - sunk),
            (0.06, 0.48, -132 - sunk),
            (0.22, 0.30, -124 - sunk),
        )
    ]
    radii = [r * fill for r in (33, 37, 33, 26, 19)] + [9.0]
    content = Content.FOOD if uniform() < 0.35 else Content.FLUID
    return Loop(
        shapes.smooth_tube(path, radii, 16.0),
        float(uniform(3.0, 4.5)),
        float(uniform(0.8, 2.4)),
        content,
        float(uniform(0.1, 0.75) * frame.b),
    )


def _duodenum(frame: Frame, generator: np.random.Generator) -> Loop:
    sunk = 0.4 * frame.sinking_mm
    path = [
        frame.at(generator, place, 2)
        for place in (
            (0.25, 0.28, -124 - sunk),
            (0.38, 0.10, -134 - sunk),
            (0.38, -0.02, -165 - sunk),
            (0.22, -0.08, -192 - sunk),
            (-0.04, 0.06, -190 - sunk),
            (-0.22, 0.06, -170 - sunk),
        )
    ]
    radii = generator.uniform(9, 13, 6).tolist()
    return Loop(shapes.smooth_tube(path, radii, 14.0), 2.2, 0.8, Content.FLUID, 0.45 * frame.b)


def _colon(frame: Frame, generator: np.random.Generator) -> list[Loop]:
    """Ascending, transverse and descending colon, with haustra."""
    uniform = generator.uniform
    sunk = frame.sinking_mm
    flexure = 0.9 * sunk
    if frame.has(Finding.RESECTION):
        flexure -= 30.0  # it rises into the room of the lobe that is gone
    ascending = [(0.72, -0.10, -320), (0.74, -0.16, -250), (0.70, 0.02, -176 - flexure)]
    transverse = [
        ascending[-1],
        (0.50, 0.48, -172 - flexure),
        (0.18, 0.72, -190 - sunk - uniform(0, 30)),
        (-0.22, 0.74, -186 - sunk - uniform(0, 30)),
        (-0.60, 0.50, -140 - 0.5 * sunk),
        (-0.78, 0.06, -104),
    ]
    descending = [transverse[-1], (-0.80, -0.22, -150), (-0.79, -0.26, -230), (-0.76, -0.2, -320)]
    loops = []
    for places, radius, stool in (
        (ascending, uniform(17, 25), 0.9),
        (transverse, uniform(13, 22), 0.55),
        (descending, uniform(8, 16), 0.5),
    ):
        path = [frame.at(generator, place, 4) for place in places]
        tube = _haustra(shapes.smooth_tube(path, [float(radius)] * len(path), 11.0))
        content = Content.STOOL if uniform() < stool else Content.FLUID
        if radius < 10:
            content = Content.NOTHING
        middle = float(np.mean([y for _, y, _ in path[:-1]]))
        loops.append(Loop(tube, 1.8, 0.4, content, middle + float(radius * uniform(-0.3, 0.9))))
    return loops


def _haustra(tube: Vessels) -> Vessels:
    parts = []
    for k, part in enumerate(tube.parts):
        wide, narrow = (1.12, 0.80) if k % 2 else (0.80, 1.12)
        radius = part.radii[0]
        parts.append(dataclasses.replace(part, radii=(wide * radius, narrow * radius)))
    return Vessels(tuple(parts))


def _small_bowel(frame: Frame, generator: np.random.Generator) -> list[Loop]:
    """Loops spread evenly through the belly: each start lies far from those before it."""
    uniform, normal = generator.uniform, generator.normal
    sunk = frame.sinking_mm
    low, high = np.array([-0.66, -0.02, -300.0 - sunk]), np.array([0.58, 0.66, -138.0 - sunk])
    unit = np.array([frame.a, frame.b, 1.0])
    starts: list[np.ndarray] = []
    for _ in range(42):
        tries = uniform(low, high, (12, 3)) * unit
        gap = [min((np.linalg.norm(t - s) for s in starts), default=0.0) for t in tries]
        starts.append(tries[int(np.argmax(gap))])
    if frame.has(Finding.RESECTION):
        starts += [uniform([0.35, -0.2, -130.0], [0.8, 0.7, -60.0]) * unit for _ in range(5)]
    loops = []
    for start in starts:
        bends = normal(0, 1, (3, 3)) * (25, 17, 15)
        path = start + np.vstack([np.zeros(3), np.cumsum(bends, axis=0)])
        radius = float(uniform(8.5, 14))
        content = Content.FLUID if uniform() < 0.7 else Content.NOTHING
        if content is Content.NOTHING:
            radius = float(uniform(5.5, 8.5))
        gas = float(path[:, 1].max() + radius * uniform(-0.4, 1.0)) if uniform() < 0.2 else FAR_MM
        places: list[Vector] = [tuple(q) for q in path.tolist()]
        tube = shapes.smooth_tube(places, [radius] * 4, 13.0)
        folds = float(uniform(0.3, 1.4))
        loops.append(Loop(tube, float(uniform(1.6, 2.6)), folds, content, gas))
    return loops
