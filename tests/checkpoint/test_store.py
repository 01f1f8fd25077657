"""Checkpoints: whole or absent, found again, carried over to another model."""

import errno
import os
import pathlib
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from liver_jax.checkpoint import store
from liver_jax.errors import InputError

ROOT = pathlib.Path(__file__).resolve().parents[2]


def state(value=1.0, **other):
    params = {"a": {"kernel": jnp.full((3, 3), value)}, "b": jnp.zeros(2)}
    return {"params": params, "batch_stats": {}, "ema_params": {}, **other}


def saved(run, scores):
    checkpoints = store.Checkpoints(run)
    for step, score in scores.items():
        checkpoints.save(step, state(float(step)), {"examples": 8 * step}, score)
    checkpoints.close()
    return run


def like(tree):
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), tree
    )


def test_keeps_the_last_two_and_the_best(tmp_path):
    run = saved(tmp_path, {1: 0.3, 2: 0.8, 3: None, 4: 0.5, 5: None, 6: None})
    assert sorted(os.listdir(run / "checkpoints")) == ["2", "5", "6"]


def test_a_run_means_its_best_and_latest_the_last(tmp_path):
    run = saved(tmp_path, {1: 0.3, 2: 0.8, 3: None})
    assert (store.resolve(run).step, store.resolve(run).choice) == (2, "best")
    assert (store.resolve(run / "latest").step, store.resolve(run / "latest").choice) == (
        3,
        "latest",
    )
    assert store.read_meta(store.resolve(run)) == {"examples": 16}
    np.testing.assert_array_equal(
        store.read_model(store.resolve(run))["params"]["a"]["kernel"], np.full((3, 3), 2.0)
    )


def test_a_run_without_scores_means_its_latest(tmp_path):
    assert store.resolve(saved(tmp_path, {1: None, 2: None})).choice == "latest"


def test_restores_what_was_saved(tmp_path):
    run = saved(tmp_path, {7: None})
    checkpoints = store.Checkpoints(run)
    assert checkpoints.latest_step() == 7
    restored, meta = checkpoints.restore(7, like(state()))
    assert meta == {"examples": 56}
    np.testing.assert_array_equal(restored["params"]["a"]["kernel"], np.full((3, 3), 7.0))
    checkpoints.close()


def test_the_moving_average_is_what_is_used(tmp_path):
    checkpoints = store.Checkpoints(tmp_path)
    average = {"a": {"kernel": jnp.full((3, 3), 9.0)}, "b": jnp.ones(2)}
    checkpoints.save(1, state(1.0) | {"ema_params": average}, {}, None)
    checkpoints.close()
    model = store.read_model(store.resolve(tmp_path))
    assert set(model) == {"params"}
    np.testing.assert_array_equal(model["params"]["b"], np.ones(2))


def test_refuses_another_architecture_with_both_shapes(tmp_path):
    saved(tmp_path, {1: None})
    checkpoints = store.Checkpoints(tmp_path)
    with pytest.raises(InputError, match=r"params/b \(2,\) there, \(3,\) here"):
        checkpoints.restore(1, like(state(params={"b": jnp.zeros(3)})))
    checkpoints.close()


def test_refuses_a_folder_without_checkpoints(tmp_path):
    for folder in (tmp_path, tmp_path / "absent", tmp_path / "latest"):
        with pytest.raises(InputError, match="there is no checkpoint in it"):
            store.resolve(folder)


def test_what_an_interrupted_save_left_is_not_a_checkpoint(tmp_path):
    run = saved(tmp_path, {1: None})
    (run / "checkpoints" / "2.orbax-checkpoint-tmp").mkdir()
    assert store.resolve(run / "latest").step == 1
    checkpoints = store.Checkpoints(run)
    assert checkpoints.latest_step() == 1
    checkpoints.close()


def damage(path, how):
    """Changes the largest file below: its arrays; or the record."""
    if how == "record":
        path = path / "meta" / "metadata"
        path.write_text(path.read_text()[:-9])
        return
    file = max((file for file in path.rglob("*") if file.is_file()), key=lambda f: f.stat().st_size)
    content = bytearray(file.read_bytes())
    if how == "truncated":
        content = content[: len(content) // 2]
    else:
        content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


@pytest.mark.parametrize("how", ["flipped", "truncated", "record"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path, capsys, how):
    run = saved(tmp_path, {3: None, 7: None})
    damage(run / "checkpoints" / "7", how)
    with pytest.raises(InputError, match="this checkpoint is damaged"):
        store.read_model(store.resolve(run / "latest"))
    checkpoints = store.Checkpoints(run)
    step, restored, meta = checkpoints.restore_latest(like(state()))
    assert step == 3 and meta == {"examples": 24}
    np.testing.assert_array_equal(restored["params"]["a"]["kernel"], np.full((3, 3), 3.0))
    assert f"{run / 'checkpoints' / '7'} is damaged" in capsys.readouterr().out
    assert store.resolve(run / "latest").step == 3
    # The run goes on and saves that step again.
    checkpoints.save(7, state(7.0), {"examples": 56}, None)
    checkpoints.close()
    assert store.resolve(run / "latest").step == 7
    assert (run / "checkpoints" / "damaged_7").is_dir()


def test_where_all_are_damaged_it_is_said(tmp_path):
    run = saved(tmp_path, {3: None})
    damage(run / "checkpoints" / "3", "record")
    checkpoints = store.Checkpoints(run)
    with pytest.raises(InputError, match="all of its checkpoints are damaged"):
        checkpoints.restore_latest(like(state()))
    checkpoints.close()
    fresh = store.Checkpoints(run)
    assert fresh.restore_latest(like(state())) is None
    fresh.close()


def test_what_was_saved_is_checked_array_by_array(tmp_path, monkeypatch):
    run = saved(tmp_path, {3: None})
    real = store._arrays

    def other(location, wanted):
        arrays = real(location, wanted)
        arrays["params"]["b"] = arrays["params"]["b"] + 1
        return arrays

    monkeypatch.setattr(store, "_arrays", other)
    with pytest.raises(InputError, match="damaged: params/b is not what was saved"):
        store.read_model(store.resolve(run))


def test_a_full_disk_is_refused_by_name(tmp_path, monkeypatch):
    checkpoints = store.Checkpoints(tmp_path)

    def full(*args, **kwargs):
        raise ValueError("write failed") from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoints._manager, "save", full)
    with pytest.raises(InputError, match="the disk is full"):
        checkpoints.save(1, state(), {}, None)


SAVES_FOREVER = """
import sys
import jax.numpy as jnp
from liver_jax.checkpoint import store

checkpoints = store.Checkpoints(sys.argv[1])
for step in range(1, 10_000):
    params = {str(leaf): jnp.full((200, 200), float(step)) for leaf in range(20)}
    checkpoints.save(step, {"params": params}, {"step": step}, None)
"""


def test_killed_in_the_middle_of_a_save_the_one_before_is_whole(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", SAVES_FOREVER, str(tmp_path)], cwd=ROOT)
    folder = tmp_path / "checkpoints"
    for _ in range(60_000):
        # One save is finished, and the next one is under way.
        if (folder / "1").exists() and any(folder.glob("*tmp*")):
            break
        time.sleep(0.001)
    process.kill()
    process.wait()
    location = store.resolve(tmp_path / "latest")
    assert store.read_meta(location) == {"step": location.step}
    for leaf in store.read_model(location)["params"].values():
        np.testing.assert_array_equal(leaf, np.full((200, 200), float(location.step)))
    # And the run can go on in the same folder: its next save comes after the sweep (a thread's
    # work) of what the killed one left.
    checkpoints = store.Checkpoints(tmp_path)
    assert checkpoints.latest_step() == location.step
    checkpoints.save(location.step + 1, state(), {"step": location.step + 1}, None)
    checkpoints.close()
    assert store.resolve(tmp_path / "latest").step == location.step + 1
    assert not list(folder.glob("*tmp*"))
