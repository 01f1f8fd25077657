"""CT of a subject: attenuation in HU, texture, the couch, and the blur and noise of a scanner."""

import dataclasses

import numpy as np
from scipy import ndimage

from liver_jax.phantom import sampling, texture
from liver_jax.phantom.body import Body
from liver_jax.phantom.ct_noise import FWHM_PER_SD, Noise
from liver_jax.phantom.institution import Institution
from liver_jax.phantom.person import Person
from liver_jax.phantom.surroundings import Couch, Surroundings
from liver_jax.phantom.truth import Truth
from liver_jax.physics import tissues
from liver_jax.physics.tissues import Tissue


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How an examination is acquired, reconstructed and stored.

    Attributes:
        contrast_phase: `unenhanced` or `portal_venous`.
        kvp: Tube voltage, 100, 120 or 140.
        kernel_fwhm_mm: Width of the reconstruction kernel, which shapes the noise.
        slice_profile_mm: Full width at half maximum of the slice's sensitivity.
        noise_hu: SD in the middle of 30 cm of water.
        iterative: Strength of the iterative reconstruction, 0 to 1.
        offset_hu: Error of the calibration.
        shading_hu: SD of what scatter and beam hardening add from place to place.
        padding_hu: What is stored outside the round field of view; None keeps what is there.
        couch: What the body lies on.
        arms_down: Whether the arms lie at the sides.
        texture: Share of the tissues' texture; 0 leaves them flat.
    """

    contrast_phase: str
    kvp: int
    kernel_fwhm_mm: float
    slice_profile_mm: float
    noise_hu: float
    iterative: float
    offset_hu: float
    shading_hu: float
    padding_hu: int | None
    couch: Couch
    arms_down: bool
    texture: float = 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """What an examination gives: int16 HU [x, y, z], and the truth on the same grid."""

    image: np.ndarray
    truth: Truth


@dataclasses.dataclass(frozen=True)
class _Beam:
    """What a tube voltage changes, relative to 120 kVp; customary values."""

    enhancement: float  # iodine's K edge is at 33 keV: soft beams see more of it
    bone: float
    fat_hu: float


_BEAMS = {100: _Beam(1.25, 1.12, -6.0), 120: _Beam(1.0, 1.0, 0.0), 140: _Beam(0.87, 0.93, 4.0)}
_BONE = (Tissue.CORTICAL_BONE, Tissue.MARROW)
_FAT = (Tissue.SUBCUTANEOUS_FAT, Tissue.VISCERAL_FAT)
# HU for each mg/g of iron in dry liver at 120 kVp, beyond a healthy liver's 0.6: customary.
_HU_PER_IRON, _NORMAL_IRON_MG_PER_G = 1.5, 0.6
# What is left of the liver's portal-venous enhancement in cirrhosis (customary).
_CIRRHOTIC_ENHANCEMENT = {"": 1.0, "A": 0.95, "B": 0.88, "C": 0.8}
# How much of the spread of enhancement one bolus shares out to all organs.
_BOLUS_CORRELATION = 0.85
# Above this an organ takes up contrast agent.
_ENHANCES_HU = 15.0
# Muscle loses density to fat with age and body mass: HU for each year and each kg/m2 beyond the
# cohorts' means, to which the tabulated value belongs; customary.
_MUSCLE_HU_PER_YEAR, _MEAN_AGE = -0.25, 54
_MUSCLE_HU_PER_BMI, _MEAN_BMI = -0.5, 28.5
_FAT_WAVELENGTH_MM, _SHADING_WAVELENGTH_MM = (60.0, 150.0), (150.0, 400.0)
# What blurs the image and not its noise: focal spot, detector, the heart and the vessels' beat.
_SYSTEM_FWHM_MM = 1.1


def draw_protocol(
    contrast_phase: str,
    institution: Institution,
    slice_mm: float,
    generator: np.random.Generator,
    arms_share: float = 0.15,
) -> Protocol:
    """Draws a protocol of an institution.

    The hospital has one kind of scanner: 120 kVp, a soft kernel, iterative reconstruction, slices
    that do not overlap, a curved couch. The registry's are older and of several makers.

    Args:
        contrast_phase: `unenhanced` or `portal_venous`.
        institution: Where.
        slice_mm: Between slices. From 3 mm on the noise is 8 to 15 HU, in thinner ones more.
        generator: Source of the draw.
        arms_share: Of the examinations with the arms at the sides.
    """
    uniform = generator.uniform
    # Photons are as many as the slice is thick.
    thin = float(np.clip(np.sqrt(3 / slice_mm), 1, 1.75))
    arms_down = bool(uniform() < arms_share)
    if institution is Institution.HOSPITAL:
        return Protocol(
            contrast_phase,
            kvp=int(generator.choice([100, 120], p=[0.2, 0.8])),
            kernel_fwhm_mm=float(uniform(1.05, 1.2)),
            slice_profile_mm=slice_mm * float(uniform(0.8, 1.05)),
            noise_hu=thin * float(uniform(8, 12.5)),
            iterative=float(uniform(0.5, 1.0)),
            offset_hu=float(generator.normal(0, 1)),
            shading_hu=float(uniform(2, 4.5)),
            padding_hu=None,
            couch=Couch(210, 420, 34, 2.5, float(uniform(150, 450)), float(uniform(2, 14))),
            arms_down=arms_down,
        )
    return Protocol(
        contrast_phase,
        kvp=int(generator.choice([100, 120, 140], p=[0.45, 0.45, 0.1])),
        kernel_fwhm_mm=float(uniform(0.85, 1.0)),
        slice_profile_mm=slice_mm * float(uniform(1.1, 1.6)),
        noise_hu=thin * float(uniform(10, 15)),
        iterative=float(uniform(0.0, 0.4)),
        offset_hu=float(generator.normal(2, 2)),
        shading_hu=float(uniform(3, 6)),
        padding_hu=-2000 if uniform() < 0.5 else None,
        couch=Couch(225, 900, 45, 2.2, float(uniform(-500, -50)), float(uniform(4, 15))),
        arms_down=arms_down,
    )


def attenuation_hu(
    person: Person, contrast_phase: str, kvp: int, generator: np.random.Generator
) -> np.ndarray:
    """HU of each tissue in one person, float32 [tissue].

    Fat darkens the liver, and the muscles of the old and the heavy; iron brightens the liver,
    cirrhosis takes some of its enhancement. One bolus enhances all organs, more or less together;
    a softer beam shows more of it.

    Args:
        person: Whose findings count.
        contrast_phase: `unenhanced` or `portal_venous`.
        kvp: 100, 120 or 140.
        generator: Source of what is particular to the person and the bolus.
    """
    beam = _BEAMS[kvp]
    bolus = np.clip(generator.standard_normal(), -2, 2)
    own = np.clip(generator.standard_normal(len(Tissue)), -2, 2)
    hu = np.zeros(len(Tissue), np.float32)
    for tissue in Tissue:
        native, _ = tissues.CT[tissue].unenhanced
        mean, sd = getattr(tissues.CT[tissue], contrast_phase)
        score = own[tissue]
        enhancement = mean - native
        if enhancement > _ENHANCES_HU:
            score *= np.sqrt(1 - _BOLUS_CORRELATION**2)
            score += _BOLUS_CORRELATION * bolus
        if tissue is Tissue.LIVER:
            enhancement *= _CIRRHOTIC_ENHANCEMENT[person.child_pugh]
        enhanced = beam.enhancement if enhancement > _ENHANCES_HU else 1.0
        hu[tissue] = native + enhanced * (enhancement + sd * score)
    hu[list(_BONE)] *= beam.bone
    hu[list(_FAT)] += beam.fat_hu
    hu[Tissue.LIVER] += tissues.HU_PER_PDFF_POINT * person.liver_pdff_percent
    hu[Tissue.LIVER] += _HU_PER_IRON * (person.liver_iron_mg_per_g - _NORMAL_IRON_MG_PER_G)
    hu[Tissue.MUSCLE] += _MUSCLE_HU_PER_YEAR * (person.age - _MEAN_AGE)
    hu[Tissue.MUSCLE] += _MUSCLE_HU_PER_BMI * (person.bmi - _MEAN_BMI)
    if contrast_phase == "portal_venous":
        # The liver's veins are filled from the liver: they are never darker.
        hu[Tissue.LIVER_VESSEL] = max(hu[Tissue.LIVER_VESSEL], hu[Tissue.LIVER] + 20)
    return hu


def acquire(
    body: Body,
    grid: sampling.Grid,
    protocol: Protocol,
    generator: np.random.Generator,
    samples: int = 3,
    threads: int = 1,
) -> Images:
    """Images a subject.

    The HU of the tissues in a voxel average (partial volume, over the slice's profile); texture,
    the liver's uneven fat and what surrounds the body are added; then come the blur of the kernel
    and the noise. The truth knows the body only.

    Args:
        body: Whom.
        grid: Where.
        protocol: How.
        generator: Source of the subject's attenuation, texture and of the noise.
        samples: Points in each voxel.
        threads: How many slices are painted at once.

    Returns:
        The image and its truth.
    """
    person = body.person
    hu = attenuation_hu(person, protocol.contrast_phase, protocol.kvp, generator)
    # Fat may vary from place to place, but it does not become negative.
    fat = sampling.smooth_field(grid, _FAT_WAVELENGTH_MM, generator)
    fat *= np.float32(protocol.texture * person.liver_pdff_sd_percent)
    np.maximum(fat, 0.5 - person.liver_pdff_percent, out=fat)
    shading = sampling.smooth_field(grid, _SHADING_WAVELENGTH_MM, generator)
    shading *= np.float32(protocol.shading_hu)
    grain = texture.Texture(grid, generator)
    amplitudes = texture.table(texture.CT) * np.float32(protocol.texture)
    surroundings = Surroundings(body, grid, protocol.couch, protocol.arms_down, hu, generator)
    pixel_mm, slice_mm = grid.spacing_mm[0], grid.spacing_mm[2]
    profile_sd = protocol.slice_profile_mm / FWHM_PER_SD
    noise = Noise(
        grid.shape[:2],
        pixel_mm,
        protocol.kernel_fwhm_mm,
        protocol.iterative,
        # Of two Gaussian profiles so far apart.
        slice_correlation=float(np.exp(-((slice_mm / (2 * profile_sd)) ** 2))),
        generator=generator,
    )
    blur = np.hypot(protocol.kernel_fwhm_mm, _SYSTEM_FWHM_MM) / FWHM_PER_SD / pixel_mm
    unseen = _outside_field_of_view(grid)

    image = np.zeros(grid.shape, np.int16, order="F")  # each slice in one piece
    truth = Truth.empty(grid)
    painted = sampling.compositions(
        body, grid, samples, thickness=protocol.slice_profile_mm / slice_mm, threads=threads
    )
    for k, composition in painted:
        seen = composition.mean(hu)
        air = composition.fraction([Tissue.AIR])
        seen += air * surroundings.layer(k) + (1 - air) * shading[..., k]
        liver = composition.fraction([Tissue.LIVER])
        seen += liver * fat[..., k] * np.float32(tissues.HU_PER_PDFF_POINT)
        for amplitude, field in zip(amplitudes, grain.layer(k), strict=True):
            seen += composition.mean(amplitude) * field
        seen = ndimage.gaussian_filter(seen, blur, mode="nearest", truncate=3.0)
        seen += np.float32(protocol.noise_hu) * noise.layer(seen, surroundings.beside_mm(k))
        seen += np.float32(protocol.offset_hu)
        image[..., k] = np.clip(np.rint(seen), -1024, 3071)
        if protocol.padding_hu is not None:
            image[unseen, k] = protocol.padding_hu
        truth.fill(k, composition)
    return Images(image, truth)


def _outside_field_of_view(grid: sampling.Grid) -> np.ndarray:
    """Which voxels lie outside the round field that is reconstructed, bool [x, y]."""
    x, y = (grid.axis_mm(axis) for axis in (0, 1))
    x, y = (x - x.mean())[:, None], (y - y.mean())[None, :]
    return np.hypot(x, y) > max(np.ptp(x), np.ptp(y)) / 2
