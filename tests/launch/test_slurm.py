"""launch/slurm.sbatch on a real Slurm: two nodes, one of them lost in the middle."""

import json
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest

from liver_jax.checkpoint import naming, store

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = ROOT / "launch" / "slurm.sbatch"
STEPS = 120


def weights(workdir):
    return naming.named(store.read_model(store.resolve(workdir / "latest")))


@pytest.fixture
def submit(cluster, small_run, tmp_path):
    """Submits the script as it is, for a network that trains in seconds."""

    def job(name):
        fields = {"train__batch_size": 8, "train__checkpoint_every_steps": 10}
        arguments = small_run(name, steps=STEPS, train__validate_every_steps=60, **fields)
        said = cluster.call(
            *("sbatch", "--nodes=2", f"--chdir={ROOT}", f"--output={tmp_path / name}.log"),
            *(str(SCRIPT), *map(str, arguments)),
            LIVER_JAX_PYTHON=sys.executable,
            JAX_PLATFORMS="cpu",
            JAX_COMPILATION_CACHE_DIR=str(tmp_path / "compiled"),
            JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
        )
        return said.split()[-1]

    return job


def wait(until, log, seconds=300):
    for _ in range(seconds * 5):
        if until():
            return
        time.sleep(0.2)
    raise AssertionError(log.read_text() if log.exists() else "the job has not begun")


def reached(workdir):
    folder = workdir / "checkpoints"
    return max((int(path.name) for path in folder.glob("*") if path.name.isdigit()), default=0)


@pytest.mark.slurm
def test_a_job_that_loses_a_node_is_queued_again_and_ends_as_if_nothing_had_been(
    cluster, submit, tmp_path
):
    workdir, log = tmp_path / "lost", tmp_path / "lost.log"
    job = submit("lost")
    wait(lambda: reached(workdir) >= 20, log)
    nodes = cluster.call("squeue", "-h", "-j", job, "-o", "%N").strip()
    assert nodes == "liver[1-2]"
    cluster.lose("liver2")
    assert reached(workdir) < STEPS
    wait(lambda: cluster.state(job) == "COMPLETED", log)
    record = json.loads((workdir / "run.json").read_text())["record"]
    assert len(record["resumed"]) == 1 and record["processes"] == 2
    assert reached(workdir) == STEPS

    again = submit("whole")
    wait(lambda: cluster.state(again) == "COMPLETED", tmp_path / "whole.log")
    assert (
        json.loads((tmp_path / "whole" / "run.json").read_text())["record"].get("resumed") is None
    )
    expected, found = weights(tmp_path / "whole"), weights(workdir)
    assert expected.keys() == found.keys()
    for name, leaf in expected.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)


def test_a_dry_run_prints_the_command():
    done = subprocess.run(
        ["bash", SCRIPT, "--dry-run", "--config=configs/stage1.py:demo", "--config.data.cache=a b"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("srun --kill-on-bad-exit=1 python -m liver_jax.main")
    assert r"--config.data.cache=a\ b" in done.stdout and "dry-run" not in done.stdout


def test_outside_of_slurm_it_says_how_it_is_run():
    done = subprocess.run(
        ["env", "-u", "SLURM_JOB_ID", "bash", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "sbatch" in done.stderr
