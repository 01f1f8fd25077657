"""How far repeated measurements of one thing scatter: one-way analysis of variance.

The within-subject standard deviation wSD is the root of the mean square within units (Bland and
Altman, BMJ 1996, 312:1654); 95 % of the differences between two measurements are smaller than the
repeatability coefficient 1.96 sqrt(2) wSD = 2.77 wSD (Bland and Altman, BMJ 1996, 313:744; Raunig
et al., Stat Methods Med Res 2015, 24:27). Its exact interval is that of a variance, chi-square with
the degrees of freedom within units (Obuchowski and Bullen, Stat Methods Med Res 2018, 27:3139). The
within-subject coefficient of variation is the root of the mean of variance over squared mean
(Raunig et al.). ICC(1) is the one-way intraclass correlation (Shrout and Fleiss, Psychol Bull 1979,
86:420); with unequal numbers of repeats its k is that of Searle (Variance Components, 1992, 3.6).
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from liver_jax.evaluation import bootstrap
from liver_jax.evaluation.estimate import Estimate

_COEFFICIENT = float(stats.norm.ppf(0.975)) * math.sqrt(2)  # 2.77
_NO_REPEATS = "no unit has two measurements"
_NO_SPREAD = "all measurements are equal"
_NOT_POSITIVE = "a unit's mean is not above 0"
_FEW_UNITS = "fewer than two units"


@dataclasses.dataclass(frozen=True)
class Repeats:
    """The scatter of repeated measurements.

    Attributes:
        n: Measurements in units with at least two.
        n_units: These units: examinations, or subjects.
        n_subjects: The subjects that they come from.
        n_single: Measurements without a second one, which are left out.
        df: Degrees of freedom within units.
        mean: Of the measurements, in their unit; None without any.
        within_subject_sd: In the unit of the measurement.
        repeatability_coefficient: In the unit of the measurement.
        within_subject_cv_percent: Percent of the mean.
        icc_1: Share of the variance that is between units; its exact interval (F) needs units with
            equally many measurements.
    """

    n: int
    n_units: int
    n_subjects: int
    n_single: int
    df: int
    mean: float | None
    within_subject_sd: Estimate
    repeatability_coefficient: Estimate
    within_subject_cv_percent: Estimate
    icc_1: Estimate


def scatter(values: Sequence[float], units: Sequence[str], subjects: Sequence[str]) -> Repeats:
    """Describes the scatter within units.

    Args:
        values: [n], finite.
        units: [n], what was measured: measurements of one unit should be equal.
        subjects: [n], whose it is; a unit belongs to one subject. The bootstrap draws subjects, the
            exact intervals take units as independent.

    Raises:
        ValueError: The lengths differ.
    """
    of_unit: dict[tuple[str, str], list[float]] = {}
    for value, unit, subject in zip(values, units, subjects, strict=True):
        of_unit.setdefault((subject, unit), []).append(value)
    repeated = {key: np.asarray(found) for key, found in of_unit.items() if len(found) > 1}
    n = sum(map(len, repeated.values()))
    single = len(values) - n
    if not repeated:
        none = Estimate(None, None, reason=_NO_REPEATS)
        return Repeats(0, 0, 0, single, 0, None, none, none, none, none)
    owners = [subject for subject, _ in repeated]
    mean = float(np.concatenate(list(repeated.values())).mean())
    sums = _Sums(*np.transpose([_sums(found, mean) for found in repeated.values()]))
    sd = _within_subject_sd(sums, owners)
    return Repeats(
        n=n,
        n_units=len(repeated),
        n_subjects=len(set(owners)),
        n_single=single,
        df=n - len(repeated),
        mean=mean,
        within_subject_sd=sd,
        repeatability_coefficient=_times(sd, _COEFFICIENT),
        within_subject_cv_percent=_within_subject_cv_percent(sums, owners),
        icc_1=_icc_1(sums, owners),
    )


class _Sums(NamedTuple):
    """What the statistics are made of, for each unit [units], or summed over units.

    Attributes:
        units: 1 for a unit.
        count: Measurements.
        count_squared: Its square.
        total: Of the measurements, about the mean of all, which keeps digits.
        total_squared: Its square over the count.
        within: Sum of squares about the unit's mean.
        relative: `within` over the squared mean; NaN where the mean is not above 0.
    """

    units: np.ndarray
    count: np.ndarray
    count_squared: np.ndarray
    total: np.ndarray
    total_squared: np.ndarray
    within: np.ndarray
    relative: np.ndarray


def _sums(values: np.ndarray, mean_of_all: float) -> _Sums:
    count, mean, total = len(values), float(values.mean()), float(np.sum(values - mean_of_all))
    within = float(np.sum((values - mean) ** 2)) if np.ptp(values) > 0 else 0.0
    relative = within / mean**2 if mean > 0 else math.nan
    return _Sums(1.0, count, count**2, total, total**2 / count, within, relative)


def _within_subject_sd(sums: _Sums, owners: Sequence[str]) -> Estimate:
    sd = _estimate(lambda sums: np.sqrt(sums.within / (sums.count - sums.units)), sums, owners)
    if sd.value == 0:
        return sd
    df = float(np.sum(sums.count - sums.units))
    low, high = sd.value * np.sqrt(df / stats.chi2.ppf((0.975, 0.025), df))
    return dataclasses.replace(sd, exact_interval_95=(float(low), float(high)))


def _within_subject_cv_percent(sums: _Sums, owners: Sequence[str]) -> Estimate:
    if np.isnan(sums.relative).any():
        return Estimate(None, None, reason=_NOT_POSITIVE)
    return _estimate(
        lambda sums: 100 * np.sqrt(sums.relative / (sums.count - sums.units)), sums, owners
    )


def _icc_1(sums: _Sums, owners: Sequence[str]) -> Estimate:
    if len(owners) < 2:
        return Estimate(None, None, reason=_FEW_UNITS)
    if not sums.within.any() and np.ptp(sums.total / sums.count) == 0:
        return Estimate(None, None, reason=_NO_SPREAD)

    def icc(sums: _Sums) -> np.ndarray:
        between, within, k = _mean_squares(sums)
        return (between - within) / (between + (k - 1) * within)

    estimate = _estimate(icc, sums, owners)
    between, within, k = _mean_squares(_Sums(*np.sum(sums, axis=1)))
    if np.ptp(sums.count) > 0:
        why_not = "F interval: units differ in their number of measurements"
    elif within == 0:
        why_not = "F interval: no scatter within units"
    else:
        df = len(owners) - 1, float(np.sum(sums.count)) - len(owners)
        low = between / within / stats.f.ppf(0.975, *df)
        high = between / within * stats.f.ppf(0.975, *df[::-1])
        exact = tuple(float((bound - 1) / (bound + k - 1)) for bound in (low, high))
        return dataclasses.replace(estimate, exact_interval_95=exact)
    reasons = filter(None, (estimate.reason, why_not))
    return dataclasses.replace(estimate, reason="; ".join(reasons))


def _mean_squares(sums: _Sums) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Between and within units, and the number of measurements of a unit that stands for all."""
    df = sums.units - 1
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample may be of one unit
        between = (sums.total_squared - sums.total**2 / sums.count) / df
        k = (sums.count - sums.count_squared / sums.count) / df
    return between, sums.within / (sums.count - sums.units), k


def _estimate(
    statistic: Callable[[_Sums], np.ndarray], sums: _Sums, owners: Sequence[str]
) -> Estimate:
    """A statistic of sums over units, with its interval by bootstrap over the units' owners."""
    value = float(statistic(_Sums(*np.sum(sums, axis=1))))
    if len(set(owners)) < 2:
        return Estimate(value, None, reason=bootstrap.FEW_SUBJECTS)
    with np.errstate(divide="ignore", invalid="ignore"):
        resampled = statistic(_Sums(*bootstrap.resampled_sums(np.transpose(sums), owners).T))
    interval = bootstrap.percentiles_95(resampled)
    return Estimate(value, interval, reason=None if interval else bootstrap.OFTEN_UNDEFINED)


def _times(estimate: Estimate, factor: float) -> Estimate:
    def scaled(interval: tuple[float, float] | None) -> tuple[float, float] | None:
        return interval and (factor * interval[0], factor * interval[1])

    return Estimate(
        value=factor * estimate.value,
        interval_95=scaled(estimate.interval_95),
        exact_interval_95=scaled(estimate.exact_interval_95),
        reason=estimate.reason,
    )
