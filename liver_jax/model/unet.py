"""A 2D U-Net that answers with one logit for each pixel.

Ronneberger et al., "U-Net", MICCAI 2015, with zero-padded convolutions (so the logits have the size
of the image), a normalisation after each convolution, and an up-sampling by pixel shuffle in place
of a transposed convolution: the same parameters and result, and much faster on the CPU.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from liver_jax.model import norm

GROUPS = 8
NORMS = ("group", "batch", "instance")


class GroupNormReLU(nn.Module):
    """Group normalisation, then a ReLU.

    Attributes:
        groups: Groups that the channels of each image are split into.
    """

    groups: int

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """[batch, row, column, channel] -> the same shape and dtype."""
        shape = images.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, shape, jnp.float32)
        return norm.group_norm_relu(images, scale, bias, self.groups)


class BatchNormReLU(nn.Module):
    """Batch normalisation, then a ReLU; `train` and `dtype` are those of the U-Net."""

    train: bool
    dtype: jax.typing.DTypeLike

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """[batch, row, column, channel] -> the same shape, of `dtype`."""
        normalise = nn.BatchNorm(not self.train, momentum=0.9, dtype=self.dtype)
        return nn.relu(normalise(images))


class Level(nn.Module):
    """Two convolutions, each followed by a normalisation and a ReLU.

    Attributes:
        features: Channels out.
        norm: Makes the normalisation and ReLU from a name.
        dtype: Of the arithmetic.
    """

    features: int
    norm: Callable[..., nn.Module]
    dtype: jax.typing.DTypeLike

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """[batch, row, column, in] -> [batch, row, column, features]."""
        for i in range(2):
            # No bias: the normalisation has one.
            images = nn.Conv(
                self.features,
                (3, 3),
                use_bias=False,
                dtype=self.dtype,
                kernel_init=nn.initializers.he_normal(),
                name=f"conv_{i}",
            )(images)
            images = self.norm(name=f"norm_{i}")(images)
        return images


class UNet(nn.Module):
    """Encoder and decoder, joined at each level by concatenation.

    Level `i` has `base_features * 2**i` channels, and `depth` poolings lie between the levels. The
    parameters are float32 and the same for every platform and `dtype`. A `jax.jit` around it wants
    the `compiler_options` of `compiler.options()`.

    Attributes:
        base_features: Channels of the first level.
        depth: Number of poolings; rows and columns must be divisible by `2**depth`.
        norm: "group" (groups of channels in each image; `GROUPS` of them, or one for each channel
            where there are fewer channels), "instance" (each channel of each image) or "batch"
            (running statistics, in the collection `batch_stats`).
        dtype: Of the arithmetic (float32 or bfloat16). The statistics of the normalisation, and the
            logits, are float32.
        remat: Whether a level's inner values are computed again for the gradient instead of kept:
            less memory, a third more time.
    """

    base_features: int = 16
    depth: int = 4
    norm: str = "group"
    dtype: jax.typing.DTypeLike = jnp.float32
    remat: bool = False

    @nn.compact
    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        """Segments slices.

        Args:
            images: [batch, row, column, 1], intensities as the preprocessing leaves them.
            train: Whether "batch" takes (and updates) the batch's own statistics; the other norms
                never differ.

        Returns:
            Logits of liver, float32: [batch, row, column].

        Raises:
            ValueError: If the shape of the images or `norm` cannot be used.
        """
        _check_shape(images.shape, self.depth)
        norms = [
            _norm(self.norm, self.base_features * 2**i, train, self.dtype)
            for i in range(self.depth + 1)
        ]
        level = nn.remat(Level) if self.remat else Level
        skips = []
        x = images.astype(self.dtype)
        for i in range(self.depth):
            x = level(self.base_features * 2**i, norms[i], self.dtype, name=f"encoder_{i}")(x)
            skips.append(x)
            x = _max_pool(x)
        features = self.base_features * 2**self.depth
        x = level(features, norms[-1], self.dtype, name="bottleneck")(x)
        for i in reversed(range(self.depth)):
            features = self.base_features * 2**i
            up = nn.Dense(4 * features, use_bias=False, dtype=self.dtype, name=f"up_{i}")
            x = _each_pixel(up, x)
            x = jnp.concatenate([skips[i], _pixel_shuffle(x)], axis=-1)
            x = level(features, norms[i], self.dtype, name=f"decoder_{i}")(x)
        return _each_pixel(nn.Dense(1, dtype=jnp.float32, name="logit"), x)[..., 0]


def _check_shape(shape: tuple[int, ...], depth: int) -> None:
    """ValueError unless `shape` is [batch, row, column, 1] and divisible by every pooling."""
    if len(shape) != 4 or shape[-1] != 1:
        raise ValueError(f"images have shape {shape}; the U-Net takes [batch, row, column, 1]")
    rows, columns, factor = *shape[1:3], 2**depth
    if rows % factor or columns % factor or not (rows and columns):
        raise ValueError(
            f"images of {rows} x {columns} are not divisible by {factor} (2 to the depth={depth})"
        )


def _norm(
    kind: str, features: int, train: bool, dtype: jax.typing.DTypeLike
) -> Callable[..., nn.Module]:
    """What makes the normalisation and ReLU of `features` channels."""
    if kind == "batch":
        return functools.partial(BatchNormReLU, train, dtype)
    groups = {"group": min(GROUPS, features), "instance": features}.get(kind)
    if groups is None:
        raise ValueError(f"norm={kind!r} is not one of {', '.join(NORMS)}")
    if features % groups:
        raise ValueError(f"{features} channels cannot be split into {groups} groups")
    return functools.partial(GroupNormReLU, groups)


def _each_pixel(layer: nn.Module, images: jax.Array) -> jax.Array:
    """Applies a layer to the channels of each pixel: [b, r, c, channel] -> [b, r, c, new]."""
    # As one long list of pixels: the CPU is slow at a gradient that sums over three axes.
    pixels = layer(images.reshape(-1, images.shape[-1]))
    return pixels.reshape(*images.shape[:-1], -1)


def _max_pool(images: jax.Array) -> jax.Array:
    """The largest of each 2 x 2 block: [batch, 2 r, 2 c, channel] -> [batch, r, c, channel]."""
    batch, rows, columns, channels = images.shape
    # Pair by pair: the gradient of nn.max_pool is a slow scatter on the CPU, and that of a max over
    # axes asks which pixels equal the result: none, hence 0 / 0, where XLA computes them twice and
    # rounds differently.
    blocks = images.reshape(batch, rows // 2, 2, columns // 2, 2, channels)
    pairs = jnp.maximum(blocks[:, :, 0], blocks[:, :, 1])
    return jnp.maximum(pairs[:, :, :, 0], pairs[:, :, :, 1])


def _pixel_shuffle(images: jax.Array) -> jax.Array:
    """Spreads four times the channels over 2 x 2 pixels: [b, r, c, 4 n] -> [b, 2 r, 2 c, n]."""
    batch, rows, columns, channels = images.shape
    blocks = images.reshape(batch, rows, columns, 2, 2, channels // 4)
    return blocks.swapaxes(2, 3).reshape(batch, 2 * rows, 2 * columns, channels // 4)
