"""The one file that knows the mesh: batches are split over all devices, the state is on each."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from liver_jax.errors import InputError

_DATA = "data"


def make_mesh() -> Mesh:
    """A mesh of one axis over all devices of all processes."""
    return jax.make_mesh((jax.device_count(),), (_DATA,), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def by_example(mesh: Mesh) -> NamedSharding:
    """The leading axis is split over the devices."""
    return NamedSharding(mesh, PartitionSpec(_DATA))


def check_batch_size(mesh: Mesh, batch_size: int, microbatches: int) -> None:
    """Refuses a global batch that the devices cannot share equally, in equal parts."""
    parts = mesh.size * microbatches
    if batch_size % parts:
        devices = f"the mesh's {mesh.size} device{'s' * (mesh.size > 1)}"
        fault = f"{batch_size} is not divisible by {devices}"
        if microbatches > 1:
            fault += f" times train.microbatches={microbatches}"
        raise InputError("config.train.batch_size", fault, f"Take a multiple of {parts}.")


def to_devices(mesh: Mesh, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """This process's part of a batch as global arrays."""
    sharding = by_example(mesh)
    return {
        name: jax.make_array_from_process_local_data(sharding, values)
        for name, values in batch.items()
    }
