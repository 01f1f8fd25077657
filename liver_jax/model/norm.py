"""Group normalisation with a ReLU, whose gradient is written out.

Automatic differentiation leaves the CPU with more passes over the image, and slower ones (a
training step takes 15 % longer). For each image, with x the input, m and r the mean and the inverse
standard deviation of a channel's group, s and t its scale and bias: y = max(0, s r (x - m) + t).

With g the gradient of y where y > 0, else 0, and sums over the pixels of a channel:
  of t, summed over the images: G = sum(g);
  of s, likewise:               P = r (sum(g x) - m G);
  of x:                         r (s g - A - r (x - m) B), where A and B are the means over all the
                                values of the group of s g and of s g r (x - m), hence from G and P.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

EPSILON = 1e-5


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def group_norm_relu(images: jax.Array, scale: jax.Array, bias: jax.Array, groups: int) -> jax.Array:
    """ReLU of the group normalisation (Wu and He, ECCV 2018, equations 1 to 4 and 7).

    Args:
        images: [batch, row, column, channel].
        scale: [channel], float32.
        bias: [channel], float32.
        groups: Groups that the channels of each image are split into.

    Returns:
        The shape and dtype of the images; the statistics and the arithmetic are float32.
    """
    return _forward(images, scale, bias, groups)[0]


def _forward(images, scale, bias, groups):
    pixels = images.shape[1] * images.shape[2]
    x = images.astype(jnp.float32)
    mean = _group_mean(_sum_pixels(x) / pixels, groups)
    mean_square = _group_mean(_sum_pixels(x * x) / pixels, groups)
    inverse = lax.rsqrt(jnp.maximum(mean_square - mean * mean, 0.0) + EPSILON)
    factor = scale * inverse
    offset = bias - mean * factor
    y = jnp.maximum(x * _spread(factor) + _spread(offset), 0.0).astype(images.dtype)
    return y, (images, scale, mean, inverse, offset)


def _backward(groups, residuals, gradient):
    images, scale, mean, inverse, offset = residuals
    x = images.astype(jnp.float32)
    factor = scale * inverse
    positive = x * _spread(factor) + _spread(offset) > 0
    g = jnp.where(positive, gradient.astype(jnp.float32), 0.0)
    sum_g = _sum_pixels(g)
    sum_normalised = inverse * (_sum_pixels(g * x) - mean * sum_g)
    pixels = images.shape[1] * images.shape[2]
    mean_g = _group_mean(scale * sum_g, groups) / pixels
    mean_normalised = _group_mean(scale * sum_normalised, groups) / pixels
    # As factor g - slope x - level, so that the image is passed over once.
    slope = inverse * inverse * mean_normalised
    level = inverse * mean_g - mean * slope
    images_gradient = g * _spread(factor) - x * _spread(slope) - _spread(level)
    return images_gradient.astype(images.dtype), sum_normalised.sum(axis=0), sum_g.sum(axis=0)


group_norm_relu.defvjp(_forward, _backward)


def _spread(values: jax.Array) -> jax.Array:
    """[batch, channel] -> [batch, 1, 1, channel]."""
    return values[:, None, None]


def _group_mean(values: jax.Array, groups: int) -> jax.Array:
    """[batch, channel] -> [batch, channel], each the mean of its group."""
    batch, channels = values.shape
    means = values.reshape(batch, groups, channels // groups).mean(axis=-1)
    return jnp.repeat(means, channels // groups, axis=-1)


def _sum_pixels(images: jax.Array) -> jax.Array:
    """[batch, row, column, channel] -> [batch, channel]."""
    return lax.platform_dependent(images, cpu=_sum_pixels_cpu, default=lambda x: x.sum((1, 2)))


def _sum_pixels_cpu(images: jax.Array) -> jax.Array:
    """The same as a tree of element-wise sums, which XLA spreads over vectors and cores."""
    batch, rows, columns, channels = images.shape
    parts = images.reshape(batch, rows * columns, channels)
    while (count := parts.shape[1]) > 16:
        width = next((n for n in range(16, 1, -1) if count % n == 0), 1)
        if width == 1:
            break
        parts = parts.reshape(batch, width, count // width, channels)
        parts = functools.reduce(jnp.add, (parts[:, i] for i in range(width)))
    # The last sum is a matrix product because XLA fuses a product with nothing. Fused into the pass
    # that divides by the deviation, a sum would be taken again at each pixel, and wrongly: XLA (jax
    # 0.10.2) lets that pass overwrite the image that the sum still reads.
    return jnp.einsum("bpc,p->bc", parts, jnp.ones(parts.shape[1]), precision="highest")
