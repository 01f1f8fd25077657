"""A map over a whole liver in a few numbers, each with its voxel count and standard error.

Standard errors: neighbouring voxels of a map are alike (interpolation, coil, true differences
between regions), so that SD / sqrt(voxels) would be far too small. The liver is cut into blocks of
40 mm, some fifty of them, and blocks, not voxels, are drawn with replacement (block bootstrap): the
error says how much a figure would change if other parts of such a liver had been seen. What is
alike over less than half a block is counted in full, what is over more only in part, and what all
voxels share, a bias of the method, say, or the difference to the next day's scan, not at all. The
draws are the same in each run.
"""

import dataclasses
from typing import Any

import numpy as np
from scipy import stats

from liver_jax.biometry import couinaud, parenchyma
from liver_jax.volume import geometry
from liver_jax.volume.geometry import Volume

TRIMMED_SHARE = 0.1  # at each end
BLOCK_MM = 40.0
# Fewer blocks say too little of how blocks differ.
FEWEST_BLOCKS = 10
_DRAWS = 200  # a standard error is then known within 5 %


@dataclasses.dataclass(frozen=True)
class Statistic:
    """One figure.

    Attributes:
        value: In the unit of the map; None where it is not defined.
        standard_error: In the same unit; None where it is not defined.
        voxel_count: The voxels that it was taken from.
        reason: Why the value, or the standard error alone, is None.
    """

    value: float | None
    standard_error: float | None
    voxel_count: int
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class RoiMean:
    """The mean over one circle.

    Attributes:
        segment: One of `couinaud.SEGMENTS`, as far as a mask shows them.
        mean: The standard error is SD / sqrt(voxels): of noise that is independent from voxel to
            voxel, for a circle is too small for blocks.
        diameter_mm: None where there is no circle.
        centre: Its voxel, or None.
    """

    segment: str
    mean: Statistic
    diameter_mm: float | None
    centre: tuple[int, int, int] | None


@dataclasses.dataclass(frozen=True)
class NineRoiMean:
    """The nine circles together.

    Attributes:
        mean: The mean of the circles' means, whatever their voxel counts. Its standard error is
            the SD over circles / sqrt(circles).
        sd: The standard deviation over circles; None where fewer than two have a mean.
        rois: One for each segment.
    """

    mean: Statistic
    sd: float | None
    rois: tuple[RoiMean, ...]


@dataclasses.dataclass(frozen=True)
class Summary:
    """A map over a liver.

    Attributes:
        quantity: What the map holds, with its unit: `pdff_percent` or `r2star_per_s`.
        mean: Over every voxel of the mask that has a value, vessels included, as the paper has it.
        median: Of the same voxels, as are the next three and `share_above`.
        trimmed_mean: Without the lowest and the highest tenth.
        sd: The standard deviation between voxels (n - 1).
        iqr: The distance between the quartiles.
        mean_without_vessels: Also without what lies within `eroded_mm` of the mask's surface.
        nine_rois: As readers measure by hand, clear of vessels and border.
        share_above: The share (0 to 1) of voxels above `threshold`.
        threshold: In the unit of the map; None where the quantity has none.
        eroded_mm: How much was taken off for `mean_without_vessels` and for the circles.
        vessel_voxel_count: Vessels within the mask; None where nobody looked for them.
        unfitted_voxel_count: Voxels of the mask without a value, left out everywhere.
    """

    quantity: str
    mean: Statistic
    median: Statistic
    trimmed_mean: Statistic
    sd: Statistic
    iqr: Statistic
    mean_without_vessels: Statistic
    nine_rois: NineRoiMean
    share_above: Statistic
    threshold: float | None
    eroded_mm: float
    vessel_voxel_count: int | None
    unfitted_voxel_count: int

    def to_json(self) -> dict[str, Any]:
        """The same as nested dictionaries of what JSON knows; no number is NaN or infinite."""
        return dataclasses.asdict(self)


def summarise(
    values: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    quantity: str,
    vessels: np.ndarray | None = None,
    fitted: np.ndarray | None = None,
    threshold: float | None = None,
) -> Summary:
    """Summarises a map of any quantity over a liver.

    Args:
        values: [x, y, z], the map.
        mask: bool [x, y, z], the liver.
        affine: [4, 4], voxel indices to RAS+ millimetres.
        quantity: A name with a unit, for the result.
        vessels: bool [x, y, z], as of `parenchyma.find_vessels`; None where nobody looked.
        fitted: bool [x, y, z], where the map has a value; None where it has one everywhere. What
            is not finite has none.
        threshold: For `share_above`.

    Returns:
        The figures. In an empty mask all are None, with the reason.

    Raises:
        ValueError: The shapes differ.
    """
    for name, data in (("map", values), ("vessels", vessels), ("fitted", fitted)):
        if data is not None and data.shape != mask.shape:
            raise ValueError(f"{name} {data.shape} and mask {mask.shape} differ in shape")
    mask = mask.astype(bool, copy=False)
    known = mask & np.isfinite(values)
    if fitted is not None:
        known &= fitted.astype(bool, copy=False)
    blocks = _blocks(mask, affine)
    missing = "the mask is empty" if not mask.any() else "no voxel of the mask has a value"
    whole = _figures(values[known], blocks[known], threshold, missing)
    no_share = Statistic(None, None, 0, f"no threshold is set for {quantity}")
    return Summary(
        quantity=quantity,
        **{name: whole[name] for name in ("mean", "median", "trimmed_mean", "sd", "iqr")},
        mean_without_vessels=_without_vessels(values, mask, known, affine, vessels, blocks),
        nine_rois=_nine_rois(values, mask, known, affine, vessels),
        share_above=whole.get("share_above", no_share),
        threshold=threshold,
        eroded_mm=parenchyma.BORDER_MM,
        vessel_voxel_count=None if vessels is None else int(np.count_nonzero(vessels & mask)),
        unfitted_voxel_count=int(np.count_nonzero(mask & ~known)),
    )


def _without_vessels(
    values: np.ndarray,
    mask: np.ndarray,
    known: np.ndarray,
    affine: np.ndarray,
    vessels: np.ndarray | None,
    blocks: np.ndarray,
) -> Statistic:
    if vessels is None:
        return Statistic(None, None, 0, "vessels were not looked for")
    core = parenchyma.erode_mm(mask, affine, parenchyma.BORDER_MM)
    core &= known & ~vessels.astype(bool, copy=False)
    missing = f"nothing is left {parenchyma.BORDER_MM:g} mm inside the mask and outside vessels"
    return _figures(values[core], blocks[core], None, missing)["mean"]


def _nine_rois(
    values: np.ndarray,
    mask: np.ndarray,
    known: np.ndarray,
    affine: np.ndarray,
    vessels: np.ndarray | None,
) -> NineRoiMean:
    placed = couinaud.nine_rois(mask, affine, avoid=vessels)
    rois = []
    for label, circle in enumerate(placed.circles, 1):
        inside = values[known & (placed.labels == label)].astype(np.float64)
        missing = circle.reason or "no voxel of the circle has a value"
        mean = _independent(inside, inside.size, missing, "one voxel has no standard error")
        rois.append(RoiMean(circle.segment, mean, circle.diameter_mm, circle.centre))
    means = np.array([roi.mean.value for roi in rois if roi.mean.value is not None])
    voxel_count = sum(roi.mean.voxel_count for roi in rois)
    mean = _independent(means, voxel_count, "no circle fits", "one circle has no standard error")
    return NineRoiMean(mean, float(means.std(ddof=1)) if means.size > 1 else None, tuple(rois))


def _independent(values: np.ndarray, voxel_count: int, missing: str, single: str) -> Statistic:
    """A mean of values that have nothing to do with each other."""
    if values.size == 0:
        return Statistic(None, None, voxel_count, missing)
    if values.size == 1:
        return Statistic(float(values[0]), None, voxel_count, single)
    return Statistic(float(values.mean()), float(stats.sem(values)), voxel_count)


def _figures(
    values: np.ndarray, blocks: np.ndarray, threshold: float | None, missing: str
) -> dict[str, Statistic]:
    """All figures of a set of voxels; `blocks` tells for each voxel the block that it is in."""
    names = ["mean", "median", "trimmed_mean", "sd", "iqr"]
    names += ["share_above"] if threshold is not None else []
    if values.size == 0:
        return dict.fromkeys(names, Statistic(None, None, 0, missing))
    order = np.argsort(values, kind="stable")
    values, blocks = values[order].astype(np.float64), blocks[order]
    found = {
        "mean": values.mean(),
        "median": np.median(values),
        "trimmed_mean": stats.trim_mean(values, TRIMMED_SHARE),
        "sd": values.std(ddof=1) if values.size > 1 else None,
        "iqr": stats.iqr(values),
    }
    if threshold is not None:
        found["share_above"] = np.mean(values > threshold)
    errors = _standard_errors(values, blocks, threshold)
    few = f"too few blocks of {BLOCK_MM:g} mm for a standard error: want {FEWEST_BLOCKS}"
    result = {}
    for name in names:
        value = None if found[name] is None else float(found[name])
        error = errors[name] if errors is not None and value is not None else None
        reason = few if error is None else None
        if value is None:
            reason = "one voxel does not spread"
        result[name] = Statistic(value, error, int(values.size), reason)
    return result


def _standard_errors(
    values: np.ndarray, blocks: np.ndarray, threshold: float | None
) -> dict[str, float] | None:
    """Draws whole blocks with replacement. A block drawn twice has its voxels counted twice.

    The voxels are sorted once, so each draw needs only sums over them: with the drawn counts as
    weights, the cumulative weight finds every quantile.
    """
    _, blocks = np.unique(blocks, return_inverse=True)
    count = int(blocks.max()) + 1
    if count < FEWEST_BLOCKS:
        return None
    centre = values.mean()  # squares of what is near 0 lose nothing
    values = values - centre
    drawn: dict[str, list[float]] = {}
    generator = np.random.default_rng(0)
    for times in generator.multinomial(count, np.full(count, 1 / count), size=_DRAWS):
        weights = times[blocks].astype(np.float64)
        reached = np.cumsum(weights)
        total = reached[-1]
        shares = np.array([0.25, 0.5, 0.75]) * total
        quartiles = values[np.minimum(np.searchsorted(reached, shares), values.size - 1)]
        ends = TRIMMED_SHARE * total, (1 - TRIMMED_SHARE) * total
        kept = np.diff(np.clip(reached, *ends), prepend=ends[0])
        mean = weights @ values / total
        figures = {
            "mean": mean,
            "median": quartiles[1],
            "trimmed_mean": kept @ values / (ends[1] - ends[0]),
            "sd": np.sqrt(max(weights @ values**2 / total - mean**2, 0.0)),
            "iqr": quartiles[2] - quartiles[0],
        }
        if threshold is not None:
            above = np.searchsorted(values, threshold - centre, side="right")
            figures["share_above"] = weights[above:].sum() / total
        for name, figure in figures.items():
            drawn.setdefault(name, []).append(float(figure))
    # Draws from so many blocks spread a little less than the blocks of other livers would.
    wider = np.sqrt(count / (count - 1))
    return {name: float(np.std(figures, ddof=1) * wider) for name, figures in drawn.items()}


def _blocks(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The number of the block, a cuboid of nearly 40 mm, in which each voxel of the grid lies."""
    canonical = geometry.to_canonical(Volume(mask, affine))
    shape = canonical.grid_shape
    numbers = np.zeros(shape, np.int64)
    for axis, spacing_mm in enumerate(canonical.spacing_mm):
        thickness = max(1, round(BLOCK_MM / float(spacing_mm)))
        occupied = canonical.data.any(axis=tuple(k for k in range(3) if k != axis))
        # From the mask's first voxel, so that the rest of the grid does not move the blocks.
        along = (np.arange(shape[axis]) - int(occupied.argmax())) // thickness
        along -= along.min()
        numbers = numbers * (along.max() + 1)
        numbers += along.reshape([-1 if k == axis else 1 for k in range(3)])
    return geometry.from_canonical(numbers, Volume(mask, affine))
