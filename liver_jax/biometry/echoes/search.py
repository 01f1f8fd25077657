"""The search for each voxel's valley over a whole image, and how its voxels are worked on.

Voxels are worked on in chunks one after the other, so that memory is bounded by the maps, not by
what is looked up for each voxel; all of it is one compiled program, without a loop on the host.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from liver_jax.biometry.echoes import fieldmap, phased
from liver_jax.biometry.echoes.phased import Sampling

_CHUNK = 8192  # voxels at a time
_ROUNDS = 5  # of a fit that starts anywhere in its valley, to tell what it costs
# The noise is a median over voxels; of large images, over some of them.
_SAMPLE = 65536
# Candidates whose fat fractions differ by less are one.
_DISTINCT = 0.1


class Lookup(NamedTuple):
    """Of `fieldmap.field_grid` and `fieldmap.projections`, as arrays."""

    projection: jax.Array
    grid_hz: jax.Array
    period_hz: jax.Array
    tolerance_hz: jax.Array


class Search(NamedTuple):
    """Where each voxel's solution lies, [z, x, y]; `variance` is one number."""

    field_hz: jax.Array
    r2star_per_s: jax.Array
    fat_fraction: jax.Array
    lead_nats: jax.Array
    variance: jax.Array


def search(
    real: jax.Array,
    imag: jax.Array,
    strength: jax.Array,
    seen: jax.Array,
    sampling: Sampling,
    lookup: Lookup,
    block: tuple[int, int, int],
) -> Search:
    """Finds each voxel's valley; `real` and `imag` are in units of `strength`."""
    echo_count = real.shape[0]

    def candidates(part: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, ...]:
        found = fieldmap.valleys(
            jax.lax.complex(*part),
            lookup.projection,
            lookup.grid_hz,
            jnp.isfinite(lookup.period_hz),
        )
        many = [jnp.broadcast_to(p[:, None], (echo_count, *found.field_hz.shape)) for p in part]
        begin = phased.start(*many, sampling, found.field_hz, found.r2star_per_s)
        end = phased.refine(*many, sampling, begin, _ROUNDS)
        squares = phased.normal(*many, sampling, end).residual_squares
        fat = end.fat / jnp.where(end.water + end.fat > 0.01, end.water + end.fat, 1.0)
        return end.field_hz, end.r2star_per_s, squares, found.found, fat

    field, r2star, squares, found, fat = in_chunks(candidates, (real, imag))
    # The median of chi squared with this many degrees of freedom, Wilson and Hilferty.
    freedom = 2 * echo_count - 5
    median = freedom * (1 - 2 / (9 * freedom)) ** 3
    least = jnp.where(found, squares, jnp.inf).min(axis=0) * strength**2
    variance = _median(least, seen) / median
    cost = fieldmap.own_cost(squares, found, variance / strength**2)

    blocks = fieldmap.blocks(
        cost, field, seen, lookup.grid_hz, lookup.period_hz, block, lookup.tolerance_hz
    )
    around = fieldmap.spread(blocks, block, seen.shape)
    beliefs = fieldmap.beliefs(cost, field, seen, around, lookup.period_hz, lookup.tolerance_hz)
    choice = beliefs.argmin(axis=0)[None]
    chosen = jnp.take_along_axis(fat, choice, axis=0)
    same = (jnp.abs(fat - chosen) < _DISTINCT) | ~found
    lead = jnp.where(same, jnp.inf, beliefs).min(axis=0) - beliefs.min(axis=0)
    field = jnp.take_along_axis(field, choice, axis=0)[0]
    turns = jnp.round((around - field) / lookup.period_hz)  # 0 where the period is infinite
    field = field + jnp.where(turns == 0, 0.0, turns * lookup.period_hz)
    r2star = jnp.take_along_axis(r2star, choice, axis=0)[0]
    return Search(field, r2star, chosen[0], lead, variance)


def _median(values: jax.Array, seen: jax.Array) -> jax.Array:
    """The median of what is seen, of every k-th voxel; 1 where nothing is."""
    step = -(-values.size // _SAMPLE)
    values, seen = values.ravel()[::step], seen.ravel()[::step]
    middle = jnp.nanmedian(jnp.where(seen, values, jnp.nan))
    return jnp.where(middle > 0, middle, 1e-12)


def in_chunks(
    work: Callable[[tuple[jax.Array, ...]], tuple[jax.Array, ...]], arrays: tuple[jax.Array, ...]
) -> tuple[jax.Array, ...]:
    """Applies `work` to chunks of the voxels of [..., z, x, y], and puts the results together."""
    shape = arrays[0].shape[-3:]
    count = shape[0] * shape[1] * shape[2]
    chunks = -(-count // _CHUNK)
    length = -(-count // chunks)
    length = -(-length // 64) * 64
    padded = []
    for array in arrays:
        flat = array.reshape(*array.shape[:-3], count)
        flat = jnp.pad(flat, [(0, 0)] * (flat.ndim - 1) + [(0, chunks * length - count)])
        padded.append(jnp.moveaxis(flat.reshape(*flat.shape[:-1], chunks, length), -2, 0))
    done = jax.lax.map(work, tuple(padded))

    def whole(result: jax.Array) -> jax.Array:
        joined = jnp.moveaxis(result, 0, -2)
        return joined.reshape(*joined.shape[:-2], -1)[..., :count].reshape(
            *joined.shape[:-2], *shape
        )

    return jax.tree.map(whole, done)
