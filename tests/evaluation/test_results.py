import json
import pathlib

import jsonschema
import pytest

from liver_jax.errors import InputError
from liver_jax.evaluation import comparison, results, summary
from liver_jax.evaluation.experiments import run


@pytest.fixture
def mask(tmp_path):
    path = tmp_path / "mask.nii.gz"
    path.write_bytes(b"mask")
    return path


def test_metrics_are_strict_json(tmp_path):
    path = tmp_path / "metrics.json"
    results.write(path, {"cases": []})
    before = path.read_bytes()
    assert next(iter(json.loads(before))) == "schema_version"
    assert results.read(path) == {"schema_version": results.SCHEMA_VERSION, "cases": []}
    with pytest.raises(ValueError, match="not JSON compliant"):
        results.write(path, {"cases": [float("nan")]})
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "not a JSON object"),
        ('{"schema_version": 99}', "schema version 99"),
    ],
)
def test_damaged_metrics_are_refused(tmp_path, text, fault):
    path = tmp_path / "metrics.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=fault):
        results.read(path)


def test_a_finished_case_is_used_only_if_nothing_changed(tmp_path, mask):
    path, figures, fingerprint = tmp_path / "case.json", {"dice": 0.9}, {"manual": "abc"}
    assert results.reuse(path, fingerprint, mask) is None
    results.keep(path, figures, fingerprint, mask)
    assert results.reuse(path, fingerprint, mask) == figures
    assert results.reuse(path, {"manual": "abd"}, mask) is None
    mask.write_bytes(b"another mask")
    assert results.reuse(path, fingerprint, mask) is None
    mask.unlink()
    assert results.reuse(path, fingerprint, mask) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"fingerprint": {"manual": "abc"}}'])
def test_a_damaged_case_is_done_again(tmp_path, mask, text):
    path = tmp_path / "case.json"
    path.write_text(text)
    assert results.reuse(path, {"manual": "abc"}, mask) is None


@pytest.mark.parametrize(
    ("subjects", "models"),
    [(8, ("initial", "multimodal")), (1, ("initial", "multimodal")), (3, ("theirs",))],
)
def test_what_is_derived_follows_the_schema(made_rows, subjects, models):
    rows = made_rows(subjects=subjects, models=models)
    summarised, experiments = summary.summarise(rows), run.run(rows, ["sex", "steatosis_grade"])
    experiments["ablation"] = None
    derived = {
        "cases": rows,
        "summary": summarised,
        "experiments": experiments,
        "paper": comparison.compare(summarised, experiments),
    }
    schema = json.loads((pathlib.Path(results.__file__).parent / "metrics.schema.json").read_text())
    schema["required"] = list(derived)
    jsonschema.Draft202012Validator(schema).validate(derived)
