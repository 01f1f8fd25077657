"""The search for each voxel's valley over a whole image."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from liver_jax.biometry.echoes import fieldmap, median, phased
from liver_jax.biometry.echoes.chunks import Result, in_chunks
from liver_jax.biometry.echoes.limits import DISTINCT
from liver_jax.biometry.echoes.phased import Sampling

_CHUNK = 8192  # voxels at a time
_NO_VARIANCE = 1e-12  # of an image that is explained in full, or has no signal
_ROUNDS = 5  # of a fit that starts anywhere in its valley, to tell what it costs


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

    def candidates(*part: jax.Array) -> tuple[jax.Array, ...]:
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

    field, r2star, squares, found, fat = over_voxels(candidates, real, imag)
    freedom = 2 * echo_count - 5
    least = jnp.where(found, squares, jnp.inf).min(axis=0) * strength**2
    variance = median.of_usable(least, seen) / median.of_chi_squared(freedom)
    variance = jnp.where(variance > 0, variance, _NO_VARIANCE)
    cost = fieldmap.own_cost(squares, found, variance / strength**2)

    blocks = fieldmap.blocks(
        cost, field, seen, lookup.grid_hz, lookup.period_hz, block, lookup.tolerance_hz
    )
    around = fieldmap.spread(blocks, block, seen.shape)
    beliefs = fieldmap.beliefs(cost, field, seen, around, lookup.period_hz, lookup.tolerance_hz)
    choice = beliefs.argmin(axis=0)[None]
    chosen = jnp.take_along_axis(fat, choice, axis=0)
    same = (jnp.abs(fat - chosen) < DISTINCT) | ~found
    lead = jnp.where(same, jnp.inf, beliefs).min(axis=0) - beliefs.min(axis=0)
    field = jnp.take_along_axis(field, choice, axis=0)[0]
    turns = jnp.round((around - field) / lookup.period_hz)  # 0 where the period is infinite
    field = field + jnp.where(turns == 0, 0.0, turns * lookup.period_hz)
    r2star = jnp.take_along_axis(r2star, choice, axis=0)[0]
    return Search(field, r2star, chosen[0], lead, variance)


def over_voxels(work: Callable[..., Result], *arrays: jax.Array) -> Result:
    """`in_chunks` of [..., z, x, y]: `work` sees [..., voxel], and so returns."""
    shape = arrays[0].shape[-3:]
    flat = tuple(array.reshape(*array.shape[:-3], -1) for array in arrays)
    done = in_chunks(work, flat, _CHUNK)
    return jax.tree.map(lambda array: array.reshape(*array.shape[:-1], *shape), done)
