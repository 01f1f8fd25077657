import json

import numpy as np
import pytest

from liver_jax.evaluation import quality
from liver_jax.evaluation.experiments import failure

OF_MASK = ("volume_z", "right_share", "largest_component_share")


@pytest.fixture(scope="module")
def given(made_rows):
    return made_rows(subjects=6)


@pytest.fixture(scope="module")
def found(given):
    return failure.run(given)


def group(found, model=None):
    return next(it for it in found["groups"] if it["model"] == model)


def test_it_is_learnt_from_one_cohort_and_reported_on_the_other(given, found):
    assert found["learnt_from"]["cohort"] == "internal"
    assert not found["learnt_from"]["by_turns"]
    assert {it["cohort"] for it in found["cases"] if it["reported"]} == {"external"}
    assert [it["model"] for it in found["groups"]] == ["initial", "multimodal", None]
    assert group(found)["cohorts"] == ["external"]
    assert group(found)["n"] == sum(row["cohort"] == "external" for row in given)


def test_every_row_is_accounted_for(found):
    for it in found["groups"]:
        left_out = it["n_undefined"] + it["n_failed"] + it["n_unpredicted"]
        assert it["n"] == it["n_counted"] + left_out
        assert all(signal["n"] <= it["n_counted"] for signal in it["signals"])
    assert group(found)["n_undefined"] == 2  # both masks empty, of two models
    assert group(found)["n_failed"] == 6  # one examination of six echoes
    bad = [it for it in found["cases"] if it["reported"] and it["dice"] < 0.85]
    assert group(found)["n_bad"] == len(bad)


def test_signals_that_tell_the_dice_are_used(found):
    pooled = group(found)
    assert pooled["spearman"]["value"] > 0.9
    assert pooled["auroc"]["value"] > 0.97
    assert pooled["risk_coverage"]["gain"]["value"] > 0.9
    error = pooled["calibration"]["mean_absolute_error"]["value"]
    assert error < pooled["mean_absolute_error_of_mean"] / 3


def test_no_prediction_knows_its_own_subject(given, found):
    subject = next(row["subject_id"] for row in given if row["cohort"] == "internal")
    changed = [
        row | {"dice": 0.1} if row["subject_id"] == subject and row["status"] == "ok" else row
        for row in given
    ]
    again = failure.run(changed)

    def predicted(result):
        return {
            (it["exam_id"], it["echo"], it["model"]): it["predicted_dice"]
            for it in result["cases"]
            if it["subject_id"] == subject
        }

    assert predicted(found) == predicted(again)
    assert len(predicted(found)) > 1


def test_an_empty_mask_is_predicted_to_be_a_failure(found):
    empty = [it for it in found["cases"] if it["dice"] == 0.0]
    assert empty
    assert {it["predicted_dice"] for it in empty} == {0.0}
    assert found["cases"][0]["predicted_dice"] == 0.0  # worst first


def test_one_cohort_alone_is_predicted_by_turns(given):
    one_model = [row for row in given if row["model"] == "initial"]
    found = failure.run([row for row in one_model if row["cohort"] == "external"])
    assert found["learnt_from"]["by_turns"]
    assert found["learnt_from"]["cohort"] == "external"
    assert all(it["reported"] for it in found["cases"])
    assert group(found)["spearman"]["value"] > 0.9


def test_a_small_internal_cohort_is_not_learnt_from(given):
    internal = [row for row in given if row["cohort"] == "internal"][:9]
    found = failure.run([*internal, *(row for row in given if row["cohort"] == "external")])
    assert found["learnt_from"]["cohort"] == "external"


def test_another_tools_masks_have_only_what_masks_tell(given):
    rows = [
        row | {"quality": {name: row["quality"].get(name) for name in OF_MASK}, "model": "theirs"}
        for row in given
        if row["model"] == "initial"
    ]
    found = failure.run(rows)
    assert [it["model"] for it in found["groups"]] == [None]
    assert group(found)["n_unpredicted"] == 0
    known = {it["name"] for it in group(found)["signals"] if it["n"]}
    assert known == set(OF_MASK)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_too_few_cases_are_said_to_be_so(given, n):
    ok = [row for row in given if row["status"] == "ok"][:n]
    found = failure.run(ok)
    assert "fewer than 10" in found["learnt_from"]["reason"]
    assert group(found)["n_unpredicted"] == n
    assert group(found)["spearman"] == {
        "value": None,
        "interval_95": None,
        "exact_interval_95": None,
        "reason": "fewer than three cases",
    }


def test_the_result_is_strict_json(found):
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found["signals"]) == list(quality.SIGNALS)


@pytest.mark.parametrize("n", [13, 14, 17, 22, 55])  # in some, turns' means differ by rounding
def test_a_tool_without_bad_cases_is_reported(row, n):
    rng = np.random.default_rng(0)
    rows = [
        row(0.95, exam=f"e{i}", subject_id=f"s{i}",
            quality={name: float(rng.uniform(0.5, 1)) for name in quality.SIGNALS})
        for i in range(n)
    ]  # fmt: skip
    (alone,) = failure.run(rows)["groups"]
    assert alone["n_counted"] == n
    assert alone["calibration"]["slope"]["value"] is None
    assert alone["calibration"]["slope"]["reason"] == "all predictions are equal"
    assert alone["spearman"]["reason"]
