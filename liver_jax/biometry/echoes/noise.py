"""The noise of magnitude echoes, one number for all voxels, from the echoes themselves.

Four echoes or more tell the noise by what a fit of three unknowns leaves. Three are always
explained in full: there, neighbouring voxels tell it.
"""

import jax
import jax.numpy as jnp

from liver_jax.biometry.echoes import choice, magnitude

_ROUNDS = 3


@jax.jit
def from_residuals(estimate: magnitude.Estimate, echo_count: jax.Array | int) -> jax.Array:
    """Estimates the noise from the residuals of voxels with signal.

    Args:
        estimate: Of `magnitude.fit`, of four echoes or more. Voxels of zeros do not count.
        echo_count: Echoes that were fitted.

    Returns:
        f32, the standard deviation of the noise of each channel, in the units of the echoes; 0
        where no voxel can tell. What the model does not describe (motion, another spectrum)
        counts as noise.
    """
    amplitude = estimate.water + estimate.fat
    # The mean weighted by itself: of bright voxels, however much background there is. There, noise
    # is Rayleigh's, and smaller.
    typical = jnp.vdot(amplitude, amplitude) / jnp.maximum(amplitude.sum(), _tiny())
    # On a bound fewer than three unknowns are free.
    free = (estimate.water > 0) & (estimate.fat > 0) & (estimate.r2star_per_s > 0)
    usable = free & (amplitude > 0.25 * typical)
    freedom = jnp.maximum(echo_count - 3, 1)
    # Median of a chi-squared distribution, Wilson and Hilferty.
    middle = freedom * (1.0 - 2.0 / (9.0 * freedom)) ** 3
    variance = _median(estimate.residual_squares, usable) / middle
    for _ in range(_ROUNDS):
        # Where two explanations compete, the better of the two is better than the true one: each
        # counts by its probability.
        other = jax.nn.sigmoid(-choice.separation_nats(estimate, jnp.sqrt(variance)))
        difference = estimate.other_residual_squares - estimate.residual_squares
        squares = estimate.residual_squares + jnp.where(other > 0, other * difference, 0.0)
        variance = _median(squares, usable) / middle
    return jnp.sqrt(variance)


@jax.jit
def from_neighbours(echoes: jax.Array, mask: jax.Array) -> jax.Array:
    """Estimates the noise from how a voxel differs from the mean of two neighbours.

    What changes all echoes alike (proton density, coils, edges) is left out: only differences
    across the voxel's own decay count.

    Args:
        echoes: f32 [echo, x, y, ...], two echoes or more, on the grid they were acquired on:
            interpolation makes neighbours alike, and the result too small.
        mask: bool [x, y, ...], voxels with signal.

    Returns:
        As `from_residuals`.
    """
    squares, usable = [], []
    for axis in (1, 2):
        if echoes.shape[axis] < 3:
            continue
        before, here, after = (_shifted(echoes, axis, k) for k in range(3))
        difference = (here - 0.5 * (before + after)) / jnp.sqrt(1.5)
        along = (difference * here).sum(0) ** 2 / jnp.maximum((here * here).sum(0), _tiny())
        squares.append(((difference**2).sum(0) - along).ravel())
        inside = [_shifted(mask, axis - 1, k) for k in range(3)]
        usable.append((inside[0] & inside[1] & inside[2]).ravel())
    if not squares:
        return jnp.zeros(())
    freedom = echoes.shape[0] - 1
    middle = freedom * (1.0 - 2.0 / (9.0 * freedom)) ** 3
    middle_square = _median(jnp.concatenate(squares), jnp.concatenate(usable))
    return jnp.sqrt(jnp.maximum(middle_square, 0.0) / middle)


def _shifted(array: jax.Array, axis: int, first: int) -> jax.Array:
    return jax.lax.slice_in_dim(array, first, array.shape[axis] - 2 + first, axis=axis)


def _median(values: jax.Array, usable: jax.Array) -> jax.Array:
    """The median of the usable values, none of them below 0; 0 where there is none.

    Floats from 0 up are ordered as their bits are, so 31 halvings find one by counting, which
    is linear and quicker than to sort.
    """
    bits = jnp.where(usable, jax.lax.bitcast_convert_type(values, jnp.int32), jnp.int32(2**31 - 1))
    count = usable.sum()

    def halve(step: int, low: jax.Array) -> jax.Array:
        middle = low + jnp.left_shift(jnp.int32(1), 30 - step)
        return jnp.where(2 * (bits < middle).sum() < count, middle, low)

    found = jax.lax.fori_loop(0, 31, halve, jnp.int32(0))
    return jnp.where(count > 0, jax.lax.bitcast_convert_type(found, jnp.float32), 0.0)


def _tiny() -> jax.Array:
    return jnp.finfo(jnp.float32).tiny
