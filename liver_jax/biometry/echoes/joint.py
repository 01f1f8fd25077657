"""The fit of a complex image as a whole: candidates of each voxel, a smooth field, the last fit.

Voxels are worked on in chunks one after the other, so that memory is bounded by the maps, not by
what is looked up for each voxel; all of it is one compiled program, without a loop on the host.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from liver_jax.biometry.echoes import fieldmap, least_squares, phase_errors, phased
from liver_jax.biometry.echoes.phased import Parameters, Sampling

_CHUNK = 8192  # voxels at a time
# Of a fit that starts in the right valley: to tell what it costs, and to come to rest.
_CANDIDATE_ROUNDS, _ROUNDS = 2, 3
# The noise is a median over voxels; of large images, over some of them.
_SAMPLE = 65536
# How many voxels, at most, tell the phase errors, and of what lead; what is no error to speak of.
_PHASE_VOXELS, _SURE, _PHASE_LIMIT_RADIAN = 4096, 3.0, 0.03
# Candidates whose fat fractions differ by less are one.
_DISTINCT = 0.1


class Lookup(NamedTuple):
    """Of `fieldmap.field_grid` and `fieldmap.projections`, as arrays."""

    projection: jax.Array
    grid_hz: jax.Array
    period_hz: jax.Array
    tolerance_hz: jax.Array


class Result(NamedTuple):
    """Maps of a whole image, [z, x, y], in the units of the echoes.

    Attributes:
        solution: W, F, phase, field (without jumps of a period) and R2*.
        residual_squares: Sum over the echoes of the complex residual's squared modulus.
        lead_nats: By how much the chosen candidate is ahead of the next one that differs.
        noise: One number, the standard deviation of each channel.
        pdff_standard_error: Of F / (W + F), from the Fisher information at the solution.
        r2star_standard_error_per_s: As `pdff_standard_error`.
        phase_error_radian: [echo], root mean square over the image of what was turned back.
    """

    solution: Parameters
    residual_squares: jax.Array
    lead_nats: jax.Array
    noise: jax.Array
    pdff_standard_error: jax.Array
    r2star_standard_error_per_s: jax.Array
    phase_error_radian: jax.Array


class _Search(NamedTuple):
    """Where each voxel's solution lies, [z, x, y]; `variance` is one number."""

    field_hz: jax.Array
    r2star_per_s: jax.Array
    lead_nats: jax.Array
    variance: jax.Array


@functools.partial(jax.jit, static_argnames="block")
def fit(
    real: jax.Array,
    imag: jax.Array,
    seen: jax.Array,
    sampling: Sampling,
    lookup: Lookup,
    block: tuple[int, int, int],
) -> Result:
    """Fits an image.

    Args:
        real: float32 [echo, z, x, y], and `imag` alike.
        imag: See `real`.
        seen: bool [z, x, y]: where there is signal. The rest is fitted too, and has no say.
        sampling: Of the echoes.
        lookup: Of the same echoes.
        block: Of how many voxels the blocks are that vote for a field; static.
    """
    # Each voxel is fitted in units of its own strength: float32 then serves dark ones as well.
    strength = jnp.sqrt((real**2 + imag**2).mean(axis=0))
    strength = jnp.where(strength > 0, strength, 1.0)
    real, imag = real / strength, imag / strength

    coefficients = _phase_errors(real, imag, strength, seen, sampling, lookup, block)
    turned = phase_errors.angle(coefficients, phase_errors.basis(seen.shape))
    real, imag = phase_errors.turn(real, imag, turned)
    place = _search(real, imag, strength, seen, sampling, lookup, block)

    def last(part: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        real, imag, field, r2star = part
        begin = phased.start(real, imag, sampling, field, r2star)
        end = phased.refine(real, imag, sampling, begin, _ROUNDS)
        now = phased.normal(real, imag, sampling, end)
        return (*end, now.residual_squares, *_standard_errors(now, end))

    parts = (real, imag, place.field_hz, place.r2star_per_s)
    *solution, squares, pdff_error, r2star_error = _in_chunks(last, parts)
    solution = Parameters(*solution)
    noise = jnp.sqrt(place.variance)
    return Result(
        solution._replace(water=solution.water * strength, fat=solution.fat * strength),
        squares * strength**2,
        place.lead_nats,
        noise,
        pdff_error * noise / strength,
        r2star_error * noise / strength,
        jnp.sqrt((turned**2 * seen).sum(axis=(1, 2, 3)) / jnp.maximum(seen.sum(), 1)),
    )


def _phase_errors(
    real: jax.Array,
    imag: jax.Array,
    strength: jax.Array,
    seen: jax.Array,
    sampling: Sampling,
    lookup: Lookup,
    block: tuple[int, int, int],
) -> jax.Array:
    """Coefficients of the echoes' phase errors, from some of the voxels.

    A wrong phase may have led the search astray, so it is done again where one was found.
    """
    stride = _stride(seen.shape)
    some = tuple(slice(None, None, step) for step in stride)
    real, imag = real[:, *some], imag[:, *some]
    strength, seen = strength[some], seen[some]
    terms = phase_errors.basis(seen.shape)
    block = tuple(max(1, length // step) for length, step in zip(block, stride, strict=True))

    def once(coefficients: jax.Array) -> jax.Array:
        turned = phase_errors.turn(real, imag, phase_errors.angle(coefficients, terms))
        place = _search(*turned, strength, seen, sampling, lookup, block)
        weight = jnp.where(seen & (place.lead_nats > _SURE), strength**2 / place.variance, 0.0)
        flat = [array.reshape(*array.shape[:-3], -1) for array in (*turned, weight, terms)]
        return coefficients + phase_errors.estimate(
            flat[0],
            flat[1],
            sampling,
            place.field_hz.ravel(),
            place.r2star_per_s.ravel(),
            flat[2],
            flat[3],
        )

    def again(state: tuple[jax.Array, jax.Array]) -> jax.Array:
        done, coefficients = state
        astray = jnp.abs(phase_errors.angle(coefficients, terms)).max() > _PHASE_LIMIT_RADIAN
        return (done == 0) | ((done == 1) & astray)

    nothing = jnp.zeros((real.shape[0], terms.shape[0]))
    state = (jnp.int32(0), nothing)
    return jax.lax.while_loop(again, lambda state: (state[0] + 1, once(state[1])), state)[1]


def _stride(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Which voxels tell the phase errors: every k-th, in the image's plane first."""
    steps = [1, 1, 1]
    while math.prod(-(-n // k) for n, k in zip(shape, steps, strict=True)) > _PHASE_VOXELS:
        lengths = [-(-n // k) for n, k in zip(shape, steps, strict=True)]
        steps[lengths.index(max(lengths))] += 1
    return tuple(steps)


def _search(
    real: jax.Array,
    imag: jax.Array,
    strength: jax.Array,
    seen: jax.Array,
    sampling: Sampling,
    lookup: Lookup,
    block: tuple[int, int, int],
) -> _Search:
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
        end = phased.refine(*many, sampling, begin, _CANDIDATE_ROUNDS)
        squares = phased.normal(*many, sampling, end).residual_squares
        fat = end.fat / jnp.where(end.water + end.fat > 0.01, end.water + end.fat, 1.0)
        return end.field_hz, end.r2star_per_s, squares, found.found, fat

    field, r2star, squares, found, fat = _in_chunks(candidates, (real, imag))
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
    same = (jnp.abs(fat - jnp.take_along_axis(fat, choice, axis=0)) < _DISTINCT) | ~found
    lead = jnp.where(same, jnp.inf, beliefs).min(axis=0) - beliefs.min(axis=0)
    field = jnp.take_along_axis(field, choice, axis=0)[0]
    turns = jnp.round((around - field) / lookup.period_hz)  # 0 where the period is infinite
    field = field + jnp.where(turns == 0, 0.0, turns * lookup.period_hz)
    return _Search(field, jnp.take_along_axis(r2star, choice, axis=0)[0], lead, variance)


def _standard_errors(now: phased.Normal, p: Parameters) -> tuple[jax.Array, jax.Array]:
    """Of the fat fraction and R2*, for noise of standard deviation 1."""
    factor = least_squares.cholesky(now.matrix)
    total = p.water + p.fat
    inverse = 1.0 / jnp.maximum(total * total, 1e-6)
    zero, one = jnp.zeros_like(total), jnp.ones_like(total)
    slope = (-p.fat * inverse, p.water * inverse, zero, zero, zero)
    of_fat = least_squares.quadratic_form(factor, slope)
    of_decay = least_squares.quadratic_form(factor, (zero, zero, zero, zero, one))
    return jnp.sqrt(of_fat), jnp.sqrt(of_decay)


def _median(values: jax.Array, seen: jax.Array) -> jax.Array:
    """The median of what is seen, of every k-th voxel; 1 where nothing is."""
    step = -(-values.size // _SAMPLE)
    values, seen = values.ravel()[::step], seen.ravel()[::step]
    middle = jnp.nanmedian(jnp.where(seen, values, jnp.nan))
    return jnp.where(middle > 0, middle, 1e-12)


def _in_chunks(
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
