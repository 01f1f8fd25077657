import numpy as np
import pytest

from liver_jax.evaluation import hypothesis
from liver_jax.evaluation.experiments import echoes


def exam(row, name, dice, technique="spgr2d", subject=None, **fields):
    return [
        row(
            value,
            "initial",
            technique,
            name,
            echo,
            subject_id=subject or name,
            te_ms=1.15 * echo,
            **fields,
        )
        for echo, value in enumerate(dice, 1)
    ]


def of_cohort(groups, cohort="pooled", **wanted):
    (found,) = (g for g in groups if g["cohort"] == cohort and wanted.items() <= g.items())
    return found


def test_echoes_of_one_technique(row):
    dice = {
        "a": (0.9, 0.8, 0.7),
        "b": (0.95, 0.9, 0.8),
        "c": (0.8, 0.85, 0.75),
        "d": (0.9, 0.85, 0.9),
    }
    rows = [case for name, values in dice.items() for case in exam(row, name, values)]
    group = of_cohort(echoes.run(rows)["te"])
    assert (group["n"], group["n_subjects"], group["n_complete"]) == (4, 4, 4)
    assert [level["te_ms"] for level in group["levels"]] == pytest.approx([1.15, 2.3, 3.45])
    assert [level["mean"] for level in group["levels"]] == pytest.approx([0.8875, 0.85, 0.7875])
    # d ties between the first and the third.
    assert [level["best_share"] for level in group["levels"]] == [0.625, 0.25, 0.125]
    best = group["best"]
    assert (best["echo"], best["next_echo"]) == (1, 2)
    assert best["difference"]["value"] == pytest.approx(0.0375)
    low, high = best["difference"]["interval_95"]
    assert low < 0.0375 < high and 0.5 < best["resamples_share"] < 1
    # pingouin 0.7.0, rm_anova on the same table: F(2, 6), P uncorrected.
    test = group["anova"]["test"]
    assert (test["statistic"], test["df"], test["p"]) == (
        pytest.approx(3.41860465116279, rel=1e-9),
        [2.0, 6.0],
        pytest.approx(0.1021037951015, rel=1e-9),
    )
    assert group["anova"]["epsilon_greenhouse_geisser"] == pytest.approx(0.84583714547118, rel=1e-9)
    # pingouin 0.7.0, friedman.
    assert group["friedman"]["test"]["statistic"] == pytest.approx(3.33333333333333, rel=1e-9)


def test_subjects_are_the_rows_of_the_tests_and_examinations_those_of_the_levels(row):
    rows = [
        *exam(row, "a1", (0.9, 0.7), subject="a"),
        *exam(row, "a2", (0.7, 0.7), subject="a"),
        *exam(row, "b1", (0.9, 0.6), subject="b"),
        *exam(row, "c1", (0.8, 0.9), subject="c"),
    ]
    group = of_cohort(echoes.run(rows)["te"])
    assert (group["n"], group["n_subjects"], group["anova"]["n"]) == (4, 3, 3)
    by_hand = np.array([[0.8, 0.7], [0.9, 0.6], [0.8, 0.9]])
    expected = hypothesis.repeated_measures_anova(by_hand).test.statistic
    assert group["anova"]["test"]["statistic"] == pytest.approx(expected)


def test_nothing_is_dropped_in_silence(row):
    rows = [
        *exam(row, "a", (0.9, 0.8)),
        *exam(row, "b", (0.9, 0.8)),
        *exam(row, "c", (0.9,)),  # one echo only
        *exam(row, "d", (None, None), status="empty"),
    ]
    rows[0] |= {"status": "failed", "dice": None}
    group = of_cohort(echoes.run(rows)["te"])
    counts = ("n", "n_complete", "n_other_echoes", "n_undefined", "n_failed")
    assert [group[key] for key in counts] == [4, 2, 1, 1, 1]
    first = group["levels"][0]
    assert (first["n"], first["n_counted"], first["n_undefined"], first["n_failed"]) == (4, 3, 1, 1)
    assert first["mean"] == pytest.approx(0.6)  # 0, .9, .9
    assert group["best"]["echo"] == 2


def test_the_echoes_that_most_examinations_have_are_compared(row):
    rows = [
        *exam(row, "a", (0.9, 0.8, 0.7)),
        *exam(row, "b", (0.9, 0.7, 0.6)),
        *exam(row, "c", (0.8, 0.8, 0.8, 0.3)),  # one echo more than the others
        *exam(row, "d", (0.8,)),
        *exam(row, "e", (0.8,)),
        *exam(row, "f", (0.8,)),
    ]
    group = of_cohort(echoes.run(rows)["te"])
    counts = ("n", "n_complete", "n_other_echoes", "n_undefined")
    assert [group[key] for key in counts] == [6, 2, 4, 0]
    assert [(level["echo"], level["n"]) for level in group["levels"]] == [(1, 6), (2, 3), (3, 3)]
    assert (group["anova"]["n"], group["anova"]["n_conditions"]) == (2, 3)
    assert group["best"]["mean"] == pytest.approx(0.9)
    tied = of_cohort(echoes.run(rows[3:10])["te"])  # b and c: the larger set
    assert (len(tied["levels"]), tied["n_complete"], tied["n_other_echoes"]) == (4, 1, 1)


def test_first_echoes_are_not_all_echoes(row):
    first = [*exam(row, "a2", (0.9,), subject="a"), *exam(row, "a3", (0.8,), "spgr3d", subject="a")]
    assert [pair["over"] for pair in echoes.run(first)["sequence"]] == ["first_echo"]
    one_has = [*first, *exam(row, "b2", (0.9, 0.1), subject="b")]
    assert [pair["over"] for pair in echoes.run(one_has)["sequence"]] == ["first_echo"]
    both_have = [*one_has, *exam(row, "b3", (0.9, 0.1), "spgr3d", subject="b")]
    assert len(echoes.run(both_have)["sequence"]) == 2


def test_sequences_are_compared_on_subjects_that_have_both(row):
    rows = [
        *exam(row, "a2", (0.9, 0.8), subject="a"),
        *exam(row, "b2", (0.8, 0.6), subject="b"),
        *exam(row, "c2", (0.5, 0.5), subject="c"),  # 2D only
        *exam(row, "a3", (0.95, 0.95), "spgr3d", subject="a"),
        *exam(row, "b3", (0.9, 0.8), "spgr3d", subject="b"),
        *exam(row, "d2", (0.5, 0.5), subject="d"),
        *exam(row, "d3", (None, None), "spgr3d", subject="d", status="empty"),
    ]
    result = echoes.run(rows)["sequence"]
    every = of_cohort(result, over="all_echoes")
    assert every["techniques"] == ["spgr2d", "spgr3d"]
    assert (every["n"], every["n_undefined"]) == (2, 1)
    assert every["paired"]["mean_before"] == pytest.approx((0.85 + 0.7) / 2)
    assert every["paired"]["difference"]["value"] == pytest.approx((0.1 + 0.15) / 2)
    assert every["anova"]["test"]["statistic"] == pytest.approx(
        every["paired"]["t_test"]["statistic"] ** 2
    )
    first = of_cohort(result, over="first_echo")
    assert first["paired"]["difference"]["value"] == pytest.approx((0.05 + 0.1) / 2)


def test_cohorts_and_models_stand_apart(row):
    rows = [
        *exam(row, "a", (0.9, 0.8), cohort="internal"),
        *exam(row, "b", (0.7, 0.8), cohort="external"),
    ]
    rows += [case | {"model": "multimodal"} for case in rows]
    groups = echoes.run(rows)["te"]
    assert [(g["model"], g["cohort"], g["n"]) for g in groups] == [
        (model, cohort, n)
        for model in ("initial", "multimodal")
        for cohort, n in (("pooled", 2), ("internal", 1), ("external", 1))
    ]


def test_without_a_second_echo_there_is_a_reason(row):
    result = echoes.run([row(0.9), row(0.9, technique="spgr2d", echo=1)])
    assert result["te"] == result["sequence"] == [] and result["reason"]
