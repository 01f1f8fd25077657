"""Who a process is among others, as schedulers and flags tell it."""

import pathlib
import socket
import subprocess
import sys

import pytest

from liver_jax import cluster
from liver_jax.errors import InputError


@pytest.fixture
def joined(monkeypatch):
    """What JAX was asked to join, instead of joining it."""
    asked = []
    monkeypatch.setattr(
        cluster.jax.distributed, "initialize", lambda *given, **_: asked.append(given)
    )
    return asked


@pytest.mark.parametrize(
    "environment",
    [
        {},
        # A batch script, which is one process of a job that may start more.
        {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"},
        {"SLURM_STEP_NUM_TASKS": "1"},
        {"OMPI_COMM_WORLD_SIZE": "1"},
        {"TPU_WORKER_HOSTNAMES": "localhost"},
        {"JOB_COMPLETION_INDEX": "3"},  # an indexed job of processes that know nothing of others
        {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "1", "JAX_PROCESS_ID": "0"},
    ],
)
def test_one_process_joins_nobody(joined, environment):
    cluster.join(environment=environment)
    assert joined == []


@pytest.mark.parametrize(
    "environment",
    [
        {"SLURM_STEP_NUM_TASKS": "2"},
        {"OMPI_COMM_WORLD_SIZE": "16"},
        {"TPU_WORKER_HOSTNAMES": "a,b"},
        {"MEGASCALE_COORDINATOR_ADDRESS": "a"},
    ],
)
def test_what_jax_detects_is_left_to_it(joined, environment):
    cluster.join(environment=environment)
    assert joined == [(None, None, None)]


def test_jax_variables_and_an_indexed_job(joined):
    told = {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "4"}
    cluster.join(environment=told | {"JAX_PROCESS_ID": "2"})
    cluster.join(environment=told | {"JOB_COMPLETION_INDEX": "3"})
    cluster.join("b:2", 8, 5, environment=told | {"JAX_PROCESS_ID": "2"})
    assert joined == [("a:1", 4, 2), ("a:1", 4, 3), ("b:2", 8, 5)]


@pytest.mark.parametrize(
    ("given", "environment", "words"),
    [
        (("a:1", None, None), {}, "needed together"),
        (("a:1", 2, 2), {}, "process 2 of 2"),
        (("a", 2, 1), {}, "is not HOST:PORT"),
        ((":1", 2, 1), {}, "is not HOST:PORT"),
        (
            (None, None, None),
            {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "2"},
            "the process's place None",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(joined, given, environment, words):
    with pytest.raises(InputError, match=words):
        cluster.join(*given, environment=environment)
    assert joined == []


def test_processes_that_do_not_come_are_told_of_in_one_line(monkeypatch):
    def missing(*given, **options):
        raise RuntimeError("DEADLINE_EXCEEDED: Barrier timed out\nmore")

    monkeypatch.setattr(cluster.jax.distributed, "initialize", missing)
    with pytest.raises(InputError, match="do not find each other: DEADLINE_EXCEEDED") as refused:
        cluster.join("a:1", 2, 0, environment={})
    assert "\n" not in str(refused.value)


def test_alone_a_process_is_the_first_and_waits_for_nobody():
    assert cluster.is_first()
    cluster.wait_for_all("nothing")


def test_those_that_do_not_come_are_named(tmp_path):
    program = (
        "import sys, pathlib; from liver_jax import cluster; cluster.JOIN_TIMEOUT_S = 1; "
        "cluster.join(sys.argv[1], 3, 0, {}, pathlib.Path(sys.argv[2]))"
    )
    (tmp_path / "joining-2").write_text("node3")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    done = subprocess.run(
        [sys.executable, "-c", program, address, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).parents[1],
        check=False,
    )
    line = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 75
    assert f"{address}: the processes of this run did not find each other in 1 s" in line
    assert "nothing is heard of process 1. Start every process" in line
