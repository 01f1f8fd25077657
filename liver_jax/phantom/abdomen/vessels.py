"""Trees of vessels, grown towards what they supply, and the great vessels."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from liver_jax.phantom import shapes, vesseltree
from liver_jax.phantom.abdomen.frame import Frame
from liver_jax.phantom.abdomen.liver import Liver
from liver_jax.phantom.abdomen.points import Points
from liver_jax.phantom.shapes import Vector, Vessels
from liver_jax.physics.tissues import Tissue

_FAT = (Tissue.VISCERAL_FAT,)


@dataclasses.dataclass(frozen=True)
class Circulation:
    """Every vessel but those of lungs and heart.

    Attributes:
        aorta: And vena_cava: outside the organs.
        arteries: Celiac, splenic, hepatic, superior mesenteric and renal.
        veins: Renal.
        portal: Portal, splenic and superior mesenteric vein outside the liver.
        mesentery: Twigs of arteries and veins in the fat of the belly.
        omentum: Twigs in the fat in front of the bowel.
        portal_tree: In the liver.
        hepatic_veins: In the liver.
    """

    aorta: Vessels
    vena_cava: Vessels
    arteries: Vessels
    veins: Vessels
    portal: Vessels
    mesentery: Vessels
    omentum: Vessels
    portal_tree: Vessels
    hepatic_veins: Vessels

    def paint_small(self, p: Points) -> None:
        """Paints what runs through the fat between the bowels."""
        p.paint_vessels(self.mesentery, Tissue.PORTAL_VEIN, _FAT)
        p.paint_vessels(self.omentum, Tissue.VEIN, _FAT)

    def paint_great(self, p: Points) -> None:
        """Paints the great vessels and their branches."""
        fat_or_gland = (*_FAT, Tissue.PANCREAS)
        soft = (*fat_or_gland, Tissue.MUSCLE, Tissue.LUNG, Tissue.BOWEL_WALL)
        p.paint_vessels(self.veins, Tissue.VEIN, _FAT)
        p.paint_vessels(self.arteries, Tissue.ARTERY, fat_or_gland)
        p.paint_vessels(self.portal, Tissue.PORTAL_VEIN, (*fat_or_gland, Tissue.ARTERY))
        p.paint_vessels(self.vena_cava, Tissue.VEIN, (*soft, Tissue.VEIN, Tissue.PORTAL_VEIN))
        p.paint_vessels(self.aorta, Tissue.ARTERY, (*soft, Tissue.VEIN, Tissue.PORTAL_VEIN))

    def paint_in_liver(self, p: Points) -> None:
        """Paints the vessels of the liver."""
        for tree in (self.portal_tree, self.hepatic_veins):
            p.paint_vessels(tree, Tissue.LIVER_VESSEL, (Tissue.LIVER,))


def draw_vena_cava(frame: Frame, generator: np.random.Generator) -> Vessels:
    """Draws the vena cava: beside the spine, then forward to the right atrium; oval."""
    x, y = 23.0 + float(generator.normal(0, 2.5)), frame.spine_y + 26.0
    flat = float(generator.uniform(0.5, 4.0))  # half the distance of the ends of its oval
    path = ((x, y, -330), (x, y + 1, -130), (x + 2, y + 9, -75), (x + 2, y + 20, -25))
    path += ((x - 6, y + 32, 12), (x - 12, y + 40, 40))
    radii = (8.5, 8.5, 9.0, 10.0, 11.0, 12.0)
    halves = (
        shapes.smooth_tube([(px + s * flat, py, pz) for px, py, pz in path], radii, 22.0)
        for s in (-1.0, 1.0)
    )
    left, right = halves
    return left + right


def draw(
    frame: Frame,
    generator: np.random.Generator,
    liver: Liver,
    vena_cava: Vessels,
    kidneys: Sequence[Vector],
    liver_places: np.ndarray,
) -> Circulation:
    """Draws all vessels.

    Args:
        frame: Of the subject.
        generator: Source of all randomness.
        liver: As large as it will be.
        vena_cava: As it was cut out of the liver.
        kidneys: Their hila: right, left.
        liver_places: Points well inside the liver, [n, 3] in mm.

    Returns:
        The vessels.
    """
    uniform, normal = generator.uniform, generator.normal
    y = frame.spine_y

    def at(x: float, y: float, z: float, sd: float = 2.0) -> Vector:
        return frame.at(generator, (x, y, z), sd)

    def inside(x: float, y: float, z: float) -> Vector:
        return liver.moved(at(x, y, z, 4.0))

    tortuous = 4.0 * max(0.0, (frame.person.age - 45) / 40)
    aorta_path = [
        (-15.0 + float(normal(0, 1 + tortuous)), y + 22.0 + float(normal(0, 1)), z)
        for z in (-330.0, -230.0, -150.0, -80.0)
    ]
    aorta_path += [(-17.0, y + 14.0, -10.0), (-19.0, y + 8.0, 70.0)]
    aorta = shapes.smooth_tube(aorta_path, (8.5, 9.0, 9.8, 10.8, 11.6, 12.2), 25.0)
    ax, ay = aorta_path[3][0], aorta_path[3][1]

    hilum = liver.hilum.centre
    lowered = frame.sinking_mm * 0.3
    celiac = (ax, ay + 28, -104.0 - lowered)
    splenic_hilum = at(-0.58, -0.20, -88.0)
    sma = [(ax, ay + 10, -122), (ax + 2, ay + 26, -140), (ax + 4, ay + 34, -185), (ax, 0.2, -250)]
    arteries = (
        shapes.tube([(ax, ay + 6, -102.0 - lowered), celiac], (3.6, 3.4))
        + shapes.smooth_tube([celiac, at(-0.3, 0.0, -100), splenic_hilum], (2.7, 2.5, 2.2), 14.0)
        + shapes.smooth_tube([celiac, at(0.08, 0.12, -102), hilum], (2.6, 2.3, 1.8), 14.0)
        + shapes.smooth_tube(sma, (3.6, 3.6, 3.2, 2.4), 16.0)
    )
    veins = Vessels(())
    for hilus, x0 in zip(kidneys, (vena_cava.parts[0].start[0], ax), strict=True):
        origin = (ax, ay - 2.0, hilus[2] + 12.0)
        middle = ((hilus[0] + x0) / 2, (hilus[1] + ay) / 2 - 4.0, hilus[2] + 8.0)
        arteries += shapes.tube([origin, middle, hilus], (3.0, 2.8, 2.2))
        front = (ax, ay + 17.0, hilus[2] + 10.0)  # the left renal vein crosses the aorta
        start = (vena_cava.parts[0].start[0], vena_cava.parts[0].start[1], hilus[2] + 10.0)
        way = [start, front, hilus] if hilus[0] < 0 else [start, hilus]
        veins += shapes.smooth_tube(way, (4.5,) * len(way), 14.0)

    confluence = at(0.02, 0.04, -126 - lowered)
    smv = [confluence, at(0.06, 0.10, -170), at(0.04, 0.16, -250)]
    portal = (
        shapes.smooth_tube([confluence, at(0.10, 0.03, -106 - lowered), hilum], (6.4, 6.6, 6.2), 12)
        + shapes.smooth_tube(
            [confluence, at(-0.28, 0.02, -112), splenic_hilum], (5.4, 4.6, 3.8), 14.0
        )
        + shapes.smooth_tube(smv, (5.8, 5.2, 4.0), 18.0)
    )

    count = int(np.clip(52 * frame.size**2, 30, 100))
    spread = generator.permutation(liver_places)
    right = inside(0.40, -0.02, -80)
    left = inside(0.06, 0.18, -72)
    portal_tree = vesseltree.grow(
        [
            [confluence, hilum, right],
            [right, inside(0.50, 0.18, -70), inside(0.60, 0.30, -52)],
            [right, inside(0.56, -0.22, -84), inside(0.68, -0.40, -92)],
            [hilum, left, inside(-0.02, 0.34, -64), inside(-0.05, 0.52, -70)],
        ],
        spread[:count],
        (1.15, 6.4),
        generator,
    )
    cava_x, cava_y = vena_cava.parts[2].end[0], frame.spine_y + 46.0
    outlet = (cava_x, cava_y - 2.0, -24.0)
    hepatic_veins = vesseltree.grow(
        [
            [outlet, inside(0.46, -0.10, -46), inside(0.66, -0.12, -84)],
            [outlet, inside(0.26, 0.20, -46), inside(0.32, 0.46, -80)],
            [outlet, inside(0.04, 0.20, -42), inside(-0.14, 0.42, -54)],
        ],
        spread[count : 2 * count],
        (1.15, 5.4),
        generator,
    )

    sunk = frame.sinking_mm
    twigs = np.array(
        [
            at(uniform(-0.72, 0.62), uniform(0.0, 0.72), uniform(-285, -140) - sunk)
            for _ in range(70)
        ]
    )
    root = at(0.03, 0.12, -165 - sunk)
    stem = [root, at(0.0, 0.18, -200 - sunk), at(0.05, 0.2, -240 - sunk)]
    mesentery = vesseltree.grow(
        [stem, [root, at(-0.3, 0.2, -165 - sunk)]], twigs, (0.75, 3.4), generator
    )
    curtain = np.array(
        [
            at(uniform(-0.65, 0.55), uniform(0.74, 0.9), uniform(-250, -110) - sunk)
            for _ in range(26)
        ]
    )
    stomach = at(-0.1, 0.62, -125 - sunk)
    omentum = vesseltree.grow(
        [[stomach, at(-0.3, 0.7, -120 - sunk)]], curtain, (0.7, 1.8), generator
    )
    return Circulation(
        aorta=aorta,
        vena_cava=vena_cava,
        arteries=arteries,
        veins=veins,
        portal=portal,
        mesentery=mesentery,
        omentum=omentum,
        portal_tree=portal_tree,
        hepatic_veins=hepatic_veins,
    )
