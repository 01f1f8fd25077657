"""AdamW with clipping, under a linear warm-up and a cosine decay."""

import ml_collections
import optax


def learning_rate(config: ml_collections.ConfigDict) -> optax.Schedule:
    """The rate at a step: a function of it and of `train.steps` alone (configs/base.py)."""
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.optimizer.peak_learning_rate,
        warmup_steps=min(config.optimizer.warmup_steps, config.train.steps // 2),
        decay_steps=config.train.steps,
    )


def make(config: ml_collections.ConfigDict) -> optax.GradientTransformation:
    """The gradient transformation of a run."""
    return optax.chain(
        optax.clip_by_global_norm(config.optimizer.clip_norm),
        optax.adamw(learning_rate(config), weight_decay=config.optimizer.weight_decay),
    )
