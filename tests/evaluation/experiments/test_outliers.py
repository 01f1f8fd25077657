import pytest

from liver_jax.evaluation.experiments import fat, outliers, volumes


def find(rows, **given):
    return outliers.run(rows, volumes.run(rows), fat.run(rows), **given)


def regular(row, count=20, **fields):
    """Cases whose volumes are 9 to 11 mL too small."""
    return [
        row(
            0.95,
            exam=f"{index}r",
            volume_ml_auto=1000.0 + index - (9, 10, 11)[index % 3],
            volume_ml_manual=1000.0 + index,
            **fields,
        )
        for index in range(count)
    ]


def test_each_reason_and_the_worst_first(row):
    rows = [
        *regular(row, 60),
        row(0.95, exam="v", volume_ml_auto=1040.0, volume_ml_manual=1000.0),
        row(0.84, exam="d", volume_ml_auto=990.0, volume_ml_manual=1000.0, flags=["wrong_side"]),
        row(0.3, exam="b", volume_ml_auto=930.0, volume_ml_manual=1000.0),
        row(None, exam="f", status="failed"),
        row(None, exam="n", status="empty", volume_ml_auto=0.0, volume_ml_manual=0.0),
    ]
    result = find(rows)
    assert [(case["exam_id"], case["why"]) for case in result["cases"]] == [
        ("f", ["failed"]),
        ("b", ["dice", "volume"]),
        ("d", ["dice"]),
        ("v", ["volume"]),
    ]
    assert result["cases"][0]["dice"] == 0.0
    assert result["cases"][2]["flags"] == ["wrong_side"]
    low, high = result["groups"][0]["volume_limits_ml"]
    assert result["cases"][1]["beyond"] == pytest.approx((low + 70) / ((high - low) / 2))
    assert result["cases"][2]["beyond"] == 0
    counts = {key: result["groups"][0][key] for key in ("n", "n_undefined", "n_failed")}
    assert counts == {"n": 65, "n_undefined": 1, "n_failed": 1}
    assert result["groups"][0]["n_outliers"] == 4


def test_the_limits_are_those_of_the_same_model_and_technique(row):
    rows = regular(row) + regular(row, model="initial")
    for index, case in enumerate(rows[20:]):
        case["volume_ml_auto"] += 300 * (-1) ** index
    result = find([*rows, row(0.9, exam="x", volume_ml_auto=1090.0, volume_ml_manual=1000.0)])
    assert [(case["exam_id"], case["model"]) for case in result["cases"]] == [("x", "multimodal")]


def test_pdff_outside_its_limits_and_a_threshold_of_ones_own(row):
    rows = [
        row(
            0.9,
            technique="spgr2d",
            exam=f"{index}p",
            echo=1,
            pdff_percent_auto=10 + 0.1 * (-1) ** index + (4 if index == 7 else 0),
            pdff_percent_manual=10.0,
        )
        for index in range(30)
    ]
    rows.append(row(0.1, technique="spgr2d", exam="second_echo", echo=2))
    (case,) = find(rows)["cases"]
    assert (case["exam_id"], case["why"]) == ("7p", ["pdff"])
    assert case["pdff_percent_difference"] == pytest.approx(3.9)
    result = find(rows, dice_threshold=0.92)
    assert result["dice_threshold"] == 0.92 and len(result["cases"]) == 30


def test_equal_differences_have_limits_without_width_and_no_outliers(row):
    rows = [
        row(0.9, exam=f"{i}e", volume_ml_auto=1000.1 + i / 3, volume_ml_manual=1000.0 + i / 3)
        for i in range(5)
    ]
    assert find(rows)["cases"] == []
