"""What the tissues of one person are to an MR scanner, and how they vary from place to place.

Values and the liver's fat follow from the person, not from the examination: whoever is imaged twice
has the same T1, and the same fat in the same part of the liver.
"""

import dataclasses
import math

import numpy as np

from liver_jax.phantom import noise
from liver_jax.phantom.noise import Noise
from liver_jax.phantom.person import Finding, Person
from liver_jax.phantom.sampling import Coordinates
from liver_jax.phantom.texture import Grain
from liver_jax.physics import signal, tissues
from liver_jax.physics.tissues import Tissue

# SD of T1 between persons, relative. De Bazelaire et al., Radiology 2004;230:652, at 3 T.
_T1_VARIATION = {
    Tissue.LIVER: 0.088,
    Tissue.SPLEEN: 0.023,
    Tissue.KIDNEY_CORTEX: 0.13,
    Tissue.KIDNEY_MEDULLA: 0.09,
    Tissue.PANCREAS: 0.10,
    Tissue.MUSCLE: 0.037,
    Tissue.MARROW: 0.12,
}
_FAT_T1_VARIATION = 0.034
# Customary: what is excreted, and how concentrated the blood still is, differs a good deal.
_ENHANCED_T1_VARIATION = 0.12
_EXCRETING_MM = 0.15
_LOWEST_PDFF, _HIGHEST_PDFF = 0.5, 98.0  # fat varies within a tissue, but does not become negative

# Texture beside noise. Signal, relative to the tissue's own; then fat fraction, in points: septa
# and vessels within fat, fat between the fibres of muscle and the lobules of the pancreas.
_SIGNAL_TEXTURE = {
    Tissue.SKIN: Grain(fine=0.06),
    Tissue.SUBCUTANEOUS_FAT: Grain(fine=0.02, medium=0.02, sheets=-0.10),
    Tissue.VISCERAL_FAT: Grain(fine=0.03, medium=0.03, sheets=-0.08),
    Tissue.MUSCLE: Grain(fine=0.05, medium=0.04, coarse=0.02),
    Tissue.MARROW: Grain(fine=0.05, medium=0.04),
    Tissue.DISC: Grain(medium=0.08),
    Tissue.LIVER: Grain(fine=0.025, medium=0.012, coarse=0.006),
    Tissue.LESION: Grain(fine=0.03, medium=0.06, coarse=0.04),
    Tissue.INFILTRATE: Grain(fine=0.03, medium=0.05, coarse=0.04),
    Tissue.SPLEEN: Grain(fine=0.02, medium=0.02, coarse=0.01),
    Tissue.KIDNEY_CORTEX: Grain(fine=0.03, medium=0.03),
    Tissue.KIDNEY_MEDULLA: Grain(fine=0.03, medium=0.03),
    Tissue.PANCREAS: Grain(fine=0.04, medium=0.05),
    Tissue.BOWEL_WALL: Grain(fine=0.05, medium=0.06),
    Tissue.BOWEL_FLUID: Grain(fine=0.04, medium=0.08, coarse=0.10),
    Tissue.STOOL: Grain(fine=0.15, medium=0.20, coarse=0.10),
}
# Fibrous septa and nodules that take up contrast agent unevenly.
_CIRRHOTIC_LIVER = Grain(fine=0.03, medium=0.04, coarse=0.03, sheets=-0.08)
FAT_TEXTURE = {
    Tissue.SUBCUTANEOUS_FAT: Grain(sheets=-5, threads=-12),
    Tissue.VISCERAL_FAT: Grain(sheets=-5, threads=-22),
    Tissue.MUSCLE: Grain(fine=0.5, sheets=8),
    Tissue.MARROW: Grain(fine=3, medium=5, coarse=3),
    Tissue.PANCREAS: Grain(medium=1.5, sheets=12),
}


@dataclasses.dataclass(frozen=True, eq=False)
class TissueValues:
    """One person at one field strength; arrays are [tissue].

    Attributes:
        t1_ms: Of water.
        fat_t1_ms: Of fat, in any tissue.
        r2star_per_s: Of both.
        proton_density: Relative.
        pdff_percent: On average over the tissue.
    """

    t1_ms: np.ndarray
    fat_t1_ms: float
    r2star_per_s: np.ndarray
    proton_density: np.ndarray
    pdff_percent: np.ndarray


def signal_texture(person: Person) -> dict[Tissue, Grain]:
    """Texture of the signal of each tissue that has one, relative to the tissue's own."""
    if Finding.CIRRHOSIS in person.findings:
        return _SIGNAL_TEXTURE | {Tissue.LIVER: _CIRRHOTIC_LIVER}
    return _SIGNAL_TEXTURE


def person_generator(person: Person) -> np.random.Generator:
    """A source of what belongs to a person: the same one for all examinations of that person."""
    volume_ul = round(1000 * person.target_liver_volume_ml)
    return np.random.default_rng([person.age, round(10 * person.bmi), volume_ul])


def tissue_values(
    person: Person,
    field_strength_t: float,
    enhanced: bool,
    generator: np.random.Generator | None,
) -> TissueValues:
    """The MR values of a person's tissues.

    Args:
        person: Fat and iron of the liver; its uptake of contrast agent.
        field_strength_t: 1.5 or 3.
        enhanced: Whether it is 20 minutes after gadoxetate.
        generator: Source of what differs between persons; None gives the tabulated means.

    Returns:
        The values.
    """
    field = field_strength_t
    t1_ms = np.array([tissues.MR[t].t1_ms[field] for t in Tissue], np.float64)
    r2star = np.array([tissues.MR[t].r2star_per_s[field] for t in Tissue], np.float64)
    density = np.array([tissues.MR[t].proton_density for t in Tissue])
    pdff = np.array([tissues.MR[t].pdff_percent for t in Tissue], np.float64)
    fat_t1_ms = tissues.FAT_T1_MS[field]
    enhancement = 1.0
    if generator is not None:
        normal = np.clip(generator.standard_normal(len(Tissue)), -2, 2)
        t1_ms *= 1 + normal * [_T1_VARIATION.get(t, 0.0) for t in Tissue]
        fat_t1_ms *= 1 + _FAT_T1_VARIATION * normal[Tissue.SUBCUTANEOUS_FAT]
        enhancement += _ENHANCED_T1_VARIATION * np.clip(generator.standard_normal(), -2, 2)
        # Food and contrast agents shorten the T1 of what is in the bowel.
        t1_ms[[Tissue.BOWEL_FLUID, Tissue.STOOL]] *= np.exp(generator.uniform(-0.8, 0, 2))
        pdff[Tissue.MARROW] = np.clip(25 + 0.35 * person.age + generator.normal(0, 6), 30, 60)
        excess = person.bmi - 24
        pdff[Tissue.PANCREAS] = np.clip(
            math.exp(generator.normal(1.0 + 0.06 * excess, 0.5)), 1.0, 20.0
        )
        pdff[Tissue.MUSCLE] = np.clip(generator.normal(2.5 + 0.04 * (person.age - 50), 0.8), 1, 5)
        pdff[Tissue.SUBCUTANEOUS_FAT] = generator.uniform(91, 95)
        pdff[Tissue.VISCERAL_FAT] = generator.uniform(90, 93)
    if enhanced:
        for tissue, value in tissues.HEPATOBILIARY_T1_MS.items():
            t1_ms[tissue] = value[field] * enhancement
        if generator is not None and person.uptake_mm > _EXCRETING_MM:
            # Bile holds what the liver has excreted by then: next to nothing, or a lot.
            t1_ms[Tissue.BILE] = math.exp(generator.uniform(math.log(300), math.log(2500)))
        t1_ms[Tissue.LIVER] = signal.enhanced_t1_ms(
            t1_ms[Tissue.LIVER], tissues.HEPATOCYTE_RELAXIVITY[field], person.uptake_mm
        )
    pdff[Tissue.LIVER] = person.liver_pdff_percent
    r2star[Tissue.LIVER] = person.liver_r2star_per_s(field)
    return TissueValues(t1_ms, fat_t1_ms, r2star, density, pdff)


def limited(change: np.ndarray, pdff_percent: float) -> np.ndarray:
    """A change of a fat fraction, such that the sum remains one."""
    return np.clip(change, _LOWEST_PDFF - pdff_percent, _HIGHEST_PDFF - pdff_percent)


@dataclasses.dataclass(frozen=True)
class _Focus:
    """A part of the liver that holds less fat than the rest, or more."""

    centre_mm: tuple[float, float, float]
    radius_mm: float
    change_percent: float


@dataclasses.dataclass(frozen=True, eq=False)
class LiverFat:
    """How the fat fraction of the parenchyma differs from its mean, in percentage points.

    Attributes:
        waves: What varies smoothly.
        foci: Fatty sparing, or a focal deposit.
        offset: Such that the mean over the liver is 0.
        factor: Of the waves, such that their SD over the liver is the person's.
        lowest: The least change, which leaves the parenchyma a little fat.
    """

    waves: Noise
    foci: tuple[_Focus, ...]
    offset: float
    factor: float
    lowest: float

    def change(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The change at points in mm; float32 of the broadcast shape."""
        total = noise.at(self.waves, x, y, z) * np.float32(self.factor) + np.float32(self.offset)
        for focus in self.foci:
            total += _focal(focus, x, y, z)
        return np.maximum(total, np.float32(self.lowest))


def _focal(focus: _Focus, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """A focus with a soft edge: full inside, gone 1.5 radii from its centre."""
    a, b, c = focus.centre_mm
    squared = ((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) / focus.radius_mm**2
    return (focus.change_percent * np.exp(-(squared**2))).astype(np.float32)


def draw_liver_fat(person: Person, liver: Coordinates, generator: np.random.Generator) -> LiverFat:
    """Draws the distribution of fat in a person's liver.

    Args:
        person: Its mean and its SD; fatty livers may have a spared part, lean ones a fatty one.
        liver: Coordinates of points all over the parenchyma, each [n].
        generator: Source of the waves, and of whether there is a focus.

    Returns:
        The distribution. Its mean over the liver is 0 and, foci aside, its SD the person's.
    """
    mean, sd = person.liver_pdff_percent, person.liver_pdff_sd_percent
    waves = noise.draw(generator, (70, 180), 1.0)
    chance, place = generator.uniform(size=2)
    radius, strength = float(generator.uniform(9, 22)), float(generator.uniform(0.5, 0.8))
    lowest = _LOWEST_PDFF - mean
    if not sd or not len(liver[0]):
        return LiverFat(waves, (), 0.0, 0.0, lowest)
    centre = tuple(float(p[int(place * len(p))]) for p in liver)
    foci: tuple[_Focus, ...] = ()
    if Finding.STEATOSIS in person.findings and mean > 8 and chance < 0.35:
        foci = (_Focus(centre, radius, -strength * mean),)
    elif mean < 6 and chance < 0.05:
        foci = (_Focus(centre, radius, 14 * strength),)
    smooth = noise.at(waves, *liver).astype(np.float64)
    factor = sd / max(float(smooth.std()), 1e-6)
    focal = sum(float(_focal(focus, *liver).mean()) for focus in foci)
    offset = -factor * float(smooth.mean()) - focal
    return LiverFat(waves, foci, offset, factor, lowest)
