import json
import pathlib

import numpy as np
import pytest

from liver_jax.cohort import table1
from liver_jax.cohort.exam import Exam
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume


def exam(folder, name, subject, spacing=(1.5, 1.5, 8.0), shape=(4, 5, 6), **fields):
    path = pathlib.Path(folder) / f"{name}.nii.gz"
    data = np.zeros(shape, np.uint8)
    nifti.write(path, data, Volume(data, np.diag([*spacing, 1.0])))
    fields = {"modality": "MR", "technique": "spgr2d", "split": "train"} | fields
    return Exam(exam_id=name, subject_id=subject, images=(path,), **fields)


@pytest.fixture
def exams(tmp_path):
    extras = [("30", "F"), ("40", "M"), ("50", "F"), ("60", "")]
    result = [
        exam(
            tmp_path,
            f"e{number}",
            f"s{number}",
            te_ms=(1.15, 2.3),
            field_strength_t=3.0 if number else 1.5,
            spacing=(1.5, 1.5, 8.0 - number),
            cohort="internal",
            extra={"age": age, "sex": sex},
        )
        for number, (age, sex) in enumerate(extras)
    ]
    again = {"age": "30", "sex": "F"}
    result.append(exam(tmp_path, "e0b", "s0", cohort="internal", extra=again))
    result.append(exam(tmp_path, "c", "s9", technique="ct", modality="CT", split="test"))
    return result


def test_counts(exams):
    table = table1.describe(exams)
    assert (table["subjects"], table["exams"]) == (5, 6)
    assert [group["technique"] for group in table["groups"]] == ["ct", "spgr2d"]
    group = table["groups"][1]
    assert (group["cohort"], group["split"]) == ("internal", "train")
    assert (group["subjects"], group["exams"]) == (4, 5)
    assert group["field_strength_t"] == [
        {"value": 1.5, "exams": 1},
        {"value": 3.0, "exams": 3},
        {"value": None, "exams": 1},
    ]
    assert group["te_ms"] == [{"value": [1.15, 2.3], "exams": 4}, {"value": None, "exams": 1}]
    assert group["spacing_mm"] == [[1.5, 1.5], [1.5, 1.5], [5.0, 8.0]]
    assert group["matrix"] == [[4, 4], [5, 5], [6, 6]]
    assert table["left_out"] == {"exams": 0, "reasons": []}


def test_demographics_count_a_subject_once(exams):
    columns = table1.describe(exams)["groups"][1]["columns"]
    # 30, 40, 50, 60: mean 45, SD sqrt(500 / 3)
    assert columns["age"] == {"mean": 45.0, "sd": pytest.approx(12.9099, abs=1e-4), "n": 4}
    assert columns["sex"] == {"counts": {"F": 2, "M": 1}}
    assert table1.describe(exams)["groups"][0]["columns"] == {}


def test_a_recurring_code_is_not_averaged(tmp_path):
    exams = [
        exam(tmp_path, f"e{number}", f"s{number}", extra={"grade": str(number % 3)})
        for number in range(6)
    ]
    columns = table1.describe(exams)["groups"][0]["columns"]
    assert columns["grade"] == {"counts": {"0": 2, "1": 2, "2": 2}}


def test_one_value_has_no_sd(tmp_path):
    table = table1.describe([exam(tmp_path, "e", "s", extra={"bmi": "31.5"})])
    assert table["groups"][0]["columns"]["bmi"] == {"mean": 31.5, "sd": None, "n": 1}
    assert "31.5 (n = 1)" in table1.format_table(table)


def test_spacing_is_told_in_the_order_of_the_body(tmp_path):
    # A coronal series: its data axes are left-right, foot-head, back-front.
    data = np.zeros((3, 4, 5), np.uint8)
    affine = np.array([[1.0, 0, 0, 0], [0, 0, 6, 0], [0, 2, 0, 0], [0, 0, 0, 1]])
    nifti.write(tmp_path / "cor.nii", data, Volume(data, affine))
    fields = {"modality": "MR", "technique": "t2", "images": (tmp_path / "cor.nii",)}
    (group,) = table1.describe([Exam(exam_id="a", subject_id="b", **fields)])["groups"]
    assert group["spacing_mm"] == [[1, 1], [6, 6], [2, 2]]
    assert group["matrix"] == [[3, 3], [5, 5], [4, 4]]


def test_left_out_with_reasons(exams):
    exams[1].images[0].unlink()
    exams[2].images[0].unlink()
    table = table1.describe(exams, {"e3": "mask: lies on another grid", "row 9": "exam_id: empty"})
    assert table["exams"] == 3
    assert table["left_out"] == {
        "exams": 4,
        "reasons": [
            {"reason": "mask: lies on another grid", "exam_ids": ["e3"]},
            {"reason": "exam_id: empty", "exam_ids": ["row 9"]},
            {"reason": "images: no such file", "exam_ids": ["e1", "e2"]},
        ],
    }
    text = table1.format_table(table)
    assert "left out: 4 examinations" in text
    assert "2: images: no such file (e1, e2)" in text


def test_everything_left_out(exams):
    table = table1.describe(exams, {item.exam_id: "not consented" for item in exams})
    assert (table["subjects"], table["exams"], table["groups"]) == (0, 0, [])
    assert "6: not consented" in table1.format_table(table)


def test_the_text_fits_a_terminal(exams, tmp_path):
    many = [
        exam(
            tmp_path,
            f"x{number}",
            f"x{number}",
            te_ms=tuple(1.0 + number + echo for echo in range(6)),
            extra={"a_column_with_a_very_long_name_indeed": f"note {number}", "unit": "x" * 30},
        )
        for number in range(12)
    ]
    text = table1.format_table(table1.describe([*exams, *many]))
    assert max(map(len, text.splitlines())) <= 100
    for expected in (
        "17 subjects, 18 examinations",
        "spgr2d / internal / train",
        "ct / no cohort / test",
        "1.50 x 1.50 x 5.00 to 8.00",
        "1.15 2.3 (n = 4); not given (n = 1)",
        "45 +/- 12.91 (n = 4)",
        "F: 2; M: 1",
        "12 different values",
    ):
        assert expected in text


def test_strict_json(exams):
    json.dumps(table1.describe(exams), allow_nan=False)
