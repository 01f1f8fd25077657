"""Who a subject is: what a record says, and how the tissues of this person differ from the average.

A person has no shape yet. Both sources of anatomy, procedural and label maps, give one to a person,
and every scanner asks the person for what its tissues are made of.
"""

import dataclasses
import enum
import math
from collections.abc import Mapping

import numpy as np


class Finding(enum.Enum):
    """What a radiologist would report."""

    STEATOSIS = "steatosis"
    IRON = "iron"
    CIRRHOSIS = "cirrhosis"
    LESIONS = "lesions"
    LARGE_LESION = "large_lesion"  # large and ill-defined
    CYSTS = "cysts"
    ASCITES = "ascites"
    EFFUSION = "effusion"  # pleural
    SPLENOMEGALY = "splenomegaly"
    RESECTION = "resection"  # a lobe is gone


@dataclasses.dataclass(frozen=True)
class VolumeRange:
    """Liver volumes of a cohort in mL: mean and SD (lognormal), and the range kept."""

    mean_ml: float
    sd_ml: float
    lowest_ml: float
    highest_ml: float

    def draw(self, generator: np.random.Generator, tilt: float) -> float:
        """A volume; `tilt` (SD 1) is what a person's size adds to chance, correlated by 0.4."""
        spread = math.sqrt(math.log(1 + (self.sd_ml / self.mean_ml) ** 2))
        score = 0.4 * tilt + math.sqrt(1 - 0.4**2) * generator.standard_normal()
        median = self.mean_ml / math.sqrt(1 + (self.sd_ml / self.mean_ml) ** 2)
        return float(np.clip(median * math.exp(spread * score), self.lowest_ml, self.highest_ml))


# Liver iron concentration (mg/g) from R2* (1/s): at 1.5 T -0.16 + 0.02603 R2* (Hernando et al.,
# Radiology 2023;306:e213256), at 3 T -0.03 + 0.01349 R2* (customary). A healthy liver's 0.59 mg/g
# is an R2* of 29 and 46 1/s.
_LIC_FROM_R2STAR = {1.5: (-0.16, 0.02603), 3.0: (-0.03, 0.01349)}


@dataclasses.dataclass(frozen=True)
class Person:
    """A person without a shape.

    Attributes:
        sex: F or M.
        age: Years.
        bmi: kg/m2.
        findings: What is wrong.
        target_liver_volume_ml: What a procedural liver is scaled to; a label map's, towards.
        liver_pdff_percent: Mean fat fraction of the parenchyma.
        liver_pdff_sd_percent: Its SD between places of one liver.
        liver_iron_mg_per_g: Of dry liver.
        uptake_mm: Gadoxetate in hepatocytes 20 minutes after the injection, mmol/L.
        child_pugh: A, B or C with cirrhosis, else empty.
    """

    sex: str
    age: int
    bmi: float
    findings: frozenset[Finding]
    target_liver_volume_ml: float
    liver_pdff_percent: float
    liver_pdff_sd_percent: float
    liver_iron_mg_per_g: float
    uptake_mm: float
    child_pugh: str

    def liver_r2star_per_s(self, field_strength_t: float) -> float:
        """R2* of the parenchyma, from its iron."""
        intercept, slope = _LIC_FROM_R2STAR[field_strength_t]
        return (self.liver_iron_mg_per_g - intercept) / slope


# What a fit of multiecho images returns for a liver without fat.
_LOWEST_PDFF_PERCENT, _TRIES = 1.5, 16
# From here on a liver is fatty; customary.
_STEATOSIS_PERCENT = 5.0

# Gadoxetate in hepatocytes, mmol/L, mean and SD. From T1 at 3 T of 335, 431 and 557 ms in
# Child-Pugh A, B and C (809 ms before contrast, 9.8 1/(s mM)); healthy livers: 0.20 to 0.30.
_UPTAKE_MM = {"": (0.25, 0.03), "A": (0.18, 0.035), "B": (0.11, 0.025), "C": (0.057, 0.02)}


def draw(
    generator: np.random.Generator,
    prevalence: Mapping[Finding, float],
    volume: VolumeRange,
    highest_pdff_percent: float = 53.0,
) -> Person:
    """Draws a person.

    Args:
        generator: Source of all randomness.
        prevalence: Probability of each finding; one that is not named never comes. Ascites and
            splenomegaly are four times as likely with cirrhosis.
        volume: Of the liver.
        highest_pdff_percent: The paper's cohorts reach 53 %.

    Returns:
        The person. Fat fractions come from 55 x Beta(2, 6) with the probability of steatosis,
        else from a lognormal with median 3 %, both within 1.5 to `highest_pdff_percent`; whether
        steatosis is a finding, the fraction says.
    """
    uniform, normal = generator.uniform, generator.normal
    chances = {finding: float(uniform()) for finding in Finding}
    found = {f for f in Finding if chances[f] < prevalence.get(f, 0.0)}
    if Finding.CIRRHOSIS in found:
        portal = (Finding.ASCITES, Finding.SPLENOMEGALY)
        found |= {f for f in portal if chances[f] < 4 * prevalence.get(f, 0.0)}

    tilt = float(normal())
    bmi = float(np.clip(28.5 + 4.5 * tilt, 18.5, 42))
    # Some draws of each, of which the first within the range counts: no values heap up at its ends.
    lean = generator.lognormal(math.log(3), 0.35, _TRIES)
    fatty = 55 * generator.beta(2, 6, _TRIES)
    tries = fatty if Finding.STEATOSIS in found else lean
    within = tries[(tries >= _LOWEST_PDFF_PERCENT) & (tries <= highest_pdff_percent)]
    pdff = float(within[0] if len(within) else np.median(lean))
    found.discard(Finding.STEATOSIS)
    if pdff >= _STEATOSIS_PERCENT:
        found.add(Finding.STEATOSIS)
    iron = float(np.clip(normal(0.59, 0.07), 0.4, 0.8))
    overload = float(uniform(1.8, 9))
    grade = str(generator.choice(["A", "B", "C"], p=[0.5, 0.3, 0.2]))
    grade = grade if Finding.CIRRHOSIS in found else ""
    mean_mm, sd_mm = _UPTAKE_MM[grade]
    return Person(
        sex="FM"[generator.integers(2)],
        age=int(np.clip(normal(54, 13), 20, 85)),
        bmi=round(bmi, 1),
        findings=frozenset(found),
        target_liver_volume_ml=volume.draw(generator, tilt),
        liver_pdff_percent=pdff,
        liver_pdff_sd_percent=float(min(uniform(1, 2), 0.4 * pdff)),
        liver_iron_mg_per_g=overload if Finding.IRON in found else iron,
        uptake_mm=float(np.clip(normal(mean_mm, sd_mm), 0.02, 0.35)),
        child_pugh=grade,
    )
