import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st

from liver_jax.model import norm


def plain(images, scale, bias, groups):
    """Two-pass statistics, differentiated by JAX."""
    batch, rows, columns, channels = images.shape
    x = images.reshape(batch, rows, columns, groups, channels // groups)
    mean = x.mean((1, 2, 4), keepdims=True)
    variance = jnp.square(x - mean).mean((1, 2, 4), keepdims=True)
    normalised = ((x - mean) / jnp.sqrt(variance + norm.EPSILON)).reshape(images.shape)
    return nn.relu(normalised * scale + bias)


def draw(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


def test_two_pixels_by_hand():
    images = jnp.array([1.0, 3.0]).reshape(1, 1, 2, 1)  # mean 2, variance 1
    result = norm.group_norm_relu(images, jnp.array([2.0]), jnp.array([0.5]), 1)
    # 2 (1 - 2) + 0.5 < 0, and 2 (3 - 2) + 0.5
    np.testing.assert_allclose(result.ravel(), [0.0, 2.5], rtol=1e-5)


@functools.partial(jax.jit, static_argnums=(0, 1))
def value_and_gradients(function, groups, images, scale, bias, gradient):
    value, vjp = jax.vjp(lambda *a: function(*a, groups), images, scale, bias)
    return value, *vjp(gradient)


@settings(deadline=None, max_examples=12)
@given(
    layout=st.sampled_from([(1, 2, 4, 1), (3, 7, 4, 2), (8, 17, 4, 4)]),
    seed=st.integers(0, 1000),
)
def test_value_and_gradients_are_those_of_the_definition(layout, seed):
    rows, columns, channels, groups = layout
    shape = (2, rows, columns, channels)
    arrays = draw(seed, shape, channels, channels, shape)
    results = value_and_gradients(norm.group_norm_relu, groups, *arrays)
    for mine, theirs in zip(results, value_and_gradients(plain, groups, *arrays), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-2, atol=2e-3 * (1 + abs(theirs).max()))


@pytest.mark.parametrize("side", [1, 2, 4, 8, 16])
def test_compiled_between_convolutions(side):
    # Where XLA fuses and reuses memory most: it once summed over an image that it had overwritten.
    shape, kernel = (2, side, side, 4), (3, 3, 4, 4)
    images, target, *kernels = draw(2, shape, shape, kernel, kernel)
    layers = [(k, jnp.full(4, 0.5), jnp.full(4, 0.2)) for k in kernels]

    def gradients(function):
        def loss(layers, x):
            for kernel, scale, bias in layers:
                x = jax.lax.conv_general_dilated(
                    x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
                )
                x = function(x, scale, bias, 4)
            return jnp.sum(x * target)

        return jax.tree.leaves(jax.jit(jax.grad(loss))(layers, images))

    for mine, theirs in zip(gradients(norm.group_norm_relu), gradients(plain), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-2, atol=2e-3 * (1 + abs(theirs).max()))


@pytest.mark.parametrize("count", [1, 2, 13, 16, 17, 64, 3 * 17, 2 * 19])
def test_sum_of_pixels_for_any_count(count):
    images = jnp.arange(2 * count * 3, dtype=jnp.float32).reshape(2, 1, count, 3)
    np.testing.assert_allclose(norm._sum_pixels_cpu(images), images.sum((1, 2)), rtol=1e-6)


def test_bfloat16_keeps_its_statistics_in_float32():
    # In bfloat16 a sum of 4096 ones stops at 256, and so would the mean at 1/16.
    images = jnp.ones((1, 64, 64, 2), jnp.bfloat16).at[:, ::2].set(3.0)
    result = norm.group_norm_relu(images, jnp.ones(2), jnp.zeros(2), 1)
    assert result.dtype == jnp.bfloat16
    np.testing.assert_allclose(result[0, :2, 0, 0].astype(jnp.float32), [1.0, 0.0], atol=1e-2)


def test_gradient_in_bfloat16_follows_float32():
    images, gradient = draw(0, (2, 8, 8, 4), (2, 8, 8, 4))
    scale, bias = jnp.array([1.0, 0.5, 2.0, 1.0]), jnp.ones(4)

    def gradients(dtype):
        _, vjp = jax.vjp(
            lambda x, s, b: norm.group_norm_relu(x, s, b, 2), images.astype(dtype), scale, bias
        )
        return vjp(gradient.astype(dtype))

    short, full = gradients(jnp.bfloat16), gradients(jnp.float32)
    assert [g.dtype for g in short] == [jnp.bfloat16, jnp.float32, jnp.float32]
    for mine, theirs in zip(short, full, strict=True):
        difference = mine.astype(jnp.float32) - theirs
        assert jnp.linalg.norm(difference) < 0.02 * jnp.linalg.norm(theirs)


def test_vmap_equals_a_loop():
    images, scale, bias = draw(1, (3, 2, 4, 4, 4), 4, 4)

    def gradient(x):
        return jax.grad(lambda x: jnp.sum(norm.group_norm_relu(x, scale, bias, 2) ** 2))(x)

    expected = jnp.stack([gradient(x) for x in images])
    np.testing.assert_allclose(jax.jit(jax.vmap(gradient))(images), expected, rtol=1e-4, atol=1e-4)


def test_constant_image_is_finite():
    images = jnp.full((1, 4, 4, 2), 1000.0)
    value, gradient = jax.value_and_grad(
        lambda x: norm.group_norm_relu(x, jnp.ones(2), jnp.ones(2), 1).sum()
    )(images)
    assert jnp.isfinite(value)
    assert jnp.isfinite(gradient).all()
