"""MR examinations of a subject: multiecho spoiled gradient echo (2D, 3D) and hepatobiliary T1w.

Phase follows exp(+i 2 pi f t), with fat at negative shifts: what the ISMRM fat-water toolbox calls
clockwise precession.
"""

import dataclasses

import numpy as np

from liver_jax.phantom import sampling
from liver_jax.phantom.body import Body
from liver_jax.phantom.mr import kspace, motion, pdffmap
from liver_jax.phantom.mr.protocol import Protocol, draw_protocol
from liver_jax.phantom.mr.scene import Scene
from liver_jax.phantom.mr.weighting import saturation_passes
from liver_jax.phantom.truth import Truth
from liver_jax.physics import signal, spectra
from liver_jax.physics.tissues import Tissue

__all__ = ["PRECESSION", "Images", "Protocol", "acquire", "draw_protocol"]

PRECESSION = "clockwise"

# What does not follow the diaphragm.
_WALL = (
    *(Tissue.SKIN, Tissue.SUBCUTANEOUS_FAT, Tissue.MUSCLE, Tissue.CORTICAL_BONE, Tissue.MARROW),
    *(Tissue.DISC, Tissue.CSF, Tissue.CORD, Tissue.CARTILAGE, Tissue.AIR),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """What an examination gives, on the axes of its grid.

    Attributes:
        image: [x, y, z, echo] int16 magnitude, or [x, y, z] where there is one echo.
        truth: On the same grid.
        pdff_percent: [x, y, z] float32 as the scanner maps it, to a tenth of a point; or None.
        phase_radian: [x, y, z, echo] float32 within -pi to pi, of 3D SPGR; or None.
        true_pdff_percent: [x, y, z] float32, of the proton densities; 0 where nothing is.
        r2star_per_s: [x, y, z] float32, averaged over each voxel's protons.
        field_map_hz: [x, y, z] float32, off-resonance of water.
    """

    image: np.ndarray
    truth: Truth
    pdff_percent: np.ndarray | None
    phase_radian: np.ndarray | None
    true_pdff_percent: np.ndarray
    r2star_per_s: np.ndarray
    field_map_hz: np.ndarray


def acquire(
    body: Body,
    grid: sampling.Grid,
    protocol: Protocol,
    generator: np.random.Generator,
    samples: int = 5,
    threads: int = 1,
    varied: bool = True,
) -> Images:
    """Images a subject.

    The signals of the tissues in a voxel add up (partial volume); the flip angle, the coils and the
    field map vary in space; breathing acts on lines of k-space; then comes complex noise.

    Args:
        body: Whom.
        grid: Where.
        protocol: How.
        generator: Source of all that belongs to the examination; what belongs to the person is
            drawn from the person.
        samples: Points in each voxel.
        threads: How many slices are painted at once.
        varied: Whether tissues differ between persons and have texture; otherwise each is even, and
            as tabulated, with the person's mean of liver fat and iron.

    Returns:
        The images and what is true of them. PDFF maps come with multiecho acquisitions.
    """
    scene = Scene(body, grid, protocol, generator, varied)
    spectrum = spectra.dephasing(
        spectra.HAMILTON_LIVER, protocol.te_ms, protocol.field_strength_t
    ).astype(np.complex64)
    echoes = len(protocol.te_ms)
    multiecho = echoes > 1
    image = np.zeros((*grid.shape, echoes), np.int16)
    pdff, true_pdff, r2star, field = (np.zeros(grid.shape, np.float32) for _ in range(4))
    phase = None
    if protocol.technique == "spgr3d":
        phase = np.zeros((*grid.shape, echoes), np.float32)
    truth = Truth.empty(grid)
    sigma = np.float32(1 / protocol.snr)
    windows = None
    if protocol.acquired_mm is not None:
        windows = [
            kspace.window(count, min(spacing / acquired, 1.0))
            for count, spacing, acquired in zip(
                grid.shape[:2], grid.spacing_mm[:2], protocol.acquired_mm, strict=True
            )
        ]
        # The filter takes noise away: what it leaves shall have the SD asked for.
        sigma /= np.sqrt(np.mean(windows[0] ** 2) * np.mean(windows[1] ** 2))
    below = None
    for k, composition in sampling.compositions(body, grid, samples, threads=threads):
        species, densities = scene.voxels(k, composition)
        field[..., k], factor = scene.factors(k)
        if protocol.fat_residual < 1:
            species *= saturation_passes(field[..., k], protocol)[..., None]
        # The echoes and, for the scanner's own map, water and fat apart, as at the first echo.
        channels = [species[:, :, 0] + species[:, :, 1] * spectrum]
        channels[0] *= factor
        if multiecho:
            channels.append(species[..., 0] * factor[..., :1])
        slab = np.concatenate(channels, axis=-1)
        if scene.motion is not None:
            still = slab
            slab = motion.corrupt(
                scene.motion,
                still,
                still if below is None else below,
                scene.moving_share,
                1 - composition.fraction(_WALL),
                grid.spacing_mm,
            )
            below = still
        if protocol.pulsation:
            slab = motion.pulsate(slab, composition.fraction([Tissue.ARTERY]), scene.pulse)
        noise = generator.standard_normal((2, *grid.shape[:2], echoes), dtype=np.float32)
        noise *= sigma
        seen = slab[..., :echoes]
        seen.real += noise[0]
        seen.imag += noise[1]
        if windows is not None:
            slab = kspace.filtered(slab, *windows)
            seen = slab[..., :echoes]
        image[:, :, k] = np.minimum(np.rint(np.abs(seen) * protocol.scale), 32767)
        if phase is not None:
            phase[:, :, k] = np.angle(seen)
        if multiecho:
            water, fat = np.abs(slab[..., echoes]), np.abs(slab[..., echoes + 1])
            pdff[..., k] = pdffmap.scanner_map(water, fat, protocol.snr, generator)
        true_pdff[..., k] = signal.pdff_percent(densities[..., 0], densities[..., 1])
        protons = np.maximum(densities[..., 0] + densities[..., 1], np.float32(1e-6))
        r2star[..., k] = densities[..., 2] / protons
        truth.fill(k, composition)
    return Images(
        image if multiecho else image[..., 0],
        truth,
        pdff if multiecho else None,
        phase,
        true_pdff,
        r2star,
        field,
    )
