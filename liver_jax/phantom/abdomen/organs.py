"""Spleen, kidneys, adrenals, pancreas and gallbladder."""

import dataclasses

import numpy as np

from liver_jax.phantom import shapes
from liver_jax.phantom.abdomen.frame import Frame, sized
from liver_jax.phantom.abdomen.liver import Liver
from liver_jax.phantom.abdomen.points import Points
from liver_jax.phantom.person import Finding
from liver_jax.phantom.shapes import Ellipsoid, Vector, Vessels
from liver_jax.physics.tissues import Tissue


@dataclasses.dataclass(frozen=True)
class Organs:
    """The solid organs but the liver.

    Attributes:
        spleen: Its outline, and what hollows it from the middle.
        kidneys: Right, left.
        sinuses: Of the kidneys: the fat in their hila.
        perirenal_mm: Fat around the kidneys.
        adrenals: Their limbs.
        pancreas: A tube; its lobules stand apart by `lobulation` (0 to 1).
        lymph_nodes: In the fat behind and among the bowels.
    """

    spleen: tuple[Ellipsoid, Ellipsoid]
    kidneys: tuple[Ellipsoid, Ellipsoid]
    sinuses: tuple[Ellipsoid, Ellipsoid]
    perirenal_mm: float
    adrenals: Vessels
    pancreas: Vessels
    lobulation: float
    lymph_nodes: tuple[Ellipsoid, ...]

    def narrow(self, p: Points, room: np.ndarray) -> None:
        """Narrows `room` (distance in mm to what is not the bowel's) by spleen and kidneys."""
        block, distance = self._spleen_distance(p)
        if block is not None:
            np.minimum(room[block], distance, out=room[block])
        for kidney in self.kidneys:
            bed = kidney.grown(self.perirenal_mm)
            block = p.block(shapes.ellipsoid_box(bed, 4.0))
            if block is not None:
                outside = shapes.ellipsoid_distance(bed, *p.at(block))
                np.minimum(room[block], outside, out=room[block])

    def _spleen_distance(self, p: Points) -> tuple:
        outline, hollow = self.spleen
        block = p.block(shapes.ellipsoid_box(outline, 8.0))
        if block is None:
            return None, None
        distance = shapes.ellipsoid_distance(outline, *p.at(block))
        for neighbour in (hollow, self.kidneys[1]):
            carved = 3.0 - shapes.ellipsoid_distance(neighbour, *p.at(block))
            np.maximum(distance, carved, out=distance)
        return block, distance + 2.0 * p.coarse[block] + 0.7 * p.medium[block]

    def paint(self, p: Points, inside: np.ndarray, dome: np.ndarray) -> None:
        """Paints them all over the fat; the liver comes later."""
        block, distance = self._spleen_distance(p)
        if block is not None:
            walls = np.maximum(inside[block] + 1.5, dome[block] + 3.5)
            part = p.tissue[block]
            part[np.maximum(distance, walls) < 0] = Tissue.SPLEEN
        self._paint_pancreas(p)
        for k in range(2):
            self._paint_kidney(p, k)
        p.paint_vessels(self.adrenals, Tissue.MUSCLE, (Tissue.VISCERAL_FAT,))
        for node in self.lymph_nodes:
            block = p.block(shapes.ellipsoid_box(node))
            if block is not None:
                part = p.tissue[block]
                within = shapes.squared_radius(node, *p.at(block)) < 1
                part[within & (part == Tissue.VISCERAL_FAT)] = Tissue.MUSCLE

    def _paint_pancreas(self, p: Points) -> None:
        for _, block, distance in p.near(self.pancreas, 3.0):
            part = p.tissue[block]
            free = part == Tissue.VISCERAL_FAT
            lobules = p.medium[block] + 0.9 * p.fine[block]
            gland = free & (distance + 2.0 * lobules < 0)
            part[gland & (lobules < 2.4 - 1.6 * self.lobulation)] = Tissue.PANCREAS

    def _paint_kidney(self, p: Points, k: int) -> None:
        kidney, sinus = self.kidneys[k], self.sinuses[k]
        block = p.block(shapes.ellipsoid_box(kidney, 3.0))
        if block is None:
            return
        places = p.at(block)
        part = p.tissue[block]
        free = np.isin(part, (Tissue.VISCERAL_FAT, Tissue.BOWEL_WALL))
        medium, fine = p.medium[block], p.fine[block]
        distance = shapes.ellipsoid_distance(kidney, *places) + 0.8 * p.coarse[block]
        hollow = shapes.ellipsoid_distance(sinus, *places) + 2.2 * medium
        organ = free & (np.maximum(distance, -hollow) < 0)
        part[organ] = Tissue.KIDNEY_CORTEX
        # Pyramids lie between the cortex and the sinus, with columns of cortex between them.
        pyramids = organ & (distance < -6.5) & (medium + 0.3 * fine > -0.35)
        part[pyramids] = Tissue.KIDNEY_MEDULLA
        pelvis = free & (distance < 0) & (hollow < 0) & (medium + 0.5 * fine > 0.75)
        part[pelvis] = Tissue.VEIN

    def paint_gallbladder(self, p: Points, liver: Liver) -> None:
        """Paints the gallbladder in its bed."""
        bed = liver.gallbladder
        block = p.block(shapes.ellipsoid_box(bed, 3.0))
        if block is None:
            return
        distance = shapes.ellipsoid_distance(bed, *p.at(block)) + 0.8 * p.medium[block]
        part = p.tissue[block]
        soft = part != Tissue.LIVER
        soft &= ~np.isin(part, (Tissue.MUSCLE, Tissue.CARTILAGE, Tissue.CORTICAL_BONE))
        part[soft & (distance < 0.3)] = Tissue.BOWEL_WALL
        part[soft & (distance < -1.3)] = Tissue.BILE


def draw_kidneys(frame: Frame, generator: np.random.Generator) -> tuple[Ellipsoid, Ellipsoid]:
    """Draws the right and the left kidney, before the liver, which yields to the right one."""
    lift = 60.0 + 6.0 * frame.visceral_fat
    depth = frame.spine_y + 2.0 + 4.0 * frame.visceral_fat
    kidneys = []
    for side, z in ((1.0, -142.0 - 0.35 * frame.sinking_mm), (-1.0, -126.0)):
        jitter = generator.normal(0, 1, 3) * (3, 2, 8)
        centre = (side * (lift + jitter[0]), depth + jitter[1], z + jitter[2])
        kidneys.append(
            Ellipsoid(tuple(map(float, centre)), sized(generator, 25, 31, 54), side * -35.0)
        )
    right, left = kidneys
    return right, left


def hila(kidneys: tuple[Ellipsoid, Ellipsoid]) -> list[Vector]:
    """Where the vessels enter the kidneys."""
    return [
        (x - side * 14.0, y + 9.0, z)
        for side, (x, y, z) in zip((1.0, -1.0), (k.centre for k in kidneys), strict=True)
    ]


def draw(
    frame: Frame, generator: np.random.Generator, kidneys: tuple[Ellipsoid, Ellipsoid]
) -> Organs:
    """Draws the organs beside the kidneys."""
    uniform = generator.uniform
    big = float(uniform(1.3, 1.75)) if frame.has(Finding.SPLENOMEGALY) else 1.0
    centre = frame.at(generator, (-0.72, -0.34, -76 - 38 * (big - 1)), 4)
    axes = sized(generator, 33, 50, 52, sd=0.12)
    yaw = float(generator.normal(-25, 6))
    spleen = Ellipsoid(
        centre, tuple(s * f for s, f in zip(axes, (big, big, big**1.2), strict=True)), yaw
    )
    hollow = Ellipsoid(
        (centre[0] + 48 * big, centre[1] + 26, centre[2] - 6), (32.0, 38.0, 54.0 * big), -20.0
    )
    y = frame.spine_y
    adrenals = Vessels(())
    for side, (_, _, z) in zip((1.0, -1.0), (k.centre for k in kidneys), strict=True):
        top = z + (46.0 if side > 0 else 40.0)
        body = (side * 30.0, y + (15.0 if side > 0 else 17.0), top)
        for dx, dy in ((9.0, -13.0), (17.0, -9.0)):
            limb = (side * (abs(body[0]) + dx), body[1] + dy, top - 8.0)
            adrenals += shapes.tube([body, limb], (3.2, 2.2))
        adrenals += shapes.tube([body, (body[0], body[1] + 4, top + 12.0)], (2.6, 1.8))
    sunk = 0.3 * frame.sinking_mm
    pancreas = shapes.smooth_tube(
        [
            frame.at(generator, place, 2)
            for place in (
                (0.26, 0.06, -158 - sunk),
                (0.22, 0.14, -136 - sunk),
                (0.02, 0.22, -122 - sunk),
                (-0.26, 0.14, -112),
                (-0.52, -0.10, -96),
            )
        ],
        sized(generator, 11, 13, 8.5, 8.5, 7.0, sd=0.1),
        12.0,
    )
    nodes = []
    for _ in range(16):
        place = frame.at(generator, (uniform(-0.4, 0.35), uniform(-0.1, 0.4), uniform(-260, -110)))
        radius = float(uniform(1.8, 3.6))
        nodes.append(Ellipsoid(place, sized(generator, radius, radius, 1.4 * radius, sd=0.2)))
    return Organs(
        spleen=(spleen, hollow),
        kidneys=kidneys,
        sinuses=tuple(
            Ellipsoid(
                (k.centre[0] - side * 10, k.centre[1] + 6, k.centre[2]),
                sized(generator, 12 + 3 * frame.visceral_fat, 10, 25),
                k.yaw_deg,
            )
            for side, k in zip((1.0, -1.0), kidneys, strict=True)
        ),
        perirenal_mm=2.0 + 12.0 * frame.visceral_fat,
        adrenals=adrenals,
        pancreas=pancreas,
        lobulation=float(np.clip((frame.person.age - 30) / 50 + generator.normal(0, 0.15), 0, 1)),
        lymph_nodes=tuple(nodes),
    )
