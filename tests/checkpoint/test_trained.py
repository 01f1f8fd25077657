import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from liver_jax.checkpoint import trained
from liver_jax.errors import InputError

SAVED = {"params": {"a": {"kernel": np.ones((3, 3), np.float32)}, "b": np.ones(2, np.float32)}}


@pytest.fixture
def source():
    fields = {field.name: {} for field in dataclasses.fields(trained.Trained)}
    named = {"variables": SAVED, "checkpoint": "runs/a (best, step 1)", "step": 1}
    return trained.Trained(**fields | named)


def test_transfer_tells_loaded_skipped_and_reinitialised(source):
    fresh = {"params": {"a": {"kernel": jnp.zeros((3, 3))}, "new": jnp.full(4, 5.0)}}
    merged, table = trained.transfer(source, fresh)
    np.testing.assert_array_equal(merged["params"]["a"]["kernel"], np.ones((3, 3)))
    np.testing.assert_array_equal(merged["params"]["new"], np.full(4, 5.0))
    lines = table.splitlines()
    assert lines[0] == "weights from runs/a (best, step 1)"
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:]}
    assert rows == {
        "loaded": ["1", "9"],
        "skipped": ["1", "2", "params/b"],
        "reinitialised": ["1", "4", "params/new"],
    }


def test_transfer_refuses_another_architecture_with_both_shapes(source):
    with pytest.raises(InputError, match=r"params/b \(2,\) there, \(3,\) here"):
        trained.transfer(source, {"params": {"b": jnp.zeros(3)}})
    with pytest.raises(InputError, match="no parameter fits"):
        trained.transfer(source, {"params": {"c": jnp.zeros(3)}})


def test_words_name_a_file_or_a_run_folder(tmp_path):
    (tmp_path / "builtin").mkdir()
    (tmp_path / "network").touch()
    assert trained.is_file("builtin") and trained.is_file(tmp_path / "network")
    assert trained.is_file("absent.safetensors")
    assert not trained.is_file(tmp_path / "builtin") and not trained.is_file("./builtin")
    with pytest.raises(InputError, match="there is no checkpoint"):
        trained.load(tmp_path / "builtin")
