"""One training step, built once and compiled once."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax.sharding import Mesh

from liver_jax.data import augment, contrast
from liver_jax.model import compiler, losses
from liver_jax.train import sharding
from liver_jax.train.state import TrainState


class Outcome(NamedTuple):
    """What a step reports; scalars that stay on the device until somebody asks.

    Attributes:
        sums: Mergeable sums of the batch (loss and soft Dice come from them).
        gradient_norm: Global norm before clipping.
        finite: Whether loss and gradient are; where not, the state was left as it was.
        stop: Whether any process was asked to stop when it made its part of the batch.
    """

    sums: losses.Sums
    gradient_norm: jax.Array
    finite: jax.Array
    stop: jax.Array


def make_train_step(
    model: nn.Module,
    tx: optax.GradientTransformation,
    mesh: Mesh,
    augmentation: augment.Settings,
    pixel_mm: float,
    dice_weight: float,
    ema_decay: float,
    seed: int,
    microbatches: int = 1,
    contrasts: contrast.Settings | None = None,
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
        microbatches: Parts that a batch goes through the network in, one after the other; the
            gradient is that of the whole batch all the same, at the cost of one more forward pass.
        contrasts: Ranges of the contrasts, where a batch holds label maps in place of images.
    """

    def step(state: TrainState, batch: dict[str, Any]) -> tuple[TrainState, Outcome]:
        key, examples = jax.random.key(seed), batch["example"]
        if contrasts is None:
            images, masks = batch["image"], batch["mask"]
        else:
            # A key of its own: what augments the image must not depend on how it was made.
            images, masks = contrast.render(
                jax.random.fold_in(key, 1), batch["labels"], examples, contrasts
            )
        images, masks = augment.augment(
            key,
            images,
            masks,
            examples,
            pixel_mm,
            augmentation,
        )
        weights = jnp.ones(len(images))
        parts = (images, masks, weights)
        if microbatches == 1:
            loss, sums, batch_stats, gradients = _whole(model, state, parts, dice_weight)
        else:
            loss, sums, gradients = _in_parts(model, state, parts, dice_weight, microbatches)
            batch_stats = state.batch_stats
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
        return new, Outcome(sums, gradient_norm, finite, jnp.any(batch["stop"]))

    everywhere, split = sharding.replicated(mesh), sharding.by_example(mesh)
    return jax.jit(
        step,
        in_shardings=(everywhere, split),
        out_shardings=(everywhere, everywhere),
        donate_argnums=0,
        compiler_options=compiler.options(),
    )


def _measured(
    model: nn.Module, state: TrainState, params: Any, part: tuple[jax.Array, ...]
) -> tuple[losses.Sums, Any]:
    """The sums of some images, and the running statistics that they leave."""
    images, masks, weights = part
    logits, updated = model.apply(
        {"params": params, "batch_stats": state.batch_stats},
        images[..., None],
        train=True,
        mutable=["batch_stats"],
    )
    return losses.measure(logits, masks, weights), updated.get("batch_stats", {})


def _whole(
    model: nn.Module, state: TrainState, batch: tuple[jax.Array, ...], dice_weight: float
) -> tuple[jax.Array, losses.Sums, Any, Any]:
    """Loss, sums, statistics and gradient of a batch at once."""

    def loss_of(params: Any) -> tuple[jax.Array, tuple[losses.Sums, Any]]:
        sums, batch_stats = _measured(model, state, params, batch)
        return sums.loss(dice_weight), (sums, batch_stats)

    (loss, (sums, batch_stats)), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    return loss, sums, batch_stats, gradients


def _in_parts(
    model: nn.Module,
    state: TrainState,
    batch: tuple[jax.Array, ...],
    dice_weight: float,
    count: int,
) -> tuple[jax.Array, losses.Sums, Any]:
    """The same, with the memory of one part.

    The Dice is a ratio of sums over the whole batch, so its gradient is no mean over parts. A first
    pass adds up the sums; the loss's derivative by each sum then weighs the parts' own gradients.
    """

    def split(leaf: jax.Array) -> jax.Array:
        # Neighbours go to different parts: each device keeps the examples that it has.
        return jnp.swapaxes(leaf.reshape(len(leaf) // count, count, *leaf.shape[1:]), 0, 1)

    parts = jax.tree.map(split, batch)

    def add_sums(sums: losses.Sums, part: tuple[jax.Array, ...]) -> tuple[losses.Sums, None]:
        return sums.merge(_measured(model, state, state.params, part)[0]), None

    nothing = losses.Sums(*(jnp.zeros(()) for _ in losses.Sums._fields))
    sums, _ = jax.lax.scan(add_sums, nothing, parts)
    loss, weights = jax.value_and_grad(lambda total: total.loss(dice_weight))(sums)

    def add_gradients(gradients: Any, part: tuple[jax.Array, ...]) -> tuple[Any, None]:
        _, pull = jax.vjp(lambda params: _measured(model, state, params, part)[0], state.params)
        return jax.tree.map(jnp.add, gradients, pull(weights)[0]), None

    gradients, _ = jax.lax.scan(add_gradients, jax.tree.map(jnp.zeros_like, state.params), parts)
    return loss, sums, gradients
