"""MR examinations of a subject: multiecho spoiled gradient echo (2D, 3D) and hepatobiliary T1w."""

import dataclasses

import numpy as np

from liver_jax.phantom import anatomy, sampling
from liver_jax.physics import signal, tissues
from liver_jax.physics.tissues import Tissue

# Wang et al. 2019: 2D SPGR at n x 1.15 ms, 3D SPGR at 0.9 + 0.76 k ms.
TE_2D_MS = tuple(round(1.15 * n, 2) for n in range(1, 7))
TE_3D_MS = tuple(round(0.9 + 0.76 * k, 2) for k in range(6))
TE_HBP_MS = (1.2,)


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How an examination is acquired and stored."""

    technique: str
    field_strength_t: float
    te_ms: tuple[float, ...]
    tr_ms: float
    flip_angle_deg: float
    snr: float  # of lean liver without decay; infinite for no noise
    bias_peak_to_peak: float
    scale: float  # stored value of lean liver without decay
    fat_residual: float = 1.0  # what fat suppression leaves
    uptake_mm: float = 0.0  # gadoxetate in hepatocytes


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """What an examination gives, on the axes of its grid.

    Attributes:
        image: [x, y, z, echo] int16, or [x, y, z] where there is one echo.
        mask: [x, y, z] bool: at least half of the voxel is liver, vessels and findings included.
        vessel_mask: [x, y, z] bool: at least half of the voxel is a vessel inside the liver.
        pdff_percent: [x, y, z] float32 as the scanner maps it, to a tenth of a point; or None.
    """

    image: np.ndarray
    mask: np.ndarray
    vessel_mask: np.ndarray
    pdff_percent: np.ndarray | None


def draw_protocol(
    technique: str, field_strength_t: float, generator: np.random.Generator
) -> Protocol:
    """Draws a protocol from the ranges in clinical use.

    Args:
        technique: `spgr2d`, `spgr3d` or `hbp_t1w`.
        field_strength_t: 1.5 or 3.
        generator: Source of the draw.
    """
    uniform = generator.uniform
    high_field = field_strength_t > 2
    shared = {
        "technique": technique,
        "field_strength_t": field_strength_t,
        "bias_peak_to_peak": float(uniform(0.4, 0.7) if high_field else uniform(0.2, 0.4)),
        "scale": float(np.exp(uniform(np.log(150), np.log(1200)))),  # vendors agree on no unit
    }
    if technique == "spgr2d":
        return Protocol(
            te_ms=TE_2D_MS,
            tr_ms=round(float(uniform(120, 200)), 1),
            flip_angle_deg=10.0,
            snr=float(uniform(20, 40)),
            **shared,
        )
    if technique == "spgr3d":
        return Protocol(
            te_ms=TE_3D_MS,
            tr_ms=round(float(uniform(6.5, 9)), 2),
            flip_angle_deg=3.0,
            snr=float(uniform(25, 50)),
            **shared,
        )
    return Protocol(
        te_ms=TE_HBP_MS,
        tr_ms=4.0,
        flip_angle_deg=15.0,
        snr=float(uniform(30, 60)),
        fat_residual=float(uniform(0.05, 0.15)),
        uptake_mm=float(np.clip(generator.normal(0.25, 0.04), 0.15, 0.35)),
        **shared,
    )


def signal_tables(
    protocol: Protocol, liver_pdff_percent: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signal of each tissue where it fills a voxel, relative to lean liver without decay.

    Args:
        protocol: TR, flip angle, echo times, field, contrast agent, fat suppression.
        liver_pdff_percent: Fat fraction of the liver parenchyma.

    Returns:
        Complex [tissue, echo] signals; complex [echo], the liver's change for each point of PDFF;
        and real [tissue, 2], the proton densities of water and fat (unweighted).
    """
    field = protocol.field_strength_t
    pdff = np.array([tissues.MR[t].pdff_percent for t in Tissue]) / 100
    pdff[Tissue.LIVER] = liver_pdff_percent / 100
    density = np.array([tissues.MR[t].proton_density for t in Tissue])
    r2star = np.array([tissues.MR[t].r2star_per_s[field] for t in Tissue])
    t1_ms = np.array([tissues.MR[t].t1_ms[field] for t in Tissue])
    lean_liver = tissues.MR[Tissue.LIVER]
    if protocol.uptake_mm:
        for tissue, enhanced in tissues.HEPATOBILIARY_T1_MS.items():
            t1_ms[tissue] = enhanced[field]
        t1_ms[Tissue.LIVER] = signal.enhanced_t1_ms(
            lean_liver.t1_ms[field], tissues.HEPATOCYTE_RELAXIVITY[field], protocol.uptake_mm
        )

    def weight(t1: float | np.ndarray) -> float | np.ndarray:
        return signal.spgr_weight(t1, protocol.tr_ms, protocol.flip_angle_deg)

    water_weight = weight(t1_ms)
    fat_weight = weight(tissues.FAT_T1_MS[field]) * protocol.fat_residual
    unit = lean_liver.proton_density * weight(lean_liver.t1_ms[field])
    densities = np.stack([density * (1 - pdff), density * pdff], axis=1)
    table = signal.multiecho(
        densities[:, 0] * water_weight / unit,
        densities[:, 1] * fat_weight / unit,
        r2star,
        protocol.te_ms,
        field,
    )
    point = 0.01 * density[Tissue.LIVER] / unit
    slope = signal.multiecho(
        -point * water_weight[Tissue.LIVER],
        point * fat_weight,
        r2star[Tissue.LIVER],
        protocol.te_ms,
        field,
    )
    return table, slope, densities


def acquire(
    subject: anatomy.Subject,
    grid: sampling.Grid,
    protocol: Protocol,
    generator: np.random.Generator,
    samples: int = 5,
) -> Images:
    """Images a subject.

    The complex signals of the tissues in a voxel add up (partial volume), then come the coil's
    bias, complex noise and the magnitude. No phase is simulated: the noise is circular, so no
    magnitude depends on it, be it of a 2D or of a 3D acquisition.

    Args:
        subject: Whom.
        grid: Where.
        protocol: How.
        generator: Source of noise, bias and of the fat's variation within the liver.
        samples: Points in each voxel.

    Returns:
        The images and their truth. PDFF maps come with multiecho acquisitions: the true fraction
        of the proton densities (T1-corrected), with a noise that falls with SNR.
    """
    table, slope, densities = signal_tables(protocol, subject.liver_pdff_percent)
    echoes = len(protocol.te_ms)
    fat_change = sampling.smooth_field(grid, (60, 150), generator)
    fat_change *= np.float32(min(1.5, 0.4 * subject.liver_pdff_percent))
    # Fat may vary from segment to segment, but it does not become negative.
    np.clip(fat_change, 0.5 - subject.liver_pdff_percent, None, out=fat_change)
    coil = sampling.smooth_field(grid, (350, 700), generator)
    coil *= np.float32(protocol.bias_peak_to_peak / max(float(np.ptp(coil)), 1e-6))
    bias = np.exp(coil)

    image = np.zeros((*grid.shape, echoes), np.int16)
    mask = np.zeros(grid.shape, bool)
    vessel_mask = np.zeros(grid.shape, bool)
    pdff = np.zeros(grid.shape, np.float32) if echoes > 1 else None
    # Real and imaginary parts side by side: one real matrix product, as fractions are real.
    parts = np.concatenate([table.real, table.imag], axis=1).astype(np.float32)
    slope = slope.astype(np.complex64)
    for k, fractions in sampling.tissue_fractions(subject, grid, samples):
        extra = fractions[..., Tissue.LIVER] * fat_change[..., k]
        real, imaginary = np.split(fractions @ parts, 2, axis=-1)
        seen = (real + 1j * imaginary + extra[..., None] * slope) * bias[..., k, None]
        noisy = signal.magnitude_with_noise(seen, 1 / protocol.snr, generator)
        image[:, :, k] = np.minimum(np.rint(noisy * protocol.scale), 32767)
        mask[..., k] = sampling.liver_fraction(fractions) >= 0.5
        vessel_mask[..., k] = fractions[..., Tissue.LIVER_VESSEL] >= 0.5
        if pdff is not None:
            pdff[..., k] = _pdff_map(fractions, extra, densities, bias[..., k], protocol, generator)
    return Images(image if echoes > 1 else image[..., 0], mask, vessel_mask & mask, pdff)


def _pdff_map(
    fractions: np.ndarray,
    extra: np.ndarray,
    densities: np.ndarray,
    bias: np.ndarray,
    protocol: Protocol,
    generator: np.random.Generator,
) -> np.ndarray:
    """One slice of the map a scanner makes: PDFF in percent, 0 where there is no signal."""
    liver_density = densities[Tissue.LIVER].sum()
    amounts = fractions @ densities.astype(np.float32)
    shift = (0.01 * liver_density) * extra
    water, fat = amounts[..., 0] - shift, amounts[..., 1] + shift
    pdff = signal.pdff_percent(water, fat)
    # A voxel's fit of six such echoes has an SD near 1.5 points at SNR 40; vendors smooth theirs.
    total = np.maximum((water + fat) * bias / liver_density, 0.05)
    if np.isfinite(protocol.snr):
        noise = generator.standard_normal(pdff.shape, dtype=np.float32)
        pdff += noise * (0.8 * 40 / protocol.snr) / total
    # Scanners mask the air, and store no negative fractions.
    pdff[total < 0.15] = 0
    return np.round(np.clip(pdff, 0, 100), 1)
