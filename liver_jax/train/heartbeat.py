"""Who lags: each process leaves word of its step on the shared disk, and asks when nothing moves.

A step of many hosts ends when the slowest has done its part. JAX itself ends a run whose process
has died; a host that is merely slow, or waits for a disk, it does not name.
"""

import contextlib
import os
import pathlib
import socket
import threading
import time
from collections.abc import Callable

from liver_jax import files

FOLDER = ".processes"


class Heartbeat:
    """Leaves word of this process's step, and says who lags when no step is done for too long."""

    def __init__(
        self,
        workdir: pathlib.Path,
        process: int,
        process_count: int,
        limit_s: float,
        say: Callable[[str], None],
    ):
        """Begins at once.

        Args:
            workdir: The run folder, on a disk that all processes share.
            process: Which one this is.
            process_count: How many there are.
            limit_s: So long a step may take before it is told of, again and again.
            say: Told a line for people.
        """
        self._folder, self._count = workdir / FOLDER, process_count
        self._path = self._folder / f"{process}.json"
        self._limit_s, self._say = limit_s, say
        self._step, self._since = 0, time.monotonic()
        self._told, self._ended = False, threading.Event()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write()
        self._thread = threading.Thread(target=self._watch, name="heartbeat", daemon=True)
        self._thread.start()

    def beat(self, step: int) -> None:
        """A step was done (or handed to the devices, which take a few ahead)."""
        self._step, self._since, self._told = step, time.monotonic(), False

    def close(self) -> None:
        """Ends the watch and takes the word back."""
        self._ended.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others may still leave word there
            self._folder.rmdir()

    def _watch(self) -> None:
        every_s = min(10.0, self._limit_s / 4)
        while not self._ended.wait(every_s):
            try:
                self._write()
            except OSError:
                continue  # a disk that is full or away is the checkpoints' business
            waited_s = time.monotonic() - self._since
            if waited_s > self._limit_s and not self._told:
                self._told = True
                self._say(f"no step for {waited_s:.0f} s: {lagging(self._folder, self._count)}")

    def _write(self) -> None:
        word = {"host": socket.gethostname(), "pid": os.getpid(), "step": self._step}
        files.write_json(self._path, word)


def lagging(folder: pathlib.Path, process_count: int) -> str:
    """Which processes are behind, in words.

    Args:
        folder: With a file for each process that lives.
        process_count: How many there should be.
    """
    found, silent = {}, []
    for process in range(process_count):
        path = folder / f"{process}.json"
        try:
            word = files.read_json(path)
            found[process] = (int(word["step"]), str(word["host"]), path.stat().st_mtime)
        except (OSError, ValueError, KeyError, TypeError):
            silent.append(process)
    parts = []
    if silent:
        parts.append(f"nothing is heard of process {', '.join(map(str, silent))}")
    if found:
        furthest = max(step for step, _, _ in found.values())
        # Against the newest word, by the disk's own clock: those of the hosts may differ or jump.
        newest = max(heard for *_, heard in found.values())
        behind = {
            process: (step, host, newest - heard)
            for process, (step, host, heard) in found.items()
            if step < furthest or newest - heard > 60
        }
        for process, (step, host, ago_s) in behind.items():
            parts.append(
                f"process {process} on {host} is at step {step} of the others' {furthest}, last "
                f"heard of {ago_s:.0f} s before the others"
            )
        if not behind:
            parts.append(f"all {len(found)} that are heard of are at step {furthest}")
    return "; ".join(parts)
