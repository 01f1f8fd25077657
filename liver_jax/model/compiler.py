"""What to tell XLA when the network is compiled for the CPU."""

import functools

import jax

# Otherwise XLA hands convolutions to YNNPACK, which gives each of them one core: a training step
# then takes a quarter longer.
_WITHOUT_YNNPACK = {"xla_cpu_experimental_ynn_fusion_type": ""}


@functools.cache
def options() -> dict[str, str]:
    """The `compiler_options` of a `jax.jit` around the network.

    They change the speed, and of what is computed only the rounding. `jax.jit` takes them at the
    outermost level only.

    Returns:
        An empty dictionary on an accelerator, and for an XLA that does not know the option.
    """
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=_WITHOUT_YNNPACK)()
    except (RuntimeError, ValueError):
        return {}
    return _WITHOUT_YNNPACK
