import shutil
import types

import jax.numpy as jnp
import pytest

from liver_jax.data.slices import ExamSlices, SliceStore
from liver_jax.errors import InputError
from liver_jax.train import preflight
from liver_jax.train.preflight import Memory

STATE = {"params": jnp.zeros((1024, 256))}  # 1 MiB


def exam(name, first):
    return ExamSlices(name, name, "ct", first, 3, 1, (0,), ("a",))


def records(*bad):
    class Source:
        def __getitem__(self, place):
            if place in bad:
                raise OSError("checksum")

    return SliceStore(Source(), ())


def test_all_is_well(tmp_path):
    preflight.check(tmp_path, STATE, records(), [exam("E1", 0), exam("E2", 3)])


def test_all_faults_come_at_once(tmp_path, monkeypatch):
    usage = types.SimpleNamespace(free=10 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError) as refused:
        preflight.check(tmp_path, STATE, records(2, 3), [exam("E1", 0), exam("E2", 3)])
    line = str(refused.value)
    assert "10 MiB free, while checkpoints take 68" in line  # four of 1 MiB, and 64 to spare
    assert "the slice records of E1 (OSError), E2 (OSError) cannot be read" in line


def compiled(**told):
    sizes = dict.fromkeys(("argument", "temp", "output", "alias"), 0) | told
    analysis = types.SimpleNamespace(**{f"{k}_size_in_bytes": v for k, v in sizes.items()})
    return types.SimpleNamespace(memory_analysis=lambda: analysis)


def test_memory_is_what_the_state_takes_and_what_grows_with_the_batch():
    # State of 1 MiB, donated: an argument and a result at once; images of 2 MiB; 5 MiB in between.
    found = preflight.memory_of(
        compiled(argument=3 * 2**20, output=2**20, alias=2**20, temp=5 * 2**20), STATE
    )
    assert (found.fixed, found.batch) == (2**20, 7 * 2**20)


def test_the_largest_batch_by_hand():
    assert Memory(1000, 800, 10_000).largest_batch(8, 2) == 2 * int((9200 - 1000) / 100)
    assert Memory(1000, 800, None).largest_batch(8, 2) is None
    assert Memory(10_000, 800, 10_000).largest_batch(8, 2) == 0


def test_it_is_told_and_refused_where_it_does_not_fit():
    told = preflight.describe(Memory(2**30, 2**30, 2**34), 8, 1)
    assert "batch 8" in told and "2048 MiB of each, which has 16384 MiB (a batch of about" in told
    with pytest.raises(InputError, match=r"Set config.train.microbatches=4, or model.remat=True"):
        preflight.describe(Memory(2**30, 2**34, 2**34), 8, 2)
    assert "which has" not in preflight.describe(Memory(2**30, 2**30, None), 8, 1)
