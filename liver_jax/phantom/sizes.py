"""Sizes of cohorts: how many of whom, imaged how finely, and how ill they are."""

import dataclasses
from collections.abc import Mapping

from liver_jax.phantom.institution import Institution
from liver_jax.phantom.person import Finding, VolumeRange

COHORTS = {"internal": Institution.HOSPITAL, "external": Institution.REGISTRY}


@dataclasses.dataclass(frozen=True)
class Group:
    """Subjects imaged in one way; the first `also_spgr3d` of them by 3D SPGR as well."""

    technique: str
    contrast_phase: str
    split: str
    cohort: str
    subjects: int
    also_spgr3d: int = 0


@dataclasses.dataclass(frozen=True)
class Size:
    """How fine, how varied and how ill a cohort is.

    Attributes:
        matrices: By technique, for each institution: voxels from right to left to draw from.
        slices_mm: By technique: slice thickness, drawn between these.
        samples: By technique: points in each voxel; odd, so that no voxel is half liver.
        volumes: By technique: the livers' volumes.
        prevalence: By technique and cohort: how often each finding is drawn.
        motion: Share of MR examinations with mild, moderate and severe motion.
        cut_share: Share of examinations whose field of view cuts the liver.
        arms_share: Share of CT examinations with the arms at the sides.
        highest_pdff_percent: Of any liver; higher draws are drawn again.
        groups: Who is imaged.
    """

    matrices: Mapping[str, Mapping[Institution, tuple[int, ...]]]
    slices_mm: Mapping[str, tuple[float, float]]
    samples: Mapping[str, int]
    volumes: Mapping[str, VolumeRange]
    prevalence: Mapping[tuple[str, str], Mapping[Finding, float]]
    motion: tuple[float, float, float]
    cut_share: float
    arms_share: float
    highest_pdff_percent: float
    groups: tuple[Group, ...]


def _both(**matrices: tuple[int, ...]) -> dict[str, dict[Institution, tuple[int, ...]]]:
    """The same matrices in both institutions."""
    return {t: dict.fromkeys(Institution, choice) for t, choice in matrices.items()}


# Livers of the paper's CT and hepatobiliary cohorts; of its multiecho cohort no volume is printed.
_VOLUMES = {
    "ct": VolumeRange(1677, 540, 577, 5186),
    "hbp_t1w": VolumeRange(2315, 901, 858, 5445),
    "spgr2d": VolumeRange(1800, 500, 800, 4000),
}
_ORDINARY = {technique: VolumeRange(1700, 400, 1000, 2800) for technique in _VOLUMES}
# The paper's multiecho patients were studied for fatty liver; the others were not.
_FATTY = {"spgr2d": 0.75, "ct": 0.25, "hbp_t1w": 0.25}


def _few_findings() -> dict[tuple[str, str], dict[Finding, float]]:
    return {
        (technique, cohort): {
            Finding.STEATOSIS: _FATTY[technique],
            Finding.LESIONS: 0.1,
            Finding.CYSTS: 0.1,
        }
        for technique in _FATTY
        for cohort in COHORTS
    }


def _clinical_findings() -> dict[tuple[str, str], dict[Finding, float]]:
    """As in a referral centre; the external CT is an oncologic collection, as LiTS is."""
    common = {
        Finding.IRON: 0.05,
        Finding.CYSTS: 0.2,
        Finding.EFFUSION: 0.05,
        Finding.SPLENOMEGALY: 0.06,
        Finding.RESECTION: 0.02,
    }
    by_technique = {
        "spgr2d": {Finding.CIRRHOSIS: 0.08, Finding.LESIONS: 0.08, Finding.ASCITES: 0.02},
        "ct": {
            Finding.CIRRHOSIS: 0.1,
            Finding.LESIONS: 0.3,
            Finding.LARGE_LESION: 0.05,
            Finding.ASCITES: 0.05,
        },
        "hbp_t1w": {
            Finding.CIRRHOSIS: 0.35,
            Finding.LESIONS: 0.4,
            Finding.LARGE_LESION: 0.05,
            Finding.ASCITES: 0.05,
        },
    }
    found = {
        (technique, cohort): {**common, **own, Finding.STEATOSIS: _FATTY[technique]}
        for technique, own in by_technique.items()
        for cohort in COHORTS
    }
    found["ct", "external"] |= {
        Finding.LESIONS: 0.85,
        Finding.LARGE_LESION: 0.12,
        Finding.RESECTION: 0.05,
    }
    return found


SIZES = {
    # For tests.
    "tiny": Size(
        matrices=_both(spgr2d=(48, 56), spgr3d=(48, 56), hbp_t1w=(48, 56), ct=(64,)),
        slices_mm={"spgr2d": (16, 16), "spgr3d": (14, 16), "hbp_t1w": (14, 16), "ct": (14, 16)},
        samples={"spgr2d": 5, "spgr3d": 5, "hbp_t1w": 5, "ct": 5},
        volumes=_ORDINARY,
        prevalence=_few_findings(),
        motion=(0.0, 0.0, 0.0),
        cut_share=0.0,
        arms_share=0.0,
        highest_pdff_percent=53,
        groups=(
            Group("spgr2d", "", "train", "internal", 4),
            Group("ct", "portal_venous", "train", "internal", 2),
            Group("hbp_t1w", "hepatobiliary", "train", "internal", 2),
            Group("spgr2d", "", "validation", "internal", 1),
            Group("ct", "portal_venous", "validation", "internal", 1),
            Group("hbp_t1w", "hepatobiliary", "validation", "internal", 1),
            Group("spgr2d", "", "test", "internal", 2, also_spgr3d=1),
            Group("ct", "portal_venous", "test", "internal", 1),
            Group("ct", "unenhanced", "test", "external", 1),
            Group("hbp_t1w", "hepatobiliary", "test", "internal", 2),
        ),
    ),
    # Easy cases: few findings, no motion, no severely fatty liver, which is nearly black in
    # opposed phase.
    "demo": Size(
        matrices=_both(spgr2d=(128, 144), spgr3d=(128, 144), hbp_t1w=(128, 144), ct=(176, 192)),
        slices_mm={"spgr2d": (8, 8), "spgr3d": (6, 8), "hbp_t1w": (4, 5), "ct": (5, 5)},
        samples={"spgr2d": 5, "spgr3d": 5, "hbp_t1w": 3, "ct": 3},
        volumes=_ORDINARY,
        prevalence=_few_findings(),
        motion=(0.0, 0.0, 0.0),
        cut_share=0.0,
        arms_share=0.0,
        highest_pdff_percent=20,
        groups=(
            Group("spgr2d", "", "train", "internal", 40),
            Group("ct", "portal_venous", "train", "internal", 10),
            Group("hbp_t1w", "hepatobiliary", "train", "internal", 20),
            Group("spgr2d", "", "validation", "internal", 2),
            Group("ct", "portal_venous", "validation", "internal", 2),
            Group("hbp_t1w", "hepatobiliary", "validation", "internal", 2),
            Group("spgr2d", "", "test", "internal", 6, also_spgr3d=4),
            Group("ct", "portal_venous", "test", "internal", 4),
            Group("ct", "unenhanced", "test", "external", 2),
            Group("hbp_t1w", "hepatobiliary", "test", "internal", 4),
            Group("hbp_t1w", "hepatobiliary", "test", "external", 2),
        ),
    ),
    # Everything that can be drawn, often: to be looked at.
    "gallery": Size(
        matrices=_both(spgr2d=(224,), spgr3d=(224,), hbp_t1w=(288,), ct=(384,)),
        slices_mm={"spgr2d": (8, 8), "spgr3d": (6, 8), "hbp_t1w": (4, 5), "ct": (3, 5)},
        samples={"spgr2d": 7, "spgr3d": 5, "hbp_t1w": 5, "ct": 5},
        volumes=_VOLUMES,
        prevalence={
            (technique, cohort): dict.fromkeys(Finding, 0.3) | {Finding.STEATOSIS: 0.6}
            for technique in _VOLUMES
            for cohort in COHORTS
        },
        motion=(0.2, 0.2, 0.1),
        cut_share=0.1,
        arms_share=0.3,
        highest_pdff_percent=53,
        groups=(
            Group("spgr2d", "", "test", "internal", 4, also_spgr3d=2),
            Group("spgr2d", "", "test", "external", 2),
            Group("ct", "portal_venous", "test", "internal", 3),
            Group("ct", "unenhanced", "test", "internal", 1),
            Group("ct", "portal_venous", "test", "external", 3),
            Group("hbp_t1w", "hepatobiliary", "test", "internal", 3),
            Group("hbp_t1w", "hepatobiliary", "test", "external", 2),
        ),
    ),
    # Wang et al. 2019, with subjects for validation (its "validation" is `test` here) on top.
    "paper": Size(
        matrices={
            "spgr2d": {Institution.HOSPITAL: (224, 256), Institution.REGISTRY: (192, 224)},
            "spgr3d": dict.fromkeys(Institution, (256,)),
            "hbp_t1w": {Institution.HOSPITAL: (320,), Institution.REGISTRY: (256, 288)},
            "ct": dict.fromkeys(Institution, (512,)),
        },
        slices_mm={"spgr2d": (8, 8), "spgr3d": (5, 8), "hbp_t1w": (3, 5), "ct": (2, 5)},
        samples={"spgr2d": 7, "spgr3d": 5, "hbp_t1w": 3, "ct": 3},
        volumes=_VOLUMES,
        prevalence=_clinical_findings(),
        motion=(0.12, 0.05, 0.02),
        cut_share=0.02,
        arms_share=0.08,
        highest_pdff_percent=53,
        groups=(
            Group("spgr2d", "", "train", "internal", 300),
            Group("ct", "portal_venous", "train", "internal", 10),
            Group("hbp_t1w", "hepatobiliary", "train", "internal", 20),
            Group("spgr2d", "", "validation", "internal", 10),
            Group("ct", "portal_venous", "validation", "internal", 2),
            Group("hbp_t1w", "hepatobiliary", "validation", "internal", 3),
            Group("spgr2d", "", "test", "internal", 50, also_spgr3d=33),
            Group("ct", "portal_venous", "test", "internal", 70),
            Group("ct", "unenhanced", "test", "internal", 30),
            Group("hbp_t1w", "hepatobiliary", "test", "internal", 50),
            Group("ct", "portal_venous", "test", "external", 130),
            Group("hbp_t1w", "hepatobiliary", "test", "external", 50),
            Group("spgr2d", "", "test", "external", 118),
        ),
    ),
}
