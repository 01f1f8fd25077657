"""Agreement of an automated with a manual measurement: correlation, lines, bias, limits, ICC, CCC.

Differences are automated minus manual; lines give the automated from the manual one. Every figure
has an interval by bootstrap over subjects. The exact intervals (t, Fisher's z, F, noncentral t) and
the tests take the cases as independent: with several cases of one subject they are too narrow, and
the bootstrap interval is the one to read. The `method` of the tests of bias says so then.

The formulas of the figures themselves are in `moments`.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from liver_jax.evaluation import bootstrap, hypothesis, moments
from liver_jax.evaluation.estimate import Estimate, Test

_SHAPIRO_MAX = 5000  # beyond it SciPy's P is not accurate
_FEW = "fewer than three cases"
_ON_A_LINE = "the cases lie on one line"

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Range:
    """What was measured, in the unit of the measurement; None without cases."""

    mean: float | None
    sd: float | None
    min: float | None
    max: float | None


@dataclasses.dataclass(frozen=True)
class Line:
    """automated = slope x manual + intercept; the intercept in the unit of the measurement."""

    slope: Estimate
    intercept: Estimate


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How an automated measurement agrees with the manual one, in the unit of the measurement.

    Attributes:
        n: Cases.
        n_subjects: Subjects that they come from.
        automated: Mean, sample standard deviation and range.
        manual: Likewise.
        pearson_r: Correlation; exact interval by Fisher's z.
        r_squared: Its square; exact interval from that of `pearson_r`.
        ols: Ordinary least squares; exact intervals by t.
        deming: Errors of equal variance in both; "exact" intervals by jackknife and t
            (n - 2), after Linnet, Clin Chem 1993, 39:424.
        bias: Mean difference; exact interval by t.
        bias_test: One-sample t test of the differences.
        sd_difference: Standard deviation of the differences; None for fewer than two cases.
        lower_limit: Of agreement, bias - 1.96 SD (Bland and Altman, Lancet 1986, 327:307); exact
            interval of each limit considered individually, from the noncentral t (Carkeet, Optom
            Vis Sci 2015, 92:e71; his wider factors for both limits as a pair are not used).
        upper_limit: bias + 1.96 SD, likewise.
        proportional_bias: Slope of the difference on the mean of both; exact interval by t.
        proportional_bias_test: t test of that slope.
        normality_test: Shapiro-Wilk test of the differences, which the limits take as normal.
        icc_a1: Intraclass correlation, absolute agreement of single measurements, two-way (McGraw
            and Wong, Psychol Methods 1996, 1:30); exact interval by F.
        ccc: Concordance correlation (Lin, Biometrics 1989, 45:255); "exact" interval by
            Fisher's z, its variance as corrected in Biometrics 2000, 56:324.
        mean_absolute_error: Mean size of the differences.
        mean_absolute_error_percent: Mean size of the differences as a share of each case's manual
            value, percent; of the cases with a manual value > 0.
        n_manual_positive: Cases that `mean_absolute_error_percent` is of.
        bias_percent: Bias as a share of the mean manual value, percent.
    """

    n: int
    n_subjects: int
    automated: Range
    manual: Range
    pearson_r: Estimate
    r_squared: Estimate
    ols: Line
    deming: Line
    bias: Estimate
    bias_test: Test
    sd_difference: float | None
    lower_limit: Estimate
    upper_limit: Estimate
    proportional_bias: Estimate
    proportional_bias_test: Test
    normality_test: Test
    icc_a1: Estimate
    ccc: Estimate
    mean_absolute_error: Estimate
    mean_absolute_error_percent: Estimate
    n_manual_positive: int
    bias_percent: Estimate


def agree(
    automated: Sequence[float], manual: Sequence[float], subjects: Sequence[str]
) -> Agreement:
    """Compares an automated with a manual measurement of the same cases.

    Args:
        automated: [n], in any unit.
        manual: [n], in the same unit; the reference.
        subjects: [n], whose case each is.

    Returns:
        Figures that the cases cannot carry are None, with a reason.

    Raises:
        ValueError: Lengths that differ; numbers that are not finite.
    """
    x, y = np.asarray(manual, np.float64), np.asarray(automated, np.float64)
    if not (x.ndim == y.ndim == 1 and x.size == y.size == len(subjects)):
        raise ValueError(f"{y.shape} and {x.shape} values of {len(subjects)} subjects")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a value is not finite")
    n, n_subjects, differences = x.size, len(set(subjects)), y - x
    magnitude = float(np.abs([x, y]).max()) if n else 0.0
    estimates, sd = _estimates(x, y, subjects)
    return Agreement(
        n=n,
        n_subjects=n_subjects,
        automated=_range(y),
        manual=_range(x),
        pearson_r=estimates["pearson_r"],
        r_squared=estimates["r_squared"],
        ols=Line(estimates["ols_slope"], estimates["ols_intercept"]),
        deming=Line(estimates["deming_slope"], estimates["deming_intercept"]),
        bias=hypothesis.mean_difference(differences, subjects, magnitude),
        bias_test=hypothesis.of_cases(
            hypothesis.one_sample_t(differences, magnitude), n, n_subjects
        ),
        sd_difference=sd,
        lower_limit=estimates["lower_limit"],
        upper_limit=estimates["upper_limit"],
        proportional_bias=estimates["proportional_bias"],
        proportional_bias_test=hypothesis.of_cases(
            _slope_test((x + y) / 2, differences, estimates), n, n_subjects
        ),
        normality_test=_shapiro_wilk(differences, magnitude),
        icc_a1=icc_a1(np.stack([y, x], axis=1), subjects),
        ccc=estimates["ccc"],
        mean_absolute_error=estimates["mean_absolute_error"],
        mean_absolute_error_percent=estimates["mean_absolute_error_percent"],
        n_manual_positive=int(np.count_nonzero(x > 0)),
        bias_percent=estimates["bias_percent"],
    )


def icc_a1(values: np.ndarray, subjects: Sequence[str] | None = None) -> Estimate:
    """Intraclass correlation ICC(A,1): absolute agreement of single measurements, two-way.

    McGraw and Wong, Psychol Methods 1996, 1:30: ICC from table 4, interval from table 7 (with the
    erratum of 1:390); the ICC(2,1) of Shrout and Fleiss, Psychol Bull 1979, 86:420.

    Args:
        values: [n, k], k measurements of each of n cases.
        subjects: [n], whose case each is, for the bootstrap interval; None: each its own subject.

    Raises:
        ValueError: Not two dimensions, not finite, or not one subject for each case.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(f"values {values.shape}: [case, measurement], finite, are needed")
    n, k = values.shape
    subjects = [str(index) for index in range(n)] if subjects is None else subjects
    if len(subjects) != n:
        raise ValueError(f"{n} cases of {len(subjects)} subjects")
    if n < 2 or k < 2:
        return Estimate(None, None, reason="fewer than two cases or measurements")
    if hypothesis.constant(values):
        return Estimate(None, None, reason="all values are equal")
    squares = hypothesis.mean_squares(values)
    value = float(_icc(squares.subjects, squares.conditions, squares.error, n, k))
    exact = _icc_interval_95(squares, n, k)
    reasons = [] if exact else ["F interval: no spread that the formula can use"]
    interval = None
    if len(set(subjects)) < 2:
        reasons.append(bootstrap.FEW_SUBJECTS)
    else:
        interval = bootstrap.percentiles_95(_resampled_icc(values, subjects))
        reasons += [] if interval else [bootstrap.OFTEN_UNDEFINED]
    return Estimate(value, interval, exact, "; ".join(reasons) or None)


def tolerance_factor(n: int, coverage: float, confidence: float) -> float:
    """One-sided tolerance factor k of a normal sample.

    With the given confidence a share `coverage` of the population lies below mean + k SD (Owen
    1968, Technometrics 10:445; what Carkeet's table of coefficients holds).

    Args:
        n: Cases, at least two.
        coverage: Between 0 and 1.
        confidence: Between 0 and 1.
    """
    noncentrality = stats.norm.ppf(coverage) * math.sqrt(n)
    return float(stats.nct.ppf(confidence, n - 1, noncentrality)) / math.sqrt(n)


def _estimates(
    x: np.ndarray, y: np.ndarray, subjects: Sequence[str]
) -> tuple[dict[str, Estimate], float | None]:
    """The figures of `moments` with their intervals, and the SD of the differences."""
    n = x.size
    if not n:
        empty = moments.Moments.of([0.0], [0.0])
        nothing = Estimate(None, None, reason=hypothesis.NO_CASES)
        return dict.fromkeys(empty.figures(empty.total()), nothing), None
    sums = moments.Moments.of(y, x)
    figures = {name: float(value[0]) for name, value in sums.figures(sums.total()).items()}
    resampled = None
    if len(set(subjects)) > 1:
        resampled = sums.figures(bootstrap.resampled_sums(sums.columns, subjects))
    exact = _exact_intervals_95(x, y, sums, figures)
    estimates = {}
    for name, value in figures.items():
        if not math.isfinite(value):
            estimates[name] = Estimate(None, None, reason=_why_undefined(name, n))
            continue
        interval = bootstrap.percentiles_95(resampled[name]) if resampled else None
        reasons = []
        if interval is None:
            reasons.append(bootstrap.OFTEN_UNDEFINED if resampled else bootstrap.FEW_SUBJECTS)
        if name in exact and exact[name] is None:
            reasons.append(f"exact interval: {_why_inexact(name, n)}")
        estimates[name] = Estimate(value, interval, exact.get(name), "; ".join(reasons) or None)
    sd = figures["sd_difference"]
    return estimates, sd if math.isfinite(sd) else None


def _why_undefined(name: str, n: int) -> str:
    if name in ("lower_limit", "upper_limit", "sd_difference"):
        return "fewer than two cases"
    if name == "mean_absolute_error_percent":
        return "no manual value is > 0"
    if name == "bias_percent":
        return "the mean manual value is not > 0"
    if n < 3:
        return _FEW
    return {
        "ols_slope": "all manual values are equal",
        "ols_intercept": "all manual values are equal",
        "deming_slope": "no correlation",
        "deming_intercept": "no correlation",
        "proportional_bias": "the means of both are all equal",
    }.get(name, "all manual or all automated values are equal")


def _why_inexact(name: str, n: int) -> str:
    if name in ("lower_limit", "upper_limit"):
        return hypothesis.NO_SPREAD
    return "fewer than four cases" if n < 4 else _ON_A_LINE


def _exact_intervals_95(
    x: np.ndarray, y: np.ndarray, sums: moments.Moments, figures: dict[str, float]
) -> dict[str, Interval | None]:
    """Analytic intervals of the figures that have one; None where the cases cannot carry it."""
    r = _correlation_interval_95(figures["pearson_r"], x.size)
    ols = _line_intervals_95(x, y) if math.isfinite(figures["ols_slope"]) else (None, None)
    deming = _jackknife_intervals_95(sums, figures)
    limits = _limit_intervals_95(figures["bias"], figures["sd_difference"], x.size)
    proportional = (None, None)
    if math.isfinite(figures["proportional_bias"]):
        proportional = _line_intervals_95((x + y) / 2, y - x)
    return {
        "pearson_r": r,
        "r_squared": _squared(r) if r else None,
        "ols_slope": ols[0],
        "ols_intercept": ols[1],
        "deming_slope": deming[0],
        "deming_intercept": deming[1],
        "lower_limit": limits[0],
        "upper_limit": limits[1],
        "proportional_bias": proportional[0],
        "ccc": _concordance_interval_95(x, y, figures),
    }


def _correlation_interval_95(r: float, n: int) -> Interval | None:
    """Fisher's z with variance 1 / (n - 3)."""
    if n < 4 or not abs(r) < 1 - hypothesis.ROUNDING:
        return None
    half = float(stats.norm.ppf(0.975)) / math.sqrt(n - 3)
    return math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half)


def _squared(interval: Interval) -> Interval:
    """The values that the square takes over an interval."""
    low, high = sorted(abs(end) for end in interval)
    return (0.0 if interval[0] < 0 < interval[1] else low**2), high**2


def _line_intervals_95(
    x: np.ndarray, y: np.ndarray
) -> tuple[Interval, Interval] | tuple[None, None]:
    """Intervals by t of the slope and intercept of y on x; none where all lie on the line."""
    line = stats.linregress(x, y)
    if not abs(line.rvalue) < 1 - hypothesis.ROUNDING:
        return None, None
    t = float(stats.t.ppf(0.975, x.size - 2))
    slope, intercept = t * line.stderr, t * line.intercept_stderr
    return (
        (float(line.slope - slope), float(line.slope + slope)),
        (float(line.intercept - intercept), float(line.intercept + intercept)),
    )


def _slope_test(x: np.ndarray, y: np.ndarray, estimates: dict[str, Estimate]) -> Test:
    method, slope = (
        "t test of the slope of the difference on the mean",
        estimates["proportional_bias"],
    )
    if slope.value is None or slope.exact_interval_95 is None:
        return Test(method, None, (), None, x.size, slope.reason)
    line = stats.linregress(x, y)
    statistic = float(line.slope / line.stderr)
    return Test(method, statistic, (float(x.size - 2),), float(line.pvalue), x.size)


def _jackknife_intervals_95(
    sums: moments.Moments, figures: dict[str, float]
) -> tuple[Interval, Interval] | tuple[None, None]:
    """Intervals of Deming's slope and intercept from the spread of n pseudovalues (Linnet 1993)."""
    n = len(sums.columns)
    if n < 4 or not abs(figures["pearson_r"]) < 1 - hypothesis.ROUNDING:
        return None, None
    left_out = sums.figures(sums.without_one())
    intervals = []
    for name in ("deming_slope", "deming_intercept"):
        pseudovalues = n * figures[name] - (n - 1) * left_out[name]
        if not np.isfinite(pseudovalues).all():
            return None, None
        half = stats.t.ppf(0.975, n - 2) * pseudovalues.std(ddof=1) / math.sqrt(n)
        intervals.append((float(figures[name] - half), float(figures[name] + half)))
    return intervals[0], intervals[1]


def _limit_intervals_95(
    bias: float, sd: float, n: int
) -> tuple[Interval, Interval] | tuple[None, None]:
    """Intervals of the lower and the upper limit of agreement, each by itself (Carkeet 2015)."""
    if n < 2 or not sd > 0:
        return None, None
    inner, outer = (
        tolerance_factor(n, moments.BELOW_UPPER_LIMIT, share) * sd for share in (0.025, 0.975)
    )
    return (bias - outer, bias - inner), (bias + inner, bias + outer)


def _concordance_interval_95(
    x: np.ndarray, y: np.ndarray, figures: dict[str, float]
) -> Interval | None:
    """Fisher's z of the concordance correlation (Lin 1989, variance as of 2000)."""
    n, r, c = x.size, figures["pearson_r"], figures["ccc"]
    if n < 4 or not 0 < abs(r) < 1 - hypothesis.ROUNDING:
        return None
    # Shift of location, in units of the geometric mean of both standard deviations.
    squared_shift = figures["bias"] ** 2 / float(x.std() * y.std())
    variance = (
        (1 - r**2) * c**2 / ((1 - c**2) * r**2)
        + 2 * c**3 * (1 - c) * squared_shift / (r * (1 - c**2) ** 2)
        - c**4 * squared_shift**2 / (2 * r**2 * (1 - c**2) ** 2)
    ) / (n - 2)
    half = float(stats.norm.ppf(0.975)) * math.sqrt(variance)
    return math.tanh(math.atanh(c) - half), math.tanh(math.atanh(c) + half)


def _icc(
    ms_cases: np.ndarray | float,
    ms_measurements: np.ndarray | float,
    ms_error: np.ndarray | float,
    n: np.ndarray | int,
    k: int,
) -> np.ndarray | float:
    between = ms_cases + (k - 1) * ms_error + k / n * (ms_measurements - ms_error)
    return (ms_cases - ms_error) / between


def _icc_interval_95(squares: hypothesis.MeanSquares, n: int, k: int) -> Interval | None:
    rows, columns, error = squares.subjects, squares.conditions, squares.error
    if error == 0:
        return None
    icc = _icc(rows, columns, error, n, k)
    a = k * icc / (n * (1 - icc))
    b = 1 + k * icc * (n - 1) / (n * (1 - icc))
    if a * columns + b * error <= hypothesis.ROUNDING * max(rows, columns, error):
        return None
    # Satterthwaite's degrees of freedom of a x columns + b x error.
    df = (a * columns + b * error) ** 2 / (
        (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    )
    other = k * columns + (k * n - k - n) * error
    low_f, high_f = float(stats.f.ppf(0.975, n - 1, df)), float(stats.f.ppf(0.975, df, n - 1))
    low = n * (rows - low_f * error) / (low_f * other + n * rows)
    high = n * (high_f * rows - error) / (other + n * high_f * rows)
    # Hardly any degrees of freedom: the percentiles of F are beyond all numbers.
    return (low, high) if np.isfinite((low, high)).all() else None


def _resampled_icc(values: np.ndarray, subjects: Sequence[str]) -> np.ndarray:
    """ICC of each resample, from its sums: [resamples]."""
    k = values.shape[1]
    centred = values - values.mean()
    ones = np.ones((len(values), 1))
    columns = np.concatenate(
        [ones, centred, centred.mean(1, keepdims=True) ** 2, (centred**2).sum(1, keepdims=True)], 1
    )
    sums = bootstrap.resampled_sums(columns, subjects)
    n, means, of_rows, squares = sums[:, 0], sums[:, 1:-2] / sums[:, :1], sums[:, -2], sums[:, -1]
    mean = means.mean(axis=1)
    rows = k * (of_rows - n * mean**2)
    total = squares - n * k * mean**2
    measurements = n * np.sum((means - mean[:, None]) ** 2, axis=1)
    error = np.clip(total - rows - measurements, 0, None)
    with np.errstate(divide="ignore", invalid="ignore"):
        icc = _icc(rows / (n - 1), measurements / (k - 1), error / ((n - 1) * (k - 1)), n, k)
    # One case drawn again and again has no spread between cases, up to rounding.
    return np.where((n > 1) & (total > hypothesis.ROUNDING * squares.max()), icc, np.nan)


def _range(values: np.ndarray) -> Range:
    if not values.size:
        return Range(None, None, None, None)
    return Range(
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)) if values.size > 1 else None,
        min=float(values.min()),
        max=float(values.max()),
    )


def _shapiro_wilk(differences: np.ndarray, magnitude: float) -> Test:
    method, n = "Shapiro-Wilk test of the differences", differences.size
    reason = None
    if n < 3:
        reason = _FEW
    elif n > _SHAPIRO_MAX:
        reason = f"more than {_SHAPIRO_MAX} cases"
    elif hypothesis.constant(differences, magnitude):
        reason = hypothesis.NO_SPREAD
    if reason:
        return Test(method, None, (), None, n, reason)
    result = stats.shapiro(differences)
    return Test(method, float(result.statistic), (), float(result.pvalue), n)
