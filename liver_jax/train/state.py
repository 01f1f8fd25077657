"""What a training step changes, and nothing else."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax import struct


@struct.dataclass
class TrainState:
    """The training state; all leaves are arrays, float32 but for the counters.

    Attributes:
        step: int32 scalar, updates done.
        params: The model's parameters.
        batch_stats: Running statistics; empty unless the model normalises by batch.
        opt_state: The optimiser's state.
        ema_params: Moving average of the parameters; empty unless the run keeps one.
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: Any
    ema_params: Any

    def variables(self) -> dict[str, Any]:
        """What the model is applied with for validation and use."""
        return {"params": self.ema_params or self.params, "batch_stats": self.batch_stats}


def variables_of(model: nn.Module, key: jax.Array, size: int) -> dict[str, Any]:
    """The model's initial variables for slices of size x size."""
    variables = model.init(key, jnp.zeros((1, size, size, 1)), train=False)
    return {"params": variables["params"], "batch_stats": variables.get("batch_stats", {})}


def create(
    variables: dict[str, Any], tx: optax.GradientTransformation, ema_decay: float
) -> TrainState:
    """A state at step 0 around the given variables."""
    params = jax.tree.map(jnp.asarray, variables["params"])
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=jax.tree.map(jnp.asarray, variables["batch_stats"]),
        opt_state=tx.init(params),
        # A copy: donated buffers must not be shared.
        ema_params=jax.tree.map(jnp.copy, params) if ema_decay else {},
    )
