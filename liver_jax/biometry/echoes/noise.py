"""The noise of magnitude echoes, one number for all voxels, from the echoes themselves.

Four echoes or more tell the noise by what a fit of three unknowns leaves. Three are always
explained in full: there, neighbouring voxels tell it.
"""

import jax
import jax.numpy as jnp

from liver_jax.biometry.echoes import choice, magnitude, median

# The median is taken of sums over so many voxels, one after the other: more would let faults that
# lie here and there spoil the sums, fewer would feel the shape of the distribution, not its mean.
_TOGETHER = 4
# Of weighing the two explanations by their probabilities under the noise found so far.
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
    order = jnp.cumsum(usable) - 1
    group = jnp.where(usable, order // _TOGETHER, -1)
    groups = -(-usable.shape[0] // _TOGETHER)
    complete = jnp.arange(groups) < usable.sum() // _TOGETHER
    freedom = _TOGETHER * jnp.maximum(echo_count - 3, 1)
    difference = estimate.other_residual_squares - estimate.residual_squares

    def variance(other: jax.Array | float) -> jax.Array:
        squares = estimate.residual_squares + other * difference
        sums = jax.ops.segment_sum(squares, group, groups)
        return median.of_usable(sums, complete) / median.of_chi_squared(freedom)

    result = variance(0.0)
    for _ in range(_ROUNDS):
        # Where two explanations compete, the better of the two is better than the true one: each
        # counts by its probability.
        separation = choice.separation_nats(estimate, jnp.sqrt(result))
        result = variance(jax.nn.sigmoid(-separation))
    return jnp.sqrt(result)


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
    middle_square = median.of_usable(
        jnp.maximum(jnp.concatenate(squares), 0.0), jnp.concatenate(usable)
    )
    return jnp.sqrt(middle_square / median.of_chi_squared(echoes.shape[0] - 1))


def _shifted(array: jax.Array, axis: int, first: int) -> jax.Array:
    return jax.lax.slice_in_dim(array, first, array.shape[axis] - 2 + first, axis=axis)


def _tiny() -> jax.Array:
    return jnp.finfo(jnp.float32).tiny
