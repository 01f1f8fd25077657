"""Overlap of an automated with a manual mask: counts, Dice, IoU, relative volume difference.

Empty masks: both empty, everything is undefined (None). One empty: Dice and IoU are 0; the relative
volume difference is -100 % where the automated one is empty and undefined where the manual one is.
"""

import dataclasses

import numpy as np

from liver_jax.biometry import extent


@dataclasses.dataclass(frozen=True)
class Counts:
    """Voxels by what both masks say of them: true or false (manual), positive or negative."""

    tp: int
    fp: int
    fn: int
    tn: int


def count(automated: np.ndarray, manual: np.ndarray) -> Counts:
    """Counts the voxels of two masks on one grid.

    Args:
        automated: bool [x, y, z].
        manual: bool [x, y, z]; the reference.

    Raises:
        ValueError: The shapes differ.
    """
    if automated.shape != manual.shape:
        raise ValueError(f"masks {automated.shape} and {manual.shape} differ in shape")
    automated, manual = automated.astype(bool, copy=False), manual.astype(bool, copy=False)
    box = extent.bounding_box(automated)
    both = 0 if box is None else int(np.count_nonzero(automated[box] & manual[box]))
    automated_only = int(np.count_nonzero(automated)) - both
    manual_only = int(np.count_nonzero(manual)) - both
    return Counts(
        tp=both,
        fp=automated_only,
        fn=manual_only,
        tn=automated.size - both - automated_only - manual_only,
    )


def dice(counts: Counts) -> float | None:
    """2 |A and B| / (|A| + |B|) (paper, Statistical analysis); None where both are empty."""
    total = 2 * counts.tp + counts.fp + counts.fn
    return 2 * counts.tp / total if total else None


def iou(counts: Counts) -> float | None:
    """|A and B| / |A or B| (Jaccard); None where both are empty."""
    union = counts.tp + counts.fp + counts.fn
    return counts.tp / union if union else None


def rvd_percent(counts: Counts) -> float | None:
    """Signed relative volume difference, 100 (automated - manual) / manual; None without manual."""
    manual = counts.tp + counts.fn
    return 100.0 * (counts.fp - counts.fn) / manual if manual else None
