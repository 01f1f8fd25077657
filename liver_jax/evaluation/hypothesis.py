"""Tests of hypotheses on arrays: repeated measures, pairs, groups, equivalence, corrections.

Cases are taken as independent: where a subject has several, give one number for each subject, or
say so beside the P. A test that the data cannot carry (too few cases, no spread) has P None and a
reason, and raises no warning. Input that is not finite is a programming error (ValueError).
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats
from statsmodels.stats import multitest, oneway

from liver_jax.evaluation import bootstrap
from liver_jax.evaluation.estimate import Estimate, Test

NO_CASES = "no cases"
NO_SPREAD = "all differences are equal"
# Numbers that differ by less than this share of their size differ by rounding only.
ROUNDING = 1e-12
_HUGE_T = 1e4  # beyond it SciPy's noncentral t is wrong
_CORRECTIONS = ("Greenhouse-Geisser", "Huynh-Feldt")
_SPHERICITY = "Mauchly's test of sphericity"


@dataclasses.dataclass(frozen=True)
class MeanSquares:
    """Two-way analysis of variance without replication: [subject, condition]."""

    subjects: float
    conditions: float
    error: float


@dataclasses.dataclass(frozen=True)
class RepeatedMeasures:
    """Repeated one-way analysis of variance of [subject, condition].

    Attributes:
        n: Subjects.
        n_conditions: Conditions, each of which every subject has.
        test: F with the degrees of freedom that sphericity would allow.
        epsilon_greenhouse_geisser: 1 under sphericity, 1 / (conditions - 1) at the worst; None
            where it is undefined, as the next.
        epsilon_huynh_feldt: The less conservative estimate; at most 1.
        greenhouse_geisser: The same F with degrees of freedom times epsilon.
        huynh_feldt: Likewise.
        mauchly: Test of sphericity (W).
        partial_eta_squared: Share of the variation within subjects that the conditions explain.
    """

    n: int
    n_conditions: int
    test: Test
    epsilon_greenhouse_geisser: float | None
    epsilon_huynh_feldt: float | None
    greenhouse_geisser: Test
    huynh_feldt: Test
    mauchly: Test
    partial_eta_squared: float | None


@dataclasses.dataclass(frozen=True)
class Friedman:
    """Friedman's test, and Kendall's W: 0, no agreement on the conditions' order; 1, full."""

    test: Test
    kendall_w: float | None


@dataclasses.dataclass(frozen=True)
class Paired:
    """Two measurements of the same cases; differences are `after` minus `before`.

    Attributes:
        n: Pairs.
        n_subjects: Subjects that they come from.
        mean_after: In the unit of the measurement, as all that follow up to the tests; None
            without pairs.
        sd_after: Sample standard deviation; None for fewer than two pairs, as the other two.
        mean_before: As `mean_after`.
        sd_before: As `sd_after`.
        difference: Mean difference; its exact interval is that of the t test.
        sd_difference: Of the differences.
        t_test: Paired t test.
        wilcoxon: Signed-rank test; its n is the number of differences that are not zero.
        cohens_d_z: Mean difference over its standard deviation.
    """

    n: int
    n_subjects: int
    mean_after: float | None
    sd_after: float | None
    mean_before: float | None
    sd_before: float | None
    difference: Estimate
    sd_difference: float | None
    t_test: Test
    wilcoxon: Test
    cohens_d_z: Estimate


@dataclasses.dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests (TOST) of a difference against a margin on both sides.

    Attributes:
        difference: Ours minus the other; None without ours.
        margin: Largest difference that does not matter; None where none was set.
        interval_90: Two-sided; inside the margin exactly where both tests reject at 5 %. Its lower
            end above -margin is non-inferiority at one-sided 5 %.
        interval_95: Two-sided.
        p: The larger of the two one-sided P.
        verdict: `equivalent`: the 90 % interval lies within the margin; `different`: wholly outside
            it; `inconclusive`: neither; None: not decidable.
        reason: Why `verdict` is None.
    """

    difference: float | None
    margin: float | None
    interval_90: tuple[float, float] | None
    interval_95: tuple[float, float] | None
    p: float | None
    verdict: str | None
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class BetweenGroups:
    """Tests between groups of cases.

    Attributes:
        counts: Group -> cases, of the groups compared, in their order of appearance.
        left_out: Group -> cases, of the groups that have fewer than two.
        welch: Welch's one-way analysis of variance: variances may differ.
        kruskal: Kruskal-Wallis test, on ranks.
    """

    counts: dict[str, int]
    left_out: dict[str, int]
    welch: Test
    kruskal: Test


def constant(values: np.ndarray, magnitude: float | None = None) -> bool:
    """Whether values differ by no more than rounding.

    Args:
        values: Any shape.
        magnitude: Size of the numbers that `values` were computed from, if not of themselves.
    """
    if values.size < 2:
        return True
    magnitude = float(np.abs(values).max()) if magnitude is None else magnitude
    return float(np.ptp(values)) <= ROUNDING * magnitude


def one_sample_t(values: Sequence[float], magnitude: float | None = None) -> Test:
    """Student's t test of a mean against 0.

    Args:
        values: [n].
        magnitude: As `constant`: for differences, the size of what was subtracted.
    """
    values, method = _finite(values, 1), "one-sample t test of the mean against 0"
    n = values.size
    if n < 2:
        return _undefined(method, n, "fewer than two cases")
    if constant(values, magnitude):
        return _undefined(method, n, NO_SPREAD, (n - 1,))
    result = stats.ttest_1samp(values, 0.0)
    return Test(method, float(result.statistic), (float(n - 1),), float(result.pvalue), n)


def of_cases(test: Test, n: int, n_subjects: int) -> Test:
    """The test, its method saying so where it takes cases of the same subject as independent.

    Args:
        test: Of the cases.
        n: Cases.
        n_subjects: Subjects that they come from.
    """
    if n <= n_subjects:
        return test
    return dataclasses.replace(test, method=f"{test.method}; cases taken as independent")


def mean_squares(values: np.ndarray) -> MeanSquares:
    """Mean squares of a two-way layout.

    Args:
        values: [subject, condition], at least two of each.
    """
    values = _finite(values, 2)
    n, k = values.shape
    if n < 2 or k < 2:
        raise ValueError(f"{n} subjects and {k} conditions; two of each are needed")
    total = values.mean()
    subjects, conditions = values.mean(axis=1), values.mean(axis=0)
    residuals = values - subjects[:, None] - conditions + total
    if constant(residuals, float(np.abs(values).max())):
        residuals = np.zeros_like(values)
    return MeanSquares(
        subjects=float(k * np.sum((subjects - total) ** 2) / (n - 1)),
        conditions=float(n * np.sum((conditions - total) ** 2) / (k - 1)),
        error=float(np.sum(residuals**2) / ((n - 1) * (k - 1))),
    )


def repeated_measures_anova(values: np.ndarray) -> RepeatedMeasures:
    """Repeated one-way analysis of variance with corrections for a lack of sphericity.

    Epsilon: Greenhouse and Geisser, Psychometrika 1959, 24:95; Huynh and Feldt, J Educ Stat 1976,
    1:69 (with one group of subjects, Lecoutre's correction changes nothing). Sphericity: Mauchly,
    Ann Math Stat 1940, 11:204, its P to second order (Anderson, An Introduction to Multivariate
    Statistical Analysis, 2003, section 10.7.4; R's `mauchly.test` takes the number of conditions
    in one place where Anderson has that of contrasts, which changes the fourth digit of P).

    Args:
        values: [subject, condition]; only subjects that have every condition.
    """
    values = _finite(values, 2)
    n, k = values.shape
    method = "repeated one-way ANOVA"
    reason = None
    if n < 2 or k < 2:
        reason = "fewer than two subjects or conditions"
    elif (squares := mean_squares(values)).error == 0:
        reason = "the conditions differ by the same amount in every subject"
    if reason:
        absent = [
            _undefined(name, n, reason)
            for name in (method, *(f"{method}, {name}" for name in _CORRECTIONS), _SPHERICITY)
        ]
        return RepeatedMeasures(n, k, absent[0], None, None, *absent[1:], None)

    statistic = squares.conditions / squares.error
    df = (float(k - 1), float((n - 1) * (k - 1)))
    # Covariance of orthonormal contrasts between the conditions.
    contrasts = np.linalg.svd(np.eye(k) - 1 / k)[2][: k - 1]
    covariance = np.atleast_2d(np.cov(contrasts @ values.T))
    greenhouse_geisser, huynh_feldt = _epsilons(covariance, n)

    def corrected(name: str, epsilon: float | None) -> Test:
        name = f"{method}, {name}"
        if epsilon is None:
            return _undefined(name, n, "too few subjects for this epsilon")
        both = (df[0] * epsilon, df[1] * epsilon)
        return Test(name, statistic, both, float(stats.f.sf(statistic, *both)), n)

    return RepeatedMeasures(
        n=n,
        n_conditions=k,
        test=Test(method, statistic, df, float(stats.f.sf(statistic, *df)), n),
        epsilon_greenhouse_geisser=greenhouse_geisser,
        epsilon_huynh_feldt=huynh_feldt,
        greenhouse_geisser=corrected(_CORRECTIONS[0], greenhouse_geisser),
        huynh_feldt=corrected(_CORRECTIONS[1], huynh_feldt),
        mauchly=_mauchly(covariance, n),
        partial_eta_squared=statistic * df[0] / (statistic * df[0] + df[1]),
    )


def friedman(values: np.ndarray) -> Friedman:
    """Friedman's test (chi-square, corrected for ties) of [subject, condition].

    Args:
        values: [subject, condition]; only subjects that have every condition.
    """
    values = _finite(values, 2)
    n, k = values.shape
    method = "Friedman test (chi-square, corrected for ties)"
    if n < 2 or k < 3:
        reason = "fewer than two subjects or three conditions"
        return Friedman(_undefined(method, n, reason), None)
    if np.all(values == values[:, :1]):
        reason = "every subject has the same value in all conditions"
        return Friedman(_undefined(method, n, reason), None)
    result = stats.friedmanchisquare(*values.T)
    statistic = float(result.statistic)
    test = Test(method, statistic, (float(k - 1),), float(result.pvalue), n)
    # Kendall and Babington Smith, Ann Math Stat 1939, 10:275.
    return Friedman(test, statistic / (n * (k - 1)))


def paired(
    after: Sequence[float], before: Sequence[float], subjects: Sequence[str] | None = None
) -> Paired:
    """Compares two measurements of the same cases.

    Wilcoxon: differences of zero are left out (Wilcoxon 1945); exact P up to 50 differences without
    ties, or all permutations of 13 and fewer with ties, else the normal approximation with
    continuity correction, as SciPy chooses. Cohen's d_z: its exact interval inverts the noncentral
    t distribution of t (Steiger and Fouladi 1997, in What If There Were No Significance Tests?,
    221).

    Args:
        after: [n].
        before: [n], of the same cases in the same order.
        subjects: Whose case each is, for the bootstrap intervals; None: each its own subject. The
            tests and the exact intervals take cases as independent; with fewer subjects than
            cases, the tests' `method` says so.

    Raises:
        ValueError: The lengths differ.
    """
    after, before = _finite(after, 1), _finite(before, 1)
    subjects = [str(index) for index in range(after.size)] if subjects is None else subjects
    if not after.size == before.size == len(subjects):
        raise ValueError(f"{after.size} and {before.size} values of {len(subjects)} subjects")
    n, differences = after.size, after - before
    magnitude = float(np.abs([after, before]).max()) if n else 0.0
    spread = not constant(differences, magnitude)
    n_subjects = len(set(subjects))
    t_test = dataclasses.replace(one_sample_t(differences, magnitude), method="paired t test")
    return Paired(
        n=n,
        n_subjects=n_subjects,
        mean_after=float(after.mean()) if n else None,
        sd_after=float(after.std(ddof=1)) if n > 1 else None,
        mean_before=float(before.mean()) if n else None,
        sd_before=float(before.std(ddof=1)) if n > 1 else None,
        difference=mean_difference(differences, subjects, magnitude),
        sd_difference=(float(differences.std(ddof=1)) if spread else 0.0) if n > 1 else None,
        t_test=of_cases(t_test, n, n_subjects),
        wilcoxon=of_cases(_wilcoxon(differences, magnitude), n, n_subjects),
        cohens_d_z=_cohens_d_z(differences, subjects, t_test),
    )


def mean_difference(
    differences: np.ndarray, subjects: Sequence[str], magnitude: float | None = None
) -> Estimate:
    """A mean with its bootstrap interval and the interval of the t distribution.

    Args:
        differences: [n].
        subjects: Whose each is.
        magnitude: As `constant`.
    """
    n = differences.size
    if not n:
        return Estimate(None, None, reason=NO_CASES)
    mean, reasons = float(differences.mean()), []
    interval, exact = bootstrap.mean_interval_95(differences, subjects), None
    if interval is None:
        reasons.append(bootstrap.FEW_SUBJECTS)
    if n < 2:
        reasons.append("t interval: fewer than two cases")
    elif constant(differences, magnitude):
        reasons.append(f"t interval: {NO_SPREAD}")
    else:
        half = stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / math.sqrt(n)
        exact = (float(mean - half), float(mean + half))
    return Estimate(mean, interval, exact, "; ".join(reasons) or None)


def equivalence(
    mean: float | None,
    sd: float | None,
    n: int,
    other_mean: float,
    other_sd: float | None,
    other_n: int | None,
    margin: float | None,
) -> Equivalence:
    """Equivalence of a mean with another one from what was published of both.

    TOST: Schuirmann, J Pharmacokinet Biopharm 1987, 15:657; with unequal variances by Welch's
    standard error and degrees of freedom (Biometrika 1947, 34:28).

    Args:
        mean: Ours, of independent cases; None where undefined.
        sd: Sample standard deviation (n - 1); None where undefined.
        n: Cases.
        other_mean: Theirs, of other cases; or a fixed number.
        other_sd: Theirs; None: `other_mean` is taken as known without error (one-sample test).
        other_n: Theirs; None with `other_sd`.
        margin: In the unit of the means; None: intervals only.

    Raises:
        ValueError: One of `other_sd` and `other_n` is None and the other is not.
    """
    if (other_sd is None) != (other_n is None):
        raise ValueError(f"other_sd={other_sd} and other_n={other_n}: both or none")
    difference = None if mean is None else mean - other_mean
    if difference is None or sd is None or n < 2 or (other_n is not None and other_n < 2):
        reason = NO_CASES if difference is None else "fewer than two cases"
        return Equivalence(difference, margin, None, None, None, None, reason)
    variances = [(sd**2 / n, n - 1)]
    if other_n is not None:
        variances.append((other_sd**2 / other_n, other_n - 1))
    variance = sum(part for part, _ in variances)
    if variance == 0:
        return Equivalence(difference, margin, None, None, None, None, "no spread among the cases")
    df = variance**2 / sum(part**2 / part_df for part, part_df in variances)
    return equivalence_of_interval(difference, math.sqrt(variance), df, margin)


def equivalence_of_interval(
    difference: float, standard_error: float, df: float | None, margin: float | None
) -> Equivalence:
    """Equivalence of any figure whose standard error is known (a limit of agreement, say).

    Args:
        difference: Ours minus theirs.
        standard_error: Of the difference, > 0, in its unit.
        df: Degrees of freedom of the standard error; None: the normal distribution.
        margin: > 0, in the unit of the difference; None: intervals only.

    Raises:
        ValueError: A standard error or margin that is not positive.
    """
    if not standard_error > 0 or (margin is not None and not margin > 0):
        raise ValueError(f"standard_error={standard_error}, margin={margin}: both must be > 0")
    distribution = stats.norm() if df is None else stats.t(df)

    def interval(quantile: float) -> tuple[float, float]:
        half = float(distribution.ppf(quantile)) * standard_error
        return difference - half, difference + half

    low, high = interval(0.95)
    if margin is None:
        reason = "no margin was set"
        return Equivalence(difference, None, (low, high), interval(0.975), None, None, reason)
    p = float(distribution.sf((margin - abs(difference)) / standard_error))
    verdict = "inconclusive"
    if -margin < low and high < margin:
        verdict = "equivalent"
    elif low > margin or high < -margin:
        verdict = "different"
    return Equivalence(difference, margin, (low, high), interval(0.975), p, verdict)


def between_groups(values: Sequence[float], groups: Sequence[str]) -> BetweenGroups:
    """Tests whether groups of independent cases differ.

    Args:
        values: [n].
        groups: [n], which group each is of.

    Raises:
        ValueError: The lengths differ.
    """
    values, names = _finite(values, 1), np.asarray(groups, str)
    if values.size != names.size:
        raise ValueError(f"{values.size} values of {names.size} groups")
    of_group = {str(name): values[names == name] for name in dict.fromkeys(names.tolist())}
    samples = {name: sample for name, sample in of_group.items() if sample.size > 1}
    welch_name = "Welch's one-way ANOVA (unequal variances)"
    kruskal_name = "Kruskal-Wallis test (chi-square, corrected for ties)"
    n = sum(sample.size for sample in samples.values())
    if len(samples) < 2:
        reason = "fewer than two groups of two or more cases"
        welch, kruskal = (_undefined(name, n, reason) for name in (welch_name, kruskal_name))
    else:
        welch = _welch(welch_name, list(samples.values()), n)
        kruskal = _kruskal(kruskal_name, list(samples.values()), n)
    return BetweenGroups(
        counts={name: sample.size for name, sample in samples.items()},
        left_out={name: of_group[name].size for name in of_group if name not in samples},
        welch=welch,
        kruskal=kruskal,
    )


def bonferroni(p: float | None, tests: int) -> float | None:
    """P corrected for a number of tests (the paper's correction); None stays None."""
    return None if p is None else min(1.0, p * tests)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P corrected after Holm (Scand J Stat 1979, 6:65); None is no test and stays None."""
    defined = [index for index, p in enumerate(p_values) if p is not None]
    corrected: list[float | None] = [None] * len(p_values)
    if defined:
        adjusted = multitest.multipletests([p_values[i] for i in defined], method="holm")[1]
        for index, p in zip(defined, adjusted, strict=True):
            corrected[index] = float(p)
    return corrected


def _finite(values: Sequence[float] | np.ndarray, ndim: int) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.ndim != ndim or not np.all(np.isfinite(values)):
        raise ValueError(f"{ndim} dimensions of finite numbers are needed, not {values!r}")
    return values


def _undefined(method: str, n: int, reason: str, df: tuple[float, ...] = ()) -> Test:
    return Test(method, None, tuple(float(part) for part in df), None, n, reason)


def _epsilons(covariance: np.ndarray, n: int) -> tuple[float, float | None]:
    """Greenhouse-Geisser and Huynh-Feldt, from the covariance of orthonormal contrasts."""
    df = len(covariance)
    first = min(1.0, float(np.trace(covariance) ** 2 / (df * np.sum(covariance**2))))
    denominator = df * (n - 1 - df * first)
    if denominator <= ROUNDING * n:
        return first, None
    return first, min(1.0, (n * df * first - 2) / denominator)


def _mauchly(covariance: np.ndarray, n: int) -> Test:
    method, p = _SPHERICITY, len(covariance)
    if p < 2:
        return _undefined(method, n, "two conditions are always spherical")
    if n - 1 < p:
        return _undefined(method, n, "fewer subjects than conditions")
    eigenvalues = np.linalg.eigvalsh(covariance)
    if eigenvalues[0] <= ROUNDING * eigenvalues[-1]:
        return _undefined(method, n, "the covariance of the conditions is singular")
    log_w = float(np.sum(np.log(eigenvalues)) - p * np.log(np.mean(eigenvalues)))
    rho = 1 - (2 * p**2 + p + 2) / (6 * p * (n - 1))
    if rho <= 0:
        return _undefined(method, n, "too few subjects for its chi-square approximation")
    chi_square, df = -(n - 1) * rho * log_w, p * (p + 1) / 2 - 1
    second = (p + 2) * (p - 1) * (p - 2) * (2 * p**3 + 6 * p**2 + 3 * p + 2)
    second /= 288 * (p * (n - 1) * rho) ** 2
    first = float(stats.chi2.sf(chi_square, df))
    corrected = first + second * (float(stats.chi2.sf(chi_square, df + 4)) - first)
    return Test(method, math.exp(log_w), (df,), min(1.0, max(0.0, corrected)), n)


def _wilcoxon(differences: np.ndarray, magnitude: float) -> Test:
    method = "Wilcoxon signed-rank test (differences of zero left out)"
    grain = ROUNDING * magnitude  # what differs by rounding only is a tie, and no difference is 0
    moved = np.round(differences / grain) * grain if grain else differences
    moved = moved[moved != 0]
    if not moved.size:
        return _undefined(
            method, 0, "no difference other than zero" if differences.size else NO_CASES
        )
    result = stats.wilcoxon(moved, zero_method="wilcox", correction=True, method="auto")
    return Test(method, float(result.statistic), (), float(result.pvalue), moved.size)


def _cohens_d_z(differences: np.ndarray, subjects: Sequence[str], t_test: Test) -> Estimate:
    if t_test.statistic is None:
        return Estimate(None, None, reason=t_test.reason)
    n, root = differences.size, math.sqrt(differences.size)
    low, high = noncentrality_interval_95(t_test.statistic, n - 1)
    columns = np.stack([np.ones(n), differences, differences**2], axis=1)
    if len(set(subjects)) < 2:
        interval, reason = None, bootstrap.FEW_SUBJECTS
    else:
        counts, sums, squares = bootstrap.resampled_sums(columns, subjects).T
        within = squares - sums**2 / counts
        # A resample of one repeated case has no spread, up to rounding.
        within[within <= ROUNDING * squares] = np.nan
        interval = bootstrap.percentiles_95(sums / counts / np.sqrt(within / (counts - 1)))
        reason = None if interval else bootstrap.OFTEN_UNDEFINED
    return Estimate(t_test.statistic / root, interval, (low / root, high / root), reason)


def noncentrality_interval_95(t: float, df: float) -> tuple[float, float]:
    """The noncentrality parameters under which t is the 97.5th and the 2.5th percentile."""
    if t < 0:
        low, high = noncentrality_interval_95(-t, df)
        return -high, -low
    if t > _HUGE_T:
        # What is added to the noncentrality no longer counts: t is it over a scaled chi.
        low, high = (t * math.sqrt(stats.chi2.ppf(tail, df) / df) for tail in (0.025, 0.975))
        return low, high

    def solve(probability: float, direction: float) -> float:
        def excess(noncentrality: float) -> float:
            below = float(stats.nct.cdf(t, df, noncentrality))
            if math.isnan(below):  # SciPy's, far in the tails
                below = 1.0 if noncentrality < t else 0.0
            return below - probability

        step = 2 * math.sqrt(1 + t**2 / (2 * df))
        end = t + direction * step
        while excess(end) * direction > 0:  # the probability falls as the noncentrality grows
            end += direction * step
        return optimize.brentq(excess, *sorted((t - direction * step, end)), xtol=1e-10)

    return solve(0.975, -1.0), solve(0.025, 1.0)


def _welch(method: str, samples: list[np.ndarray], n: int) -> Test:
    if any(constant(sample) for sample in samples):
        return _undefined(method, n, "a group without spread")
    result = oneway.anova_oneway(samples, use_var="unequal", welch_correction=True)
    df = (float(result.df_num), float(result.df_denom))
    return Test(method, float(result.statistic), df, float(result.pvalue), n)


def _kruskal(method: str, samples: list[np.ndarray], n: int) -> Test:
    if constant(np.concatenate(samples)):
        return _undefined(method, n, "all values are equal")
    result = stats.kruskal(*samples)
    df = (float(len(samples) - 1),)
    return Test(method, float(result.statistic), df, float(result.pvalue), n)
