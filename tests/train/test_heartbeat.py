import json
import os
import threading

import pytest

from liver_jax.train import heartbeat


def words(folder, **steps):
    for process, (host, step, ago_s) in steps.items():
        path = folder / f"{process.removeprefix('p')}.json"
        path.write_text(json.dumps({"host": host, "pid": 1, "step": step}))
        when = path.stat().st_mtime - ago_s
        os.utime(path, (when, when))


def test_the_one_behind_is_named_with_its_host(tmp_path):
    words(tmp_path, p0=("node1", 42, 1), p1=("node2", 40, 700))
    said = heartbeat.lagging(tmp_path, 2)
    assert "process 1 on node2 is at step 40 of the others' 42, last heard of 699 s before" in said
    assert "node1" not in said


def test_one_that_is_as_far_but_silent_is_named(tmp_path):
    words(tmp_path, p0=("node1", 42, 1), p1=("node2", 42, 300))
    assert "node2" in heartbeat.lagging(tmp_path, 2)


def test_one_that_never_came_is_named_and_damaged_words_are_none(tmp_path):
    words(tmp_path, p0=("node1", 3, 1))
    (tmp_path / "2.json").write_text("{")
    assert "nothing is heard of process 1, 2" in heartbeat.lagging(tmp_path, 3)


def test_where_all_are_alike_that_is_said(tmp_path):
    words(tmp_path, p0=("node1", 3, 1), p1=("node2", 3, 2))
    assert heartbeat.lagging(tmp_path, 2) == "all 2 that are heard of are at step 3"


def test_a_clock_that_jumped_blames_nobody(tmp_path):
    words(tmp_path, p0=("node1", 3, -7200), p1=("node2", 3, -7201))
    assert heartbeat.lagging(tmp_path, 2) == "all 2 that are heard of are at step 3"
    words(tmp_path, p0=("node1", 3, 7200), p1=("node2", 3, 7230))
    assert heartbeat.lagging(tmp_path, 2) == "all 2 that are heard of are at step 3"


@pytest.mark.parametrize("moving", [False, True])
def test_it_tells_when_nothing_moves_and_not_while_something_does(tmp_path, moving):
    said, told = [], threading.Event()

    def say(line):
        said.append(line)
        told.set()

    heart = heartbeat.Heartbeat(tmp_path, 0, 2, 0.2, say)
    if moving:
        for step in range(30):
            heart.beat(step)
            assert not told.wait(0.02)
    else:
        assert told.wait(30)
    heart.close()
    assert bool(said) is not moving
    if not moving:
        assert "no step for" in said[0] and "nothing is heard of process 1" in said[0]
    assert not (tmp_path / heartbeat.FOLDER).exists()
