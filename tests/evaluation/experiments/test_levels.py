import pytest

from liver_jax.errors import InputError
from liver_jax.evaluation.experiments import levels


def test_words_are_levels_and_empty_is_none(row):
    rows = [
        row(0.9, exam="a", columns={"sex": "M"}),
        row(0.9, exam="b", columns={"sex": "F "}),
        row(0.9, exam="c", columns={"sex": ""}),
        row(0.9, exam="d"),
    ]
    found = levels.of_column(rows, "sex")
    assert (found.kind, found.names, found.cuts) == ("categories", ("F", "M"), ())
    assert found.of_exam == {"a": "M", "b": "F"}


def test_few_numbers_are_levels_in_their_order(row):
    rows = [
        row(0.9, exam=f"e{index}", field_strength_t=strength)
        for index, strength in enumerate((3.0, 1.5, 0.55, 10.5, None))
    ]
    found = levels.of_column(rows, "field_strength_t")
    assert found.names == ("0.55", "1.5", "3", "10.5")
    assert "e4" not in found.of_exam


def test_many_numbers_are_cut_at_their_tertiles(row):
    rows = [row(0.9, exam=f"e{age}", columns={"age": str(age)}) for age in range(10, 100, 10)]
    found = levels.of_column(rows, "age")
    assert found.kind == "tertiles"
    assert found.cuts == pytest.approx((10 + 80 / 3, 10 + 160 / 3))
    assert list(found.of_exam.values()) == [name for name in found.names for _ in range(3)]


@pytest.mark.parametrize(
    ("percent", "grade"),
    [(0.0, 0), (6.39, 0), (6.4, 1), (17.39, 1), (17.4, 2), (22.09, 2), (22.1, 3), (60.0, 3)],
)
def test_steatosis_grades_of_tang_2013(row, percent, grade):
    rows = [row(0.9, exam="a", pdff_percent_manual=percent), row(0.9, exam="b")]
    found = levels.of_column(rows, "steatosis_grade")
    assert found.of_exam == {"a": f"grade {grade}"}
    assert found.names == (f"grade {grade}",) and found.kind == "grades"


def test_an_unknown_column_is_refused_with_those_that_are_there(row):
    rows = [row(0.9, columns={"sex": "M"})]
    levels.check(rows, ["sex", "site", "steatosis_grade"])
    with pytest.raises(InputError, match=r"Sex is no column.*steatosis_grade, sex"):
        levels.check(rows, ["Sex"])
