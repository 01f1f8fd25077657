import copy

from liver_jax.report.sections import opening


def test_phantoms_are_named_as_such(made_metrics):
    mixed = copy.deepcopy(made_metrics)
    assert "All data are phantoms." in opening.show(mixed)
    mixed["provenance"]["manifests"].append({"path": "b", "sha256": "1", "phantom": False})
    assert "Some data are phantoms." in opening.show(mixed)
    for item in mixed["provenance"]["manifests"]:
        item["phantom"] = False
    assert "phantom" not in opening.show(mixed)
