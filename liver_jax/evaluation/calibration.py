"""How well a score of quality, found without a reference, tells what the reference says.

Plain arithmetic on arrays. `score` is a predicted Dice, or any number that should be the higher
the better the mask; `dice` what was found. Cases of one subject are not independent: intervals
draw subjects. Numbers that all lie within `_EQUAL_WITHIN` of each other count as equal: they differ
by rounding, or by nothing that matters.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from liver_jax.evaluation import bootstrap
from liver_jax.evaluation.estimate import Estimate

FEW_CASES = "fewer than three cases"
ONE_CLASS = "all cases lie on one side of the threshold"
CONSTANT = "all scores, or all Dice, are equal"
_CURVE_POINTS_MAX = 200
_EQUAL_WITHIN = 1e-6


def spearman(score: np.ndarray, dice: np.ndarray, subjects: Sequence[str]) -> Estimate:
    """Spearman's rank correlation of score and Dice, ties at their mean rank.

    Args:
        score: [n].
        dice: [n].
        subjects: Whose each case is.
    """

    def statistic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        ranks = [_midranks(column, weights) for column in values.T]
        return _weighted_correlation(*ranks, weights)

    reason = None
    if len(score) < 3:
        reason = FEW_CASES
    elif _are_equal(score) or _are_equal(dice):
        reason = CONSTANT
    return _estimate(statistic, np.column_stack([score, dice]), subjects, reason)


def auroc(
    score: np.ndarray, dice: np.ndarray, subjects: Sequence[str], threshold: float
) -> Estimate:
    """The chance that a case with a Dice below the threshold has a lower score than one above.

    Ties count half, and so scores that are all equal have 0.5: the area under the receiver
    operating characteristic (Hanley and McNeil, Radiology 1982;143:29).

    Args:
        score: [n].
        dice: [n].
        subjects: Whose each case is.
        threshold: A case is bad where its Dice is below it.
    """

    def statistic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        bad = values[:, 1] < threshold
        # With midranks among all, the good cases' sum of ranks gives U (Mann and Whitney).
        weights_of = weights[:, bad].sum(axis=1), weights[:, ~bad].sum(axis=1)
        ranks = _midranks(values[:, 0], weights)[:, ~bad]
        u = (ranks * weights[:, ~bad]).sum(axis=1) - weights_of[1] * (weights_of[1] + 1) / 2
        pairs = weights_of[0] * weights_of[1]
        return np.divide(u, pairs, out=np.full(len(u), np.nan), where=pairs > 0)

    bad_count = np.count_nonzero(dice < threshold)
    reason = ONE_CLASS if bad_count in (0, len(dice)) else None
    return _estimate(statistic, np.column_stack([_tied_if_equal(score), dice]), subjects, reason)


def risk_coverage(score: np.ndarray, dice: np.ndarray, subjects: Sequence[str]) -> dict:
    """What is left of the error when the cases with the lowest scores are set aside.

    Coverage is the share of cases kept, those with the highest scores; risk is the mean of
    1 - Dice among them (Geifman and El-Yaniv, Selective Classification for Deep Neural Networks,
    NeurIPS 2017). Cases with equal scores count with their mean.

    Args:
        score: [n].
        dice: [n].
        subjects: Whose each case is.

    Returns:
        `curve`, points `{coverage, risk, ideal_risk}` by rising coverage, at most 200; `area`
        (Estimate), the mean risk over all coverages; `ideal_area`, of the order of the Dice itself,
        the least there is; `random_area`, what is expected of no order, the mean risk; and `gain`
        (Estimate), how much of the way from random to ideal the score goes: 1 is ideal, 0 is
        random, below 0 is worse (the excess of Geifman, Uziel and El-Yaniv, ICLR 2019, scaled).
    """
    risk = 1 - np.asarray(dice, np.float64)
    score = _tied_if_equal(np.asarray(score, np.float64))
    n = len(risk)
    if not n:
        nothing = Estimate(None, None, reason=FEW_CASES)
        areas = {"area": nothing, "ideal_area": None, "random_area": None, "gain": nothing}
        return {"curve": [], **areas}
    curve, ideal = _risks(score, risk), _risks(-risk, risk)
    kept = np.unique(np.round(np.linspace(0, n - 1, _CURVE_POINTS_MAX)).astype(int))
    both = np.column_stack([score, risk])
    reason = CONSTANT if _are_equal(risk) else FEW_CASES if n < 3 else None
    return {
        "curve": [
            {
                "coverage": float((place + 1) / n),
                "risk": float(curve[place]),
                "ideal_risk": float(ideal[place]),
            }
            for place in kept
        ],
        "area": _estimate(lambda *given: _areas(*given)[0], both, subjects, None),
        "ideal_area": float(ideal.mean()),
        "random_area": float(risk.mean()),
        "gain": _estimate(_gain, both, subjects, reason),
    }


def calibration(predicted: np.ndarray, dice: np.ndarray, subjects: Sequence[str]) -> dict:
    """Whether a predicted Dice is the Dice found, on average and case by case.

    Args:
        predicted: [n] predicted Dice.
        dice: [n] Dice found.
        subjects: Whose each case is.

    Returns:
        `slope` and `intercept` of the found Dice on the predicted one by least squares (Estimates;
        1 and 0 are perfect); `bias` (Estimate), the mean of predicted minus found;
        `mean_absolute_error` (Estimate); and `bins`, up to five with equally many cases, from the
        lowest prediction: `n`, `predicted_min`, `predicted_max`, `predicted_mean`, `found_mean`,
        `found_min`.
    """
    predicted, dice = np.asarray(predicted, np.float64), np.asarray(dice, np.float64)
    reason = None
    if len(dice) < 3:
        reason = FEW_CASES
    elif _are_equal(predicted):
        reason = "all predictions are equal"
    columns = np.column_stack([predicted, dice])
    error = predicted - dice
    empty = FEW_CASES if not len(dice) else None
    order = np.argsort(predicted, kind="stable")
    bins = [part for part in np.array_split(order, min(5, max(1, len(dice) // 2))) if part.size]
    return {
        "slope": _estimate(lambda *given: _line(*given)[0], columns, subjects, reason),
        "intercept": _estimate(lambda *given: _line(*given)[1], columns, subjects, reason),
        "bias": _estimate(_mean, error[:, None], subjects, empty),
        "mean_absolute_error": _estimate(_mean, np.abs(error)[:, None], subjects, empty),
        "bins": [
            {
                "n": int(part.size),
                "predicted_min": float(predicted[part].min()),
                "predicted_max": float(predicted[part].max()),
                "predicted_mean": float(predicted[part].mean()),
                "found_mean": float(dice[part].mean()),
                "found_min": float(dice[part].min()),
            }
            for part in bins
        ],
    }


def _estimate(
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray],
    values: np.ndarray,
    subjects: Sequence[str],
    reason: str | None,
) -> Estimate:
    """A statistic of [n, k] values and [resamples, n] weights, with its interval.

    One that is not finite lacks the spread that it divides by.
    """
    if reason:
        return Estimate(None, None, reason=reason)
    value = float(statistic(values, np.ones((1, len(values))))[0])
    if not math.isfinite(value):
        return Estimate(None, None, reason=CONSTANT)
    interval = bootstrap.interval_95(statistic, values, subjects, vectorised=True)
    return Estimate(value, interval, reason=_why_none(interval, subjects))


def _why_none(interval: tuple[float, float] | None, subjects: Sequence[str]) -> str | None:
    if interval is not None:
        return None
    return bootstrap.FEW_SUBJECTS if len(set(subjects)) < 2 else bootstrap.OFTEN_UNDEFINED


def _are_equal(values: np.ndarray) -> bool:
    return len(values) > 0 and bool(np.ptp(values) <= _EQUAL_WITHIN)


def _tied_if_equal(score: np.ndarray) -> np.ndarray:
    """The score; all of it the same where rounding alone would order the cases."""
    return np.zeros(len(score)) if _are_equal(score) else score


def _midranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Ranks of values [n], each repeated as its weight says, ties at their mean: [resamples, n]."""
    order, starts, place = _tied(values)
    repeats = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks = np.cumsum(repeats, axis=1) - (repeats - 1) / 2
    return ranks[:, place]


def _tied(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An ascending order [n], where in it a new value starts [m], and each value's place [n]."""
    _, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    return order, np.flatnonzero(np.diff(place[order], prepend=-1)), place


def _weighted_correlation(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pearson's r of each row of a and b, [resamples, n]; NaN where one has no spread."""
    total = weights.sum(axis=1, keepdims=True)
    a = a - (a * weights).sum(axis=1, keepdims=True) / total
    b = b - (b * weights).sum(axis=1, keepdims=True) / total
    spread = np.sqrt((weights * a**2).sum(axis=1) * (weights * b**2).sum(axis=1))
    both = (weights * a * b).sum(axis=1)
    return np.divide(both, spread, out=np.full(len(both), np.nan), where=spread > 1e-12 * len(a[0]))


def _line(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept [resamples] of the second column on the first; NaN without spread."""
    x, y = values.T
    total = weights.sum(axis=1)
    mean_x, mean_y = weights @ x / total, weights @ y / total
    square = weights @ x**2 / total - mean_x**2
    product = weights @ (x * y) / total - mean_x * mean_y
    none = np.full(len(total), np.nan)
    slope = np.divide(product, square, out=none, where=square > 1e-12)
    return slope, mean_y - slope * mean_x


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ values[:, 0] / weights.sum(axis=1)


def _risks(score: np.ndarray, risk: np.ndarray) -> np.ndarray:
    """The mean risk [n] of the 1, 2, ... n cases with the highest scores."""
    _, place = np.unique(-score, return_inverse=True)
    shared = (np.bincount(place, risk) / np.bincount(place))[place]
    return np.cumsum(shared[np.argsort(place, kind="stable")]) / np.arange(1, len(risk) + 1)


def _areas(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Area under the risk-coverage curve [resamples]: by the score, ideal, and the mean risk."""
    score, risk = values.T
    return (
        _area(score, risk, weights),
        _area(-risk, risk, weights),
        weights @ risk / weights.sum(axis=1),
    )


def _area(score: np.ndarray, risk: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean of the risks of the 1, 2, ... cases with the highest scores, [resamples].

    Where w cases with the mean risk r share a score, after k cases with the summed risk c, the
    risks of k + 1 to k + w cases are (c + (i - k) r) / i, and their sum is w r + (c - k r) (H(k +
    w) - H(k)) with the harmonic numbers H.
    """
    order, starts, _ = _tied(-score)
    count = np.add.reduceat(weights[:, order], starts, axis=1)
    summed = np.add.reduceat((weights * risk)[:, order], starts, axis=1)
    mean = np.divide(summed, count, out=np.zeros_like(summed), where=count > 0)
    last = np.cumsum(count, axis=1)
    before, risk_before = last - count, np.cumsum(summed, axis=1) - summed
    most = int(last[:, -1].max())
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, most + 1))])
    steps = harmonic[np.rint(last).astype(int)] - harmonic[np.rint(before).astype(int)]
    return (summed + (risk_before - before * mean) * steps).sum(axis=1) / last[:, -1]


def _gain(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    area, ideal, random = _areas(values, weights)
    width = random - ideal
    return np.divide(random - area, width, out=np.full(len(area), np.nan), where=width > 1e-12)
