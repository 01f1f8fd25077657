import numpy as np
import pytest

from liver_jax.evaluation import summary


def only(groups, **wanted):
    found = [group for group in groups if wanted.items() <= group.items()]
    assert len(found) == 1
    return found[0]


def test_every_case_is_accounted_for(row):
    rows = [
        row(0.9, exam="e1", volume_ml_auto=1100.0, volume_ml_manual=1000.0),
        row(0.7, exam="e2", volume_ml_auto=900.0, volume_ml_manual=1000.0),
        row(0.0, exam="e3", status="empty", volume_ml_auto=0.0, volume_ml_manual=1000.0),
        row(None, exam="e4", status="empty"),
        row(None, exam="e5", status="failed"),
    ]
    group = only(summary.summarise(rows)["groups"])
    assert group["n"] == group["n_subjects"] == 5
    assert group["status"] == {"ok": 2, "empty": 2, "failed": 1}
    dice = group["measures"]["dice"]
    assert (dice["n_undefined"], dice["n_failed"]) == (1, 1)
    assert (dice["n_defined"], dice["n_all"]) == (3, 4)
    assert dice["mean_defined"] == pytest.approx(1.6 / 3)
    assert dice["mean_all"] == pytest.approx(0.4)  # the failed case counts as 0
    assert dice["sd_all"] == pytest.approx(np.std([0.9, 0.7, 0, 0], ddof=1))
    difference = group["measures"]["volume_ml_difference"]
    assert difference["mean_defined"] == pytest.approx((100 - 100 - 1000) / 3)
    assert (difference["n_defined"], difference["n_undefined"]) == (3, 1)
    pdff = group["measures"]["pdff_percent_difference"]
    assert (pdff["n_defined"], pdff["n_undefined"], pdff["n_failed"]) == (0, 4, 1)
    assert pdff["mean_defined"] is pdff["sd_defined"] is pdff["interval_95_defined"] is None


def test_both_conventions_for_two_empty_masks(row):
    rows = [
        row(0.8, exam="e1", iou=0.6),
        row(None, exam="e2", status="empty"),
        row(None, exam="e3", status="failed"),
    ]
    measures = only(summary.summarise(rows)["groups"])["measures"]
    for name, value in (("dice", 0.8), ("iou", 0.6)):
        found = measures[name]
        assert (found["n_all"], found["n_all_empty_is_1"]) == (2, 3)
        assert found["mean_defined"] == pytest.approx(value)
        assert found["mean_all"] == pytest.approx(value / 2)
        assert found["mean_all_empty_is_1"] == pytest.approx((value + 1) / 3)
    assert "mean_all" not in measures["assd_mm"]


def test_one_case_has_a_mean_but_no_spread(row):
    dice = only(summary.summarise([row(0.9)])["groups"])["measures"]["dice"]
    assert (dice["mean_all"], dice["sd_all"], dice["interval_95_all"]) == (0.9, None, None)


def test_groups_come_in_the_papers_order_and_the_first_echo_holds_single_images(row):
    rows = [
        row(0.5, technique="t2", exam="e1"),
        row(0.6, technique="ct", exam="e2"),
        row(0.7, technique="spgr2d", exam="e3", echo=2),
        row(0.8, technique="spgr2d", exam="e3", echo=1),
        row(0.9, technique="spgr2d", exam="e4"),
        row(0.1, technique="spgr2d", exam="e4", model="initial"),
    ]
    groups = summary.summarise(rows)["groups"]
    assert [(g["technique"], g["echo"], g["model"], g["n"]) for g in groups] == [
        ("spgr2d", 1, "initial", 1),
        ("spgr2d", 1, "multimodal", 2),
        ("spgr2d", 2, "multimodal", 1),
        ("ct", None, "multimodal", 1),
        ("t2", None, "multimodal", 1),
    ]


def test_paired_difference_and_forgetting(row):
    rows = [
        row(after, technique=technique, exam=exam, echo=echo)
        for technique, exam, echo, after in [
            ("spgr2d", "e1", 1, 0.90),
            ("spgr2d", "e2", 1, 0.80),
            ("ct", "e3", None, 0.95),
            ("ct", "e5", None, None),
            ("ct", "e6", None, 0.99),
        ]
    ] + [
        row(0.94, "initial", "spgr2d", "e1", 1),
        row(0.82, "initial", "spgr2d", "e2", 1),
        row(None, "initial", "ct", "e3", status="failed"),
        row(None, "initial", "ct", "e5", status="empty"),
    ]
    result = summary.summarise(rows)
    spgr2d, ct = result["paired"]
    assert result["forgetting"] == spgr2d
    assert (spgr2d["technique"], spgr2d["echo"], spgr2d["n"]) == ("spgr2d", 1, 2)
    assert spgr2d["mean"] == pytest.approx(-0.03)
    assert spgr2d["sd"] == pytest.approx(0.02 / np.sqrt(2))
    assert (ct["n"], ct["n_undefined"], ct["mean"]) == (1, 1, 0.95)


def test_without_a_baseline_nothing_is_paired(row):
    result = summary.summarise([row(0.9, technique="spgr2d", echo=1)])
    assert result["paired"] == [] and result["forgetting"] is None


def test_the_interval_draws_subjects_not_cases():
    # Two subjects: the bootstrap's means are 0, 1 and, in half of the draws, one in between.
    values, subjects = [0.0, 1.0, 1.0, 1.0], ["a", "b", "b", "b"]
    assert summary.describe(values, subjects)["interval_95"] == [0.0, 1.0]
    assert summary.describe(values, ["a"] * 4)["interval_95"] is None
    many = np.random.default_rng(1).normal(size=400)
    low, high = summary.describe(many, [f"s{index}" for index in range(400)])["interval_95"]
    half = 1.96 * many.std(ddof=1) / 20
    assert (low, high) == pytest.approx((many.mean() - half, many.mean() + half), abs=0.02)
    assert summary.describe(many, [f"s{i}" for i in range(400)])["interval_95"] == [low, high]
