"""Dice and cross entropy, from sums that can be added up over batches, devices and steps."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

# Added to both halves of the Dice fraction, in pixels, so that a batch without liver has a loss and
# a gradient that are finite.
SMOOTH_PIXELS = 1.0


class Sums(NamedTuple):
    """What a loss is made of, each a float32 scalar summed over the real pixels.

    Two of them add up (`merge`) to what the two batches together would have given.

    Attributes:
        intersection: Probability of liver where the label says liver.
        prediction: Probability of liver.
        truth: Pixels labelled as liver.
        cross_entropy: In nats.
        pixels: Pixels of the real images.
        n: Real images.
    """

    intersection: jax.Array
    prediction: jax.Array
    truth: jax.Array
    cross_entropy: jax.Array
    pixels: jax.Array
    n: jax.Array

    def merge(self, other: "Sums") -> "Sums":
        """The sums over both."""
        return Sums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def dice(self) -> jax.Array:
        """Soft Dice of all the pixels as one set, smoothed by `SMOOTH_PIXELS`; all empty: 1."""
        return (2 * self.intersection + SMOOTH_PIXELS) / (
            self.prediction + self.truth + SMOOTH_PIXELS
        )

    def mean_cross_entropy(self) -> jax.Array:
        """Nats per pixel; 0 where there is no real pixel."""
        return self.cross_entropy / jnp.maximum(self.pixels, 1.0)

    def loss(self, dice_weight: float) -> jax.Array:
        """The mean cross entropy plus `dice_weight` times (1 - Dice)."""
        return self.mean_cross_entropy() + dice_weight * (1.0 - self.dice())


def measure(logits: jax.Array, labels: jax.Array, weights: jax.Array) -> Sums:
    """The sums of one batch.

    Args:
        logits: Of liver, [batch, row, column].
        labels: 0 or 1 (any integer, bool or float type), [batch, row, column].
        weights: [batch], 1 for a real image and 0 for one that only fills the batch: that counts
            nowhere, and its gradient is 0 whatever its logits are (NaN included).
    """
    real = (weights > 0)[:, None, None]
    weight = weights.astype(jnp.float32)[:, None, None]
    logits = jnp.where(real, logits.astype(jnp.float32), 0.0)
    labels = jnp.where(real, labels.astype(jnp.float32), 0.0)
    probability = jax.nn.sigmoid(logits) * weight
    return Sums(
        intersection=jnp.sum(probability * labels),
        prediction=jnp.sum(probability),
        truth=jnp.sum(labels * weight),
        cross_entropy=jnp.sum(optax.sigmoid_binary_cross_entropy(logits, labels) * weight),
        pixels=jnp.sum(weight) * (logits.shape[1] * logits.shape[2]),
        n=jnp.sum(weight),
    )


def dice_cross_entropy(
    logits: jax.Array, labels: jax.Array, weights: jax.Array, dice_weight: float
) -> tuple[jax.Array, Sums]:
    """Cross entropy plus batch Dice, over the real images.

    The Dice is taken over all the pixels of the batch as one set, not image by image: a slice
    without liver, of which a volume has many, would otherwise have a Dice that is undefined or
    jumps between 0 and 1.

    Args:
        logits: Of liver, [batch, row, column].
        labels: 0 or 1, [batch, row, column].
        weights: [batch], 1 for a real image and 0 for padding.
        dice_weight: Of the Dice loss; the cross entropy has weight 1.

    Returns:
        The loss (a scalar) and the sums that it was made of.
    """
    sums = measure(logits, labels, weights)
    return sums.loss(dice_weight), sums
