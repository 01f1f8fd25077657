"""The spine and the muscles along it."""

import dataclasses
import math

import numpy as np

from liver_jax.phantom import shapes
from liver_jax.phantom.abdomen.frame import Frame
from liver_jax.phantom.abdomen.points import FAR_MM, Points
from liver_jax.phantom.shapes import Vessels
from liver_jax.physics.tissues import Tissue

_LEVEL_MM, _DISC_MM = 35.0, 8.0


@dataclasses.dataclass(frozen=True)
class Spine:
    """Where the vertebrae lie, and the muscles beside them.

    Attributes:
        y: The middle of the vertebral bodies, mm.
        phase_mm: Where the discs lie.
        streaks: How much fat runs through the muscles of the back, 0 to 1.
        psoas: And quadratus lumborum, and the crura of the diaphragm.
    """

    y: float
    phase_mm: float
    streaks: float
    psoas: Vessels

    def paint_muscles(self, p: Points) -> None:
        """Paints erector spinae, psoas, quadratus lumborum and crura."""
        soft = np.zeros(len(Tissue), bool)
        soft[[Tissue.VISCERAL_FAT, Tissue.MUSCLE, Tissue.LUNG]] = True
        for _, block, distance in p.near(self.psoas):
            part = p.tissue[block]
            part[(distance + 0.7 * p.medium[block] < 0) & soft[part]] = Tissue.MUSCLE
        block = p.block(((-64.0, self.y - 80, -FAR_MM), (64.0, self.y + 4, FAR_MM)))
        if block is None:
            return
        x, y, _ = p.at(block)
        part = p.tissue[block]
        muscle = part == Tissue.MUSCLE
        # Fat along the fascia in front of the erector spinae, between its columns and in it.
        bed = ((np.abs(x) - 31) * (1 / 29)) ** 2 + ((y - self.y + 46) * (1 / 23)) ** 2
        bed = (np.sqrt(bed) - 1.0) * 26 + 1.0 * p.medium[block]
        part[muscle & (np.abs(bed - 1.0) < 1.2) & (y > self.y - 60)] = Tissue.VISCERAL_FAT
        columns = (
            np.abs(np.abs(x) - 32.0 - 7.0 * p.coarse[block] - 0.2 * (y - self.y))
            < 0.4 + self.streaks
        )
        streaks = p.fine[block] + 0.8 * p.medium[block] > 2.6 - 0.9 * self.streaks
        part[
            muscle & (bed < 0) & (columns & (y < self.y - 44) & (p.medium[block] > -0.5) | streaks)
        ] = Tissue.VISCERAL_FAT

    def paint_bone(self, p: Points) -> None:
        """Paints vertebrae, discs, arches, the canal and the cord."""
        block = p.block(((-52.0, self.y - 78, -FAR_MM), (52.0, self.y + 26, FAR_MM)))
        if block is None:
            return
        x, y, z = p.at(block)
        y = y - self.y
        # Stiffer than its surroundings: the warp tilts a vertebra by half as much.
        z = 0.5 * (z + np.broadcast_to(p.height, p.z.shape)[block]).astype(np.float32)
        part, side = p.tissue[block], np.abs(x)
        level = np.mod(z + self.phase_mm, _LEVEL_MM)
        turn = (level - _DISC_MM) * (math.pi / (_LEVEL_MM - _DISC_MM))
        waist = 1.0 - 0.09 * np.sin(np.clip(turn, 0.0, math.pi))
        # Oval, hollowed behind towards the canal.
        radius = np.sqrt((x * (1 / 22.5)) ** 2 + (y * (1 / 17.0)) ** 2)
        # End plates are hollow: a disc is thickest in its middle.
        bulge = 2.2 - 3.4 * radius * radius
        plate = np.abs(level - _DISC_MM / 2) - _DISC_MM / 2 - np.maximum(bulge, -1.2)
        disc = plate < 0
        body = (radius / waist - 1.0) * 19.5 + 0.4 * p.medium[block]
        canal = np.sqrt(x**2 + ((y + 24) * 1.15) ** 2)
        np.maximum(body, 9.5 - canal, out=body)
        arch_level = (level > 13.0) & (level < 31.0)
        pedicle_level = (level > 19.0) & (level < 30.0)
        lamina = np.abs(np.hypot(x, y + 25) - 12.5) - 2.6
        lamina = np.where(pedicle_level, lamina, np.maximum(lamina, y + 24))
        # Spinous and transverse processes thicken towards their ends.
        process = np.maximum(side - 2.6 - 0.04 * (-y - 36), np.abs(y + 51) - 14.0)
        droop = np.clip((level - 16.0) * 0.25, -2.0, 2.0)
        transverse = np.maximum(
            np.abs(y + 25 + 0.25 * (side - 14) + droop) - 3.4, np.abs(side - 25) - 14.0
        )
        transverse = np.where(pedicle_level, transverse, FAR_MM)
        joints = np.hypot(side - 15.0, y + 29.0) - 7.5
        joints = np.where(level < 16.0, joints, FAR_MM)
        arch = np.minimum(np.minimum(lamina, process), transverse)
        for bone, where in ((arch, arch_level), (joints, level > -1), (body, ~disc)):
            part[where & (bone < 0)] = Tissue.CORTICAL_BONE
            part[where & (bone < -1.4)] = Tissue.MARROW
        ends = (body < 0) & ~disc & (np.minimum(plate, _LEVEL_MM - level + bulge) < 1.2)
        part[ends] = Tissue.CORTICAL_BONE
        part[disc & (body < 1.0)] = Tissue.DISC
        part[canal < 10.0] = Tissue.VISCERAL_FAT
        part[canal < 8.2] = Tissue.CSF
        part[(canal < 4.6) & (z > -150.0)] = Tissue.CORD
        roots = (z <= -150.0) & (canal < 7.0) & (p.fine[block] > 0.6)
        part[roots] = Tissue.CORD


def draw(frame: Frame, generator: np.random.Generator) -> Spine:
    """Draws a spine; the muscles of the old and the heavy hold more fat."""
    y, bulk = frame.spine_y, 1.0 + 0.12 * (frame.person.sex == "M")
    muscles = Vessels(())
    for side in (-1.0, 1.0):
        psoas = [
            (side * x, y + dy, z) for x, dy, z in ((27, -4, -80), (34, 1, -160), (47, 8, -320))
        ]
        muscles += shapes.tube(psoas, (3.0, 15.0 * bulk, 24.0 * bulk))
        square = [(side * x, y - 22, z) for x, z in ((46, -120), (54, -180), (64, -320))]
        muscles += shapes.tube(square, (4.0, 9.5 * bulk, 12.0 * bulk))
        crus = [
            (side * x, y + dy, z)
            for x, dy, z in ((13, 19, -190), (15, 20, -110), (17, 26, -60), (14, 40, -34))
        ]
        muscles += shapes.tube(crus, (3.0, 5.5, 4.5, 3.0))
    ageing = (frame.person.age - 20) / 65 * 0.6 + (frame.person.bmi - 18) / 24 * 0.4
    return Spine(
        y,
        float(generator.uniform(0, _LEVEL_MM)),
        float(np.clip(ageing + generator.normal(0, 0.12), 0, 1)),
        muscles,
    )
