import pytest

from liver_jax.evaluation.experiments import volumes


def case(row, exam, automated, manual, **fields):
    return row(0.9, exam=exam, volume_ml_auto=automated, volume_ml_manual=manual, **fields)


def test_volumes_of_a_technique_and_what_has_none(row):
    rows = [
        case(row, "a", 1100.0, 1000.0),
        case(row, "b", 1450.0, 1500.0),
        case(row, "c", 0.0, 1250.0, status="empty"),  # nothing found: 0 mL, and counts
        case(row, "d", 300.0, 0.0, status="empty"),  # no liver was drawn
        case(row, "e", None, None, status="failed"),
    ]
    (group,) = volumes.run(rows)["groups"]
    assert (group["n"], group["n_undefined"], group["n_failed"]) == (5, 1, 1)
    found = group["agreement"]
    assert found["n"] == 3
    assert found["bias"]["value"] == pytest.approx((100 - 50 - 1250) / 3)
    assert found["manual"] == pytest.approx({"mean": 1250, "sd": 250, "min": 1000, "max": 1500})


def test_only_first_echoes_and_every_technique_and_model(row):
    rows = [
        case(row, "a", 1100.0, 1000.0, technique="t1", echo=1),
        case(row, "a", 9999.0, 1000.0, technique="t1", echo=2),
        case(row, "b", 1100.0, 1000.0, technique="ct", model="another_tool"),
    ]
    groups = volumes.run(rows)["groups"]
    assert [(g["technique"], g["model"], g["agreement"]["automated"]["max"]) for g in groups] == [
        ("ct", "another_tool", 1100.0),
        ("t1", "multimodal", 1100.0),
    ]


def test_no_volume_gives_a_reason(row):
    result = volumes.run([row(None, status="failed")])
    assert result["groups"] == [] and result["reason"]
