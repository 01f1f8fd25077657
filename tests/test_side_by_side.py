"""Work in several processes: all of it, and none of them left when the first one is gone."""

import operator
import os
import signal
import subprocess
import sys

import pytest

from liver_jax import side_by_side

PROGRAM = """
import time
from liver_jax import side_by_side
if __name__ == "__main__":
    for _ in side_by_side.done(time.sleep, [(0,), (600,), (600,)], 2):
        print("begun", flush=True)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done(workers):
    done = side_by_side.done(operator.mul, [(2, 3), (4, 5), (6, 7)], workers)
    assert sorted(done) == [6, 20, 42]


def test_nobody_is_left_behind(tmp_path):
    """The pipe of what is printed stays open as long as any of the processes is there."""
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, tmp_path / "program.py"], stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout.readline() == b"begun\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)  # and not ten minutes
