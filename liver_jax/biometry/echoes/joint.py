"""The fit of a complex image as a whole: phase errors, the field, the last fit of each voxel."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from liver_jax.biometry.echoes import least_squares, phase_errors, phased
from liver_jax.biometry.echoes.phased import Parameters, Sampling
from liver_jax.biometry.echoes.search import Lookup, over_voxels, search

_ROUNDS = 3  # of a fit that starts in the right valley, to come to rest
# One voxel in so many tells the phase errors, but at least and at most so many; of what lead.
_PHASE_SHARE, _PHASE_LEAST, _PHASE_MOST, _SURE = 8, 4096, 49152, 3.0
# An error below this is none to speak of, nor is what noise alone makes of so many voxels: this
# many times the error of a phase that they have in common (simulated; the worst of the patterns).
_PHASE_LIMIT_RADIAN, _PHASE_LIMIT_NOISE = 0.02, 25.0
# No model explains a signal to less than this share of it.
_MODEL_ERROR = 0.05
# What a voxel that looks like fat says beside water, and how often the search is done at most.
_FAT_SAYS, _PASSES = 0.1, 3


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


@functools.partial(jax.jit, static_argnames="block")
def fit(
    real: jax.Array,
    imag: jax.Array,
    seen: jax.Array,
    phase_coefficients: jax.Array,
    sampling: Sampling,
    lookup: Lookup,
    block: tuple[int, int, int],
) -> Result:
    """Fits an image.

    Args:
        real: float32 [echo, z, x, y], and `imag` alike.
        imag: See `real`.
        seen: bool [z, x, y]: where there is signal. The rest is fitted too, and has no say.
        phase_coefficients: [echo, term]: phase errors to turn back, of `find_phase_errors`.
        sampling: Of the echoes.
        lookup: Of the same echoes.
        block: Of how many voxels the blocks are that vote for a field; static.
    """
    real, imag, strength = _by_strength(real, imag)
    turned = phase_errors.angle(phase_coefficients, phase_errors.basis(seen.shape))
    real, imag = phase_errors.turn(real, imag, turned)
    place = search(real, imag, strength, seen, sampling, lookup, block)

    def last(*part: jax.Array) -> tuple[jax.Array, ...]:
        real, imag, field, r2star = part
        begin = phased.start(real, imag, sampling, field, r2star)
        end = phased.refine(real, imag, sampling, begin, _ROUNDS)
        now = phased.normal(real, imag, sampling, end)
        return (*end, now.residual_squares, *_standard_errors(now, end))

    parts = (real, imag, place.field_hz, place.r2star_per_s)
    *solution, squares, pdff_error, r2star_error = over_voxels(last, *parts)
    solution = Parameters(*solution)
    noise = jnp.sqrt(place.variance)
    return Result(
        solution._replace(water=solution.water * strength, fat=solution.fat * strength),
        squares * strength**2,
        place.lead_nats,
        noise,
        pdff_error * noise / strength,
        r2star_error * noise / strength,
        _root_mean_square(turned, seen),
    )


@functools.partial(jax.jit, static_argnames="block")
def find_phase_errors(
    real: jax.Array,
    imag: jax.Array,
    seen: jax.Array,
    sampling: Sampling,
    lookup: Lookup,
    block: tuple[int, int, int],
) -> jax.Array:
    """Finds the echoes' phase errors, from some of the voxels.

    A wrong phase may have led the search astray, so it is done again where one was found. What is
    too small to matter is left alone: taking it for an error would add its own uncertainty.

    Args:
        real: As `fit`; likewise the rest.
        imag: See `real`.
        seen: See `real`.
        sampling: See `real`.
        lookup: See `real`.
        block: See `real`; static.

    Returns:
        [echo, term], the coefficients of `phase_errors.angle`; 0 where there is no error.
    """
    stride = _stride(seen.shape)
    some = tuple(slice(None, None, step) for step in stride)
    terms = phase_errors.basis(seen.shape)[:, *some]
    real, imag, strength = _by_strength(real[:, *some], imag[:, *some])
    seen = seen[some]
    block = tuple(max(1, length // step) for length, step in zip(block, stride, strict=True))

    def once(coefficients: jax.Array) -> tuple[jax.Array, jax.Array]:
        turned = phase_errors.turn(real, imag, phase_errors.angle(coefficients, terms))
        place = search(*turned, strength, seen, sampling, lookup, block)
        tells = seen & (place.lead_nats > _SURE)
        # The brightest voxels tell no more than others: what the model leaves there is not noise.
        weight = 1.0 / (place.variance / strength**2 + _MODEL_ERROR**2)
        # What looks like fat may be water led astray, and fat is known no better than its spectrum.
        weight = jnp.where(place.fat_fraction > 0.5, _FAT_SAYS * weight, weight)
        weight = jnp.where(tells, weight, 0.0)
        flat = [array.reshape(*array.shape[:-3], -1) for array in (*turned, weight, terms)]
        start = (place.field_hz.ravel(), place.r2star_per_s.ravel())
        found = phase_errors.estimate(flat[0], flat[1], sampling, *start, flat[2], flat[3])
        noise = 1.0 / jnp.sqrt(jnp.maximum(weight.sum(), 1e-6))
        return coefficients + found, _PHASE_LIMIT_RADIAN + _PHASE_LIMIT_NOISE * noise

    def again(state: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        done, coefficients, limit = state
        error = _root_mean_square(phase_errors.angle(coefficients, terms), seen)
        return (done == 0) | ((done < _PASSES) & (error.max() > limit))

    nothing = jnp.zeros((real.shape[0], terms.shape[0]))
    state = (jnp.int32(0), nothing, jnp.float32(0.0))
    done, found, _ = jax.lax.while_loop(again, lambda s: (s[0] + 1, *once(s[1])), state)
    return jnp.where(done > 1, found, nothing)


def _by_strength(real: jax.Array, imag: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Each voxel in units of its own strength, and that: float32 then serves dark ones as well."""
    strength = jnp.sqrt((real**2 + imag**2).mean(axis=0))
    strength = jnp.where(strength > 0, strength, 1.0)
    return real / strength, imag / strength, strength


def _root_mean_square(radian: jax.Array, seen: jax.Array) -> jax.Array:
    """Of [echo, z, x, y] over what is seen, [echo]."""
    return jnp.sqrt((radian**2 * seen).sum(axis=(1, 2, 3)) / jnp.maximum(seen.sum(), 1))


def _stride(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Which voxels tell the phase errors: every k-th, in the image's plane first."""
    steps = [1, 1, 1]
    enough = min(max(math.prod(shape) // _PHASE_SHARE, _PHASE_LEAST), _PHASE_MOST)
    while math.prod(-(-n // k) for n, k in zip(shape, steps, strict=True)) > enough:
        lengths = [-(-n // k) for n, k in zip(shape, steps, strict=True)]
        steps[lengths.index(max(lengths))] += 1
    return tuple(steps)


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
