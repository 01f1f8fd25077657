import json

import pytest

from liver_jax.evaluation import cases, quality
from liver_jax.evaluation.experiments import run

NAMES = {
    *("echoes", "networks", "volumes", "fat", "outliers", "repeatability", "subgroups", "failure"),
}


@pytest.fixture(scope="module")
def rows(made_rows):
    return made_rows(subjects=5)


def test_the_rows_are_as_an_evaluation_makes_them(rows):
    for row in rows:
        assert set(cases.FIGURES) < set(row)
        assert set(row["quality"]) == set(quality.SIGNALS)


def test_everything_is_strict_json_and_comes_out_the_same_again(rows):
    columns = ["sex", "scanner", "field_strength_t", "site", "steatosis_grade"]
    found = run.run(rows, columns)
    assert set(found) == NAMES
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    assert json.dumps(run.run(list(rows), columns)) == text
    assert [item["column"] for item in found["subgroups"]] == columns
    for name in ("echoes", "networks", "volumes", "fat", "repeatability"):
        assert found[name]["reason"] is None, name


def test_masks_of_another_tool_alone(made_rows):
    found = run.run(made_rows(subjects=4, models=("another_tool",)))
    assert found["networks"]["groups"] == [] and found["networks"]["reason"]
    assert {group["model"] for group in found["volumes"]["groups"]} == {"another_tool"}
    assert found["echoes"]["te"] and found["outliers"]["groups"]


def small(rows, wanted):
    if wanted == "one case":
        return rows[:1]
    if wanted == "one failed case":
        return [row for row in rows if row["status"] == "failed"][:1]
    if wanted == "empty cases":
        return [row for row in rows if row["status"] == "empty"]
    if wanted == "two of each technique":
        return [row for row in rows if row["subject_id"].endswith(("000", "001"))]
    return [row for row in rows if row["echo"] in (None, 1)]


@pytest.mark.parametrize(
    "wanted",
    ["one case", "one failed case", "empty cases", "two of each technique", "first echoes"],
)
def test_few_cases_leave_figures_undefined_and_never_fail(rows, wanted):
    json.dumps(run.run(small(rows, wanted), ["sex", "field_strength_t"]), allow_nan=False)
