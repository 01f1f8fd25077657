"""The complex fit of each voxel on its own: W, F, their common phase, field and R2*.

s(t) = (W + F c(t)) exp(i phi) exp((-R2* + i 2 pi psi) t), with real W and F. That water and fat
start with one phase (Bydder et al., Magn Reson Imaging 2011;29:216) takes an unknown away, and with
it noise; and since W and F keep their signs, noise does not pile up at a fat fraction of 0.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from liver_jax.biometry.echoes import least_squares
from liver_jax.biometry.echoes.limits import R2STAR_RANGE

# The longest step of one round: what is far from the data is approached in several.
_PHASE_STEP_RADIAN, _FIELD_STEP_HZ, _R2STAR_STEP = 1.0, 40.0, 300.0
_DAMPING = 1e-3


class Sampling(NamedTuple):
    """When the echoes were taken, and how far fat had dephased by then; arrays [echo]."""

    te_s: jax.Array
    fat_real: jax.Array
    fat_imag: jax.Array


class Parameters(NamedTuple):
    """One solution for each voxel. Amplitudes in the units of the echoes."""

    water: jax.Array
    fat: jax.Array
    phase_radian: jax.Array
    field_hz: jax.Array
    r2star_per_s: jax.Array


class Normal(NamedTuple):
    """The normal equations at a solution: J^T J [5][<= 5], J^T r [5], and the residual's square."""

    matrix: list[list[jax.Array]]
    gradient: list[jax.Array]
    residual_squares: jax.Array


def cosine_and_sine(turns: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Cosine and sine of an angle given in whole turns, to 4e-7.

    XLA's own take five times as long on a CPU, and most of a fit is these two. The polynomials are
    those of half the angle, within a quarter turn of 0.
    """
    half = jnp.pi * (turns - jnp.floor(turns + 0.5))
    square = half * half
    sine = 1 / 120 + square * (-1 / 5040 + square * (1 / 362880 - square / 39916800))
    sine = half * (1 + square * (-1 / 6 + square * sine))
    cosine = 1 / 40320 + square * (-1 / 3628800 + square / 479001600)
    cosine = 1 + square * (-1 / 2 + square * (1 / 24 + square * (-1 / 720 + square * cosine)))
    return 1 - 2 * sine * sine, 2 * sine * cosine


def turned_back(real: jax.Array, imag: jax.Array, turns: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A complex signal with its phase turned back by an angle in whole turns."""
    cos, sin = cosine_and_sine(turns)
    return real * cos + imag * sin, imag * cos - real * sin


def start(
    real: jax.Array, imag: jax.Array, sampling: Sampling, field_hz: jax.Array, r2star: jax.Array
) -> Parameters:
    """The best amplitudes and phase for a given field and R2*: a linear problem.

    Args:
        real: [echo, ...], and `imag` alike: the signal.
        imag: See `real`.
        sampling: Of the echoes.
        field_hz: [...].
        r2star: [...], 1/s.
    """
    zero = jnp.zeros_like(field_hz)
    ww, wf, ff = zero, zero, zero
    w_real, w_imag, f_real, f_imag = zero, zero, zero, zero
    for n in range(real.shape[0]):
        t, cr, ci = sampling.te_s[n], sampling.fat_real[n], sampling.fat_imag[n]
        decay = jnp.exp(-r2star * t)
        turned = turned_back(real[n], imag[n], t * field_hz)
        turned_real, turned_imag = (part * decay for part in turned)
        square = decay * decay
        ww, wf, ff = ww + square, wf + cr * square, ff + (cr * cr + ci * ci) * square
        w_real, w_imag = w_real + turned_real, w_imag + turned_imag
        f_real = f_real + cr * turned_real + ci * turned_imag
        f_imag = f_imag + cr * turned_imag - ci * turned_real
    inverse = 1.0 / jnp.maximum(ww * ff - wf * wf, 1e-12)
    # The complex amplitudes that each species would have alone, then the phase that serves both:
    # half the angle of b^T M^-1 b.
    water_real, water_imag = ff * w_real - wf * f_real, ff * w_imag - wf * f_imag
    fat_real, fat_imag = ww * f_real - wf * w_real, ww * f_imag - wf * w_imag
    both_real = w_real * water_real - w_imag * water_imag + f_real * fat_real - f_imag * fat_imag
    both_imag = w_real * water_imag + w_imag * water_real + f_real * fat_imag + f_imag * fat_real
    phase = 0.5 * jnp.arctan2(both_imag, both_real)
    cos, sin = jnp.cos(phase), jnp.sin(phase)
    water = (water_real * cos + water_imag * sin) * inverse
    fat = (fat_real * cos + fat_imag * sin) * inverse
    sign = jnp.where(water + fat < 0, -1.0, 1.0)
    phase = phase + jnp.where(sign < 0, jnp.pi, 0.0)
    return Parameters(water * sign, fat * sign, phase, field_hz, r2star)


def model(
    p: Parameters, sampling: Sampling, echo: int
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """One echo of the model, in the frame that turns with phase and field.

    Returns:
        Each [...]: decay exp(-R2* t), real and imaginary part of (W + F c) exp(-R2* t), and the
        angle of the frame in whole turns.
    """
    t = sampling.te_s[echo]
    decay = jnp.exp(-p.r2star_per_s * t)
    real = (p.water + p.fat * sampling.fat_real[echo]) * decay
    imag = p.fat * sampling.fat_imag[echo] * decay
    return decay, real, imag, p.phase_radian / (2 * jnp.pi) + t * p.field_hz


def normal(real: jax.Array, imag: jax.Array, sampling: Sampling, p: Parameters) -> Normal:
    """The normal equations for (W, F, phase, 2 pi field, R2*), in the frame of the fit."""
    zero = jnp.zeros_like(p.water)
    squares = zero
    gradient = [zero] * 5
    matrix = [[zero] * (row + 1) for row in range(5)]
    for n in range(real.shape[0]):
        t, cr, ci = sampling.te_s[n], sampling.fat_real[n], sampling.fat_imag[n]
        decay, model_real, model_imag, turns = model(p, sampling, n)
        turned_real, turned_imag = turned_back(real[n], imag[n], turns)
        rest_real, rest_imag = turned_real - model_real, turned_imag - model_imag
        squares = squares + rest_real**2 + rest_imag**2
        # Derivatives, (real, imaginary).
        slopes = (
            (decay, None),
            (cr * decay, ci * decay),
            (-model_imag, model_real),
            (-t * model_imag, t * model_real),
            (-t * model_real, -t * model_imag),
        )
        for row, (row_real, row_imag) in enumerate(slopes):
            told = row_real * rest_real
            gradient[row] = gradient[row] + (
                told if row_imag is None else told + row_imag * rest_imag
            )
            for column, (column_real, column_imag) in enumerate(slopes[: row + 1]):
                product = row_real * column_real
                if column_imag is not None and row_imag is not None:
                    product = product + row_imag * column_imag
                matrix[row][column] = matrix[row][column] + product
    return Normal(matrix, gradient, squares)


def refine(
    real: jax.Array, imag: jax.Array, sampling: Sampling, begin: Parameters, rounds: int
) -> Parameters:
    """Rounds of damped Gauss-Newton from a solution in the right valley; three come to rest.

    Args:
        real: [echo, ...], and `imag` alike: the signal, scaled so that the largest is about 1.
        imag: See `real`.
        sampling: Of the echoes.
        begin: Arrays [...].
        rounds: How many.
    """

    def one(_: int, p: Parameters) -> Parameters:
        now = normal(real, imag, sampling, p)
        damped = [
            [now.matrix[row][k] * (1 + _DAMPING * (k == row)) for k in range(row + 1)]
            for row in range(5)
        ]
        move = least_squares.solve(least_squares.cholesky(damped), now.gradient)
        phase = jnp.clip(move[2], -_PHASE_STEP_RADIAN, _PHASE_STEP_RADIAN)
        field = jnp.clip(move[3] / (2 * jnp.pi), -_FIELD_STEP_HZ, _FIELD_STEP_HZ)
        decay = jnp.clip(move[4], -_R2STAR_STEP, _R2STAR_STEP)
        return Parameters(
            p.water + move[0],
            p.fat + move[1],
            p.phase_radian + phase,
            p.field_hz + field,
            jnp.clip(p.r2star_per_s + decay, *R2STAR_RANGE),
        )

    return jax.lax.fori_loop(0, rounds, one, begin)
