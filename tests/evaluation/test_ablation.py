import json

import numpy as np
import pytest

from liver_jax.errors import InputError
from liver_jax.evaluation import ablation, results, tables


def rows_of(dice, technique, model="multimodal", echo=None):
    return [
        {"exam_id": f"e{i}", "subject_id": f"s{i}", "model": model, "technique": technique,
         "echo": echo, "status": status, "dice": one}
        for i, (status, one) in enumerate(dice)
    ]  # fmt: skip


def put(folder, name, arm, count, seed, dice, initial=None):
    """A run: its Dice as (status, dice) or as numbers, and beside it what is not to be counted."""
    run = folder / name
    run.mkdir(parents=True)
    (run / "ablation.json").write_text(json.dumps({"arm": arm, "count": count, "seed": seed}))
    technique = {"ct": "ct", "hbp": "hbp_t1w"}.get(arm, "ct")
    dice = [one if isinstance(one, tuple) else ("ok", one) for one in dice]
    rows = rows_of(dice, technique)
    rows += rows_of([("ok", 0.123)] * 2, "spgr2d") + rows_of([("ok", 0.1)], technique, "nnunet")
    rows += rows_of([("ok", 0.2)], technique, echo=2)
    if initial:
        rows += rows_of([("ok", one) for one in initial], technique, "initial")
    results.write(run / "metrics.json", {"cases": rows})
    return run


def test_points_pool_cases_and_spread_over_seeds(tmp_path):
    put(tmp_path, "a", "ct", 2, 0, [0.9, 0.8, ("empty", None)])
    put(tmp_path, "b", "ct", 2, 1, [0.7, ("failed", None), ("empty", None)])
    put(tmp_path, "c", "ct", 1, 0, [0.6, 0.5, 0.4])
    put(tmp_path, "d", "hbp", 3, 0, [0.5])
    (put(tmp_path, "e", "hbp", 4, 0, [0.5]) / "metrics.json").unlink()
    merged = ablation.merge(tmp_path)
    one, two, hbp = merged["points"]
    assert (one["arm"], one["count"], hbp["arm"], hbp["count"]) == ("ct", 1, "hbp", 3)
    assert one["sd_seeds"] is None and one["seeds"] == [0]
    assert (two["n_cases"], two["n_values"], two["n_seeds"]) == (2, 4, 2)
    assert (two["n_undefined"], two["n_failed"]) == (2, 1)
    assert two["mean"] == pytest.approx(0.6)  # the failed case is 0
    within = np.mean([np.var([0.9, 0.8], ddof=1), np.var([0.7, 0.0], ddof=1)])
    assert two["sd_cases"] == pytest.approx(np.sqrt(within))
    assert two["sd_seeds"] == pytest.approx(np.std([0.85, 0.35], ddof=1))
    assert two["dice"] == [[0.9, 0.8, None], [0.7, 0.0, None]]
    assert two["against_most"] is None and one["against_most"]["n"] == 2
    assert two["published"] == {"mean": 0.91, "sd": 0.10, "n": None, "n_taken": 230}
    assert hbp["published"] is None
    ct, _ = merged["arms"]
    assert ct["exam_ids"] == ["e0", "e1", "e2"] and ct["subject_ids"] == ["s0", "s1", "s2"]
    assert (ct["most"], ct["plateau"]["published"]) == (2, 10)
    json.dumps(merged, allow_nan=False)


def curve_of(folder, counts=(1, 3, 10), seeds=3):
    """A curve that is flat from 3 sets on."""
    rng = np.random.default_rng(0)
    ease = rng.normal(0, 0.01, 20)
    for count in counts:
        for seed in range(seeds):
            mean = 0.8 if count == 1 else 0.93
            dice = np.clip(mean + ease + rng.normal(0, 0.005, 20), 0, 1).tolist()
            put(folder, f"{count}-{seed}", "ct", count, seed, dice)


def test_a_curve_flattens_and_the_initial_network_is_its_0_sets(tmp_path):
    curve_of(tmp_path)
    folder = tmp_path / "eval"
    folder.mkdir()
    rows = rows_of([("ok", 0.5 + 0.01 * i) for i in range(20)], "ct", "initial")
    results.write(folder / "metrics.json", {"cases": rows})
    merged = ablation.merge(tmp_path)
    points = {point["count"]: point for point in merged["points"]}
    assert list(points) == [0, 1, 3, 10]
    assert (points[0]["model"], points[0]["n_seeds"]) == ("initial", 0)
    assert points[0]["published"]["mean"] == 0.82
    assert points[0]["against_most"]["difference"] == pytest.approx(0.595 - points[10]["mean"])
    (arm,) = merged["arms"]
    assert (arm["plateau"]["count"], arm["plateau"]["reason"]) == (3, None)
    assert arm["mean_trend"]["p"] < 1e-6 and arm["mean_trend"]["n"] == 20
    plateau = [figure for figure in merged["paper"]["figures"] if figure["measure"] == "plateau"]
    assert plateau[0]["ours"]["value"] == 3 and plateau[0]["difference"] == -7
    assert tables.plateaus(merged["arms"], merged["points"]) == (
        "ct: plateau from 3 on (Dice within 0.02 of that at 10); paper 10"
    )


def test_stage_2_without_a_technique_is_not_the_papers_0_sets(tmp_path):
    put(tmp_path, "a", "ct", 0, 0, [0.6, 0.7], initial=[0.1, 0.2])
    put(tmp_path, "b", "ct", 1, 0, [0.8, 0.9], initial=[0.1, 0.2])
    initial, without, one = ablation.merge(tmp_path)["points"]
    assert (initial["model"], initial["count"], initial["mean"]) == (
        "initial", 0, pytest.approx(0.15)
    )  # fmt: skip
    assert initial["published"] and one["published"] and without["published"] is None
    assert (without["model"], without["count"]) == ("multimodal", 0)


def test_the_table_has_the_papers_counts_too(tmp_path):
    put(tmp_path, "a", "ct", 3, 0, [0.9, 0.8])
    merged = ablation.merge(tmp_path)
    lines = tables.ablation(merged["points"]).splitlines()
    names = [line.split()[0] for line in lines]
    assert names == ["sets", "ct=0", "ct=1", "ct=2", "ct=3", "ct=10"]
    assert lines[1].split() == ["ct=0", "(initial)", "-", "-", "-", "0.82", "+/-", "0.14"]
    assert lines[4].split() == [
        "ct=3", "0.850", "+/-", "0.071", "(2)", "[0.800,", "0.900]", "-", "(1)", "-"
    ]  # fmt: skip
    assert lines[5].split() == ["ct=10", "-", "-", "-", "0.94", "+/-", "0.06"]
    assert tables.plateaus(merged["arms"], merged["points"]).splitlines() == [
        "ct: no plateau: only one number of sets was evaluated; paper 10",
        "ct=3: fewer than 3 seeds",
    ]


def test_refuses_two_runs_of_one_point(tmp_path):
    put(tmp_path, "a", "ct", 2, 0, [0.9])
    put(tmp_path, "b", "ct", 2, 0, [0.9])
    with pytest.raises(InputError, match="ct=2, seed=0, and so is"):
        ablation.merge(tmp_path)


def test_refuses_runs_that_were_evaluated_on_different_cases(tmp_path):
    put(tmp_path, "a", "ct", 1, 0, [0.9, 0.8])
    put(tmp_path, "b", "ct", 2, 0, [0.9])
    with pytest.raises(InputError, match="other examinations of technique ct"):
        ablation.merge(tmp_path)


@pytest.mark.parametrize(
    ("initial", "fault"), [([0.2], "other examinations"), ([0.3, 0.2], "another Dice of the init")]
)
def test_refuses_another_initial_network(tmp_path, initial, fault):
    put(tmp_path, "a", "ct", 1, 0, [0.9, 0.8], None if "exam" in fault else [0.1, 0.2])
    put(tmp_path, "b", "ct", 2, 0, [0.9, 0.7], initial)
    with pytest.raises(InputError, match=fault):
        ablation.merge(tmp_path)


def test_refuses_a_folder_without_runs(tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        ablation.merge(tmp_path)


@pytest.mark.parametrize(("arm", "count"), [("t2", 1), ("ct", "1"), ("ct", None)])
def test_refuses_a_damaged_run(tmp_path, arm, count):
    put(tmp_path, "a", arm, count, 0, [0.9])
    with pytest.raises(InputError, match="want ct or hbp and two whole numbers"):
        ablation.merge(tmp_path)


def test_refuses_a_run_without_its_technique(tmp_path):
    run = put(tmp_path, "a", "ct", 1, 0, [0.9])
    results.write(run / "metrics.json", {"cases": rows_of([("ok", 0.5)], "spgr2d")})
    with pytest.raises(InputError, match="no case of technique ct"):
        ablation.merge(tmp_path)
