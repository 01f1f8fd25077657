"""Independent pieces of work in several processes."""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any


def done(work: Callable[..., Any], tasks: Sequence[tuple], workers: int) -> Iterator[Any]:
    """Does each task; yields what comes of it, as it comes.

    Args:
        work: Importable by its name.
        tasks: Its arguments, each time.
        workers: Processes to use; 1 works in this one.
    """
    if workers <= 1 or len(tasks) <= 1:
        for task in tasks:
            yield work(*task)
        return
    # Spawned, not forked: the parent may hold threads (JAX has), which forks do not survive.
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(
        min(workers, len(tasks)), mp_context=context, initializer=_follow_parent
    )
    try:
        futures = [pool.submit(work, *task) for task in tasks]
        for future in concurrent.futures.as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Leaves it to the parent when to end: by its word, or, if it dies without one, at once."""
    # Ctrl-C reaches all processes of a terminal: the parent lets them end what they are at.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
