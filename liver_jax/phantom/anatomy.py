"""Subjects drawn at random, and the tissue at any point of them.

A subject is a set of implicit shapes in continuous coordinates (mm; x to the right, y to the front,
z to the head; z = 0 at the apex of the right diaphragm, x = y = 0 in the middle of the abdominal
cavity). A scanner of any kind asks it for the tissue at the points that it samples. Shapes are
painted in order, each over some of those before it, so neighbours touch and nothing is left
unpainted.
"""

import dataclasses

import numpy as np

from liver_jax.phantom.abdomen import (
    bowel,
    findings,
    frame,
    liver,
    organs,
    points,
    spine,
    thorax,
    trunk,
    vessels,
)
from liver_jax.phantom.abdomen.bowel import Bowel
from liver_jax.phantom.abdomen.findings import Findings
from liver_jax.phantom.abdomen.liver import Liver
from liver_jax.phantom.abdomen.organs import Organs
from liver_jax.phantom.abdomen.points import FAR_MM, Grain, Points
from liver_jax.phantom.abdomen.spine import Spine
from liver_jax.phantom.abdomen.thorax import Thorax
from liver_jax.phantom.abdomen.trunk import Trunk
from liver_jax.phantom.abdomen.vessels import Circulation
from liver_jax.phantom.person import Person
from liver_jax.phantom.shapes import Box
from liver_jax.physics.tissues import Tissue

# The grids on which a liver's size is solved for and measured, and the skin is.
_SOLVE_STEP_MM, _MEASURE_STEP_MM, _OUTLINE_STEP_MM = 6.0, 2.5, 5.0


@dataclasses.dataclass(frozen=True)
class Subject:
    """One person: who it is, and every shape in it.

    Attributes:
        person: Whose shape it is.
        extent_mm: The corners of a box that holds the body; without end in z.
        liver_range_mm: Heights z between which the liver lies.
        liver_volume_ml: Of the continuous shape, vessels and findings included.
    """

    person: Person
    extent_mm: Box
    liver_range_mm: tuple[float, float]
    liver_volume_ml: float
    grain: Grain
    trunk: Trunk
    spine: Spine
    thorax: Thorax
    organs: Organs
    bowel: Bowel
    liver: Liver
    circulation: Circulation
    findings: Findings

    def tissue(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The tissue at points in mm.

        Args:
            x: To the right; x, y and z broadcast to three axes. An open grid ([X, 1, 1],
                [1, Y, 1], [1, 1, Z]) is the cheap way, but any points will do.
            y: To the front.
            z: To the head.

        Returns:
            uint8 labels of `Tissue`, of the broadcast shape.
        """
        given = tuple(np.asarray(c, np.float64) for c in (x, y, z))
        tissue = np.zeros(np.broadcast_shapes(*(c.shape for c in given)), np.uint8)
        kept = _within(given, tissue.shape, self.extent_mm)
        if kept is None:
            return tissue
        parts = (
            c[tuple(s if n > 1 else slice(None) for s, n in zip(kept, c.shape, strict=True))]
            for c in given
        )
        tissue[kept] = self._painted(Points.of(self.grain, *parts))
        return tissue

    def _painted(self, p: Points) -> np.ndarray:
        cavity, sine = self.trunk.cavity_distance(p)
        self.trunk.paint(p, cavity, sine)
        block = p.block(self.trunk.cavity_box)
        if block is not None:
            within = p.within(block)
            inside = self.trunk.inside(within, cavity[block])
            dome = self.trunk.dome_distance(within)
            self.trunk.paint_cavity(within, cavity[block], inside, dome)
            self.spine.paint_muscles(p)
            self._paint_organs(within, inside, dome)
        self.spine.paint_bone(p)
        return p.tissue

    def _paint_organs(self, p: Points, inside: np.ndarray, dome: np.ndarray) -> None:
        self.findings.paint_effusion(p, inside)
        self.thorax.paint(p, dome)

        liver = self.liver.distance(p, inside, dome)
        room = np.minimum(liver - 1.0, -2.0 - np.maximum(inside, dome + 2.0))
        # Bowel lies in front of the great vessels.
        np.minimum(room, np.hypot(p.x + 8.0, p.y - self.spine.y - 8.0) - 35.0, out=room)
        self.organs.narrow(p, room)
        self.bowel.paint(p, room)
        self.organs.paint(p, inside, dome)
        self.circulation.paint_great(p)
        self.findings.paint_ascites(p, inside, liver, self.spine.y + 30.0)
        self.circulation.paint_small(p)
        self._paint_strands(p)
        p.tissue[liver < 0] = Tissue.LIVER
        self.organs.paint_gallbladder(p, self.liver)
        self.circulation.paint_in_liver(p)
        self.findings.paint_in_liver(p)

    def _paint_strands(self, p: Points) -> None:
        """Thin sheets of fibrous tissue in the fat of the belly, here and there."""
        sheets = np.abs(p.medium + 0.4 * p.fine + 0.3) < 0.05
        p.tissue[sheets & (p.coarse > -0.1) & (p.tissue == Tissue.VISCERAL_FAT)] = Tissue.MUSCLE


def _within(
    given: tuple[np.ndarray, ...], shape: tuple[int, ...], box: Box
) -> tuple[slice, ...] | None:
    """The part of the arrays that can lie in the box."""
    kept = []
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        inside = np.ones(shape[axis], bool)
        for coordinate, low, high in zip(given, *box, strict=True):
            inside &= (coordinate.max(axis=others) >= low) & (coordinate.min(axis=others) <= high)
        index = np.flatnonzero(inside)
        if not index.size:
            return None
        kept.append(slice(int(index[0]), int(index[-1]) + 1))
    return tuple(kept)


def draw(person: Person, generator: np.random.Generator) -> Subject:
    """Gives a person a shape.

    Args:
        person: Body mass, sex, findings and the liver's volume.
        generator: Source of all randomness.

    Returns:
        The subject, with its liver grown to about the person's `target_liver_volume_ml`.
    """
    measures = frame.draw(person, generator)
    grain = points.draw_grain(generator)
    shell = trunk.draw(measures, generator)
    kidneys = organs.draw_kidneys(measures, generator)
    cava = vessels.draw_vena_cava(measures, generator)
    shape = liver.draw(measures, generator, kidneys[0], cava)
    shape = _fitted(shape, shell, grain, person.target_liver_volume_ml)
    volume_ml, liver_range, places = _measured(shape, shell, grain)
    return Subject(
        person=person,
        extent_mm=_extent(shell, grain, liver_range),
        liver_range_mm=liver_range,
        liver_volume_ml=volume_ml,
        grain=grain,
        trunk=shell,
        spine=spine.draw(measures, generator),
        thorax=thorax.draw(measures, generator),
        organs=organs.draw(measures, generator, kidneys),
        bowel=bowel.draw(measures, generator),
        liver=shape,
        circulation=vessels.draw(
            measures, generator, shape, cava, organs.hila(kidneys), generator.permutation(places)
        ),
        findings=findings.draw(measures, generator, places),
    )


def _sampled(
    shell: Trunk, grain: Grain, step_mm: float, low_z: float
) -> tuple[Points, np.ndarray, np.ndarray]:
    """A grid around a liver, with the distances that limit it."""
    x = np.arange(-1.0 * shell.a - 12, shell.a + 12, step_mm)
    y = np.arange(-shell.b - 12, shell.b + 12, step_mm)
    z = np.arange(low_z, 12.0, step_mm)
    p = Points.of(grain, x[None, :, None], y[None, None, :], z[:, None, None])
    cavity, _ = shell.cavity_distance(p)
    return p, shell.inside(p, cavity), shell.dome_distance(p)


def _fitted(shape: Liver, shell: Trunk, grain: Grain, target_ml: float) -> Liver:
    grid = _sampled(shell, grain, _SOLVE_STEP_MM, -340.0)

    def volume_ml(candidate: Liver) -> float:
        # Counts with a soft edge: finer than the grid.
        distance = candidate.distance(*grid)
        filled = np.clip(0.5 - distance * (1 / _SOLVE_STEP_MM), 0.0, 1.0)
        return float(filled.sum()) * _SOLVE_STEP_MM**3 / 1000.0

    return liver.fitted(shape, target_ml, volume_ml)


def _measured(
    shape: Liver, shell: Trunk, grain: Grain
) -> tuple[float, tuple[float, float], np.ndarray]:
    """Volume in mL, range of heights, and places well inside, the deepest first."""
    step = _MEASURE_STEP_MM
    low_z = max(shape.box[0][2] - 12.0, -340.0)
    p, inside, dome = _sampled(shell, grain, step, low_z)
    distance = shape.distance(p, inside, dome)
    full = distance < 0
    heights = p.height.ravel()[full.any(axis=(1, 2))]
    deep = np.flatnonzero(distance.ravel() < -9.0)[::61]
    order = np.argsort(distance.ravel()[deep], kind="stable")
    places = np.column_stack([c.ravel()[deep[order]] for c in (p.x, p.y, p.z)])
    volume_ml = float(full.sum()) * step**3 / 1000.0
    return volume_ml, (float(heights[0]) - step, float(heights[-1]) + step), places


def _extent(shell: Trunk, grain: Grain, heights: tuple[float, float]) -> Box:
    """A box that holds the skin at the heights that are imaged, and a little more."""
    reach = 2.0 * shell.a
    axis = np.arange(-reach, reach, _OUTLINE_STEP_MM)
    z = np.arange(heights[0] - 60, heights[1] + 60, 15.0)
    p = Points.of(grain, axis[None, :, None], axis[None, None, :], z[:, None, None])
    shell.paint(p, *shell.cavity_distance(p))
    body = p.tissue != Tissue.AIR
    ends = []
    for others in ((0, 2), (0, 1)):
        filled = axis[body.any(axis=others)]
        ends.append((filled[0] - _OUTLINE_STEP_MM, filled[-1] + _OUTLINE_STEP_MM))
    (left, right), (back, front) = ends
    return (float(left), float(back), -FAR_MM), (float(right), float(front), FAR_MM)
