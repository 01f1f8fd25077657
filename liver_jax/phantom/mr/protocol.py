"""How MR examinations are acquired: protocols of two institutions."""

import dataclasses

import numpy as np

from liver_jax.phantom.institution import Institution

# Wang et al. 2019: 2D SPGR at n x 1.15 ms, 3D SPGR at 0.9 + 0.76 k ms.
TE_2D_MS = tuple(round(1.15 * n, 2) for n in range(1, 7))
TE_3D_MS = tuple(round(0.9 + 0.76 * k, 2) for k in range(6))
TE_HBP_MS = (1.2,)


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How an examination is acquired and stored. The defaults are those of a perfect scanner."""

    technique: str
    field_strength_t: float
    te_ms: tuple[float, ...]
    tr_ms: float
    flip_angle_deg: float
    snr: float  # of lean liver without decay; infinite for no noise
    bias_peak_to_peak: float  # of the coils' sensitivity, as a logarithm
    scale: float  # stored value of lean liver without decay
    contrast_agent: bool = False  # 20 minutes after gadoxetate
    fat_residual: float = 1.0  # what fat suppression leaves where the field is even
    b1_variation: float = 0.0  # the flip angle varies by plus and minus this part
    odd_even_phase_radian: float = 0.0  # between echoes read forwards and backwards
    first_echo_phase_radian: float = 0.0  # of the first echo beside the others
    # Voxels as acquired along x and y: images are interpolated to finer ones, as scanners do.
    # Without it k-space is complete and has no filter.
    acquired_mm: tuple[float, float] | None = None
    pulsation: float = 0.0  # part by which the signal of arteries changes with the pulse
    motion: int = 0  # 0 none, 1 mild, 2 moderate, 3 severe


def draw_protocol(
    technique: str,
    field_strength_t: float,
    institution: Institution,
    generator: np.random.Generator,
    motion: int = 0,
) -> Protocol:
    """Draws a protocol from the ranges in clinical use.

    Args:
        technique: `spgr2d`, `spgr3d` or `hbp_t1w`.
        field_strength_t: 1.5 or 3.
        institution: The registry has longer TR, other flip angles, more noise and another unit.
        generator: Source of the draw.
        motion: 0 (none) to 3 (severe).
    """
    uniform = generator.uniform
    high_field = field_strength_t > 2
    hospital = institution is Institution.HOSPITAL
    scales = (150, 700) if hospital else (400, 2000)  # vendors agree on no unit
    coarseness = 1.0 if hospital else 1.1
    fine = technique == "hbp_t1w"
    along_x, along_y = ((1.1, 1.4), (1.4, 1.9)) if fine else ((1.5, 1.8), (1.8, 2.5))
    shared = {
        "technique": technique,
        "field_strength_t": field_strength_t,
        "bias_peak_to_peak": float(uniform(0.4, 0.7) if high_field else uniform(0.2, 0.4)),
        "scale": float(np.exp(uniform(*np.log(scales)))),
        "b1_variation": float(uniform(0.08, 0.18) if high_field else uniform(0.02, 0.06)),
        "acquired_mm": (
            coarseness * float(uniform(*along_x)),
            coarseness * float(uniform(*along_y)),
        ),
        "pulsation": float(uniform(0.02, 0.10) if technique == "spgr2d" else uniform(0.0, 0.04)),
        "motion": motion,
    }
    quality = 1.0 if hospital else 0.8
    if technique == "spgr2d":
        return Protocol(
            te_ms=TE_2D_MS,
            tr_ms=round(float(uniform(120, 150) if hospital else uniform(150, 200)), 1),
            flip_angle_deg=10.0,
            snr=quality * float(uniform(25, 40)),
            **shared,
        )
    if technique == "spgr3d":
        return Protocol(
            te_ms=TE_3D_MS,
            tr_ms=round(float(uniform(6.5, 7.5) if hospital else uniform(7.5, 9)), 2),
            flip_angle_deg=3.0 if hospital else 4.0,
            snr=quality * float(uniform(30, 50)),
            odd_even_phase_radian=float(generator.normal(0, 0.06)),
            first_echo_phase_radian=float(generator.normal(0, 0.12)),
            **shared,
        )
    return Protocol(
        te_ms=TE_HBP_MS,
        tr_ms=round(float(uniform(3.5, 4.0) if hospital else uniform(4.0, 4.5)), 2),
        flip_angle_deg=round(float(uniform(13, 15) if hospital else uniform(10, 12)), 1),
        snr=quality * float(uniform(35, 60)),
        fat_residual=float(uniform(0.05, 0.15)),
        contrast_agent=True,
        **shared,
    )
