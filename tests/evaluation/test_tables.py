from liver_jax.evaluation import summary, tables


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
