"""Which number format the network computes in."""

import jax
import jax.numpy as jnp


def compute_dtype(name: str) -> jax.typing.DTypeLike:
    """float32, bfloat16, or for `auto` the one that suits the default device.

    CPUs have no fast bfloat16 convolutions; accelerators do. Parameters, statistics, logits and
    losses are float32 either way.
    """
    if name == "auto":
        return jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16
    return jnp.dtype(name)
