import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from statsmodels.stats import anova, weightstats

from liver_jax.evaluation import bootstrap, hypothesis

# Nine subjects, four conditions; figures below by pingouin 0.7.0 (rm_anova, sphericity, epsilon).
CONDITIONS = np.array(
    [
        [30, 28, 16, 34],
        [14, 18, 10, 22],
        [24, 20, 18, 30],
        [38, 34, 20, 44],
        [26, 28, 14, 30],
        [21, 25, 19, 27],
        [33, 29, 25, 31],
        [18, 17, 19, 24],
        [27, 31, 12, 35],
    ],
    np.float64,
)


def strict_json(result):
    return json.dumps(dataclasses.asdict(result), allow_nan=False)


def test_repeated_measures_against_pingouin():
    result = hypothesis.repeated_measures_anova(CONDITIONS)
    assert (result.n, result.n_conditions, result.test.df) == (9, 4, (3.0, 24.0))
    assert result.test.statistic == pytest.approx(20.927086770042887)
    assert result.test.p == pytest.approx(6.960388924682858e-07)
    assert result.epsilon_greenhouse_geisser == pytest.approx(0.5638369627231419)
    assert result.epsilon_huynh_feldt == pytest.approx(0.6987197599462213)
    assert result.greenhouse_geisser.df == pytest.approx((3 * 0.56383696, 24 * 0.56383696))
    assert result.greenhouse_geisser.p == pytest.approx(0.00011522822130632696)
    assert result.test.p < result.huynh_feldt.p < result.greenhouse_geisser.p
    assert result.mauchly.statistic == pytest.approx(0.30545687967747065)
    # pingouin follows R in one term of second order where this follows Anderson.
    assert result.mauchly.p == pytest.approx(0.1617240577383897, rel=1e-3)
    assert result.partial_eta_squared == pytest.approx(0.7234425967745615)


def test_repeated_measures_against_statsmodels():
    values = np.random.default_rng(0).normal(size=(20, 6)) + np.arange(6) / 5
    frame = pd.DataFrame(values).reset_index().melt("index", var_name="te", value_name="dice")
    table = anova.AnovaRM(frame, "dice", "index", within=["te"]).fit().anova_table
    result = hypothesis.repeated_measures_anova(values)
    assert result.test.statistic == pytest.approx(table["F Value"].iloc[0])
    assert result.test.p == pytest.approx(table["Pr > F"].iloc[0])
    assert result.test.df == (table["Num DF"].iloc[0], table["Den DF"].iloc[0])


def test_mauchly_rejects_as_often_as_it_says():
    rng = np.random.default_rng(7)
    found = [
        hypothesis.repeated_measures_anova(rng.normal(size=(8, 4))).mauchly.p for _ in range(1000)
    ]
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.025)


def test_two_conditions_are_a_paired_t_test():
    result = hypothesis.repeated_measures_anova(CONDITIONS[:, :2])
    expected = stats.ttest_rel(CONDITIONS[:, 0], CONDITIONS[:, 1])
    assert result.test.statistic == pytest.approx(expected.statistic**2)
    assert result.test.p == pytest.approx(expected.pvalue)
    assert result.epsilon_greenhouse_geisser == result.epsilon_huynh_feldt == 1.0
    assert result.mauchly.p is None and "two conditions" in result.mauchly.reason


def test_epsilon_is_one_at_the_worst_over_the_degrees_of_freedom():
    # All variation between the conditions lies along one contrast.
    rng = np.random.default_rng(1)
    values = rng.normal(size=(30, 1)) * np.array([1.0, -1.0, 0.0, 0.0]) + rng.normal(size=(30, 1))
    result = hypothesis.repeated_measures_anova(values)
    assert result.epsilon_greenhouse_geisser == pytest.approx(1 / 3)
    assert "singular" in result.mauchly.reason


@pytest.mark.parametrize("shape", [(0, 3), (1, 4), (4, 1), (2, 2), (2, 3), (3, 6), (6, 6)])
def test_few_subjects_give_reasons_and_no_warning(shape):
    values = np.random.default_rng(2).normal(size=shape)
    result = hypothesis.repeated_measures_anova(values)
    strict_json(result)
    for test in (result.test, result.greenhouse_geisser, result.huynh_feldt, result.mauchly):
        assert (test.p is None) == (test.reason is not None)
    strict_json(hypothesis.friedman(values))


def test_conditions_without_spread_are_undefined():
    result = hypothesis.repeated_measures_anova(0.9 + np.tile([0.1, 0.2, 0.3], (5, 1)))
    assert result.test.p is result.partial_eta_squared is None
    assert "same amount in every subject" in result.test.reason
    assert hypothesis.friedman(np.ones((5, 3))).test.p is None


def test_friedman_and_kendall():
    result = hypothesis.friedman(CONDITIONS)  # pingouin 0.7.0, friedman
    assert result.kendall_w == pytest.approx(0.7185185185185186)
    assert result.test.statistic == pytest.approx(19.4)
    assert result.test.p == pytest.approx(0.0002259703310483959)
    assert result.test.df == (3.0,)
    full = hypothesis.friedman(np.tile([0.7, 0.8, 0.9], (6, 1)))
    assert full.kendall_w == pytest.approx(1.0)


# Peak flow of 17 subjects by two meters (Bland and Altman, Lancet 1986, table 1).
LARGE = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def test_pairs_of_a_published_example():
    result = hypothesis.paired(LARGE, MINI)
    assert result.difference.value == pytest.approx(-2.1, abs=0.05)  # as published
    assert result.sd_difference == pytest.approx(38.8, abs=0.05)
    # The rest by pingouin 0.7.0 (ttest, wilcoxon).
    assert result.t_test.statistic == pytest.approx(-0.22523547656814485)
    assert (result.t_test.df, result.t_test.n) == ((16.0,), 17)
    assert result.t_test.p == pytest.approx(0.8246476735303766)
    assert result.difference.exact_interval_95 == pytest.approx((-22.05, 17.81), abs=0.005)
    assert result.wilcoxon.statistic == 64.0
    assert result.wilcoxon.p == pytest.approx(0.5699420417262624)
    assert result.cohens_d_z.value == pytest.approx(-2.1176470588 / 38.7651298736)
    low, high = result.cohens_d_z.interval_95
    assert low < result.cohens_d_z.value < high


def test_noncentrality_interval_of_a_published_example():
    # Kelley, J Stat Softw 2007, 20(8), and the manual of MBESS: t = 2.83 with 126 df.
    low, high = hypothesis.noncentrality_interval_95(2.83, 126)
    assert (low, high) == pytest.approx((0.8337502, 4.815359), abs=2e-6)


@pytest.mark.parametrize(("t", "df"), [(0.0, 5), (3.0, 1), (-7.5, 19), (60.0, 229)])
def test_noncentrality_interval_by_integration(t, df):
    """The noncentral t as its definition has it: (Z + noncentrality) / sqrt(chi square / df)."""

    def below(noncentrality):
        def part(u):  # u = sqrt(chi square / df)
            return stats.norm.cdf(t * u - noncentrality) * stats.chi.pdf(u * df**0.5, df) * df**0.5

        ends = stats.chi.ppf((1e-12, 1 - 1e-12), df) / df**0.5
        return integrate.quad(part, *ends, limit=200)[0]

    low, high = hypothesis.noncentrality_interval_95(t, df)
    assert below(low) == pytest.approx(0.975, abs=1e-6)
    assert below(high) == pytest.approx(0.025, abs=1e-6)


def test_bootstrap_of_cohens_d_is_that_of_its_definition():
    rng = np.random.default_rng(5)
    differences, subjects = rng.normal(0.5, 1, 24), [f"s{i // 2}" for i in range(24)]
    result = hypothesis.paired(differences, np.zeros(24), subjects)
    expected = bootstrap.interval_95(lambda d: d.mean() / d.std(ddof=1), differences, subjects)
    assert result.cohens_d_z.interval_95 == pytest.approx(expected)
    assert result.n_subjects == 12


def test_rounding_is_no_difference_and_no_spread():
    before = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    shifted = hypothesis.paired(before + 0.1, before)  # 0.30000000000000004 - 0.2, ...
    assert shifted.t_test.p is shifted.cohens_d_z.value is None
    assert shifted.t_test.reason == "all differences are equal"
    assert shifted.sd_difference == 0.0
    assert shifted.difference.value == pytest.approx(0.1)
    assert shifted.difference.exact_interval_95 is None
    assert shifted.wilcoxon.n == 6
    signs = np.array([1, 1, 1, 1, -1, -1])
    mixed = hypothesis.paired(before + 0.1 * signs, before)  # ties, not six ranks
    assert mixed.wilcoxon.p == pytest.approx(stats.wilcoxon(signs).pvalue)
    same = hypothesis.paired(before, before)
    assert (same.wilcoxon.p, same.wilcoxon.n) == (None, 0)
    strict_json(shifted)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_pairs(n):
    result = hypothesis.paired(np.arange(n) + 1.0, np.zeros(n))
    strict_json(result)
    assert result.n == n
    assert (result.difference.value is None) == (n == 0)
    assert (result.t_test.p is None) == (n < 2)


@pytest.mark.parametrize("shift", [0.0, 0.01, 0.03])
def test_equivalence_against_statsmodels(shift):
    rng = np.random.default_rng(6)
    ours, theirs = rng.normal(0.93 + shift, 0.03, 40), rng.normal(0.93, 0.05, 55)
    result = hypothesis.equivalence(
        ours.mean(), ours.std(ddof=1), 40, theirs.mean(), theirs.std(ddof=1), 55, 0.02
    )
    compared = weightstats.CompareMeans.from_data(ours, theirs)
    p = weightstats.ttost_ind(ours, theirs, -0.02, 0.02, usevar="unequal")[0]
    assert result.p == pytest.approx(p)
    assert result.interval_90 == pytest.approx(compared.tconfint_diff(0.10, usevar="unequal"))
    assert result.interval_95 == pytest.approx(compared.tconfint_diff(0.05, usevar="unequal"))
    assert (result.verdict == "equivalent") == (p < 0.05)

    fixed = hypothesis.equivalence(ours.mean(), ours.std(ddof=1), 40, 0.93, None, None, 0.02)
    described = weightstats.DescrStatsW(ours)
    assert fixed.p == pytest.approx(described.ttost_mean(0.91, 0.95)[0])
    expected = np.array(described.tconfint_mean(0.10)) - 0.93
    assert fixed.interval_90 == pytest.approx(expected)


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [
        (0.0, "equivalent"),
        (-0.009, "equivalent"),
        (0.011, "inconclusive"),
        (-0.029, "inconclusive"),
        (0.031, "different"),
        (-0.031, "different"),
    ],
)
def test_verdicts(difference, verdict):
    # The 90 % interval is the difference +/- 0.01.
    error = 0.01 / stats.norm.ppf(0.95)
    result = hypothesis.equivalence_of_interval(difference, error, None, 0.02)
    assert result.verdict == verdict
    assert result.interval_90 == pytest.approx((difference - 0.01, difference + 0.01))
    assert (result.p < 0.05) == (verdict == "equivalent")


def test_equivalence_says_why_there_is_no_verdict():
    without = hypothesis.equivalence(0.9, 0.1, 20, 0.91, 0.1, 30, None)
    assert (without.verdict, without.p, without.reason) == (None, None, "no margin was set")
    assert without.interval_90[0] < without.difference < without.interval_90[1]
    for arguments in [(None, None, 0), (0.9, None, 1), (0.9, 0.0, 20)]:
        result = hypothesis.equivalence(*arguments, 0.91, None, None, 0.02)
        assert result.verdict is result.interval_95 is result.p is None
        assert result.reason
    with pytest.raises(ValueError, match="both or none"):
        hypothesis.equivalence(0.9, 0.1, 20, 0.91, 0.1, None, 0.02)
    with pytest.raises(ValueError, match="must be > 0"):
        hypothesis.equivalence_of_interval(0.1, 0.0, 10, 0.02)


def test_groups_against_pingouin():
    values = [8, 6, 7, 9, 5, 12, 13, 9, 14, 7, 8, 20, 3]
    result = hypothesis.between_groups([*values, 99], [*"aaaaabbbbcccc", "alone"])
    assert result.counts == {"a": 5, "b": 4, "c": 4}
    assert result.left_out == {"alone": 1}
    # pingouin 0.7.0, welch_anova and kruskal, of the first 13.
    assert result.welch.statistic == pytest.approx(6.6859349543)
    assert result.welch.df == pytest.approx((2, 5.2414985692))
    assert result.welch.p == pytest.approx(0.0361093373)
    assert result.kruskal.statistic == pytest.approx(4.644598338)
    assert result.kruskal.p == pytest.approx(0.0980478976)
    assert result.welch.n == result.kruskal.n == 13


def test_groups_that_cannot_be_compared():
    for values, groups in [([], []), ([1.0, 2.0], "aa"), ([1.0, 2.0, 3.0], "aab")]:
        result = hypothesis.between_groups(values, list(groups))
        assert result.welch.p is result.kruskal.p is None
        assert "fewer than two groups" in result.welch.reason
    flat = hypothesis.between_groups([1.0, 1.0, 2.0, 3.0], list("aabb"))
    assert flat.welch.p is None and flat.kruskal.p is not None
    assert hypothesis.between_groups([1.0] * 4, list("aabb")).kruskal.p is None


def test_corrections():
    assert hypothesis.bonferroni(0.03, 4) == pytest.approx(0.12)
    assert hypothesis.bonferroni(0.5, 4) == 1.0
    assert hypothesis.bonferroni(None, 4) is None
    # pingouin 0.7.0, multicomp; what was not tested is not counted.
    corrected = hypothesis.holm([0.01, None, 0.04, 0.03, 0.2])
    assert corrected[1] is None
    assert corrected[0] == pytest.approx(0.04) and corrected[2:] == pytest.approx([0.09, 0.09, 0.2])
    assert hypothesis.holm([]) == [] and hypothesis.holm([None]) == [None]


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="finite"):
        hypothesis.paired([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="2 dimensions"):
        hypothesis.friedman(np.ones(3))
    with pytest.raises(ValueError, match="2 and 3 values"):
        hypothesis.paired([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="2 values of 3 groups"):
        hypothesis.between_groups([1.0, 2.0], list("abc"))


@pytest.mark.parametrize("df", [1, 2, 10])
def test_noncentrality_of_huge_t(df):
    """SciPy's distribution is NaN or wrong there; the bounds go on in proportion to t."""
    below = np.array(hypothesis.noncentrality_interval_95(9e3, df))
    above = np.array(hypothesis.noncentrality_interval_95(9e5, df))
    np.testing.assert_allclose(above, 100 * below, rtol=1e-3)
    assert hypothesis.noncentrality_interval_95(-60, df) == tuple(
        -bound for bound in reversed(hypothesis.noncentrality_interval_95(60, df))
    )


def test_tests_of_several_cases_of_a_subject_say_so():
    after, before = np.array([0.9, 0.8, 0.95, 0.7]), np.array([0.8, 0.75, 0.9, 0.72])
    own = hypothesis.paired(after, before)
    assert (own.t_test.method, own.wilcoxon.n) == ("paired t test", 4)
    shared = hypothesis.paired(after, before, ["a", "a", "b", "c"])
    assert shared.t_test.method == "paired t test; cases taken as independent"
    assert shared.wilcoxon.method == own.wilcoxon.method + "; cases taken as independent"
    assert (shared.t_test.p, shared.wilcoxon.p) == (own.t_test.p, own.wilcoxon.p)
