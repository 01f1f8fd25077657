import numpy as np
import pytest
from statsmodels.stats.weightstats import DescrStatsW

from liver_jax.evaluation import curve

NAN = np.nan


def test_a_point_by_hand():
    dice = np.array([[0.9, 0.8, NAN], [0.7, NAN, NAN], [0.6, 0.6, NAN]])
    point = curve.describe(dice, ["a", "b", "c"])
    counts = {key: value for key, value in point.items() if key.startswith("n_")}
    assert counts == {
        "n_cases": 2, "n_subjects": 2, "n_values": 5, "n_undefined": 4, "n_seeds": 3
    }  # fmt: skip
    assert point["mean"] == pytest.approx(3.6 / 5)
    # Of the two seeds with two values: variances .005 and 0.
    assert point["sd_cases"] == pytest.approx(np.sqrt(0.005 / 2))
    assert point["seed_means"] == pytest.approx([0.85, 0.7, 0.6])
    assert point["sd_seeds"] == pytest.approx(np.std([0.85, 0.7, 0.6], ddof=1))
    assert point["seeds_reason"] is None
    low, high = point["interval_95"]  # all of a, or all of b
    assert (low, high) == pytest.approx((0.7, 2.2 / 3))


def test_few_seeds_are_told():
    point = curve.describe(np.array([[0.9, 0.8], [0.7, 0.6]]), ["a", "b"])
    assert point["seeds_reason"] == "fewer than 3 seeds"
    assert point["sd_seeds"] == pytest.approx(0.2 / np.sqrt(2))
    one = curve.describe(np.array([[0.9, 0.8]]), ["a", "b"], one_network=True)
    assert (one["n_seeds"], one["sd_seeds"], one["seed_means"]) == (0, None, [])
    assert one["seeds_reason"] == "one network, which all runs start from"


def test_a_point_without_a_dice():
    point = curve.describe(np.full((1, 2), NAN), ["a", "b"])
    assert (point["n_cases"], point["n_undefined"]) == (0, 2)
    for key in ("mean", "interval_95", "sd_cases", "sd_seeds"):
        assert point[key] is None
    assert point["seed_means"] == [None]


def test_subjects_count_once():
    first = np.array([[0.8, 0.6, 0.9, 0.5], [0.6, 0.6, 0.9, 0.5]])
    second = np.array([[1.0, 1.0, NAN, 0.7]])
    found = curve.of_subjects([first, second], ["a", "a", "b", "c"])
    assert found == pytest.approx(np.array([[0.65, 1.0], [0.5, 0.7]]))  # b lacks one point


def test_the_bound_is_that_of_statsmodels():
    rng = np.random.default_rng(0)
    most = rng.uniform(0.85, 0.97, (3, 25))
    dice = most - rng.normal(0.01, 0.02, (3, 25))
    result = curve.against(dice, most, [f"s{i}" for i in range(25)])
    differences = DescrStatsW((dice - most).mean(axis=0))
    assert result["lower_bound"] == pytest.approx(differences.tconfint_mean(0.10)[0], rel=1e-12)
    assert result["interval_95"] == pytest.approx(differences.tconfint_mean(0.05), rel=1e-12)
    assert (result["n"], result["difference"]) == (25, pytest.approx(differences.mean))


def test_the_bound_where_there_is_no_spread_and_where_there_is_no_bound():
    same = np.full((1, 3), 0.9)
    assert curve.against(same - 0.01, same, list("abc"))["lower_bound"] == pytest.approx(-0.01)
    lone = curve.against(same - 0.01, same, list("aaa"))
    assert (lone["n"], lone["lower_bound"]) == (1, None)
    assert lone["reason"] == "fewer than two cases"
    none = curve.against(np.full((1, 3), NAN), same, list("abc"))
    assert (none["n"], none["difference"], none["reason"]) == (0, None, "no cases")


def bound(value):
    return {"lower_bound": value, "reason": None if value is not None else "why"}


@pytest.mark.parametrize(
    ("bounds", "count", "reason"),
    [
        ([-0.3, -0.015, -0.01], 2, None),
        ([-0.3, -0.015, -0.03], None, "Dice at 3 is not shown to be within 0.02 of Dice at 4"),
        # 1 set does well by chance: what lies above it does not.
        ([-0.01, -0.03, -0.01], 3, None),
        ([-0.01, -0.01, -0.01], 1, None),
        ([-0.01, -0.02, -0.01], 3, None),  # not worse by the margin or more
        ([-0.01, -0.01, None], None, "Dice at 3 is not shown to be within 0.02 of Dice at 4 (why)"),
    ],
)
def test_the_plateau_begins_where_all_that_follows_is_as_good(bounds, count, reason):
    compared = [(sets, bound(value)) for sets, value in enumerate(bounds, 1)]
    assert curve.plateau([*compared, (4, None)]) == {"count": count, "reason": reason}


def test_one_number_of_sets_has_no_plateau():
    found = curve.plateau([(4, None)])
    assert found == {"count": None, "reason": "only one number of sets was evaluated"}


def test_trends():
    rng = np.random.default_rng(1)
    rising = np.array([0.5, 0.7, 0.8, 0.9]) + rng.normal(0, 0.02, (10, 4))
    assert curve.mean_trend(rising).p < 1e-6
    assert curve.mean_trend(rising[:, ::-1]).p > 0.99  # one-sided
    # Page's L of perfectly ordered blocks is the sum of squared ranks of each.
    assert curve.mean_trend(np.sort(rising, axis=1)).statistic == 10 * (1 + 4 + 9 + 16)
    assert curve.mean_trend(rising[:1]).reason and curve.mean_trend(rising[:, :2]).p is None
    falling = curve.sd_trend([1, 2, 3, 4, 5], [0.5, 0.4, 0.3, 0.2, 0.1])
    assert (falling.statistic, falling.n) == (pytest.approx(-1), 5)
    assert falling.p == pytest.approx(2 / 120)  # one of the 5! orders on each side
    assert curve.sd_trend([1, 2, 3, 4], [0.1, None, 0.2, 0.3]).p is None
    assert curve.sd_trend([1, 2, 3, 4], [0.1] * 4).reason == "all SDs are equal"
