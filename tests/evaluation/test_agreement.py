import dataclasses
import json

import numpy as np
import pytest
from scipy import integrate, stats

from liver_jax.evaluation import agreement, bootstrap, hypothesis
from liver_jax.evaluation.estimate import Estimate, Test

# Peak flow of 17 subjects by two meters, L/min (Bland and Altman, Lancet 1986, table 1).
LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
# Six subjects, four judges (Shrout and Fleiss, Psychol Bull 1979, table 2).
JUDGES = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def names(n):
    return [f"s{index}" for index in range(n)]


@pytest.fixture(scope="module")
def flow():
    """The large meter as the automated measurement, the small one as the manual."""
    return agreement.agree(LARGE, MINI, names(17))


@pytest.fixture(scope="module")
def livers():
    """120 cases of 60 subjects, mL: automated, manual, subjects."""
    rng = np.random.default_rng(0)
    manual = rng.normal(1677, 540, 120)
    automated = 0.96 * manual + 12 + rng.normal(0, 120, 120)
    return automated, manual, [f"s{index // 2}" for index in range(120)]


def test_bias_and_limits_as_published(flow):
    assert (flow.n, flow.n_subjects) == (17, 17)
    assert flow.bias.value == pytest.approx(-2.1, abs=0.05)
    assert flow.sd_difference == pytest.approx(38.8, abs=0.05)
    assert flow.lower_limit.value == pytest.approx(-2.118 - 1.96 * 38.765, abs=0.01)
    assert flow.upper_limit.value == pytest.approx(-2.118 + 1.96 * 38.765, abs=0.01)
    assert flow.pearson_r.value == pytest.approx(0.94, abs=0.005)


def test_figures_of_other_packages(flow):
    mini_on_large = agreement.agree(MINI, LARGE, names(17))
    # pingouin 0.7.0: corr, linear_regression, ttest, normality, intraclass_corr.
    assert flow.pearson_r.value == pytest.approx(0.9432794468909461)
    fisher = stats.pearsonr(LARGE, MINI).confidence_interval()
    assert flow.pearson_r.exact_interval_95 == pytest.approx(tuple(fisher))
    assert flow.r_squared.exact_interval_95 == pytest.approx((fisher.low**2, fisher.high**2))
    assert flow.r_squared.value == pytest.approx(0.889776114927)
    line = mini_on_large.ols
    assert line.slope.value == pytest.approx(0.91734786607)
    assert line.slope.exact_interval_95 == pytest.approx((0.739658692347, 1.095037039794))
    assert line.intercept.value == pytest.approx(39.340278668531)
    assert line.intercept.exact_interval_95 == pytest.approx((-43.156230921694, 121.836788258756))
    assert flow.bias.exact_interval_95 == pytest.approx((-22.05, 17.81), abs=0.005)
    assert flow.bias_test.p == pytest.approx(0.8246476735303766)
    assert flow.normality_test.statistic == pytest.approx(0.9579395218810847)
    assert flow.normality_test.p == pytest.approx(0.5931333747868415)
    assert flow.icc_a1.value == pytest.approx(0.94592840557731)
    assert flow.icc_a1.exact_interval_95 == pytest.approx((0.86, 0.98), abs=0.005)


def test_a_square_is_never_below_zero():
    result = agreement.agree(
        [1.0, -1.0, 1.0, -1.2, 0.9, -1.0], [1.0, 1.0, 2.0, 2.1, 3.0, 3.2], names(6)
    )
    low, high = result.pearson_r.exact_interval_95
    assert low < 0 < high
    assert result.r_squared.exact_interval_95 == pytest.approx((0.0, max(low**2, high**2)))


def test_icc_of_the_published_example():
    result = agreement.icc_a1(np.array(JUDGES))
    assert result.value == pytest.approx(0.2897637795)  # .29; digits by pingouin 0.7.0
    assert result.exact_interval_95 == pytest.approx((0.019, 0.761), abs=0.0005)
    low, high = result.interval_95
    assert low < result.value < high


def test_bootstrap_of_the_icc_is_that_of_its_definition():
    values = np.array(JUDGES, np.float64)

    def icc(rows):
        squares = hypothesis.mean_squares(rows)
        n, k = rows.shape
        return (squares.subjects - squares.error) / (
            squares.subjects
            + (k - 1) * squares.error
            + k / n * (squares.conditions - squares.error)
        )

    expected = bootstrap.interval_95(icc, values, names(6))
    assert agreement.icc_a1(values).interval_95 == pytest.approx(expected)


def test_deming_of_a_published_example():
    """NCSS, chapter 303: variance ratio 4, which is 1 once y is doubled."""
    x = np.array([7, 8.3, 10.5, 9, 5.1, 8.2, 10.2, 10.3, 7.1, 5.9])
    y = np.array([7.9, 8.2, 9.6, 9, 6.5, 7.3, 10.2, 10.6, 6.3, 5.2])
    line = agreement.agree(2 * y, x, names(10)).deming
    assert line.slope.value / 2 == pytest.approx(1.0012, abs=5e-5)
    assert line.intercept.value / 2 == pytest.approx(-0.0897, abs=5e-5)
    t = stats.t.ppf(0.975, 8)
    errors = [np.diff(part.exact_interval_95)[0] / 4 / t for part in (line.slope, line.intercept)]
    assert errors == pytest.approx([0.1872, 1.7220], abs=5e-5)


def test_deming_is_the_line_of_least_distances(livers):
    automated, manual, subjects = livers
    line = agreement.agree(automated, manual, subjects).deming
    centred = np.stack([manual - manual.mean(), automated - automated.mean()])
    direction = np.linalg.svd(centred, full_matrices=False)[0][:, 0]
    slope = direction[1] / direction[0]
    assert line.slope.value == pytest.approx(slope)
    assert line.intercept.value == pytest.approx(automated.mean() - slope * manual.mean())


@pytest.mark.parametrize(
    ("n", "coverage", "confidence", "published"),
    [
        (10, 0.90, 0.95, 2.355),  # Owen's table, as in ISO 16269-6 and Hahn and Meeker
        (10, 0.95, 0.95, 2.911),
        (10, 0.99, 0.95, 3.981),
        (43, 0.90, 0.99, 1.8740),  # NIST/SEMATECH e-Handbook, section 7.2.6.3
    ],
)
def test_tolerance_factors_of_published_tables(n, coverage, confidence, published):
    factor = agreement.tolerance_factor(n, coverage, confidence)
    assert factor == pytest.approx(published, abs=0.0006)


@pytest.mark.parametrize("n", [2, 5, 17, 230])
@pytest.mark.parametrize("confidence", [0.025, 0.975])
def test_tolerance_factor_by_integration(n, confidence):
    """P(mean + k SD > the 97.5th percentile) of a standard normal sample, over its SD."""
    k, df = agreement.tolerance_factor(n, 0.975, confidence), n - 1

    def part(sd):
        above = stats.norm.sf(stats.norm.ppf(0.975) - k * sd, scale=n**-0.5)
        return above * stats.chi.pdf(sd * df**0.5, df) * df**0.5

    ends = stats.chi.ppf((1e-12, 1 - 1e-12), df) / df**0.5
    assert integrate.quad(part, *ends, limit=500)[0] == pytest.approx(confidence, abs=1e-6)


def test_limits_use_these_factors(flow):
    inner, outer = (agreement.tolerance_factor(17, 0.975, share) for share in (0.025, 0.975))
    bias, sd = flow.bias.value, flow.sd_difference
    assert flow.upper_limit.exact_interval_95 == pytest.approx(
        (bias + inner * sd, bias + outer * sd)
    )
    assert flow.lower_limit.exact_interval_95 == pytest.approx(
        (bias - outer * sd, bias - inner * sd)
    )
    # Farther outwards than inwards, as the approximate interval of 1986 is not.
    assert outer - 1.96 > 1.96 - inner > 0


def test_limits_hold_as_often_as_they_say():
    rng = np.random.default_rng(1)
    inner, outer = (agreement.tolerance_factor(8, 0.975, share) for share in (0.025, 0.975))
    differences = rng.normal(size=(4000, 8))
    mean, sd = differences.mean(axis=1), differences.std(axis=1, ddof=1)
    held = np.mean((mean + inner * sd < 1.959964) & (mean + outer * sd > 1.959964))
    assert held == pytest.approx(0.95, abs=0.012)


def test_concordance_by_its_definition(livers):
    automated, manual, subjects = livers
    ccc = agreement.agree(automated, manual, subjects).ccc
    expected = 2 * np.cov(automated, manual, ddof=0)[0, 1]
    expected /= automated.var() + manual.var() + (automated.mean() - manual.mean()) ** 2
    assert ccc.value == pytest.approx(expected)


@pytest.mark.parametrize("shift", [0.0, 60.0, 900.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_concordance_interval_by_the_delta_method(livers, shift, sign):
    """Lin's variance of 2000 against the gradient times the covariance of normal moments."""
    x = livers[1]
    y = sign * livers[0] + (shift if sign > 0 else 2 * x.mean() + shift)
    a, b, c = x.var(), y.var(), np.cov(x, y, ddof=0)[0, 1]
    moments = np.array([x.mean(), y.mean(), a, b, c])
    covariance = np.zeros((5, 5))
    covariance[:2, :2] = [[a, c], [c, b]]
    covariance[2:, 2:] = [
        [2 * a * a, 2 * c * c, 2 * a * c],
        [2 * c * c, 2 * b * b, 2 * b * c],
        [2 * a * c, 2 * b * c, a * b + c * c],
    ]

    def z(m):
        return np.arctanh(2 * m[4] / (m[2] + m[3] + (m[0] - m[1]) ** 2))

    steps = np.diag(1e-5 * np.abs(moments))
    gradient = [(z(moments + step) - z(moments - step)) / (2 * step.sum()) for step in steps]
    error = np.sqrt(gradient @ covariance @ gradient / (x.size - 2))
    expected = np.tanh(z(moments) + np.array([-1, 1]) * stats.norm.ppf(0.975) * error)
    result = agreement.agree(y, x, livers[2]).ccc
    assert result.exact_interval_95 == pytest.approx(tuple(expected), rel=1e-5)


def test_every_bootstrap_interval_is_that_of_its_definition(livers):
    automated, manual, subjects = livers
    result = agreement.agree(automated, manual, subjects)
    pairs = np.stack([manual, automated], axis=1)

    def bias(rows):
        return np.mean(rows[:, 1] - rows[:, 0])

    def sd(rows):
        return np.std(rows[:, 1] - rows[:, 0], ddof=1)

    def line(rows):
        return np.polyfit(rows[:, 0], rows[:, 1], 1)

    def deming(rows):
        vectors = np.linalg.eigh(np.cov(rows.T))[1][:, 1]
        return vectors[1] / vectors[0]

    definitions = [
        (result.bias, bias),
        (result.pearson_r, lambda rows: np.corrcoef(rows.T)[0, 1]),
        (result.r_squared, lambda rows: np.corrcoef(rows.T)[0, 1] ** 2),
        (result.ols.slope, lambda rows: line(rows)[0]),
        (result.ols.intercept, lambda rows: line(rows)[1]),
        (result.deming.slope, deming),
        (
            result.deming.intercept,
            lambda rows: rows[:, 1].mean() - deming(rows) * rows[:, 0].mean(),
        ),
        (result.lower_limit, lambda rows: bias(rows) - 1.959963984540054 * sd(rows)),
        (result.upper_limit, lambda rows: bias(rows) + 1.959963984540054 * sd(rows)),
        (
            result.proportional_bias,
            lambda rows: np.polyfit(rows.mean(axis=1), rows[:, 1] - rows[:, 0], 1)[0],
        ),
        (result.mean_absolute_error, lambda rows: np.abs(rows[:, 1] - rows[:, 0]).mean()),
        (
            result.mean_absolute_error_percent,
            lambda rows: 100 * np.mean(np.abs(rows[:, 1] / rows[:, 0] - 1)),
        ),
        (result.bias_percent, lambda rows: 100 * (rows[:, 1].mean() / rows[:, 0].mean() - 1)),
    ]
    for estimate, definition in definitions:
        assert estimate.value == pytest.approx(definition(pairs))
        expected = bootstrap.interval_95(definition, pairs, subjects)
        assert estimate.interval_95 == pytest.approx(expected, rel=1e-6)


def test_intervals_widen_where_subjects_repeat(livers):
    automated, manual, _ = livers
    apart = agreement.agree(automated, manual, names(120)).bias
    copies = agreement.agree(np.tile(automated, 3), np.tile(manual, 3), names(120) * 3).bias
    assert copies.interval_95 == pytest.approx(apart.interval_95)
    # The exact interval takes the copies for new cases.
    assert np.diff(copies.exact_interval_95) < 0.6 * np.diff(copies.interval_95)


def test_proportional_bias_is_found(livers):
    _, manual, subjects = livers
    noise = np.random.default_rng(2).normal(0, 20, 120)
    result = agreement.agree(1.1 * manual + noise, manual, subjects)
    assert result.proportional_bias.value == pytest.approx(0.1 / 1.05, abs=0.01)
    assert result.proportional_bias_test.p < 1e-6
    expected = stats.linregress((2.1 * manual + noise) / 2, 0.1 * manual + noise)
    assert result.proportional_bias_test.p == pytest.approx(expected.pvalue)
    assert result.proportional_bias_test.df == (118.0,)


def test_percent_of_the_positive_manual_values():
    result = agreement.agree([110.0, 90.0, 5.0], [100.0, 100.0, 0.0], names(3))
    assert result.mean_absolute_error_percent.value == pytest.approx(10.0)
    assert result.n_manual_positive == 2
    assert result.bias_percent.value == pytest.approx(100 * 5 / 200)
    none = agreement.agree([1.0, 2.0, 4.0], [0.0, 0.0, 0.0], names(3))
    assert none.mean_absolute_error_percent.value is none.bias_percent.value is None
    assert none.mean_absolute_error_percent.reason == "no manual value is > 0"


def test_perfect_agreement():
    values = [1200.5, 1500.25, 1333.3, 1800.1, 950.7, 1610.0]
    result = agreement.agree(values, values, names(6))
    for figure in (result.pearson_r, result.icc_a1, result.ccc, result.ols.slope):
        assert figure.value == pytest.approx(1.0)
        assert figure.interval_95 == pytest.approx((1.0, 1.0))
        assert figure.exact_interval_95 is None and figure.reason
    assert result.bias.value == result.sd_difference == result.upper_limit.value == 0.0
    assert result.bias_test.p is result.normality_test.p is result.proportional_bias_test.p is None


def parts(result):
    """All estimates and tests of a result."""
    for field in dataclasses.fields(result):
        value = getattr(result, field.name)
        if isinstance(value, Estimate | Test):
            yield field.name, value
        elif dataclasses.is_dataclass(value):
            yield from parts(value)


DEGENERATE = {
    "noisy": lambda x, noise: x + noise,
    "equal": lambda x, noise: x.copy(),
    "shifted": lambda x, noise: x + 10.1,
    "scaled": lambda x, noise: 1.07 * x,
    "mirrored": lambda x, noise: 200 - x,
    "automated constant": lambda x, noise: np.full_like(x, 7.3),
    "automated empty": lambda x, noise: np.zeros_like(x),
}


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 6])
@pytest.mark.parametrize("kind", DEGENERATE)
@pytest.mark.parametrize("manual", ["spread", "constant", "empty"])
def test_degenerate_cases_have_reasons(kind, n, manual):
    """No NaN, no warning (pytest raises them), and a reason for each None."""
    rng = np.random.default_rng(n)
    x = {"spread": rng.normal(100, 10, n), "constant": np.full(n, 5.1), "empty": np.zeros(n)}[
        manual
    ]
    y = DEGENERATE[kind](x, rng.normal(size=n))
    for subjects in (names(n), ["one"] * n):
        result = agreement.agree(y, x, subjects)
        json.dumps(dataclasses.asdict(result), allow_nan=False)
        for name, part in parts(result):
            if isinstance(part, Test):
                assert (part.p is None) == (part.reason is not None), name
            elif part.value is None or part.interval_95 is None:
                assert part.reason, name
            for interval in (
                () if isinstance(part, Test) else (part.interval_95, part.exact_interval_95)
            ):
                assert interval is None or interval[0] <= interval[1], name


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="of 3 subjects"):
        agreement.agree([1.0, 2.0], [1.0, 2.0], names(3))
    with pytest.raises(ValueError, match="not finite"):
        agreement.agree([1.0, np.nan], [1.0, 2.0], names(2))
    with pytest.raises(ValueError, match="finite"):
        agreement.icc_a1(np.array([[1.0, np.inf], [1.0, 2.0]]))
    with pytest.raises(ValueError, match="2 cases of 3 subjects"):
        agreement.icc_a1(np.ones((2, 2)), names(3))


def test_tests_of_several_cases_of_a_subject_say_so():
    automated, manual = [1.0, 2.1, 3.3, 4.2, 5.1], [1.1, 2.0, 3.0, 4.0, 5.5]
    own = agreement.agree(automated, manual, list("abcde"))
    shared = agreement.agree(automated, manual, list("aabcd"))
    for name in ("bias_test", "proportional_bias_test"):
        one, other = getattr(own, name), getattr(shared, name)
        assert (other.method, other.p) == (f"{one.method}; cases taken as independent", one.p)
