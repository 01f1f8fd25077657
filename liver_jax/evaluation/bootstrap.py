"""Intervals by bootstrap: whole subjects are drawn, with all cases of a drawn subject together.

Cases of one subject (echoes, techniques, sessions) are not independent, subjects are: so they are
what is drawn, with replacement, as many as there are (Davison and Hinkley, Bootstrap Methods and
their Application, 1997, section 3.8). All intervals here come from the same draws.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np

RESAMPLES, SEED = 2000, 0
METHOD = (
    "95 % percentile interval by bootstrap over subjects (all cases of a drawn subject together), "
    f"{RESAMPLES} resamples, seed {SEED}; null for fewer than two subjects"
)
FEW_SUBJECTS = "bootstrap interval: fewer than two subjects"
OFTEN_UNDEFINED = "bootstrap interval: undefined in more than 5 % of the resamples"
# Beyond this the interval would describe only the resamples that happen to have a value.
_UNDEFINED_SHARE_MAX = 0.05


def draws(subjects: Sequence[str]) -> np.ndarray:
    """How often each resample holds each case: the weights of a weighted statistic.

    Args:
        subjects: Whose each of the n cases is.

    Returns:
        float64 [resamples, n]; all cases of a subject have the same column.
    """
    count, owner = _owners(subjects)
    return _drawn(count)[:, owner]


def resampled_sums(columns: np.ndarray, subjects: Sequence[str]) -> np.ndarray:
    """Sums over the cases of each resample, from which most statistics follow.

    Args:
        columns: [n, k], k numbers for each case.
        subjects: Whose each of the n cases is.

    Returns:
        float64 [resamples, k].
    """
    count, owner = _owners(subjects)
    columns = np.asarray(columns, np.float64)
    sums = np.zeros((count, columns.shape[1]))
    np.add.at(sums, owner, columns)
    return _drawn(count) @ sums


def interval_95(
    statistic: Callable[..., np.ndarray | float | None],
    values: np.ndarray,
    subjects: Sequence[str],
    vectorised: bool = False,
) -> tuple[float, float] | None:
    """Interval of any statistic.

    Args:
        statistic: From the cases of a resample, [m] or [m, k] with repeats, to a number, or to
            None or NaN where it is undefined. Vectorised: from `values` and the weights of `draws`,
            [resamples, n], to the numbers of all resamples, [resamples].
        values: [n] or [n, k], one row for each case.
        subjects: Whose each of the n cases is.
        vectorised: Which of the two forms `statistic` has.

    Returns:
        The 2.5th and 97.5th percentile; None for fewer than two subjects, and where more than 5 %
        of the resamples leave the statistic undefined (the others are left out).

    Raises:
        ValueError: There is not one subject for each case.
    """
    values = np.asarray(values, np.float64)
    if len(values) != len(subjects):
        raise ValueError(f"{len(values)} cases of {len(subjects)} subjects")
    if len(set(subjects)) < 2:
        return None
    weights = draws(subjects)
    if vectorised:
        figures = statistic(values, weights)
    else:
        rows = np.arange(len(values))
        figures = [statistic(values[np.repeat(rows, row.astype(np.intp))]) for row in weights]
    return percentiles_95(np.asarray(figures, np.float64))  # None becomes NaN


def mean_interval_95(
    values: Sequence[float], subjects: Sequence[str]
) -> tuple[float, float] | None:
    """Interval of the mean over all cases.

    Args:
        values: [n].
        subjects: Whose each of the n cases is.

    Returns:
        As `interval_95`.
    """
    if len(values) != len(subjects):
        raise ValueError(f"{len(values)} cases of {len(subjects)} subjects")
    if len(set(subjects)) < 2:
        return None
    values = np.asarray(values, np.float64)
    sums = resampled_sums(np.stack([values, np.ones_like(values)], axis=1), subjects)
    return percentiles_95(sums[:, 0] / sums[:, 1])


def percentiles_95(figures: np.ndarray) -> tuple[float, float] | None:
    """The 2.5th and 97.5th percentile of a statistic's resampled values.

    Args:
        figures: [resamples]; not finite where the statistic is undefined.

    Returns:
        None where more than 5 % are undefined; otherwise of the defined ones.
    """
    defined = figures[np.isfinite(figures)]
    if defined.size < (1 - _UNDEFINED_SHARE_MAX) * figures.size:
        return None
    low, high = np.percentile(defined, (2.5, 97.5))
    return float(low), float(high)


def _owners(subjects: Sequence[str]) -> tuple[int, np.ndarray]:
    names, owner = np.unique(np.asarray(subjects, str), return_inverse=True)
    return names.size, owner


@functools.lru_cache(maxsize=8)
def _drawn(count: int) -> np.ndarray:
    """How often each resample holds each of `count` subjects: [resamples, count]."""
    drawn = np.random.default_rng(SEED).integers(count, size=(RESAMPLES, count))
    flat = (drawn + count * np.arange(RESAMPLES)[:, None]).ravel()
    counts = np.bincount(flat, minlength=RESAMPLES * count).reshape(RESAMPLES, count)
    counts = counts.astype(np.float64)
    counts.flags.writeable = False  # shared by all callers
    return counts
