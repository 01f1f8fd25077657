"""Shares of many examinations: whole, disjoint, and those that a scheduler means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liver_jax.errors import InputError
from liver_jax.examine import share
from liver_jax.examine.share import Share


@given(st.integers(0, 40), st.integers(1, 12))
def test_shares_are_whole_and_disjoint(length, count):
    items = list(range(length))
    dealt = [Share(index, count).of(items) for index in range(count)]
    assert sorted(item for part in dealt for item in part) == items
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_a_share_is_written_from_one():
    assert share.parse("1/1") == Share(0, 1)
    assert share.parse(" 3/8 ") == Share(2, 8)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "-1/3", "1/3/5", ""])
def test_other_words_are_refused(text):
    with pytest.raises(InputError, match="is not i/n with i from 1 to n"):
        share.parse(text)


ARRAY = {"SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_COUNT": "4"}
STEP = {"SLURM_STEP_NUM_TASKS": "2"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Share()),
        ({**ARRAY, "SLURM_ARRAY_TASK_ID": "5"}, Share(2, 4)),
        ({**ARRAY, "SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_STEP": "2"}, Share(2, 4)),
        ({**STEP, "SLURM_PROCID": "1"}, Share(1, 2)),
        ({**ARRAY, **STEP, "SLURM_ARRAY_TASK_ID": "5", "SLURM_PROCID": "1"}, Share(5, 8)),
        ({"JAX_PROCESS_ID": "2", "JAX_NUM_PROCESSES": "3"}, Share(2, 3)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, Share(1, 2)),
        ({"JOB_COMPLETION_INDEX": "2", "JAX_NUM_PROCESSES": "3"}, Share(2, 3)),
        ({"JOB_COMPLETION_INDEX": "2"}, Share()),  # of how many is not known
        ({"TPU_WORKER_ID": "1", "TPU_WORKER_HOSTNAMES": "a,b,c,d"}, Share(1, 4)),
        ({"TPU_WORKER_ID": "0", "TPU_WORKER_HOSTNAMES": "localhost"}, Share()),
        # A batch job's own process, before any srun: one of one.
        ({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "4"}, Share()),
    ],
)
def test_a_scheduler_tells_the_share(environment, expected):
    assert share.from_environment(environment) == expected


def test_an_array_with_gaps_is_refused():
    environment = {**ARRAY, "SLURM_ARRAY_TASK_ID": "9"}
    with pytest.raises(InputError, match=r"place 7 of 4.*gapless"):
        share.from_environment(environment)
