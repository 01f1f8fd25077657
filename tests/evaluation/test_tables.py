from liver_jax.evaluation import comparison, paper, summary, tables
from liver_jax.evaluation.against_paper import figure
from liver_jax.evaluation.experiments import echoes, fat, networks, volumes


def test_table_of_the_terminal(row):
    rows = [row(0.9, exam="e1"), row(0.8, exam="e2"), row(0.3, "initial", exam="e1")]
    rows += [row(0.5, technique="t2", exam="e3"), row(None, "nnunet", exam="e4", status="empty")]
    assert tables.dice(summary.summarise(rows)["groups"]).splitlines() == [
        "Dice: mean +/- SD (n)  initial          paper          multimodal           paper"
        "          nnunet",
        "ct                     0.300 +/- - (1)  0.82 +/- 0.14  0.850 +/- 0.071 (2)  0.94 +/- 0.06"
        "  - (0)",
        "t2                     -                -              0.500 +/- - (1)      -"
        "              -",
    ]


def test_the_forgetting_is_told_beside_the_papers(row):
    rows = [row(0.90, technique="spgr2d", echo=1), row(0.94, "initial", "spgr2d", echo=1)]
    assert tables.forgetting(summary.summarise(rows)["forgetting"]) == (
        "Forgetting on spgr2d (Dice, multimodal - initial): -0.040 +/- - (1); paper -0.01 +/- 0.02"
    )


def test_the_comparison_fits_a_terminal(made_rows):
    rows = made_rows()
    rows += [
        row | {"model": "a_folder_with_a_long_name_of_some_other_tool"}
        for row in rows
        if row["model"] == "multimodal"
    ]
    experiments = {
        "echoes": echoes.run(rows),
        "networks": networks.run(rows),
        "volumes": volumes.run(rows),
        "fat": fat.run(rows),
    }
    compared = comparison.compare(summary.summarise(rows), experiments)
    lines = tables.paper(compared).splitlines()
    assert max(map(len, lines)) <= 120
    assert sum(line.startswith("Experiment ") for line in lines) == 4
    present = [item for item in compared["figures"] if item["ours"]]
    body = [line for line in lines if "  " in line and not line.startswith("figure")]
    assert len(body) == len(present)
    assert "10 published without ours: it comes from --ablation." in lines
    for verdict in comparison.VERDICTS:
        assert f"{compared['verdicts'][verdict]} {verdict}" in "\n".join(lines)


def test_lines_of_the_comparison():
    what = {"experiment": 2, "measure": "dice", "technique": "ct", "model": "multimodal"}
    ours = {"value": 0.80, "sd": 0.03, "n": 50, "n_subjects": 50, "interval_95": None}
    figures = [
        figure.mean_dice(what, paper.DICE["ct", "multimodal"], ours, "-"),
        figure.mean_dice(what | {"technique": "hbp_t1w"}, paper.Published(0.95, 0.03), None, "why"),
    ]
    counts = {"equivalent": 0, "inconclusive": 0, "different": 1, "none": 0, "absent": 1}
    told = {"figures": figures, "verdicts": counts, "method": "M", "source": "S"}
    assert tables.paper(told).splitlines() == [
        "Experiment 2: Dice of both networks; margin 0.02",
        "figure               paper          ours (n)              difference [95 % interval]  "
        "verdict",
        "Dice, ct multimodal  0.94 +/- 0.06  0.800 +/- 0.030 (50)  -0.140 [-0.151, -0.129]     "
        "different, worse",
        "",
        "0 equivalent, 0 inconclusive, 1 different; 0 without a margin.",
        "1 published without ours: why.",
        "Verdicts: M. Paper: S.",
    ]


def test_a_difference_is_not_better_and_a_cohort_is_named():
    what = {"experiment": 2, "measure": "dice_difference", "technique": "ct", "cohort": "internal"}
    ours = {"value": 0.80, "sd": 0.03, "n": 50, "n_subjects": 50, "interval_95": None}
    one = figure.mean_dice(what, paper.DICE_DIFFERENCE["ct"], ours, "-", more_is_better=False)
    counts = {"equivalent": 0, "inconclusive": 0, "different": 1, "none": 0, "absent": 0}
    told = {"figures": [one], "verdicts": counts, "method": "M", "source": "S"}
    line = tables.paper(told).splitlines()[2]
    assert line.startswith("multimodal - initial, ct internal  ") and line.endswith(" different")
