"""How dense a liver is on CT, and the fat fraction that its density implies.

Fat lowers the density of an unenhanced liver. In a phantom scanned by CT at 120 kVp and by MRI,
PDFF = 37.15 - 0.54 HU (`PDFF_AT_0_HU`, `PDFF_PER_HU`). In patients such a line is a rough guide:
livers without fat differ by some 11 HU (58.8 +/- 10.8 HU), which is 6 points of PDFF; in 72 of them
a line explained r2 = .554 of PDFF (Pickhardt et al., AJR Am J Roentgenol 2018;211:W151). Iron and
contrast agent raise the density and hide fat. What comes of it is called an estimate everywhere,
and there is none where the line cannot hold.
"""

import dataclasses
from typing import Any

import numpy as np

from liver_jax.biometry import extent, parenchyma

PDFF_AT_0_HU, PDFF_PER_HU = 37.15, -0.54
PDFF_METHOD = (
    "37.15 - 0.54 HU of the median 5 mm inside the liver; a phantom's line, for unenhanced CT at "
    "120 kVp"
)
UNENHANCED = "unenhanced"
# The line's 0 %. A denser liver has no fat that it can tell, or iron, or contrast agent.
_DENSEST_HU = -PDFF_AT_0_HU / PDFF_PER_HU
# More fat than in any of the paper's patients (53 %), and a margin.
_MOST_PDFF_PERCENT = 60.0
# Blood without contrast agent is less dense than this even where noise adds to it (40 +/- 5 HU);
# in the portal venous phase it is denser. Vessels that fill such a cube are a hundredth of a liver.
_BLOOD_HU = 100.0
_CUBE_MM = 4.0
_VESSELS_PERCENTILE = 99.0


@dataclasses.dataclass(frozen=True)
class Attenuation:
    """A liver's density in Hounsfield units; None where there is no voxel to tell it.

    Attributes:
        mean_hu: Over all voxels of the mask, as are the next three.
        median_hu: The median.
        sd_hu: The standard deviation between voxels (n - 1), noise included.
        voxels: Their number.
        parenchyma_mean_hu: Over what lies deeper in the mask than `eroded_mm`, as are the next
            three: what is partly fat or lung is left out. Vessels and lesions are not; they move
            the median little.
        parenchyma_median_hu: The median.
        parenchyma_sd_hu: The standard deviation.
        parenchyma_voxels: Their number.
        eroded_mm: How much was taken off.
        pdff_estimate_percent: What the median implies; see the module.
        pdff_estimate_reason: Why there is no estimate, or None.
        pdff_estimate_method: How it was made, for whoever reads the number.
    """

    mean_hu: float | None
    median_hu: float | None
    sd_hu: float | None
    voxels: int
    parenchyma_mean_hu: float | None
    parenchyma_median_hu: float | None
    parenchyma_sd_hu: float | None
    parenchyma_voxels: int
    eroded_mm: float
    pdff_estimate_percent: float | None
    pdff_estimate_reason: str | None
    pdff_estimate_method: str

    def to_json(self) -> dict[str, Any]:
        """The same as a dictionary of what JSON knows; no number is NaN or infinite."""
        return dataclasses.asdict(self)


def summarise(
    image: np.ndarray, mask: np.ndarray, affine: np.ndarray, contrast_phase: str | None = None
) -> Attenuation:
    """Measures a liver's density, and estimates its fat fraction where that can be.

    Args:
        image: [x, y, z] in Hounsfield units.
        mask: bool [x, y, z], the liver.
        affine: [4, 4], voxel indices to RAS+ millimetres.
        contrast_phase: `unenhanced`, another word for an enhanced phase, or None or "" where it is
            not known: then dense vessels, too, speak against an estimate.

    Returns:
        The figures; all None for an empty mask.

    Raises:
        ValueError: The shapes differ.
    """
    if image.shape != mask.shape:
        raise ValueError(f"image {image.shape} and mask {mask.shape} differ in shape")
    box = extent.bounding_box(mask, margin=1)
    box = box or (slice(0),) * 3
    image, mask = image[box], mask[box].astype(bool, copy=False)
    core = parenchyma.erode_mm(mask, affine, parenchyma.BORDER_MM)
    whole, inner = image[mask], image[core]
    mean, median, sd = _figures(whole)
    core_mean, core_median, core_sd = _figures(inner)
    reason = _reason_against(core_median, contrast_phase)
    if reason is None and not contrast_phase:
        blood_hu = _densest_cubes_hu(image, core, affine)
        if blood_hu is not None and blood_hu > _BLOOD_HU:
            reason = (
                f"its densest hundredth has {blood_hu:.0f} HU, more than blood without contrast "
                "agent: the scan looks enhanced"
            )
    estimate = None if reason else PDFF_AT_0_HU + PDFF_PER_HU * core_median
    return Attenuation(
        mean_hu=mean,
        median_hu=median,
        sd_hu=sd,
        voxels=int(whole.size),
        parenchyma_mean_hu=core_mean,
        parenchyma_median_hu=core_median,
        parenchyma_sd_hu=core_sd,
        parenchyma_voxels=int(inner.size),
        eroded_mm=parenchyma.BORDER_MM,
        pdff_estimate_percent=estimate,
        pdff_estimate_reason=reason,
        pdff_estimate_method=PDFF_METHOD,
    )


def _figures(values_hu: np.ndarray) -> tuple[float | None, float | None, float | None]:
    """Mean, median and standard deviation."""
    if not values_hu.size:
        return None, None, None
    sd = float(values_hu.std(ddof=1, dtype=np.float64)) if values_hu.size > 1 else None
    return float(values_hu.mean(dtype=np.float64)), float(np.median(values_hu)), sd


def _reason_against(median_hu: float | None, contrast_phase: str | None) -> str | None:
    """Why the line cannot hold, as far as the phase and the density tell."""
    if median_hu is None:
        return f"nothing of the mask lies deeper than {parenchyma.BORDER_MM:g} mm"
    if contrast_phase and contrast_phase != UNENHANCED:
        return (
            f"the contrast phase is {contrast_phase}, while the line holds without contrast agent"
        )
    if median_hu > _DENSEST_HU:
        return (
            f"its median of {median_hu:.1f} HU is above {_DENSEST_HU:.1f} HU, where the line has "
            "0 %: no fat that CT can tell, or contrast agent or iron hides it"
        )
    if PDFF_AT_0_HU + PDFF_PER_HU * median_hu > _MOST_PDFF_PERCENT:
        return f"its median of {median_hu:.1f} HU is too low for a liver"
    return None


def _densest_cubes_hu(image: np.ndarray, core: np.ndarray, affine: np.ndarray) -> float | None:
    """What the densest hundredth of a liver exceeds, looked at in cubes, so that noise is small."""
    spacing_mm = np.linalg.norm(np.asarray(affine, np.float64)[:3, :3], axis=0)
    edges = np.maximum(1, np.round(_CUBE_MM / spacing_mm).astype(int))
    counts = np.array(image.shape) // edges
    used = tuple(slice(int(n * edge)) for n, edge in zip(counts, edges, strict=True))
    shape = [int(side) for pair in zip(counts, edges, strict=True) for side in pair]
    whole = core[used].reshape(shape).all(axis=(1, 3, 5))
    if not whole.any():
        return None
    means = image[used].reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)
    return float(np.percentile(means[whole], _VESSELS_PERCENTILE))
