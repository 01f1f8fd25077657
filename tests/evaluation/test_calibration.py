"""Rank, risk and calibration figures against SciPy, statsmodels and hands."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from liver_jax.evaluation import bootstrap, calibration


@pytest.fixture
def cases():
    """Scores with ties, Dice, subjects with two cases each."""
    rng = np.random.default_rng(3)
    dice = np.round(rng.beta(8, 1.5, 60), 2)
    score = np.round(dice + rng.normal(0, 0.08, 60), 2)
    return score, dice, [f"s{index // 2}" for index in range(60)]


def test_spearman_is_scipys(cases):
    score, dice, _ = cases
    found = calibration.spearman(*cases)
    assert found.value == pytest.approx(stats.spearmanr(score, dice)[0], abs=1e-12)
    assert found.interval_95[0] < found.value < found.interval_95[1]


def test_auroc_is_the_mann_whitney_share_of_pairs(cases):
    score, dice, _ = cases
    bad = dice < 0.85
    u = stats.mannwhitneyu(score[~bad], score[bad]).statistic
    expected = u / (bad.sum() * (~bad).sum())
    assert calibration.auroc(*cases, 0.85).value == pytest.approx(expected, abs=1e-12)


def test_weighted_bootstrap_is_the_bootstrap_that_repeats_cases(cases):
    score, dice, subjects = (column[:24] for column in cases)
    both = np.column_stack([score, dice])

    def rank_correlation(values):
        return np.corrcoef(stats.rankdata(values, axis=0).T)[0, 1]

    def share_of_pairs(values):
        bad = values[:, 1] < 0.85
        better = values[~bad, 0][:, None] - values[bad, 0]
        return np.mean((better > 0) + 0.5 * (better == 0))

    def slope(values):
        covariance = np.cov(values.T)
        return covariance[0, 1] / covariance[0, 0]

    def area(values):
        order = np.argsort(-values[:, 0], kind="stable")
        by_score = [np.flatnonzero(values[:, 0] == value) for value in values[:, 0]]
        shared = np.array([1 - values[same, 1].mean() for same in by_score])[order]
        return np.mean(np.cumsum(shared) / np.arange(1, len(shared) + 1))

    slow = [
        bootstrap.interval_95(statistic, both, subjects)
        for statistic in (rank_correlation, share_of_pairs, slope, area)
    ]
    fast = [
        calibration.spearman(score, dice, subjects),
        calibration.auroc(score, dice, subjects, 0.85),
        calibration.calibration(score, dice, subjects)["slope"],
        calibration.risk_coverage(score, dice, subjects)["area"],
    ]
    for expected, found in zip(slow, fast, strict=True):
        assert found.interval_95 == pytest.approx(expected, abs=1e-9)


def test_risk_and_coverage_by_hand():
    # Kept first: Dice 0.9, then 0.5, then 1.0; ideal: 1.0, 0.9, 0.5.
    found = calibration.risk_coverage(
        np.array([3.0, 2.0, 1.0]), np.array([0.9, 0.5, 1.0]), ["a", "b", "c"]
    )
    curve = np.array([[it["coverage"], it["risk"], it["ideal_risk"]] for it in found["curve"]])
    assert curve[:, 0] == pytest.approx([1 / 3, 2 / 3, 1])
    assert curve[:, 1] == pytest.approx([0.1, 0.3, 0.2])
    assert curve[:, 2] == pytest.approx([0.0, 0.05, 0.2])
    assert found["area"].value == pytest.approx(0.2)
    assert found["ideal_area"] == pytest.approx(0.25 / 3)
    assert found["random_area"] == pytest.approx(0.2)
    assert found["gain"].value == pytest.approx(0.0, abs=1e-12)


def test_no_order_has_the_area_of_the_mean_risk(cases):
    _, dice, subjects = cases
    found = calibration.risk_coverage(np.zeros(60), dice, subjects)
    assert found["area"].value == pytest.approx(1 - dice.mean())
    assert found["gain"].value == pytest.approx(0.0, abs=1e-9)


def test_the_dice_itself_is_the_ideal_score(cases):
    _, dice, subjects = cases
    assert calibration.risk_coverage(dice, dice, subjects)["gain"].value == pytest.approx(1.0)
    assert calibration.auroc(dice, dice, subjects, 0.85).value == 1.0
    assert calibration.spearman(dice, dice, subjects).value == pytest.approx(1.0)


def test_long_curves_are_thinned_with_both_ends():
    dice = np.linspace(0.5, 1.0, 1000)
    curve = calibration.risk_coverage(dice, dice, ["a"] * 1000)["curve"]
    assert len(curve) == 200
    assert (curve[0]["coverage"], curve[-1]["coverage"]) == (0.001, 1.0)


def test_calibration_is_statsmodels_line(cases):
    predicted, dice, subjects = cases
    fit = sm.OLS(dice, sm.add_constant(predicted)).fit()
    found = calibration.calibration(predicted, dice, subjects)
    assert found["intercept"].value == pytest.approx(fit.params[0])
    assert found["slope"].value == pytest.approx(fit.params[1])
    assert found["bias"].value == pytest.approx(np.mean(predicted - dice))
    assert found["mean_absolute_error"].value == pytest.approx(np.mean(abs(predicted - dice)))
    assert [it["n"] for it in found["bins"]] == [12] * 5
    assert found["bins"][0]["predicted_max"] <= found["bins"][1]["predicted_min"]
    mean = np.average([it["found_mean"] for it in found["bins"]], weights=[12] * 5)
    assert mean == pytest.approx(dice.mean())


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_cases_are_undefined_with_a_reason(n):
    score, dice = np.full(n, 0.9), np.full(n, 0.9)
    subjects = list("abc")[:n]
    lines = calibration.calibration(score, dice, subjects)
    risks = calibration.risk_coverage(score, dice, subjects)
    for found in (
        calibration.spearman(score, dice, subjects),
        calibration.auroc(score, dice, subjects, 0.85),
        lines["slope"],
        risks["gain"],
    ):
        assert found.value is None
        assert found.interval_95 is None
        assert found.reason
    if n:
        assert lines["mean_absolute_error"].value == 0.0
        assert risks["area"].value == pytest.approx(0.1)


@pytest.mark.parametrize("dice", [np.full(55, 1.0), np.full(13, 0.95), np.linspace(0.996, 1, 55)])
def test_scores_that_differ_by_rounding_are_equal(dice):
    n = len(dice)
    score = np.full(n, 0.95)
    score[::5] = np.nextafter(0.95, 0)
    score[1::5] = np.nextafter(0.95, 1)
    assert 0 < np.ptp(score) < 1e-15
    subjects = [f"s{index}" for index in range(n)]
    found = calibration.calibration(score, dice, subjects)
    for line in (found["slope"], found["intercept"]):
        assert (line.value, line.interval_95) == (None, None)
        assert line.reason == "all predictions are equal"
    assert calibration.spearman(score, dice, subjects).reason == calibration.CONSTANT
    spread = np.linspace(0.5, 1, n)
    assert calibration.auroc(score, spread, subjects, 0.85).value == 0.5
    area = calibration.risk_coverage(score, spread, subjects)["area"].value
    assert area == pytest.approx(1 - spread.mean())


def test_hardly_any_spread_is_no_number(cases):
    _, dice, subjects = cases
    score = 0.9 + 1.5e-6 * np.arange(60) / 59  # too little for the line's squares
    slope = calibration.calibration(score, dice, subjects)["slope"]
    assert (slope.value, slope.reason) == (None, calibration.CONSTANT)


def test_one_subject_has_a_value_and_no_interval(cases):
    score, dice, _ = cases
    found = calibration.spearman(score, dice, ["a"] * 60)
    assert found.value is not None
    assert (found.interval_95, found.reason) == (None, bootstrap.FEW_SUBJECTS)
