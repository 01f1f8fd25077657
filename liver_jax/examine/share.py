"""Which of many examinations this process does: its share among processes and hosts."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from liver_jax.errors import InputError

Item = TypeVar("Item")


@dataclasses.dataclass(frozen=True)
class Share:
    """One of several equal shares.

    Attributes:
        index: From 0.
        count: How many shares there are.
    """

    index: int = 0
    count: int = 1

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Every `count`-th item: neighbours in a list, often alike, go to different processes."""
        return list(items[self.index :: self.count])


def parse(text: str) -> Share:
    """Reads `i/n`, i from 1 to n.

    Raises:
        InputError: It is something else.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise InputError("--shard", f"{text!r} is not i/n with i from 1 to n", "Write 2/8, say")
    return Share(int(found[1]) - 1, int(found[2]))


def from_environment(environment: Mapping[str, str]) -> Share:
    """The share that a scheduler tells this process.

    A Slurm array has a share for each of its tasks, and `srun` divides it among its processes; the
    variables by which JAX finds its processes on other clusters serve, too. Nothing is exchanged
    between the processes, so none waits for another.

    Raises:
        InputError: The variables contradict each other.
    """

    def number(name: str) -> int | None:
        text = environment.get(name, "")
        return int(text) if text.isdigit() else None

    array = Share()
    task, least = number("SLURM_ARRAY_TASK_ID"), number("SLURM_ARRAY_TASK_MIN")
    tasks, step = number("SLURM_ARRAY_TASK_COUNT"), number("SLURM_ARRAY_TASK_STEP")
    if task is not None and tasks is not None:
        array = Share((task - (least or 0)) // (step or 1), tasks)
    process = Share()
    for place, total in (
        ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
        ("JAX_PROCESS_ID", "JAX_NUM_PROCESSES"),
        ("JOB_COMPLETION_INDEX", "JAX_NUM_PROCESSES"),  # an indexed job of Kubernetes
        ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ):
        rank, count = number(place), number(total)
        if rank is not None and count is not None and count > 1:
            process = Share(rank, count)
            break
    else:
        workers = environment.get("TPU_WORKER_HOSTNAMES", "").split(",")
        place_in_pod = number("TPU_WORKER_ID")
        if place_in_pod is not None and len(workers) > 1:
            process = Share(place_in_pod, len(workers))
    share = Share(array.index * process.count + process.index, array.count * process.count)
    if not share.index < share.count or process.index >= process.count:
        fault = f"the environment gives place {share.index + 1} of {share.count}"
        raise InputError("--shard", fault, "Use a gapless array (--array=1-N), or give --shard=i/n")
    return share
