"""What is wrong in a belly: lesions and cysts of the liver, fluid around it and under the lungs."""

import dataclasses

import numpy as np

from liver_jax.phantom import shapes
from liver_jax.phantom.abdomen.frame import Frame, sized
from liver_jax.phantom.abdomen.points import Points
from liver_jax.phantom.person import Finding
from liver_jax.phantom.shapes import Ellipsoid
from liver_jax.physics.tissues import Tissue


@dataclasses.dataclass(frozen=True)
class Lesion:
    """A mass in the liver.

    Attributes:
        core: Its outline.
        irregular_mm: How far texture moves the outline: coarse, medium.
        rim_mm: Of infiltrated liver around it; its width varies as well.
    """

    core: Ellipsoid
    irregular_mm: tuple[float, float]
    rim_mm: float

    def paint(self, p: Points) -> None:
        """Paints it where there is liver."""
        block = p.block(shapes.ellipsoid_box(self.core, 3 * sum(self.irregular_mm) + self.rim_mm))
        if block is None:
            return
        part = p.tissue[block]
        liver = (part == Tissue.LIVER) | (part == Tissue.INFILTRATE)
        distance = shapes.ellipsoid_distance(self.core, *p.at(block))
        coarse, medium = p.coarse[block], p.medium[block]
        distance += self.irregular_mm[0] * coarse + self.irregular_mm[1] * medium
        if self.rim_mm:
            rim = self.rim_mm * (1.0 + 0.4 * medium + 0.4 * p.fine[block])
            part[liver & (distance < rim)] = Tissue.INFILTRATE
        part[liver & (distance < 0)] = Tissue.LESION


@dataclasses.dataclass(frozen=True)
class Findings:
    """Of one subject.

    Attributes:
        lesions: Masses in the liver.
        cysts: In the liver.
        ascites_mm: How deep free fluid stands around liver and bowel; 0: none.
        effusion_mm: How deep fluid stands behind the right and the left lung.
        lung_back_y: How far back the lungs reach.
    """

    lesions: tuple[Lesion, ...]
    cysts: tuple[Ellipsoid, ...]
    ascites_mm: float
    effusion_mm: tuple[float, float]
    lung_back_y: float

    def paint_effusion(self, p: Points, inside: np.ndarray) -> None:
        """Turns the dependent part of the lungs to fluid, which creeps up along the ribs."""
        if not any(self.effusion_mm) or p.z_range[1] < -150.0:
            return
        right, left = self.effusion_mm
        depth = np.where(p.x > 0, np.float32(right), np.float32(left))
        depth = depth * np.clip((60.0 - p.z) * (1 / 80.0), 0.0, 1.2)
        level = self.lung_back_y + depth * (1.3 + 0.8 * np.exp(np.minimum(inside, 0.0) * (1 / 14)))
        p.tissue[(p.tissue == Tissue.LUNG) & (p.y < level) & (depth > 1.0)] = Tissue.FLUID

    def paint_ascites(
        self, p: Points, inside: np.ndarray, liver: np.ndarray, back_y: float
    ) -> None:
        """Turns fat of the peritoneal cavity to fluid: around the liver, in the flanks, low.

        The cavity ends at `back_y` in the middle, and reaches further back at the sides.
        """
        if not self.ascites_mm:
            return
        depth = self.ascites_mm * (1.0 + 0.25 * p.coarse)
        lateral = np.clip(np.abs(p.x) * (1 / 70.0) - 0.5, 0.0, 1.0)
        low = np.clip((-100.0 - p.z) * (1 / 120.0), 0.0, 1.0)
        flank = -inside < 2.2 * depth * lateral * (0.5 + low)
        between = (p.medium + 0.5 * p.coarse > 1.7 - 0.9 * low) & (inside < -6)
        wet = (liver < 1.1 * depth) | flank | between
        wet &= p.y > back_y - 0.75 * np.maximum(np.abs(p.x) - 42.0, 0.0) + 5.0 * p.coarse
        p.tissue[wet & (p.tissue == Tissue.VISCERAL_FAT)] = Tissue.FLUID

    def paint_in_liver(self, p: Points) -> None:
        """Paints lesions and cysts."""
        for lesion in self.lesions:
            lesion.paint(p)
        for cyst in self.cysts:
            block = p.block(shapes.ellipsoid_box(cyst))
            if block is not None:
                part = p.tissue[block]
                within = shapes.squared_radius(cyst, *p.at(block)) < 1
                part[within & _LIVER[part]] = Tissue.CYST


_LIVER = np.zeros(len(Tissue), bool)
_LIVER[[Tissue.LIVER, Tissue.LESION, Tissue.INFILTRATE]] = True


def draw(frame: Frame, generator: np.random.Generator, liver_places: np.ndarray) -> Findings:
    """Draws what the person's findings promise.

    Args:
        frame: Of the subject.
        generator: Source of all randomness.
        liver_places: Points well inside the liver, [n, 3] in mm; the deepest come first.

    Returns:
        The findings.
    """
    uniform = generator.uniform

    def anywhere() -> tuple[float, float, float]:
        return tuple(liver_places[generator.integers(len(liver_places))].tolist())

    lesions = []
    if frame.has(Finding.LESIONS):
        for _ in range(generator.integers(1, 7)):
            radius = float(uniform(5, 35) / 2)
            rim = float(uniform(1, 3)) if uniform() < 0.4 else 0.0
            core = Ellipsoid(anywhere(), sized(generator, radius, radius, radius))
            lesions.append(Lesion(core, (0.05 * radius, 0.07 * radius), rim))
    if frame.has(Finding.LARGE_LESION):
        radius = float(uniform(40, 110) / 2 * min(1.0, frame.size))
        centre = tuple(liver_places[generator.integers(max(1, len(liver_places) // 8))].tolist())
        core = Ellipsoid(centre, sized(generator, radius, radius, radius, sd=0.15))
        lesions.append(Lesion(core, (0.14 * radius, 0.12 * radius), 0.2 * radius))
    cysts = []
    if frame.has(Finding.CYSTS):
        for _ in range(generator.integers(1, 4)):
            middle = np.array(anywhere())
            for _ in range(generator.integers(1, 5)):
                radius = float(uniform(2.5, 12))
                place = tuple((middle + generator.normal(0, 11, 3)).tolist())
                cysts.append(Ellipsoid(place, sized(generator, radius, radius, radius)))
            radius = float(uniform(4, 14))
            cysts.append(Ellipsoid(tuple(middle.tolist()), (radius, radius, radius)))
    effusion = (0.0, 0.0)
    if frame.has(Finding.EFFUSION):
        effusion = (float(uniform(14, 45)), float(uniform(0, 35)))
        if uniform() < 0.4:
            effusion = effusion[::-1]
    ascites = float(uniform(6, 22)) if frame.has(Finding.ASCITES) else 0.0
    return Findings(tuple(lesions), tuple(cysts), ascites, effusion, 4.0 - frame.b)
