import json

import pytest

from liver_jax.evaluation import comparison, paper, summary
from liver_jax.evaluation.experiments import echoes, fat, networks, volumes


def compared(rows):
    experiments = {
        "echoes": echoes.run(rows),
        "networks": networks.run(rows),
        "volumes": volumes.run(rows),
        "fat": fat.run(rows),
    }
    return comparison.compare(summary.summarise(rows), experiments)


def test_every_published_figure_has_ours_or_a_reason(made_rows):
    found = compared(made_rows())
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["margins"] == paper.MARGINS
    assert {figure["experiment"] for figure in found["figures"]} == {1, 2, 3, 4, 5}
    for figure in found["figures"]:
        assert figure["reason"] or figure["verdict"] in comparison.VERDICTS
        assert figure["ours"] or figure["verdict"] is None
        if figure["verdict"]:
            low, high = figure["interval_90"]
            inside = -figure["margin"] < low and high < figure["margin"]
            assert (figure["verdict"] == "equivalent") == inside
    counts = found["verdicts"]
    assert sum(counts.values()) == len(found["figures"])
    assert counts["absent"] == 10  # experiment 3


def test_another_tools_masks_alone(made_rows):
    rows = [row | {"model": "nnunet"} for row in made_rows() if row["model"] == "multimodal"]
    present = [figure for figure in compared(rows)["figures"] if figure["ours"]]
    assert {figure["model"] for figure in present} == {"nnunet"}
    assert {figure["experiment"] for figure in present} == {2, 4, 5}


def test_an_evaluation_of_something_else_has_nothing_beside_the_paper(row):
    found = compared([row(0.9, technique="t2"), row(0.8, technique="t2", exam="e2")])
    assert found["verdicts"]["absent"] == len(found["figures"])


def test_the_ablation_alone():
    found = comparison.compare_ablation({"arms": [], "points": []})
    assert {figure["experiment"] for figure in found["figures"]} == {3}
    assert found["verdicts"]["absent"] == pytest.approx(10)
