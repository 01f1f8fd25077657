"""The processes of one run: how they find each other, and what only the first of them does.

JAX's own runtime joins them (`jax.distributed`). A scheduler tells each process who it is; where
none does, flags can. One process alone needs nothing of this.
"""

import os
from collections.abc import Mapping

import jax
from jax.experimental import multihost_utils

from liver_jax.errors import InputError

# Long enough for the hosts of a queue that start one after another.
JOIN_TIMEOUT_S = 300
# A process that is not heard of for so long is given up, and with it the run: the scheduler starts
# it again.
_HEARTBEAT_TIMEOUT_S = 100
_REMEDY = "Start every process, let each reach the first by that name and port, and run again"


def join(
    coordinator: str | None = None,
    process_count: int | None = None,
    process: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Joins the other processes of this run, before anything else is asked of JAX.

    Without arguments the environment decides: `srun` with several tasks, `mpirun`, a TPU pod, or
    JAX_COORDINATOR_ADDRESS with JAX_NUM_PROCESSES and JAX_PROCESS_ID (JOB_COMPLETION_INDEX in an
    indexed Kubernetes job). Where it names one process or none, nothing is done.

    Args:
        coordinator: `HOST:PORT` of the first process, reachable from all.
        process_count: How many there are.
        process: Which of them this one is, from 0.
        environment: The variables of this process.

    Raises:
        InputError: The three arguments or variables do not belong together, or the processes do not
            find each other in time.
    """
    given = (coordinator, process_count, process)
    if any(value is not None for value in given):
        if any(value is None for value in given):
            fault = "--coordinator, --processes and --process are needed together"
            raise InputError("flags", fault, "Give all three, or none where a scheduler tells them")
    else:
        given = _told(environment)
        if given is None and not _is_detected_by_jax(environment):
            return
    coordinator, process_count, process = given or (None, None, None)
    if process_count is not None:
        _check(coordinator, process_count, process)
        if process_count == 1:
            return
    try:
        jax.distributed.initialize(
            coordinator,
            process_count,
            process,
            initialization_timeout=JOIN_TIMEOUT_S,
            heartbeat_timeout_seconds=_HEARTBEAT_TIMEOUT_S,
        )
    except (RuntimeError, ValueError, OSError) as error:
        fault = f"the processes of this run do not find each other: {str(error).splitlines()[0]}"
        raise InputError(coordinator or "jax.distributed", fault, _REMEDY) from error


def is_first() -> bool:
    """Whether this process is the one that writes what is written once, and speaks to people."""
    return jax.process_index() == 0


def wait_for_all(what: str) -> None:
    """Returns when every process is here; at once where there is one."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def _told(environment: Mapping[str, str]) -> tuple[str, int, int] | None:
    """Coordinator, number of processes and place, where JAX's variables tell all of them."""
    coordinator = environment.get("JAX_COORDINATOR_ADDRESS")
    count = environment.get("JAX_NUM_PROCESSES")
    place = environment.get("JAX_PROCESS_ID", environment.get("JOB_COMPLETION_INDEX"))
    if not coordinator or count is None:
        return None
    if not count.isdigit() or place is None or not place.isdigit():
        fault = f"JAX_NUM_PROCESSES is {count!r} and the process's place {place!r}"
        raise InputError("environment", fault, "Set JAX_NUM_PROCESSES and JAX_PROCESS_ID")
    return coordinator, int(count), int(place)


def _is_detected_by_jax(environment: Mapping[str, str]) -> bool:
    """Whether a scheduler that JAX knows by itself has started more than one process."""

    def number(name: str) -> int:
        text = environment.get(name, "")
        return int(text) if text.isdigit() else 0

    hosts = environment.get("TPU_WORKER_HOSTNAMES", "")
    return (
        # Of a step: a batch script alone is one process, however many tasks its job may start.
        number("SLURM_STEP_NUM_TASKS") > 1
        or number("OMPI_COMM_WORLD_SIZE") > 1
        or "," in hosts
        or "MEGASCALE_COORDINATOR_ADDRESS" in environment
    )


def _check(coordinator: str, process_count: int, process: int) -> None:
    if not 0 <= process < process_count:
        fault = f"process {process} of {process_count}: they count from 0"
        raise InputError("--process", fault, f"Give 0 to {process_count - 1}")
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit():
        fault = f"{coordinator!r} is not HOST:PORT"
        raise InputError("--coordinator", fault, "Write, say, node1:1234")
