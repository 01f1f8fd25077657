"""Voxels worked on a chunk at a time, one chunk after the other, in one compiled program.

What is worked on at once then fits a processor's cache, and memory is bounded by the maps.
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp

Result = TypeVar("Result")


def in_chunks(work: Callable[..., Result], arrays: tuple[jax.Array, ...], most: int) -> Result:
    """Applies `work` to some voxels at a time, and puts the results together.

    Args:
        work: Takes as many arrays [..., voxel], and returns a tree of such.
        arrays: [..., voxel] each.
        most: Voxels at a time.

    Returns:
        As `work` of the whole arrays.
    """
    count = arrays[0].shape[-1]
    if count <= most:
        return work(*arrays)
    chunks = -(-count // most)
    length = -(-count // chunks)

    def split(array: jax.Array) -> jax.Array:
        """[chunk, ..., voxel of the chunk], the last chunk filled up with zeros."""
        padding = [(0, 0)] * (array.ndim - 1) + [(0, chunks * length - count)]
        parts = jnp.pad(array, padding).reshape(*array.shape[:-1], chunks, length)
        return jnp.moveaxis(parts, -2, 0)

    def join(parts: jax.Array) -> jax.Array:
        joined = jnp.moveaxis(parts, 0, -2)
        return joined.reshape(*joined.shape[:-2], -1)[..., :count]

    done = jax.lax.map(lambda parts: work(*parts), tuple(map(split, arrays)))
    return jax.tree.map(join, done)
