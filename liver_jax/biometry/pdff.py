"""Proton density fat fraction (PDFF) of the whole liver: the paper's mean, and a fuller summary.

The paper lays the mask found on the first echo on the scanner's map, with which the echoes are
coregistered, and averages all pixels inside (PDFF estimation): vessels are not left out, nor are
the pixels at the border that hold some of the fat around the liver. Each of the other figures of
`summarise` answers one of the two.
"""

import dataclasses

import numpy as np

from liver_jax.biometry import parenchyma, summary

# A common limit between a liver without and with steatosis.
STEATOSIS_PERCENT = 5.0


@dataclasses.dataclass(frozen=True)
class MaskMean:
    """A mean over a mask.

    Attributes:
        percent: The mean in percent; None where the mask has no voxel.
        voxel_count: The voxels that were averaged.
    """

    percent: float | None
    voxel_count: int


def mean_over_mask(pdff_percent: np.ndarray, mask: np.ndarray) -> MaskMean:
    """Averages a PDFF map over a mask on the same grid.

    Args:
        pdff_percent: [x, y, z], in percent.
        mask: bool [x, y, z].

    Raises:
        ValueError: The shapes differ (broadcasting would average something else).
    """
    if pdff_percent.shape != mask.shape:
        raise ValueError(f"PDFF map {pdff_percent.shape} and mask {mask.shape} differ in shape")
    return _mean(pdff_percent[mask.astype(bool, copy=False)])


def mean_without_vessels(
    pdff_percent: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    vessels: np.ndarray,
    fitted: np.ndarray | None = None,
) -> MaskMean:
    """Averages a PDFF map over a mask without its vessels and its border.

    The `mean_without_vessels` of `summarise`, which has all the other figures, too, and takes
    longer: left out are vessels, voxels without a value, and what lies within
    `parenchyma.BORDER_MM` of the mask's surface.

    Args:
        pdff_percent: [x, y, z], in percent.
        mask: bool [x, y, z], the liver.
        affine: [4, 4], voxel indices to RAS+ millimetres.
        vessels: bool [x, y, z], as of `parenchyma.find_vessels` or drawn by a reader.
        fitted: bool [x, y, z]: where the map has a value; None for everywhere. What is not finite
            has none.

    Raises:
        ValueError: The shapes differ.
    """
    for name, data in (("PDFF map", pdff_percent), ("vessels", vessels), ("fitted", fitted)):
        if data is not None and data.shape != mask.shape:
            raise ValueError(f"{name} {data.shape} and mask {mask.shape} differ in shape")
    core = parenchyma.erode_mm(mask, affine, parenchyma.BORDER_MM)
    core &= ~vessels.astype(bool, copy=False)
    if fitted is not None:
        core &= fitted.astype(bool, copy=False)
    inside = pdff_percent[core]
    return _mean(inside[np.isfinite(inside)])


def _mean(inside: np.ndarray) -> MaskMean:
    if inside.size == 0:
        return MaskMean(None, 0)
    return MaskMean(float(inside.mean(dtype=np.float64)), int(inside.size))


def summarise(
    pdff_percent: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    vessels: np.ndarray | None = None,
    fitted: np.ndarray | None = None,
) -> summary.Summary:
    """Summarises a PDFF map over a liver: every figure with its voxel count and standard error.

    Args:
        pdff_percent: [x, y, z], in percent.
        mask: bool [x, y, z], the liver.
        affine: [4, 4], voxel indices to RAS+ millimetres.
        vessels: bool [x, y, z], as of `parenchyma.find_vessels`; without them there is no mean
            without vessels.
        fitted: bool [x, y, z]: where the map has a value. The others are left out and counted.

    Returns:
        The figures, in percent; `share_above` is the share of voxels above 5 %.

    Raises:
        ValueError: The shapes differ.
    """
    return summary.summarise(
        pdff_percent, mask, affine, "pdff_percent", vessels, fitted, STEATOSIS_PERCENT
    )
