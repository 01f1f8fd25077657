"""Tissues of the abdomen and what each scanner sees of them: relaxation, fat fraction, attenuation.

T1 at 3 T of the parenchymal organs: de Bazelaire et al., Radiology 2004;230:652. R2* of liver at
1.5 T: 28.7 +/- 2.7 1/s (Obrzut et al., Sci Rep 2020;10:17887). Attenuation at 120 kVp; unenhanced
liver 58.8 +/- 10.8 HU in 3357 adults (Boyce et al., AJR 2010;194:623).
Values without a published source here are customary ones, chosen to be plausible.
"""

import dataclasses
import enum


class Tissue(enum.IntEnum):
    """What a point of the body is made of; the number is the label."""

    AIR = 0
    SKIN = 1
    SUBCUTANEOUS_FAT = 2
    VISCERAL_FAT = 3
    MUSCLE = 4
    CORTICAL_BONE = 5
    MARROW = 6
    DISC = 7
    CSF = 8
    CORD = 9
    LUNG = 10
    ARTERY = 11
    VEIN = 12
    LIVER = 13
    LIVER_VESSEL = 14
    LESION = 15
    CYST = 16
    BILE = 17
    SPLEEN = 18
    KIDNEY_CORTEX = 19
    KIDNEY_MEDULLA = 20
    PANCREAS = 21
    BOWEL_WALL = 22
    BOWEL_FLUID = 23
    BOWEL_GAS = 24
    PORTAL_VEIN = 25
    FLUID = 26  # ascites, pleural effusion
    INFILTRATE = 27  # of a large ill-defined lesion: neither liver nor mass
    STOOL = 28
    CARTILAGE = 29


# A reader draws the liver with the vessels and the findings that lie inside it.
LIVER_TISSUES = (
    Tissue.LIVER,
    Tissue.LIVER_VESSEL,
    Tissue.LESION,
    Tissue.CYST,
    Tissue.INFILTRATE,
)

# T1 of the fat protons in any tissue; water has the tissue's own.
FAT_T1_MS = {1.5: 343.0, 3.0: 382.0}


@dataclasses.dataclass(frozen=True)
class Relaxation:
    """MR values at 1.5 and 3 T: T1 of water, R2*; relative proton density; fat fraction."""

    t1_ms: dict[float, float]
    r2star_per_s: dict[float, float]
    proton_density: float
    pdff_percent: float


def _mr(
    t1_ms: tuple[float, float],
    r2star_per_s: tuple[float, float],
    proton_density: float,
    pdff_percent: float,
) -> Relaxation:
    fields = (1.5, 3.0)
    return Relaxation(
        dict(zip(fields, t1_ms, strict=True)),
        dict(zip(fields, r2star_per_s, strict=True)),
        proton_density,
        pdff_percent,
    )


# The liver's fat fraction is drawn for each subject; the one here is a lean liver's.
MR = {
    Tissue.AIR: _mr((1000, 1000), (0, 0), 0.0, 0.0),
    Tissue.SKIN: _mr((856, 898), (30, 40), 0.7, 5.0),
    Tissue.SUBCUTANEOUS_FAT: _mr((343, 382), (30, 45), 1.0, 93.0),
    Tissue.VISCERAL_FAT: _mr((343, 382), (30, 45), 1.0, 91.0),
    Tissue.MUSCLE: _mr((856, 898), (30, 40), 0.8, 3.0),
    Tissue.CORTICAL_BONE: _mr((200, 302), (1000, 1000), 0.15, 0.0),
    Tissue.MARROW: _mr((549, 586), (60, 110), 0.7, 45.0),
    Tissue.DISC: _mr((1000, 1100), (25, 35), 0.7, 0.0),
    Tissue.CSF: _mr((4200, 4200), (1, 2), 1.0, 0.0),
    Tissue.CORD: _mr((745, 993), (15, 20), 0.75, 0.0),
    Tissue.LUNG: _mr((1200, 1300), (500, 900), 0.15, 0.0),
    Tissue.ARTERY: _mr((1441, 1670), (8, 15), 0.9, 0.0),
    Tissue.VEIN: _mr((1441, 1670), (8, 15), 0.9, 0.0),
    Tissue.LIVER: _mr((586, 809), (28.7, 45), 0.8, 3.0),
    Tissue.LIVER_VESSEL: _mr((1441, 1670), (8, 15), 0.9, 0.0),
    Tissue.LESION: _mr((1050, 1300), (20, 30), 0.85, 0.0),
    Tissue.CYST: _mr((2800, 3000), (2, 3), 1.0, 0.0),
    Tissue.BILE: _mr((2500, 2700), (3, 5), 1.0, 0.0),
    Tissue.SPLEEN: _mr((1057, 1328), (20, 35), 0.85, 0.9),
    Tissue.KIDNEY_CORTEX: _mr((966, 1142), (15, 25), 0.85, 0.7),
    Tissue.KIDNEY_MEDULLA: _mr((1412, 1545), (15, 25), 0.9, 0.7),
    Tissue.PANCREAS: _mr((584, 725), (25, 35), 0.8, 5.0),
    Tissue.BOWEL_WALL: _mr((500, 500), (30, 40), 0.8, 1.2),
    Tissue.BOWEL_FLUID: _mr((2500, 2700), (5, 8), 0.95, 0.0),
    Tissue.BOWEL_GAS: _mr((1000, 1000), (0, 0), 0.0, 0.0),
    Tissue.PORTAL_VEIN: _mr((1441, 1670), (8, 15), 0.9, 0.0),
    Tissue.FLUID: _mr((2800, 3000), (3, 5), 1.0, 0.0),
    Tissue.INFILTRATE: _mr((780, 1000), (25, 38), 0.82, 2.0),
    Tissue.STOOL: _mr((700, 800), (60, 100), 0.6, 8.0),
    Tissue.CARTILAGE: _mr((1000, 1100), (40, 50), 0.6, 0.0),
}

# T2 in ms at 1.5 and 3 T, of parenchyma customary; fat's is what a spin echo shows of it.
T2_MS = {
    Tissue.AIR: (50.0, 50.0),
    Tissue.SKIN: (30.0, 28.0),
    Tissue.SUBCUTANEOUS_FAT: (58.0, 68.0),
    Tissue.VISCERAL_FAT: (58.0, 68.0),
    Tissue.MUSCLE: (27.0, 29.0),
    Tissue.CORTICAL_BONE: (0.5, 0.25),
    Tissue.MARROW: (49.0, 49.0),
    Tissue.DISC: (90.0, 85.0),
    Tissue.CSF: (1990.0, 1990.0),
    Tissue.CORD: (74.0, 78.0),
    Tissue.LUNG: (40.0, 40.0),
    Tissue.ARTERY: (290.0, 275.0),
    Tissue.VEIN: (290.0, 275.0),
    Tissue.LIVER: (46.0, 34.0),
    Tissue.LIVER_VESSEL: (290.0, 275.0),
    Tissue.LESION: (90.0, 80.0),
    Tissue.CYST: (900.0, 900.0),
    Tissue.BILE: (800.0, 800.0),
    Tissue.SPLEEN: (79.0, 61.0),
    Tissue.KIDNEY_CORTEX: (87.0, 76.0),
    Tissue.KIDNEY_MEDULLA: (85.0, 81.0),
    Tissue.PANCREAS: (46.0, 43.0),
    Tissue.BOWEL_WALL: (120.0, 110.0),
    Tissue.BOWEL_FLUID: (900.0, 900.0),
    Tissue.BOWEL_GAS: (50.0, 50.0),
    Tissue.PORTAL_VEIN: (290.0, 275.0),
    Tissue.FLUID: (900.0, 900.0),
    Tissue.INFILTRATE: (65.0, 52.0),
    Tissue.STOOL: (60.0, 50.0),
    Tissue.CARTILAGE: (40.0, 38.0),
}

# Gadoxetate, 0.025 mmol/kg: longitudinal relaxivity in hepatocytes, 1/(s mM).
HEPATOCYTE_RELAXIVITY = {1.5: 14.6, 3.0: 9.8}
# T1 in ms some 20 minutes after gadoxetate: blood at 0.10 mM in plasma; the kidneys excrete it.
# The liver's follows from its uptake.
HEPATOBILIARY_T1_MS = {
    Tissue.ARTERY: {1.5: 859.0, 3.0: 1031.0},
    Tissue.VEIN: {1.5: 859.0, 3.0: 1031.0},
    Tissue.LIVER_VESSEL: {1.5: 859.0, 3.0: 1031.0},
    Tissue.PORTAL_VEIN: {1.5: 859.0, 3.0: 1031.0},
    Tissue.SPLEEN: {1.5: 750.0, 3.0: 900.0},
    Tissue.INFILTRATE: {1.5: 480.0, 3.0: 600.0},
    Tissue.LESION: {1.5: 800.0, 3.0: 1000.0},
    Tissue.KIDNEY_CORTEX: {1.5: 450.0, 3.0: 550.0},
    Tissue.KIDNEY_MEDULLA: {1.5: 400.0, 3.0: 500.0},
}


@dataclasses.dataclass(frozen=True)
class Attenuation:
    """CT values in HU: mean and SD between subjects, unenhanced and portal venous (70 s)."""

    unenhanced: tuple[float, float]
    portal_venous: tuple[float, float]


# HU lost for each percentage point of fat: PDFF = 37.15 - 0.54 HU in phantoms.
HU_PER_PDFF_POINT = -1.85

# The liver's row is fat-free: cohorts with a mean PDFF near 6 % come to 58.8 and about 110 HU.
CT = {
    Tissue.AIR: Attenuation((-1000, 0), (-1000, 0)),
    Tissue.SKIN: Attenuation((30, 8), (40, 8)),
    Tissue.SUBCUTANEOUS_FAT: Attenuation((-104, 8), (-102, 8)),
    Tissue.VISCERAL_FAT: Attenuation((-100, 8), (-97, 8)),
    Tissue.MUSCLE: Attenuation((55, 6), (64, 7)),
    Tissue.CORTICAL_BONE: Attenuation((900, 250), (900, 250)),
    Tissue.MARROW: Attenuation((160, 45), (175, 45)),
    Tissue.DISC: Attenuation((80, 10), (85, 10)),
    Tissue.CSF: Attenuation((15, 6), (15, 6)),
    Tissue.CORD: Attenuation((35, 4), (40, 4)),
    Tissue.LUNG: Attenuation((-820, 50), (-810, 50)),
    Tissue.ARTERY: Attenuation((40, 5), (145, 20)),
    Tissue.VEIN: Attenuation((40, 5), (130, 25)),
    Tissue.LIVER: Attenuation((69.7, 5), (121, 12)),
    Tissue.LIVER_VESSEL: Attenuation((40, 5), (165, 22)),
    Tissue.LESION: Attenuation((40, 6), (65, 12)),
    Tissue.CYST: Attenuation((8, 6), (8, 6)),
    Tissue.BILE: Attenuation((8, 6), (8, 6)),
    Tissue.SPLEEN: Attenuation((50, 5), (122, 15)),
    Tissue.KIDNEY_CORTEX: Attenuation((32, 4), (185, 25)),
    Tissue.KIDNEY_MEDULLA: Attenuation((32, 4), (165, 25)),
    Tissue.PANCREAS: Attenuation((40, 8), (98, 15)),
    Tissue.BOWEL_WALL: Attenuation((40, 6), (80, 12)),
    Tissue.BOWEL_FLUID: Attenuation((15, 10), (20, 12)),
    Tissue.BOWEL_GAS: Attenuation((-950, 10), (-950, 10)),
    Tissue.PORTAL_VEIN: Attenuation((40, 5), (165, 22)),
    Tissue.FLUID: Attenuation((10, 6), (12, 6)),
    Tissue.INFILTRATE: Attenuation((50, 6), (90, 12)),
    Tissue.STOOL: Attenuation((20, 15), (25, 15)),
    Tissue.CARTILAGE: Attenuation((90, 15), (95, 15)),
}
