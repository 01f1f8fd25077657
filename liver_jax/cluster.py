"""The processes of one run: how they find each other, and what only the first of them does.

JAX's own runtime joins them (`jax.distributed`). A scheduler tells each process who it is; where
none does, flags can. One process alone needs nothing of this.
"""

import contextlib
import os
import pathlib
import socket
import sys
import threading
from collections.abc import Iterator, Mapping

import jax
from orbax.checkpoint import multihost

from liver_jax.errors import InputError

# Long enough for the hosts of a queue that start one after another.
JOIN_TIMEOUT_S = 300
# A process that is not heard of for so long is given up, and with it the run: the scheduler starts
# it again.
_HEARTBEAT_TIMEOUT_S = 100
# The slice records of a large cohort take hours.
_BUILD_TIMEOUT_S = 24 * 3600
_TRY_AGAIN = 75  # cli.STOPPED: nothing has begun, so nothing is lost
_REMEDY = "Start every process, let each reach the first by that name and port, and run again"


def join(
    coordinator: str | None = None,
    process_count: int | None = None,
    process: int | None = None,
    environment: Mapping[str, str] = os.environ,
    meeting: pathlib.Path | None = None,
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
        meeting: A folder on a disk that all share, by which those that do not come can be named.

    Raises:
        InputError: The three arguments or variables do not belong together.
        SystemExit: The processes did not find each other in time: exit code 75, as another try
            may do better.
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
        place = given or (None, *_place(environment))
        with _waiting(*place, meeting):
            jax.distributed.initialize(
                coordinator,
                process_count,
                process,
                # Longer than we wait ourselves: JAX ends the process without a word for people.
                initialization_timeout=JOIN_TIMEOUT_S + 60,
                heartbeat_timeout_seconds=_HEARTBEAT_TIMEOUT_S,
            )
            # The devices are counted now: JAX waits no longer than five minutes for the others to
            # do so, while the first process may build slice records for longer.
            jax.devices()
    except (RuntimeError, ValueError, OSError) as error:
        fault = f"the processes of this run do not find each other: {str(error).splitlines()[0]}"
        raise InputError(coordinator or "jax.distributed", fault, _REMEDY) from error


def is_first() -> bool:
    """Whether this process is the one that writes what is written once, and speaks to people."""
    return jax.process_index() == 0


def leave() -> None:
    """Ends the connection to the other processes, where all of them end together."""
    if jax.process_count() > 1:
        jax.distributed.shutdown()


def wait_for_all(what: str) -> None:
    """Returns when every process is here; at once where there is one.

    A process that has died is noticed by the runtime's heartbeat, long before the wait is over.
    """
    # At the coordinator: a collective computation gives the other processes half a minute.
    multihost.get_barrier_sync_fn()(key=what, timeout_ms=_BUILD_TIMEOUT_S * 1000)


@contextlib.contextmanager
def _waiting(
    coordinator: str | None,
    process_count: int | None,
    process: int | None,
    meeting: pathlib.Path | None,
) -> Iterator[None]:
    """Ends the program with one line, where what is done within takes too long."""
    mine = None
    if meeting is not None and process is not None:
        meeting.mkdir(parents=True, exist_ok=True)
        mine = meeting / f"joining-{process}"
        mine.write_text(socket.gethostname(), encoding="utf-8")

    def give_up() -> None:
        where = coordinator or "the first process"
        line = f"{where}: the processes of this run did not find each other in {JOIN_TIMEOUT_S} s"
        if mine is not None and process_count:
            came = {path.name for path in meeting.glob("joining-*")}
            missing = [str(k) for k in range(process_count) if f"joining-{k}" not in came]
            if missing:
                line += f"; nothing is heard of process {', '.join(missing)}"
            mine.unlink(missing_ok=True)
        print(f"{line}. {_REMEDY}.", file=sys.stderr, flush=True)
        # The main thread is inside JAX, which nothing interrupts.
        os._exit(_TRY_AGAIN)

    timer = threading.Timer(JOIN_TIMEOUT_S, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if mine is not None:
            mine.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # others may still be there
                meeting.rmdir()


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


def _place(environment: Mapping[str, str]) -> tuple[int | None, int | None]:
    """How many processes there are and which this one is, as the schedulers that JAX asks tell."""
    for count, rank in (
        ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
        ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ):
        if environment.get(count, "").isdigit() and environment.get(rank, "").isdigit():
            return int(environment[count]), int(environment[rank])
    return None, None


def _check(coordinator: str, process_count: int, process: int) -> None:
    if not 0 <= process < process_count:
        fault = f"process {process} of {process_count}: they count from 0"
        raise InputError("--process", fault, f"Give 0 to {process_count - 1}")
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit():
        fault = f"{coordinator!r} is not HOST:PORT"
        raise InputError("--coordinator", fault, "Write, say, node1:1234")
