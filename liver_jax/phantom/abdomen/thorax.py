"""What the lowest slices of the chest show: the heart, the vessels of the lungs."""

import dataclasses

import numpy as np

from liver_jax.phantom import shapes, vesseltree
from liver_jax.phantom.abdomen.frame import Frame, sized
from liver_jax.phantom.abdomen.points import Points
from liver_jax.phantom.shapes import Ellipsoid, Vector, Vessels
from liver_jax.physics.tissues import Tissue

# Of the vessels of each lung.
_TWIGS = 90


@dataclasses.dataclass(frozen=True)
class Thorax:
    """Heart and lung vessels.

    Attributes:
        heart: Within the pericardium's fat.
        left_ventricle: Its cavity.
        right_heart: The cavities of right ventricle and atrium.
        pericardial_fat_mm: Around the heart.
        lung_vessels: Trees, right and left.
    """

    heart: Ellipsoid
    left_ventricle: Ellipsoid
    right_heart: tuple[Ellipsoid, Ellipsoid]
    pericardial_fat_mm: float
    lung_vessels: Vessels

    def paint(self, p: Points, dome: np.ndarray) -> None:
        """Paints over lung and fat above the diaphragm."""
        p.paint_vessels(self.lung_vessels, Tissue.ARTERY, (Tissue.LUNG,))
        fat = self.pericardial_fat_mm
        block = p.block(shapes.ellipsoid_box(self.heart, fat))
        if block is None:
            return
        places, medium = p.at(block), p.medium[block]
        part = p.tissue[block]
        free = (dome[block] > 0) & ((part == Tissue.LUNG) | (part == Tissue.VISCERAL_FAT))
        free |= (dome[block] > 0) & (part == Tissue.ARTERY)
        distance = shapes.ellipsoid_distance(self.heart, *places) + 1.5 * p.coarse[block]
        part[free & (distance < fat + medium)] = Tissue.VISCERAL_FAT
        muscle = free & (distance < 0)
        part[muscle] = Tissue.MUSCLE
        for chamber, wall, blood in (
            (self.right_heart[0], 3.0, Tissue.VEIN),
            (self.right_heart[1], 3.0, Tissue.VEIN),
            (self.left_ventricle, 8.0, Tissue.ARTERY),
        ):
            hollow = shapes.ellipsoid_distance(chamber, *places) + 1.2 * medium
            around = muscle & (hollow < wall)
            part[around] = Tissue.MUSCLE
            part[around & (hollow < 0) & (distance < -3.0)] = blood
        # Fat in the groove between the chambers.
        part[muscle & (distance > -5.0) & (medium > 1.6)] = Tissue.VISCERAL_FAT


def draw(frame: Frame, generator: np.random.Generator) -> Thorax:
    """Draws a heart on the middle of the diaphragm, and vessels down to the lung bases."""
    a, b = frame.a, frame.b
    centre = frame.at(generator, (-0.20, 0.36, 18))
    heart = Ellipsoid(centre, sized(generator, 0.50 * a, 0.52 * b, 54), -24.0)

    def part(dx: float, dy: float, *semi_axes: float, yaw: float = -35.0) -> Ellipsoid:
        place = (centre[0] + dx * a, centre[1] + dy * b, centre[2])
        return Ellipsoid(place, sized(generator, *semi_axes), yaw)

    lungs = Vessels(())
    for side in (1.0, -1.0):
        hilum: Vector = (side * 36.0, frame.spine_y + 32.0, 62.0)
        targets = np.column_stack(
            [
                side * generator.uniform(0.30, 0.92, _TWIGS) * a,
                generator.uniform(-0.95, 0.7, _TWIGS) * b,
                generator.uniform(-70, 45, _TWIGS),
            ]
        )
        base = frame.at(generator, (side * 0.5, -0.35, 10.0))
        lungs += vesseltree.grow([[hilum, base]], targets, (0.9, 4.5), generator)
    return Thorax(
        heart=heart,
        left_ventricle=part(-0.14, 0.0, 0.24 * a, 0.21 * b, 40),
        right_heart=(
            part(0.08, 0.16, 0.28 * a, 0.21 * b, 42, yaw=-15.0),
            part(0.30, -0.16, 0.17 * a, 0.24 * b, 40),
        ),
        pericardial_fat_mm=3.0 + 7.0 * frame.visceral_fat,
        lung_vessels=lungs,
    )
