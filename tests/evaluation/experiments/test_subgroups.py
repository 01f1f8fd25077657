import numpy as np
import pytest
from scipy import stats
from statsmodels.stats import multitest

from liver_jax.errors import InputError
from liver_jax.evaluation.experiments import subgroups


def cohort(row, effect, count=24, models=("multimodal",), techniques=("ct",), seed=0):
    """Cases of men and women; `effect(technique, model)` is what being a man adds to Dice."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        sex = "MF"[number % 2]
        own = 0.02 * rng.normal()
        for technique in techniques:
            for model in models:
                dice = 0.8 + own + 0.01 * rng.normal()
                dice += effect(technique, model) if sex == "M" else 0.0
                name = f"{number}{technique}"
                fields = {"subject_id": f"s{number}", "columns": {"sex": sex}}
                rows.append(row(dice, model, technique, name, **fields))
    return rows


def interaction(result, **wanted):
    (found,) = (item for item in result[0]["interactions"] if wanted.items() <= item.items())
    return found


def test_levels_with_their_figures_and_tests(row):
    rows = cohort(row, lambda technique, model: 0.05)
    rows.append(row(None, exam="x", status="failed", columns={"sex": "F"}))
    rows.append(row(0.9, exam="y"))
    (found,) = subgroups.run(rows, ["sex"])
    assert (found["levels"], found["n_exams"], found["n_without"]) == (["F", "M"], 26, 1)
    (group,) = found["groups"]
    women, men = group["levels"]
    assert (women["level"], women["n"], women["n_failed"], men["n"]) == ("F", 13, 1, 12)
    dice = {"F": [0.0], "M": []}
    for case in rows[:24]:
        dice[case["columns"]["sex"]].append(case["dice"])
    assert women["mean"] == pytest.approx(np.mean(dice["F"]))
    welch = stats.ttest_ind(dice["F"], dice["M"], equal_var=False)  # F of two groups is t squared
    assert group["tests"]["welch"]["statistic"] == pytest.approx(welch.statistic**2)
    assert group["tests"]["welch"]["p"] == pytest.approx(welch.pvalue)
    assert group["p_holm"] == pytest.approx(welch.pvalue)


def test_a_subject_with_two_examinations_counts_once_in_the_tests(row):
    rows = cohort(row, lambda technique, model: 0.05, count=6)
    again = [case | {"exam_id": f"{case['exam_id']}-2"} for case in rows]
    once, twice = (subgroups.run(given, ["sex"])[0]["groups"][0] for given in (rows, rows + again))
    assert once["tests"] == twice["tests"]
    assert twice["levels"][0]["n"] == 2 * once["levels"][0]["n"]


def test_levels_that_share_subjects_are_described_and_not_tested(row):
    rows = [
        row(0.9 - 0.01 * number + 0.02 * (session == "2"), model, exam=f"{number}-{session}",
            subject_id=f"s{number}", session=session)
        for number in range(6) for session in ("1", "2")[: 1 + (number < 4)]
        for model in ("initial", "multimodal")
    ]  # fmt: skip
    (found,) = subgroups.run(rows, ["session"])
    for item in (*found["groups"], *found["interactions"]):
        assert item["p_holm"] is None
        for test in (item["tests"]["welch"], item["tests"]["kruskal"]):
            assert (test["statistic"], test["df"], test["p"], test["n"]) == (None, [], None, 10)
            assert "4 of 6 subjects are in several levels" in test["reason"]
        assert item["tests"]["counts"] == {"1": 6, "2": 4}
    for level in found["groups"][0]["levels"]:
        assert level["mean"] and level["interval_95"]
    # One shared subject in a level too small to be compared changes nothing.
    few = [case for case in rows if case["session"] == "1" or case["subject_id"] == "s0"]
    welch = subgroups.run(few, ["session"])[0]["groups"][0]["tests"]["welch"]
    assert welch["reason"] == "fewer than two groups of two or more cases"


def test_interactions_are_corrected_over_the_column(row):
    rows = cohort(
        row,
        lambda technique, model: 0.05 * (model == "multimodal") * (technique == "ct"),
        models=("initial", "multimodal"),
        techniques=("ct", "hbp_t1w"),
    )
    found = subgroups.run(rows, ["sex"])[0]["interactions"]
    assert [item["kind"] for item in found] == ["model", "model", "technique", "technique"]
    raw = [item["tests"]["welch"]["p"] if "tests" in item else item["test"]["p"] for item in found]
    corrected = [item["p_holm"] for item in found]
    assert corrected == pytest.approx(multitest.multipletests(raw, method="holm")[1].tolist())
    assert min(corrected) == pytest.approx(4 * min(raw))


def test_the_gain_of_the_second_network_can_differ_between_levels(row):
    models = ("initial", "multimodal")
    same = subgroups.run(cohort(row, lambda *_: 0.05, models=models), ["sex"])
    differs = subgroups.run(
        cohort(row, lambda technique, model: 0.05 * (model == "multimodal"), models=models), ["sex"]
    )
    assert interaction(same, kind="model")["tests"]["welch"]["p"] > 0.05
    found = interaction(differs, kind="model")
    assert (found["technique"], found["measure"], found["n"]) == ("ct", "dice", 24)
    assert found["tests"]["welch"]["p"] < 0.001


def test_an_effect_that_one_technique_has_alone(row):
    techniques = ("ct", "hbp_t1w")
    rows = cohort(row, lambda technique, _: 0.03 * (technique == "ct"), techniques=techniques)
    found = interaction(subgroups.run(rows, ["sex"]), kind="technique")
    assert (found["model"], found["n"], found["n_subjects"]) == ("multimodal", 48, 24)
    # The sandwich by hand: (X'X)^-1 sum over subjects of X'uu'X (X'X)^-1, small-sample factor.
    ct = np.array([case["technique"] == "ct" for case in rows], float)
    man = np.array([case["columns"]["sex"] == "M" for case in rows], float)
    x = np.stack([np.ones(48), ct, man, ct * man], axis=1)
    y = np.array([case["dice"] for case in rows])
    bread = np.linalg.inv(x.T @ x)
    beta = bread @ x.T @ y
    scores = (x * (y - x @ beta)[:, None]).reshape(24, 2, 4).sum(axis=1)
    covariance = 24 / 23 * 47 / 44 * bread @ scores.T @ scores @ bread
    statistic = beta[3] ** 2 / covariance[3, 3]
    assert found["test"]["statistic"] == pytest.approx(statistic)
    assert found["test"]["df"] == [1.0, 23.0]
    assert found["test"]["p"] == pytest.approx(stats.f.sf(statistic, 1, 23))
    assert found["test"]["p"] < 0.001
    none = subgroups.run(cohort(row, lambda *_: 0.03, techniques=techniques), ["sex"])
    assert interaction(none, kind="technique")["test"]["p"] > 0.05


@pytest.mark.parametrize("count", [2, 4, 6])
def test_too_few_cases_give_a_reason(row, count):
    rows = cohort(row, lambda *_: 0.03, count=count, techniques=("ct", "hbp_t1w"))
    test = interaction(subgroups.run(rows, ["sex"]), kind="technique")["test"]
    assert (test["p"] is None) == bool(test["reason"]) == (count < 6)


def test_no_spread_and_a_level_in_one_technique_only_give_a_reason(row):
    rows = [
        row(0.9, technique=technique, exam=f"{i}{technique}", columns={"sex": "MF"[i % 2]})
        for technique in ("ct", "hbp_t1w")
        for i in range(12)
    ]
    assert "spread" in interaction(subgroups.run(rows, ["sex"]), kind="technique")["test"]["reason"]
    apart = [case for case in rows if (case["technique"], case["columns"]["sex"]) != ("ct", "M")]
    found = interaction(subgroups.run(apart, ["sex"]), kind="technique")
    assert "fewer than two cases" in found["test"]["reason"]


def test_p_is_corrected_over_all_groups_of_a_column(made_rows):
    rows = made_rows(subjects=8)
    (found,) = subgroups.run(rows, ["sex"])
    raw = [group["tests"]["welch"]["p"] for group in found["groups"]]
    assert len(raw) > 8
    assert min(group["p_holm"] for group in found["groups"]) == pytest.approx(
        min(1.0, min(raw) * len(raw))
    )
    assert {group["measure"] for group in found["groups"]} == {
        "dice",
        "volume_ml_difference",
        "pdff_percent_difference",
    }


def test_an_unknown_column_is_refused(row):
    with pytest.raises(InputError, match="shoe_size"):
        subgroups.run([row(0.9)], ["shoe_size"])
