"""Water, fat and R2* of magnitude echoes: |W + F c(t)| exp(-R2* t), by least squares.

A magnitude does not tell which of two amplitudes is fat's: with one peak of fat, W and F could be
exchanged. Only the other peaks and the decay tell, so each voxel has up to two explanations, and a
descent from one start ends in the nearer one. As in MAGO (Triay Bagur et al., Magn Reson Med
2019;82:460) each voxel starts from both sides; a third start lies where the two meet.

Here W, F and R2* are kept at or above 0. Which of the explanations holds is a question of what
tissue can be, and an explanation that needs more than 100 % fat must not win by that freedom.
The mean over a liver without fat needs the freedom, though: `rician.refine` gives it, after the
choice.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from liver_jax.biometry.echoes import least_squares
from liver_jax.biometry.echoes.chunks import in_chunks
from liver_jax.biometry.echoes.limits import DISTINCT, R2STAR_RANGE

# Fat fractions of the starts. R2* of each follows from the data.
_STARTS = (0.1, 0.9, 0.5)
_ITERATIONS = 9
# What mostly fat must explain better to be chosen, in squares of the largest echo.
_WATER_FIRST = 1e-8
CHUNK = 16384  # voxels at a time

Dephasing = tuple[jax.Array, jax.Array]  # real and imaginary part of c(t), each [echo]


class Estimate(NamedTuple):
    """The better and the other explanation of each voxel; every array f32 [voxel].

    Attributes:
        water: In the units of the echoes, at echo time 0; at least 0.
        fat: As `water`.
        r2star_per_s: From 0 to the end of `R2STAR_RANGE`.
        residual_squares: Sum over the echoes of the squared residuals.
        other_water: Of the best explanation whose fat fraction differs by 10 points or more; where
            there is none, of another descent that came to the same end.
        other_fat: As `other_water`.
        other_r2star_per_s: As `other_water`.
        other_residual_squares: As `other_water`.
    """

    water: jax.Array
    fat: jax.Array
    r2star_per_s: jax.Array
    residual_squares: jax.Array
    other_water: jax.Array
    other_fat: jax.Array
    other_r2star_per_s: jax.Array
    other_residual_squares: jax.Array


@jax.jit
def fit(magnitude: jax.Array, te_s: jax.Array, dephasing: Dephasing) -> Estimate:
    """Explains each voxel by water, fat and decay, in the two best ways.

    Args:
        magnitude: f32 [echo, voxel], three echoes or more. What is not finite or below 0 counts
            as 0; a voxel of zeros gives zeros.
        te_s: f32 [echo], in any order.
        dephasing: c at the echo times, (real [echo], imaginary [echo]).
    """
    return in_chunks(lambda part: _fit(part, te_s, dephasing), (magnitude,), CHUNK)


def fraction(water: jax.Array, fat: jax.Array) -> jax.Array:
    """F / (W + F), 0 where both are 0."""
    total = water + fat
    return jnp.where(total > 0, fat / jnp.where(total > 0, total, 1.0), 0.0)


def echo(
    water: jax.Array,
    fat: jax.Array,
    decay: jax.Array,
    time: jax.Array,
    real: jax.Array,
    power: jax.Array,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array, jax.Array]]:
    """One echo of each voxel, and its derivatives.

    Args:
        water: W of each voxel.
        fat: F of each voxel.
        decay: R2* times a unit of time.
        time: Echo time in that unit.
        real: Real part of c at the echo time.
        power: Squared modulus of c at the echo time.

    Returns:
        |W + F c| exp(-decay time), and its derivatives by W, F and decay.
    """
    squared = water * water + 2.0 * real * water * fat + power * fat * fat
    # The derivative has no limit where water and fat cancel: the floor keeps it finite there.
    slope = jax.lax.rsqrt(jnp.maximum(squared, 1e-6)) * jnp.exp(-decay * time)
    value = squared * slope
    by_water = (water + real * fat) * slope
    by_fat = (real * water + power * fat) * slope
    return value, (by_water, by_fat, -time * value)


def normalised(magnitude: jax.Array) -> tuple[list[jax.Array], jax.Array]:
    """Each echo over the voxel's largest, and that largest: the fit then knows no units."""
    clean = jnp.where(jnp.isfinite(magnitude) & (magnitude > 0), magnitude, 0.0)
    scale = clean.max(axis=0)
    clean = clean / jnp.where(scale > 0, scale, 1.0)
    return [clean[k] for k in range(clean.shape[0])], scale


def _fit(magnitude: jax.Array, te_s: jax.Array, dephasing: Dephasing) -> Estimate:
    echoes, scale = normalised(magnitude)
    unit_s = te_s.max()
    times = te_s / unit_s
    real, imaginary = dephasing
    power = real**2 + imaginary**2
    limit = R2STAR_RANGE[1] * unit_s

    state = _start(echoes, times, real, power, limit)  # [start, voxel]

    def improve(step: jax.Array, state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        # Damped well while far from the end, hardly at the end, where damping only delays.
        damping = jnp.maximum(1e-2 * 0.25**step, 1e-6)
        return _improve(echoes, state, times, real, power, limit, damping)

    water, fat, decay = jax.lax.fori_loop(0, _ITERATIONS, improve, state)
    residual_squares = sum(
        (echoes[k] - echo(water, fat, decay, times[k], real[k], power[k])[0]) ** 2
        for k in range(len(echoes))
    )

    # Three echoes are often explained in full both ways: rounding must not choose then.
    cost = residual_squares + jnp.where(fat > water, _WATER_FIRST, 0.0)
    ends = [
        tuple(part[k] for part in (water, fat, decay, residual_squares, cost))
        for k in range(len(_STARTS))
    ]
    best = ends[0]
    for end in ends[1:]:
        best = _where(end[-1] < best[-1], end, best)
    best_fraction = fraction(best[0], best[1])
    other = None
    for end in ends:
        same = jnp.abs(fraction(end[0], end[1]) - best_fraction) < DISTINCT
        # Any explanation that differs goes before any that is the same.
        end = (*end[:-1], end[-1] + jnp.where(same, 1e6, 0.0))
        other = end if other is None else _where(end[-1] < other[-1], end, other)

    largest = jnp.finfo(jnp.float32).max
    return Estimate(
        *(
            jnp.where(scale > 0, part, 0.0)
            for water, fat, decay, squares in (best[:4], other[:4])
            for part in (
                jnp.minimum(water * scale, largest),
                jnp.minimum(fat * scale, largest),
                decay / unit_s,
                jnp.minimum(squares * scale * scale, largest),
            )
        )
    )


def _start(
    echoes: list[jax.Array],
    times: jax.Array,
    real: jax.Array,
    power: jax.Array,
    limit: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """W, F and decay, [start, voxel]: for each fraction a line through the logarithms."""
    fat = jnp.array(_STARTS)[:, None]
    water = 1.0 - fat
    total, first, second, level, tilt = 0.0, 0.0, 0.0, 0.0, 0.0
    shapes = []
    for k, measured in enumerate(echoes):
        shape = jnp.sqrt(water**2 + 2 * water * fat * real[k] + fat**2 * power[k])
        shapes.append(jnp.maximum(shape, 0.05))
        weight = measured * measured  # what a logarithm is worth
        logarithm = jnp.log(jnp.maximum(measured, 1e-3)) - jnp.log(shapes[k])
        total += weight
        first += weight * times[k]
        second += weight * times[k] ** 2
        level += weight * logarithm
        tilt += weight * times[k] * logarithm
    determinant = jnp.maximum(total * second - first * first, 1e-6)
    decay = jnp.clip((first * level - total * tilt) / determinant, 0.0, limit)
    along, square = 0.0, 0.0
    for k, measured in enumerate(echoes):
        value = shapes[k] * jnp.exp(-decay * times[k])
        along += measured * value
        square += value * value
    amplitude = along / jnp.maximum(square, 1e-6)
    return water * amplitude, fat * amplitude, decay


def _improve(
    echoes: list[jax.Array],
    state: tuple[jax.Array, ...],
    times: jax.Array,
    real: jax.Array,
    power: jax.Array,
    limit: jax.Array,
    damping: jax.Array,
) -> tuple[jax.Array, ...]:
    """One step of Levenberg and Marquardt within the bounds."""
    water, fat, decay = state
    matrix = [[0.0] * 3 for _ in range(3)]
    right = [0.0] * 3
    for k, measured in enumerate(echoes):
        value, slopes = echo(water, fat, decay, times[k], real[k], power[k])
        for i in range(3):
            right[i] += slopes[i] * (measured - value)
            for j in range(i + 1):
                matrix[i][j] += slopes[i] * slopes[j]
    for i in range(3):
        matrix[i][i] = matrix[i][i] * (1.0 + damping) + 1e-7

    # Decay that lies on its bound and is drawn beyond it stays there.
    stays = ((decay <= 0) & (right[2] < 0)) | ((decay >= limit) & (right[2] > 0))
    moves = jnp.where(stays, 0.0, 1.0)
    # The smaller of water and fat comes last, so that it is found first: where it would pass 0 it
    # ends at 0, and the others move as is best then.
    less = water < fat
    pick = functools.partial(jnp.where, less)
    ordered = [
        [matrix[2][2]],
        [pick(matrix[2][1], matrix[2][0]) * moves, pick(matrix[1][1], matrix[0][0])],
        [
            pick(matrix[2][0], matrix[2][1]) * moves,
            matrix[1][0],
            pick(matrix[0][0], matrix[1][1]),
        ],
    ]
    factor = least_squares.cholesky(ordered)
    first = right[2] * moves * factor[0][0]
    second = (pick(right[1], right[0]) - factor[1][0] * first) * factor[1][1]
    third = pick(right[0], right[1]) - factor[2][0] * first - factor[2][1] * second
    small = jnp.maximum(third * factor[2][2] * factor[2][2], -pick(water, fat))
    large = jnp.maximum((second - factor[2][1] * small) * factor[1][1], -pick(fat, water))
    slower = (first - factor[1][0] * large - factor[2][0] * small) * factor[0][0]
    step = (pick(small, large), pick(large, small), slower)
    length = shortened(step)
    return (
        jnp.maximum(water + length * step[0], 0.0),
        jnp.maximum(fat + length * step[1], 0.0),
        jnp.clip(decay + length * step[2], 0.0, limit),
    )


def shortened(step: least_squares.Vector) -> jax.Array:
    """By what to multiply a step, so that it stays where the linear model may hold."""
    amplitude = jnp.maximum(jnp.abs(step[0]), jnp.abs(step[1]))
    return 1.0 / jnp.maximum(jnp.maximum(amplitude / 0.3, jnp.abs(step[2])), 1.0)


def _where(
    condition: jax.Array, yes: tuple[jax.Array, ...], no: tuple[jax.Array, ...]
) -> tuple[jax.Array, ...]:
    return tuple(jnp.where(condition, y, n) for y, n in zip(yes, no, strict=True))
