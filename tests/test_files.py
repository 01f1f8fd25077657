import hashlib
import json
import multiprocessing
import os
import time

import pytest

from liver_jax import files
from liver_jax.errors import InputError


def test_replacing_is_whole_or_absent(tmp_path):
    target = tmp_path / "new" / "a.nii.gz"
    with files.replacing(target) as temporary:
        assert temporary.name == "a.nii.gz"  # nibabel chooses the format by the suffixes
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    with pytest.raises(RuntimeError), files.replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_replacing_folder_is_whole_or_absent(tmp_path):
    target = tmp_path / "new" / "folder"
    with pytest.raises(RuntimeError), files.replacing_folder(target) as temporary:
        (temporary / "half").write_text("half")
        raise RuntimeError
    assert not list(target.parent.iterdir())
    with files.replacing_folder(target) as temporary:
        (temporary / "one").write_text("1")
    assert (target / "one").read_text() == "1"
    assert list(target.parent.iterdir()) == [target]


def test_json_is_strict(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"a": [1, None, "ü"]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": [1, None, "ü"]}
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            files.write_json(path, {"a": value})
    assert json.loads(path.read_text(encoding="utf-8"))["a"][0] == 1


def test_sha256(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    # The example of FIPS 180-2.
    assert files.sha256(path).startswith("ba7816bf8f01cfea414140de5dae2223")
    assert files.sha256(path) == hashlib.sha256(b"abc").hexdigest()


def _hold(lock, log, started):
    with files.locked(lock):
        with open(log, "a") as file:
            file.write(f"in {os.getpid()}\n")
        started.set()
        time.sleep(0.2)  # long enough for the other one to break in, if it could
        with open(log, "a") as file:
            file.write(f"out {os.getpid()}\n")


def test_one_process_holds_the_lock_at_a_time(tmp_path):
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    lock, log = tmp_path / "x" / "lock", tmp_path / "log"
    others = [context.Process(target=_hold, args=(lock, log, started)) for _ in range(2)]
    with files.locked(lock):
        for other in others:
            other.start()
        assert not started.wait(1.0)
        assert not log.exists()
    for other in others:
        other.join(60)
        assert other.exitcode == 0
    words = [line.split() for line in log.read_text().splitlines()]
    assert [word for word, _ in words] == ["in", "out", "in", "out"]
    assert words[0][1] == words[1][1] != words[2][1] == words[3][1]


def test_a_lock_of_a_dead_process_is_free(tmp_path):
    (tmp_path / "lock").write_text("left over")
    with files.locked(tmp_path / "lock"):
        pass


def test_what_is_claimed_is_refused_to_others_until_it_is_free(tmp_path):
    again = files.claimed(tmp_path / "run" / ".lock", "run folder")
    with (
        files.claimed(tmp_path / "run" / ".lock", "run folder"),
        pytest.raises(InputError, match="another process is at work in this run folder"),
        again,
    ):
        raise AssertionError("claimed twice")
    with files.claimed(tmp_path / "run" / ".lock", "run folder"):
        pass
