"""Whether a mask can be an adult's liver, judged by the mask alone: size, side, pieces.

No image and no reference is needed, so that it serves any tool's masks. What is told is how
likely a look at the case pays, never that it is wrong: a liver after resection is small, and one
in situs inversus lies on the left.
"""

import dataclasses

import numpy as np

from liver_jax.biometry import components, extent, volumetry

# The smallest and the largest manually drawn liver of the paper's patients (Results, Volumetry:
# 230 examinations by CT and 100 in the hepatobiliary phase).
VOLUME_RANGE_ML = (577.0, 5445.0)
# Their volumes, 1677 +/- 540 and 2315 +/- 901 mL, as one lognormal distribution: pooled they have
# mean 1870 and SD 732 mL (230 and 100 examinations, within and between), whence the log's SD,
# sqrt(ln(1 + (732 / 1870)^2)), and the median, 1870 exp(-SD^2 / 2).
MEDIAN_VOLUME_ML, LOG_VOLUME_SD = 1742.0, 0.377
# Less of it on the patient's right is not a liver's side.
RIGHT_SHARE_MIN = 0.5
# A grid narrower than an adult's trunk may be centred on the liver: it does not tell sides.
TRUNK_WIDTH_MM = 250.0
# A second piece smaller than this (0.6 % of the median) changes no volume that matters.
PIECE_ML = 10.0


@dataclasses.dataclass(frozen=True)
class Plausibility:
    """What a mask says of itself; None where it does not tell.

    Attributes:
        volume_z: The logarithm of its volume against the paper's patients, in standard deviations.
        right_share: Share of its voxels on the patient's right of the grid's middle, 0 to 1; None
            too where the grid is narrower than `TRUNK_WIDTH_MM`.
        largest_component_share: Share of its voxels in the largest component, 0 to 1.
        flags: Some of `FLAGS`; none for an empty mask, which has a flag of its own.
    """

    volume_z: float | None
    right_share: float | None
    largest_component_share: float | None
    flags: tuple[str, ...]


# Volume outside `VOLUME_RANGE_ML`; `right_share` below `RIGHT_SHARE_MIN`; a second component of
# `PIECE_ML` or more.
FLAGS = ("implausible_volume", "wrong_side", "several_components")


def judge(mask: np.ndarray, affine: np.ndarray) -> Plausibility:
    """Judges one mask.

    Args:
        mask: bool [x, y, z].
        affine: [4, 4], voxel indices to RAS+ millimetres.

    Returns:
        All None for an empty mask.
    """
    sizes = components.voxel_counts(mask)
    if not sizes.size:
        return Plausibility(None, None, None, ())
    volume_ml = volumetry.volume_ml(mask, affine)
    right = _right_share(mask, affine)
    second_ml = volume_ml * sizes[1] / sizes.sum() if sizes.size > 1 else 0.0
    low, high = VOLUME_RANGE_ML
    raised = (
        not low <= volume_ml <= high,
        right is not None and right < RIGHT_SHARE_MIN,
        second_ml >= PIECE_ML,
    )
    return Plausibility(
        volume_z=float(np.log(volume_ml / MEDIAN_VOLUME_ML) / LOG_VOLUME_SD),
        right_share=right,
        largest_component_share=float(sizes[0] / sizes.sum()),
        flags=tuple(flag for flag, up in zip(FLAGS, raised, strict=True) if up),
    )


def _right_share(mask: np.ndarray, affine: np.ndarray) -> float | None:
    """Voxels right of the grid's middle, those in the middle by half, of all the mask's voxels."""
    steps_mm = np.asarray(affine, np.float64)[0, :3]  # along x, towards the right, by each axis
    if np.abs(steps_mm) @ mask.shape < TRUNK_WIDTH_MM:
        return None
    box = extent.bounding_box(mask)
    x_mm = [
        step_mm * (np.arange(length)[inside] - (length - 1) / 2)
        for step_mm, length, inside in zip(steps_mm, mask.shape, box, strict=True)
    ]
    across_mm = x_mm[1][:, None] + x_mm[2]
    right = middle = total = 0
    for first_mm, plane in zip(x_mm[0], mask[box], strict=True):  # so that memory stays a plane's
        inside_mm = first_mm + across_mm[plane]
        right += np.count_nonzero(inside_mm > 0)
        middle += np.count_nonzero(inside_mm == 0)
        total += inside_mm.size
    return float((right + middle / 2) / total)
