"""Reads a config's text fields and refuses what cannot work together."""

import re

import ml_collections

from liver_jax.data import augment, contrast, preprocess
from liver_jax.errors import InputError


def pairs(text: str, field: str, kind: type) -> dict:
    """`ct=10,hbp_t1w=20` as a dict.

    Args:
        text: The pairs; empty for none.
        field: The config field, for the message.
        kind: int or float, of the values.

    Raises:
        InputError: Anything that is not a pair of a technique and a positive number.
    """
    found = {}
    for pair in filter(None, text.split(",")):
        match = re.fullmatch(r"\s*([\w-]+)\s*=\s*([\d.]+)\s*", pair)
        try:
            value = kind(match[2]) if match else 0
        except ValueError:
            value = 0
        if value <= 0 or match[1] in found:
            raise InputError(
                f"config.{field}",
                f"{pair!r} is not technique=number, each technique once",
                "Write, for example, ct=10,hbp_t1w=20.",
            )
        found[match[1]] = value
    return found


def preprocessing(config: ml_collections.ConfigDict) -> preprocess.Settings:
    """The grid and the intensity mapping."""
    data = config.data
    return preprocess.Settings(
        size=data.size,
        spacing_mm=data.spacing_mm,
        ct_low_hu=data.ct_low_hu,
        ct_high_hu=data.ct_high_hu,
        mr_low_percentile=data.mr_low_percentile,
        mr_high_percentile=data.mr_high_percentile,
    )


def augmentation(config: ml_collections.ConfigDict) -> augment.Settings:
    """The ranges of augmentation."""
    return augment.Settings(**config.augment.to_dict())


def contrasts(config: ml_collections.ConfigDict) -> contrast.Settings | None:
    """The ranges of the contrasts; None of a run on images."""
    if not config.data.from_labels:
        return None
    data = config.data
    return contrast.Settings(
        ct_low_hu=data.ct_low_hu, ct_high_hu=data.ct_high_hu, **config.contrast.to_dict()
    )


def validate(config: ml_collections.ConfigDict) -> None:
    """Refuses a config that cannot work, before anything is read or compiled.

    Raises:
        InputError: The field, the value found and what would do.
    """
    factor = 2**config.model.depth
    positive = {
        "data.size": config.data.size,
        "data.spacing_mm": config.data.spacing_mm,
        "data.threads": config.data.threads,
        "model.base_features": config.model.base_features,
        "optimizer.peak_learning_rate": config.optimizer.peak_learning_rate,
        "optimizer.clip_norm": config.optimizer.clip_norm,
        "train.steps": config.train.steps,
        "train.batch_size": config.train.batch_size,
        "train.microbatches": config.train.microbatches,
        "train.validate_every_steps": config.train.validate_every_steps,
        "train.checkpoint_every_steps": config.train.checkpoint_every_steps,
        "train.log_every_steps": config.train.log_every_steps,
        "train.step_timeout_s": config.train.step_timeout_s,
        "augment.elastic_points": config.augment.elastic_points,
    }
    for field, value in positive.items():
        if not value > 0:
            raise InputError(f"config.{field}", f"{value} is not positive", "Raise it.")
    if config.data.size % factor:
        raise InputError(
            "config.data.size",
            f"{config.data.size} is not divisible by {factor} (2 to the model.depth="
            f"{config.model.depth})",
            "Take a multiple.",
        )
    for field, value in {
        "data.liver_fraction": config.data.liver_fraction,
        "optimizer.ema_decay": config.optimizer.ema_decay,
        "contrast.ct": config.contrast.ct,
        "contrast.ct + contrast.mr": config.contrast.ct + config.contrast.mr,
        "contrast.thickness": 2 * config.contrast.thickness,
    }.items():
        if not 0 <= value <= 1 or (value == 1 and field == "optimizer.ema_decay"):
            raise InputError(f"config.{field}", f"{value} is not a fraction", "Take 0 to 1.")
    for field, low, high in (
        ("data.ct_high_hu", config.data.ct_low_hu, config.data.ct_high_hu),
        ("data.mr_high_percentile", config.data.mr_low_percentile, config.data.mr_high_percentile),
    ):
        if not high > low:
            raise InputError(f"config.{field}", f"{high} is not above {low}", "Raise it.")
    choices = {
        "model.norm": (config.model.norm, ("group", "instance", "batch")),
        "model.dtype": (config.model.dtype, ("auto", "float32", "bfloat16")),
    }
    for field, (value, allowed) in choices.items():
        if value not in allowed:
            raise InputError(
                f"config.{field}", f"{value!r} is unknown", f"Take one of {', '.join(allowed)}."
            )
    if config.model.norm == "batch" and config.train.microbatches > 1:
        raise InputError(
            "config.train.microbatches",
            "norm=batch has statistics of a whole batch",
            "Take 1, or model.norm=group.",
        )
    if not pairs(config.data.train_subjects, "data.train_subjects", int):
        raise InputError(
            "config.data.train_subjects", "it is empty", "Name techniques: spgr2d=30,ct=10."
        )
    pairs(config.data.weights, "data.weights", float)
