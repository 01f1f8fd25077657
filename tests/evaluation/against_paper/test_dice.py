import pytest

from liver_jax.evaluation import paper, summary
from liver_jax.evaluation.against_paper import dice
from liver_jax.evaluation.experiments import echoes, networks


@pytest.fixture
def echo_rows(row):
    """Three subjects, two sequences, two echoes: the means are .9, .92, .94 and .96."""
    return [
        row(mean + shift, "initial", technique, f"{name}-{technique}", echo, subject_id=name)
        for technique, echo, mean in (
            ("spgr2d", 1, 0.92), ("spgr2d", 2, 0.90), ("spgr3d", 1, 0.96), ("spgr3d", 2, 0.94)
        )
        for name, shift in (("a", -0.01), ("b", 0.0), ("c", 0.01 + (0.93 - mean) / 20))
    ]  # fmt: skip


def of_echoes(rows):
    found = dice.echoes(echoes.run(rows))
    return {(item["measure"], item["technique"]): item for item in found}


def test_the_range_of_the_echoes_means_and_their_tests(echo_rows):
    found = of_echoes(echo_rows)
    lowest = found["lowest_mean_dice_of_echoes", None]
    assert lowest["published"]["value"] == 0.90
    assert lowest["ours"]["value"] == pytest.approx(0.9, abs=0.001)
    assert (lowest["published"]["n"], lowest["published"]["n_taken"]) == (None, 33)
    highest = found["highest_mean_dice_of_echoes", None]
    assert highest["ours"]["value"] == pytest.approx(0.96, abs=0.001)
    assert found["te_f", "spgr2d"]["published"]["value"] == 1.29
    assert found["te_f", "spgr2d"]["ours"]["value"] > 100
    assert found["te_p", "spgr3d"]["ours"]["value"] < 0.01
    assert found["sequence_p", None]["ours"]["n"] == 3


def test_echoes_are_those_of_the_papers_own_cohort(echo_rows):
    internal = [one | {"cohort": "internal"} for one in echo_rows]
    external = [
        one | {"cohort": "external", "subject_id": f"x{one['subject_id']}", "dice": 0.5,
               "exam_id": f"x{one['exam_id']}"}
        for one in echo_rows
    ]  # fmt: skip
    found = of_echoes(internal + external)
    assert {item["cohort"] for item in found.values()} == {"internal"}
    alone = of_echoes(internal)
    for key, item in found.items():
        assert item["ours"] == alone[key]["ours"]
    pooled = of_echoes(external)
    assert {item["cohort"] for item in pooled.values()} == {"pooled"}
    assert pooled["lowest_mean_dice_of_echoes", None]["ours"]["value"] == pytest.approx(0.5)


def test_first_echoes_alone_are_no_range(echo_rows):
    found = of_echoes([one for one in echo_rows if one["echo"] == 1])
    for item in found.values():
        assert item["ours"] is None
    assert found["te_p", "spgr2d"]["reason"].startswith("needs the initial network on all echoes")


def test_both_networks_and_their_difference(row):
    pairs = [(0.82, 0.93), (0.80, 0.95), (0.86, 0.94)]
    rows = [row(before, "initial", exam=f"e{i}") for i, (before, _) in enumerate(pairs)]
    rows += [row(after, exam=f"e{i}") for i, (_, after) in enumerate(pairs)]
    rows.append(row(None, exam="e4", status="failed"))
    groups = summary.summarise(rows)["groups"]
    found = {
        (item["technique"], item["model"]): item for item in dice.networks(groups, ["multimodal"])
    }
    assert len(found) == len(paper.DICE)
    ours = found["ct", "multimodal"]["ours"]
    assert (ours["value"], ours["n"]) == (pytest.approx(2.82 / 4), 4)  # the failed one counts as 0
    assert found["ct", "initial"]["ours"]["n"] == 3
    assert found["hbp_t1w", "initial"]["reason"] == "no case of hbp_t1w by initial"
    experiment = networks.run(rows)
    difference, p = [
        item for item in dice.differences(experiment["groups"]) if item["technique"] == "ct"
    ]
    assert difference["ours"]["value"] == pytest.approx((0.11 + 0.15 + 0.08) / 3)
    assert difference["published"]["value"] == 0.12
    assert difference["verdict"] and difference["is_better"] is None
    assert found["ct", "multimodal"]["is_better"] is False
    assert p["ours"]["value"] == pytest.approx(experiment["groups"][0]["p_bonferroni"])


def test_another_tools_masks_stand_beside_the_multimodal_network(row):
    groups = summary.summarise([row(0.9, "nnunet"), row(0.8, "nnunet", exam="e2")])["groups"]
    found = [item for item in dice.networks(groups, ["nnunet"]) if item["ours"]]
    assert [(item["model"], item["published"]["value"]) for item in found] == [("nnunet", 0.94)]


def test_the_ablation_takes_the_spread_of_one_run():
    point = {
        "arm": "ct", "model": "multimodal", "count": 2, "mean": 0.9, "sd_cases": 0.1,
        "n_cases": 40, "n_subjects": 38, "interval_95": [0.87, 0.93],
    }  # fmt: skip
    arm = {"arm": "ct", "plateau": {"count": None, "reason": "too short"}}
    found = {
        (item["technique"], item["measure"], item["sets"]): item
        for item in dice.ablation({"points": [point], "arms": [arm]})
    }
    assert len(found) == 2 * (4 + 1)
    two = found["ct", "dice", 2]
    assert (two["ours"]["sd"], two["ours"]["n_subjects"]) == (0.1, 38)
    assert two["published"]["value"] == 0.91 and two["verdict"] == "inconclusive"
    assert found["ct", "dice", 0]["reason"] == "no run with ct=0"
    assert found["ct", "plateau", None]["reason"] == "too short"
    assert found["hbp_t1w", "plateau", None]["reason"] == "no run with hbp=N"
    assert all(item["reason"] == "it comes from --ablation" for item in dice.ablation(None))
