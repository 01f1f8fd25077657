import pytest

from liver_jax.evaluation import paper, summary


def test_the_paper_stands_beside_what_this_run_has(row):
    rows = [row(0.91, exam="e1"), row(0.95, exam="e2"), row(0.7, technique="t2", exam="e3")]
    rows += [row(0.81, "initial", exam="e1"), row(0.83, "initial", exam="e2")]
    rows += [row(None, technique="hbp_t1w", exam="e4", status="empty")]
    beside = paper.beside(summary.summarise(rows))
    assert beside["margins"] == {"dice": 0.02, "volume_percent": 5.0, "pdff_points": 0.5}
    initial, multimodal, difference = beside["figures"]  # t2 is unknown, hbp_t1w is undefined
    assert initial["published"] == {"mean": 0.82, "sd": 0.14, "n": 230}
    assert multimodal["ours"]["mean"] == pytest.approx(0.93)
    assert multimodal["difference"] == pytest.approx(-0.01)
    assert (difference["measure"], difference["published"]["mean"]) == ("dice_difference", 0.12)
    assert difference["ours"]["mean"] == pytest.approx(0.11)


def test_the_published_table_agrees_with_itself():
    for technique in paper.TECHNIQUES:
        difference = (
            paper.DICE[technique, "multimodal"].mean - paper.DICE[technique, "initial"].mean
        )
        # Means are rounded to two digits, so a difference of two may be off by one.
        assert paper.DICE_DIFFERENCE[technique].mean == pytest.approx(difference, abs=0.0101)
    for arm, technique in paper.ABLATION_TECHNIQUE.items():
        assert paper.ABLATION[arm][0].mean == paper.DICE[technique, "initial"].mean
        assert max(paper.ABLATION[arm].items())[1].mean == paper.DICE[technique, "multimodal"].mean
