"""The median of many values, and what it is of squared noise."""

import jax
import jax.numpy as jnp


def of_chi_squared(freedom: jax.Array | int) -> jax.Array | float:
    """Median of the chi-squared distribution, by Wilson and Hilferty."""
    return freedom * (1.0 - 2.0 / (9.0 * freedom)) ** 3


def of_usable(values: jax.Array, usable: jax.Array) -> jax.Array:
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
