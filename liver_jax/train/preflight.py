"""Before a long run: does it fit, and is everything there? All faults at once, in one line."""

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from liver_jax.data.slices import ExamSlices, SliceStore
from liver_jax.errors import InputError

# The last two checkpoints, the best one, and the one that is being written.
_CHECKPOINTS_AT_ONCE = 4
_SPARE_BYTES = 2**26
# Of a device's memory: the rest is the runtime's own.
_USABLE = 0.92


@dataclasses.dataclass(frozen=True)
class Memory:
    """What a compiled step takes of one device, in bytes.

    Attributes:
        fixed: The state, whatever the batch.
        batch: What grows with the batch.
        limit: What the device has; None where it does not tell.
    """

    fixed: int
    batch: int
    limit: int | None

    def largest_batch(self, local_batch: int, devices: int) -> int | None:
        """The global batch that fits, if memory grows as the batch does."""
        if self.limit is None or not self.batch:
            return None
        room = _USABLE * self.limit - self.fixed
        return max(0, int(room * local_batch / self.batch)) * devices


def check(
    workdir: pathlib.Path, state: Any, records: SliceStore, index: Sequence[ExamSlices]
) -> None:
    """Checks what each host can check by itself: room for the checkpoints, readable records.

    Raises:
        InputError: All faults of this process; or another process has found some.
    """
    faults = [*_room(workdir, state), *_readable(records, index)]
    counts = np.array([len(faults)])
    if jax.process_count() > 1:
        counts = multihost_utils.process_allgather(counts).ravel()
    if faults:
        raise InputError("preflight", "; ".join(faults), "Mend this and run the same command again")
    if counts.any():
        others = ", ".join(map(str, np.flatnonzero(counts)))
        raise InputError("preflight", f"process {others} cannot run", "See what it says")


def memory_of(compiled: Any, state: Any) -> Memory:
    """What a compiled step takes of one device, as its compiler tells.

    Args:
        compiled: The step, lowered and compiled.
        state: The training state, on each device whole.
    """
    told = compiled.memory_analysis()
    fixed = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    whole = told.argument_size_in_bytes + told.temp_size_in_bytes + told.output_size_in_bytes
    # Donated buffers are arguments and results at once.
    whole -= told.alias_size_in_bytes
    return Memory(fixed, max(0, whole - fixed), _limit())


def describe(memory: Memory, batch_size: int, microbatches: int) -> str:
    """A line for people: devices, batch, memory, the largest batch.

    Raises:
        InputError: It does not fit.
    """
    devices, device = jax.device_count(), jax.devices()[0]
    local = batch_size // devices
    need = memory.fixed + memory.batch
    words = (
        f"{devices} x {device.device_kind} of {jax.process_count()} process"
        f"{'es' * (jax.process_count() > 1)}; batch {batch_size}, {local} on each; a step takes "
        f"{need / 2**20:.0f} MiB of each"
    )
    if memory.limit is None:
        return words
    largest = memory.largest_batch(local, devices)
    if need > memory.limit:
        parts = 2 * microbatches
        raise InputError(
            "config.train.batch_size",
            f"{words}, which has {memory.limit / 2**20:.0f} MiB",
            f"Set config.train.microbatches={parts}, or model.remat=True",
        )
    room = f"{memory.limit / 2**20:.0f} MiB (a batch of about {largest} would fit)"
    return f"{words}, which has {room}"


def _limit() -> int | None:
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return whole // jax.local_device_count()
    return (device.memory_stats() or {}).get("bytes_limit")


def _room(workdir: pathlib.Path, state: Any) -> list[str]:
    wanted = _CHECKPOINTS_AT_ONCE * sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    wanted += _SPARE_BYTES
    free = shutil.disk_usage(workdir).free
    if free >= wanted:
        return []
    return [
        f"{workdir} has {free / 2**20:.0f} MiB free, while checkpoints take {wanted / 2**20:.0f}"
    ]


def _readable(records: SliceStore, index: Sequence[ExamSlices]) -> list[str]:
    """The first and the last slice of each examination, so that every file is opened."""
    unreadable = []
    for exam in index:
        try:
            for place in {exam.first_record, exam.first_record + exam.slice_count - 1}:
                records.source[place]
        except Exception as error:  # the readers below raise a dozen kinds
            unreadable.append(f"{exam.exam_id} ({type(error).__name__})")
    if not unreadable:
        return []
    more = f" and {len(unreadable) - 3} more" if len(unreadable) > 3 else ""
    named = ", ".join(unreadable[:3]) + more
    return [f"the slice records of {named} cannot be read: remove config.data.cache"]
