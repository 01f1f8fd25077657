"""Whether an image's values can be what the network takes them for: Hounsfield units, or magnitude.

What cannot be used at all is refused before the network sees it (`data.preprocess`). Here is what
can be used and looks wrong: a CT whose rescale slope or intercept was lost, a phase image or a CT
called MR, a fat fraction map, a screenshot. An MR's own scale is free, and tells nothing.
"""

import math

import numpy as np

# So many voxels tell a histogram well enough; more are sampled evenly.
_ENOUGH_VOXELS = 500_000

# CT. Soft tissue and fat, with or without contrast agent, are most of what is denser than lung.
# What is thinner than fat is air, or lung (-820 +/- 50 HU); below the last is nothing but padding.
_SOFT_HU = (-200.0, 250.0)
_THIN_HU, _AIR_HU, _PADDING_HU = -300.0, -600.0, -1500.0
_LEAST_SOFT_SHARE, _LEAST_BODY_SHARE, _LEAST_AIR_SHARE = 0.5, 0.05, 0.002
# A liver full of fat, to one full of iron or contrast agent.
_LIVER_HU = (-50.0, 250.0)

# MR. Interpolation leaves a few values below 0, and a bright vessel may reach the largest value.
_NEGATIVE, _MOST_NEGATIVE_SHARE = -0.02, 0.01  # of the 99th percentile; of the voxels
_MOST_SATURATED_SHARE = 0.01
_FEWEST_VALUES = 32
_PERCENT = (95.0, 100.5)


def doubt(image: np.ndarray, mask: np.ndarray, modality: str) -> str | None:
    """Looks for what speaks against the scale of an image.

    Args:
        image: [x, y, z], finite.
        mask: bool [x, y, z], the liver.
        modality: `CT` or `MR`.

    Returns:
        One plain sentence with the figures; None where nothing is odd.
    """
    step = max(1, math.ceil((image.size / _ENOUGH_VOXELS) ** (1 / 3)))
    sampled = (slice(None, None, step),) * 3 if min(image.shape) > step else (slice(None),) * 3
    values = image[sampled].ravel()
    if modality != "CT":
        return _doubt_mr(values)
    liver = values[mask[sampled].ravel()]
    return _doubt_ct(values, liver)


def _doubt_ct(values: np.ndarray, liver: np.ndarray) -> str | None:
    low, high = _SOFT_HU
    body_count = np.count_nonzero(values > _THIN_HU)
    soft_count = np.count_nonzero((values > low) & (values < high))
    if soft_count < _LEAST_SOFT_SHARE * body_count or soft_count < _LEAST_BODY_SHARE * values.size:
        return (
            f"{soft_count / values.size:.0%} of the scan has {low:g} to {high:g}, as soft tissue "
            f"and fat have in Hounsfield units, of {body_count / values.size:.0%} that is denser "
            "than lung: rescale slope or intercept may be lost"
        )
    thin = values[(values <= _THIN_HU) & (values > _PADDING_HU)]
    if thin.size < _LEAST_AIR_SHARE * values.size:
        return (
            f"nearly nothing is below {_THIN_HU:g}, as air is in Hounsfield units: rescale "
            "intercept may be lost, or values were cut off"
        )
    if np.median(thin) > _AIR_HU:
        return (
            f"air and lung have {np.median(thin):.0f}, not some -1000 to -700 as in Hounsfield "
            "units: rescale slope or intercept may be lost"
        )
    low, high = _LIVER_HU
    if liver.size and not low <= np.median(liver) <= high:
        return (
            f"the mask's median is {np.median(liver):.0f}, while a liver has {low:g} to {high:g} "
            "in Hounsfield units"
        )
    return None


def _doubt_mr(values: np.ndarray) -> str | None:
    largest = float(values.max())
    negative_share = np.mean(values < _NEGATIVE * abs(np.percentile(values, 99)))
    if negative_share > _MOST_NEGATIVE_SHARE:
        return (
            f"{negative_share:.0%} of the values are negative, which no magnitude is: it may be a "
            "phase image, a real part or a CT"
        )
    distinct = np.unique(values).size
    if distinct < _FEWEST_VALUES:
        return f"it has only {distinct} different values: it may be a label map or a drawing"
    saturated_share = np.mean(values == largest)
    if saturated_share > _MOST_SATURATED_SHARE:
        return (
            f"{saturated_share:.0%} of the voxels have the largest value, {largest:g}: it may be a "
            "picture, cut off at a window's end"
        )
    if values.min() >= 0 and _PERCENT[0] <= largest <= _PERCENT[1]:
        return f"its values end at {largest:.4g}: it may be a fat fraction map in percent"
    return None
