from liver_jax.report import claim


def metrics(rows, **provenance):
    return {"cases": rows, "experiments": {}, "provenance": {"manifests": [], **provenance}}


def answers(found):
    return {item.number: item.answer for item in claim.items(found)}


def test_the_update_of_2024_has_44_items():
    items = claim.items(metrics([]))
    assert [item.number for item in items] == list(range(1, 45))
    assert items[13].topic.startswith("Definition of the reference standard")
    assert items[32].topic == "Testing on external data"
    assert items[43].topic == "Funding"


def test_what_only_the_author_knows_is_blank(made_rows):
    found = answers(metrics(made_rows(subjects=2)))
    for number in (2, 3, 4, 5, 6, 8, 11, 15, 16, 17, 18, 31, 34, 40, 41, 42, 44):
        assert found[number] is None, number


def test_what_the_run_knows_is_counted(made_rows):
    rows = made_rows(subjects=5)
    found = answers(metrics(rows, versions={"jax": "1.2"}))
    exams = {row["exam_id"] for row in rows if row["cohort"] == "external"}
    assert found[33].startswith(f"{len(exams)} examinations of 15 subjects")
    failed = sum(row["status"] == "failed" for row in rows)
    assert failed and f"{failed} failed cases" in found[12]
    assert found[23] == "jax 1.2"
    assert "3D SPGR (3 T, TE 0.9 to 4.7 ms)" in found[13]


def test_masks_of_another_tool_say_nothing_of_its_network(made_rows):
    found = answers(metrics(made_rows(subjects=1, models=["theirs"]), checkpoints={}))
    for number in (1, 9, 19, 20, 22, 24, 25, 26, 27):
        assert found[number] is None, number


def test_a_network_is_described_from_its_record(made_rows):
    network = {
        "step": 700,
        "config": {"data": {"size": 128, "spacing_mm": 3.2}, "model": {"depth": 4}},
        "training": {"initial": None, "n_train_subjects": 60, "n_validation_subjects": 8},
    }
    found = answers(metrics(made_rows(subjects=1), checkpoints={"multimodal": network}))
    assert "128 x 128 pixels of 3.2 mm" in found[9]
    assert "60 subjects to train, 8 to validate" in found[19]
    assert "random weights" in found[24]
    assert "step 700" in found[26]
