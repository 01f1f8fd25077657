"""CT of a subject: attenuation in HU, with the noise of a filtered back-projection."""

import dataclasses

import numpy as np

from liver_jax.phantom import anatomy, sampling
from liver_jax.physics import tissues
from liver_jax.physics.tissues import Tissue


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Contrast phase and noise of an examination."""

    contrast_phase: str
    noise_hu: float


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """What an examination gives: int16 HU, liver and vessel masks, all [x, y, z] on the grid."""

    image: np.ndarray
    mask: np.ndarray
    vessel_mask: np.ndarray


def draw_protocol(contrast_phase: str, generator: np.random.Generator) -> Protocol:
    """Draws a protocol: `unenhanced` or `portal_venous`, noise of 8 to 15 HU."""
    return Protocol(contrast_phase, float(generator.uniform(8, 15)))


def attenuation_hu(
    contrast_phase: str, liver_pdff_percent: float, generator: np.random.Generator
) -> np.ndarray:
    """HU of each tissue in one subject, float32 [tissue]; fat darkens the liver."""
    hu = np.zeros(len(Tissue), np.float32)
    for tissue in Tissue:
        mean, sd = getattr(tissues.CT[tissue], contrast_phase)
        hu[tissue] = mean + sd * np.clip(generator.standard_normal(), -2, 2)
    hu[Tissue.LIVER] += tissues.HU_PER_PDFF_POINT * liver_pdff_percent
    if contrast_phase == "portal_venous":
        # One bolus fills them all: a brightly enhanced liver has bright veins.
        hu[Tissue.LIVER_VESSEL] = max(hu[Tissue.LIVER_VESSEL], hu[Tissue.LIVER] + 20)
    return hu


def acquire(
    subject: anatomy.Subject,
    grid: sampling.Grid,
    protocol: Protocol,
    generator: np.random.Generator,
    samples: int = 3,
) -> Images:
    """Images a subject: the HU of the tissues in a voxel average (partial volume), plus noise.

    Args:
        subject: Whom.
        grid: Where.
        protocol: Contrast phase and noise.
        generator: Source of the subject's attenuation and of the noise.
        samples: Points in each voxel.

    Returns:
        The image and its truth.
    """
    hu = attenuation_hu(protocol.contrast_phase, subject.liver_pdff_percent, generator)
    image = np.zeros(grid.shape, np.int16)
    mask = np.zeros(grid.shape, bool)
    vessel_mask = np.zeros(grid.shape, bool)
    for k, fractions in sampling.tissue_fractions(subject, grid, samples):
        noise = correlated_noise(grid.shape[:2], grid.spacing_mm[0], generator)
        noisy = fractions @ hu + np.float32(protocol.noise_hu) * noise
        image[..., k] = np.clip(np.rint(noisy), -1024, 3071)
        mask[..., k] = sampling.liver_fraction(fractions) >= 0.5
        vessel_mask[..., k] = fractions[..., Tissue.LIVER_VESSEL] >= 0.5
    return Images(image, mask, vessel_mask & mask)


def correlated_noise(
    shape: tuple[int, int], pixel_mm: float, generator: np.random.Generator
) -> np.ndarray:
    """Noise of a reconstructed slice, float32 of `shape`, mean 0 and SD 1.

    The power spectrum is that of a filtered back-projection with a soft-tissue kernel: a ramp that
    rises from zero frequency, times a roll-off near 0.35 cycles/mm (Riederer et al., Phys Med Biol
    1978;23:446).
    """
    fx = np.fft.fftfreq(shape[0], pixel_mm)[:, None]
    fy = np.fft.rfftfreq(shape[1], pixel_mm)[None, :]
    frequency = np.hypot(fx, fy)
    amplitude = np.sqrt(frequency) * np.exp(-((frequency / 0.35) ** 2))
    white = np.fft.rfft2(generator.standard_normal(shape, dtype=np.float32))
    noise = np.fft.irfft2(white * amplitude, s=shape)
    # Parseval, with the columns that rfft2 leaves out counted: the SD is 1 on average.
    weight = np.full(fy.shape[1], 2.0)
    weight[0] = 1.0
    if shape[1] % 2 == 0:
        weight[-1] = 1.0
    power = (amplitude**2 * weight).sum() / (shape[0] * shape[1])
    return (noise / np.sqrt(power)).astype(np.float32)
