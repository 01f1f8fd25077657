"""One training step, built once and compiled once."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax.sharding import Mesh

from liver_jax.data import augment
from liver_jax.model import compiler, losses
from liver_jax.train import sharding
from liver_jax.train.state import TrainState


class Outcome(NamedTuple):
    """What a step reports; scalars that stay on the device until somebody asks.

    Attributes:
        sums: Mergeable sums of the batch (loss and soft Dice come from them).
        gradient_norm: Global norm before clipping.
        finite: Whether loss and gradient are; where not, the state was left as it was.
    """

    sums: losses.Sums
    gradient_norm: jax.Array
    finite: jax.Array


def make_train_step(
    model: nn.Module,
    tx: optax.GradientTransformation,
    mesh: Mesh,
    augmentation: augment.Settings,
    pixel_mm: float,
    dice_weight: float,
    ema_decay: float,
    seed: int,
) -> Callable[[TrainState, dict[str, Any]], tuple[TrainState, Outcome]]:
    """Builds the jitted step; the state's buffers are donated.

    Args:
        model: Maps [batch, row, column, 1] to logits [batch, row, column].
        tx: The optimiser.
        mesh: Where it runs.
        augmentation: Ranges of the random changes.
        pixel_mm: Nominal pixel spacing.
        dice_weight: Weight of the Dice loss beside the cross entropy.
        ema_decay: Decay of the moving average of the parameters; 0 for none.
        seed: Seed of the augmentation.
    """

    def step(state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, Outcome]:
        images, masks = augment.augment(
            jax.random.key(seed),
            batch["image"],
            batch["mask"],
            batch["example"],
            pixel_mm,
            augmentation,
        )
        weights = jnp.ones(len(images))

        def loss_of(params: Any) -> tuple[jax.Array, tuple[losses.Sums, Any]]:
            logits, updated = model.apply(
                {"params": params, "batch_stats": state.batch_stats},
                images[..., None],
                train=True,
                mutable=["batch_stats"],
            )
            loss, sums = losses.dice_cross_entropy(logits, masks, weights, dice_weight)
            return loss, (sums, updated.get("batch_stats", {}))

        (loss, (sums, batch_stats)), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            state.params
        )
        gradient_norm = optax.global_norm(gradients)
        finite = jnp.isfinite(loss) & jnp.isfinite(gradient_norm)
        updates, opt_state = tx.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema_params = jax.tree.map(
            lambda average, new: ema_decay * average + (1.0 - ema_decay) * new,
            state.ema_params,
            params if ema_decay else {},
        )
        new = TrainState(state.step + 1, params, batch_stats, opt_state, ema_params)
        # A step that is not finite changes nothing, so the state stays fit to be saved.
        new = jax.tree.map(lambda after, before: jnp.where(finite, after, before), new, state)
        return new, Outcome(sums, gradient_norm, finite)

    everywhere, split = sharding.replicated(mesh), sharding.by_example(mesh)
    return jax.jit(
        step,
        in_shardings=(everywhere, split),
        out_shardings=(everywhere, everywhere),
        donate_argnums=0,
        compiler_options=compiler.options(),
    )
