"""The network and its loss: only jax, flax and optax."""
