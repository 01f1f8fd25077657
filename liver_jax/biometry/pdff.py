"""Mean proton density fat fraction (PDFF) of the liver: every pixel of the map inside the mask.

The paper lays the mask found on the first echo on the scanner's map, with which the echoes are
coregistered, and averages all pixels inside (PDFF estimation): vessels are not left out.
"""

import dataclasses

import numpy as np


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
    inside = pdff_percent[mask.astype(bool, copy=False)]
    if inside.size == 0:
        return MaskMean(None, 0)
    return MaskMean(float(inside.mean(dtype=np.float64)), int(inside.size))
