"""Which of a voxel's two explanations holds, fat or water, and where that stays open."""

import functools

import jax
import jax.numpy as jnp

from liver_jax.biometry.echoes import magnitude, neighbours
from liver_jax.biometry.echoes.limits import DISTINCT

# `ambiguous`: the other explanation has more than 2 % of the probability, ln(98 / 2).
_AMBIGUOUS_NATS = 4.0
# And where one explanation is so uncertain that it reaches from mostly water to mostly fat.
AMBIGUOUS_ERROR = 0.1
# What neighbours pay whose fat fractions differ by `_TOLERANCE` or more: less between slices, which
# lie further apart.
_WEIGHT_NATS = (1.0, 2.0, 2.0)
_TOLERANCE = 0.2
# What a voxel pays for being mostly fat. It adds up over a region: were it more than what a voxel
# itself tells, all fat would turn to water.
_FAT_NATS = 0.1
# One voxel's evidence is limited, so that a spike of the scanner cannot hold out against all.
_MOST_NATS = 50.0


def separation_nats(estimate: magnitude.Estimate, noise: jax.Array | float) -> jax.Array:
    """By how much the other explanation is less likely: the difference of the log likelihoods.

    Args:
        estimate: Of `magnitude.fit`.
        noise: Standard deviation of the noise of each channel, in the units of the echoes.

    Returns:
        f32 [voxel], 0 or more.
    """
    difference = estimate.other_residual_squares - estimate.residual_squares
    variance = jnp.maximum(jnp.square(noise), jnp.finfo(jnp.float32).tiny)
    return jnp.clip(difference / (2.0 * variance), 0.0, _MOST_NATS)


def ambiguous(
    estimate: magnitude.Estimate,
    separation: jax.Array,
    standard_error_percent: jax.Array,
) -> jax.Array:
    """Where fat and water may be exchanged.

    Either there is a truly different other explanation that noise does not exclude, or the two
    have merged to one so uncertain that its fraction says little.

    Args:
        estimate: Of `magnitude.fit` or `regularise`.
        separation: Of `separation_nats` or `regularise`.
        standard_error_percent: Of PDFF, `rician.standard_errors`.

    Returns:
        bool [voxel].
    """
    apart = jnp.abs(
        magnitude.fraction(estimate.water, estimate.fat)
        - magnitude.fraction(estimate.other_water, estimate.other_fat)
    )
    two = (apart >= DISTINCT) & (separation < _AMBIGUOUS_NATS)
    return two | (standard_error_percent > 100 * AMBIGUOUS_ERROR)


@functools.partial(jax.jit, static_argnames="shape")
def regularise(
    estimate: magnitude.Estimate,
    noise: jax.Array | float,
    shape: tuple[int, int, int],
) -> tuple[magnitude.Estimate, jax.Array]:
    """Chooses between the explanations so that neighbours agree, and rather water than fat.

    Voxels of zeros neither influence their neighbours nor are influenced.

    Args:
        estimate: Of `magnitude.fit`; its voxels are those of a grid in C order.
        noise: As `separation_nats`.
        shape: Of that grid, (z, x, y).

    Returns:
        The estimate with the two explanations of some voxels exchanged, and f32 [voxel] by how
        many nats the chosen one is more likely, its neighbours considered.
    """
    fractions = jnp.stack(
        [
            magnitude.fraction(estimate.water, estimate.fat),
            magnitude.fraction(estimate.other_water, estimate.other_fat),
        ]
    )
    separation = separation_nats(estimate, noise)
    # Slowly rising, as a fraction near one half is no more likely on either side of it.
    cost = _FAT_NATS * jax.nn.sigmoid((fractions - 0.5) / 0.05)
    cost += jnp.stack([jnp.zeros_like(separation), separation])
    # A value far from every other disagrees with all alike.
    value = jnp.where(estimate.water + estimate.fat > 0, fractions, 10.0)
    total = neighbours.total_cost(
        cost.reshape(2, *shape), value.reshape(2, *shape), _WEIGHT_NATS, _TOLERANCE
    ).reshape(2, -1)
    exchange = total[1] < total[0]

    def pick(kept: jax.Array, taken: jax.Array) -> jax.Array:
        return jnp.where(exchange, taken, kept)

    one, two = estimate[:4], estimate[4:]
    chosen = magnitude.Estimate(*map(pick, one, two), *map(pick, two, one))
    return chosen, jnp.abs(total[1] - total[0])
