import json

import numpy as np
import pytest

from liver_jax.errors import InputError
from liver_jax.evaluation import ablation, results, tables


def put(folder, name, arm, count, seed, dice):
    run = folder / name
    run.mkdir(parents=True)
    (run / "ablation.json").write_text(json.dumps({"arm": arm, "count": count, "seed": seed}))
    technique = {"ct": "ct", "hbp": "hbp_t1w"}.get(arm, "ct")
    rows = [
        {"model": "multimodal", "technique": technique, "echo": None, "status": status, "dice": one}
        for status, one in dice
    ]
    noise = {"technique": technique, "echo": None, "status": "ok", "dice": 0.123}
    rows += [noise | {"model": "initial"}, noise | {"model": "multimodal", "technique": "spgr2d"}]
    results.write(run / "metrics.json", {"cases": rows})
    return run


def test_points_pool_cases_and_spread_over_seeds(tmp_path):
    put(tmp_path, "a", "ct", 2, 0, [("ok", 0.9), ("ok", 0.8)])
    put(tmp_path, "b", "ct", 2, 1, [("ok", 0.7), ("failed", None), ("empty", None)])
    put(tmp_path, "c", "ct", 1, 0, [("ok", 0.6)])
    put(tmp_path, "d", "hbp", 3, 0, [("ok", 0.5)])
    (put(tmp_path, "e", "hbp", 4, 0, [("ok", 0.5)]) / "metrics.json").unlink()
    one, two, hbp = ablation.merge(tmp_path)["points"]
    assert (one["arm"], one["count"], hbp["arm"], hbp["count"]) == ("ct", 1, "hbp", 3)
    assert one["sd_cases"] is one["sd_seeds"] is None
    assert (two["n_cases"], two["n_seeds"], two["n_undefined"]) == (4, 2, 1)
    assert two["mean"] == pytest.approx(0.6)
    assert two["sd_cases"] == pytest.approx(np.std([0.9, 0.8, 0.7, 0.0], ddof=1))
    assert two["sd_seeds"] == pytest.approx(np.std([0.85, 0.35], ddof=1))
    assert two["published"] == {"mean": 0.91, "sd": 0.10, "n": None}
    assert hbp["published"] is None


def test_the_table_has_the_papers_counts_too(tmp_path):
    put(tmp_path, "a", "ct", 3, 0, [("ok", 0.9), ("ok", 0.8)])
    lines = tables.ablation(ablation.merge(tmp_path)["points"]).splitlines()
    assert [line.split()[0] for line in lines] == ["sets", "ct=0", "ct=1", "ct=2", "ct=3", "ct=10"]
    assert lines[4].split() == ["ct=3", "0.850", "+/-", "0.071", "(2)", "-", "(1)", "-"]
    assert lines[5].split() == ["ct=10", "-", "-", "0.94", "+/-", "0.06"]


def test_refuses_two_runs_of_one_point(tmp_path):
    put(tmp_path, "a", "ct", 2, 0, [("ok", 0.9)])
    put(tmp_path, "b", "ct", 2, 0, [("ok", 0.9)])
    with pytest.raises(InputError, match="ct=2, seed=0, and so is"):
        ablation.merge(tmp_path)


def test_refuses_a_folder_without_runs(tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        ablation.merge(tmp_path)


@pytest.mark.parametrize(("arm", "count"), [("t2", 1), ("ct", "1"), ("ct", None)])
def test_refuses_a_damaged_run(tmp_path, arm, count):
    put(tmp_path, "a", arm, count, 0, [("ok", 0.9)])
    with pytest.raises(InputError, match="want ct or hbp and two whole numbers"):
        ablation.merge(tmp_path)


def test_refuses_a_run_without_its_technique(tmp_path):
    put(tmp_path, "a", "ct", 1, 0, [])
    with pytest.raises(InputError, match="no case of technique ct"):
        ablation.merge(tmp_path)
