import functools
import os
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from liver_jax.model import losses, unet

SMALL = {"base_features": 4, "depth": 2}


@functools.partial(jax.jit, static_argnums=(0, 3))
def apply(network, variables, images, train):
    """The logits and the collections that the network changed."""
    return network.apply(variables, images, train=train, mutable=["batch_stats"])


def images_of(batch=2, rows=8, columns=12, seed=0):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(size=(batch, rows, columns, 1)), jnp.float32)


def variables_of(network, images):
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), images, train=False))
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.uniform(0.1, 0.5, leaf.shape)), shapes)


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


@pytest.mark.parametrize("norm", unet.NORMS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_logits_are_float32_of_the_images_size(norm, dtype):
    network = unet.UNet(**SMALL, norm=norm, dtype=dtype)
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), images_of(), train=False))
    logits = jax.eval_shape(lambda v: network.apply(v, images_of(), train=False), variables)
    assert (logits.shape, logits.dtype) == ((2, 8, 12), jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_number_of_parameters_by_hand():
    network = unet.UNet(base_features=2, depth=1)
    params = jax.eval_shape(lambda: network.init(jax.random.key(0), images_of(), train=True))
    encoder = 9 * 1 * 2 + 9 * 2 * 2 + 2 * (2 + 2)
    bottleneck = 9 * 2 * 4 + 9 * 4 * 4 + 2 * (4 + 4)
    decoder = 9 * 4 * 2 + 9 * 2 * 2 + 2 * (2 + 2)
    up, logit = 4 * (2 * 2 * 2), 2 + 1
    total = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert total == encoder + bottleneck + decoder + up + logit


def test_parameters_depend_neither_on_dtype_nor_on_image_size():
    trees = [
        shapes(jax.eval_shape(lambda n=n, i=i: n.init(jax.random.key(0), i, train=True))["params"])
        for n, i in [
            (unet.UNet(**SMALL), images_of()),
            (unet.UNet(**SMALL, dtype=jnp.bfloat16), images_of()),
            (unet.UNet(**SMALL, norm="instance"), images_of(1, 16, 4)),
        ]
    ]
    assert trees[0] == trees[1] == trees[2]


@pytest.mark.parametrize("shape", [(1, 6, 8, 1), (1, 8, 10, 1), (1, 0, 8, 1)])
def test_size_that_cannot_be_pooled(shape):
    with pytest.raises(ValueError, match=rf"{shape[1]} x {shape[2]}.*divisible by 4.*depth=2"):
        unet.UNet(**SMALL).init(jax.random.key(0), jnp.zeros(shape), train=False)


@pytest.mark.parametrize("shape", [(8, 8, 1), (1, 8, 8), (1, 8, 8, 3)])
def test_images_that_are_not_one_channel(shape):
    with pytest.raises(ValueError, match=r"\[batch, row, column, 1\]"):
        unet.UNet(**SMALL).init(jax.random.key(0), jnp.zeros(shape), train=False)


def test_unknown_norm_and_indivisible_channels():
    with pytest.raises(ValueError, match="'layer' is not one of group, batch, instance"):
        unet.UNet(**SMALL, norm="layer").init(jax.random.key(0), images_of(), train=False)
    with pytest.raises(ValueError, match="12 channels cannot be split into 8 groups"):
        unet.UNet(12, 2).init(jax.random.key(0), images_of(), train=False)


def test_an_image_is_segmented_the_same_in_any_batch():
    network, images = unet.UNet(4, 1), images_of(3)
    variables = variables_of(network, images)
    together, _ = apply(network, variables, images, True)
    alone, _ = apply(network, variables, images[1:2], False)
    np.testing.assert_allclose(together[1:2], alone, rtol=1e-4, atol=1e-5)


def test_batch_norm_updates_its_statistics_in_training_alone():
    network, images = unet.UNet(4, 1, norm="batch"), images_of() + 5.0
    variables = variables_of(network, images)
    _, changed = apply(network, variables, images, True)
    _, kept = apply(network, variables, images, False)
    before = jax.tree.leaves(variables["batch_stats"])
    assert any((a != b).any() for a, b in zip(before, jax.tree.leaves(changed), strict=True))
    assert all((a == b).all() for a, b in zip(before, jax.tree.leaves(kept), strict=True))


def test_bfloat16_follows_float32():
    images = images_of(2, 16, 16)
    variables = variables_of(unet.UNet(**SMALL), images)
    full, _ = apply(unet.UNet(**SMALL), variables, images, False)
    short, _ = apply(unet.UNet(**SMALL, dtype=jnp.bfloat16), variables, images, False)
    assert jnp.linalg.norm(short - full) < 0.05 * jnp.linalg.norm(full)


def test_pixel_shuffle_and_max_pool_by_hand():
    channels = jnp.arange(8.0).reshape(1, 1, 1, 8)  # four pixels of two channels, row by row
    shuffled = unet._pixel_shuffle(channels)
    np.testing.assert_array_equal(shuffled[0, ..., 0], [[0, 2], [4, 6]])
    np.testing.assert_array_equal(shuffled[0, ..., 1], [[1, 3], [5, 7]])
    image = jnp.array([[1.0, 2.0, 5.0, 0.0], [4.0, 3.0, -1.0, 6.0]])[None, ..., None]
    pooled, vjp = jax.vjp(unet._max_pool, image)
    np.testing.assert_array_equal(pooled[0, ..., 0], [[4.0, 6.0]])
    np.testing.assert_array_equal(
        vjp(jnp.array([[[[10.0], [20.0]]]]))[0][0, ..., 0], [[0, 0, 0, 0], [10, 0, 0, 20]]
    )


def loss_and_gradients(network, params, images, labels):
    def loss_of(params):
        logits = network.apply({"params": params}, images, train=True)
        return losses.dice_cross_entropy(logits, labels, jnp.ones(len(images)), 1.0)[0]

    return jax.value_and_grad(loss_of)(params)


def test_gradient_is_the_slope_of_the_loss():
    network, images = unet.UNet(4, 1), images_of(2, 16, 16)
    labels = (images[..., 0] > 0).astype(jnp.int32)
    params = variables_of(network, images)["params"]
    both = jax.jit(lambda p: loss_and_gradients(network, p, images, labels))
    _, gradients = both(params)
    size = jnp.sqrt(sum(jnp.vdot(g, g) for g in jax.tree.leaves(gradients)))
    step = 1e-2 / size

    def moved(by):
        return both(jax.tree.map(lambda p, g: p + by * step * g / size, params, gradients))[0]

    slope = (moved(1.0) - moved(-1.0)) / (2 * step)
    assert slope == pytest.approx(float(size), rel=0.05)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_exports_for_every_platform(dtype):
    network, images = unet.UNet(2, 1, dtype=dtype), images_of(2, 4, 4)
    params = jax.eval_shape(lambda: network.init(jax.random.key(0), images, train=True))["params"]
    labels = jnp.zeros((2, 4, 4), jnp.int32)
    platforms = ["cpu", "cuda", "tpu"]
    forward = jax.export.export(
        jax.jit(lambda p, x: network.apply({"params": p}, x, train=False)), platforms=platforms
    )(params, images)
    assert forward.platforms == tuple(platforms)
    backward = jax.export.export(
        jax.jit(lambda p, x, y: loss_and_gradients(network, p, x, y)), platforms=platforms
    )(params, images, labels)
    assert shapes(jax.tree.unflatten(backward.out_tree, backward.out_avals)[1]) == shapes(params)


def test_two_devices_give_what_one_gives():
    script = """
        import jax, jax.numpy as jnp, numpy as np
        from jax.sharding import AxisType, NamedSharding, PartitionSpec
        from liver_jax.model import losses, unet

        assert jax.device_count() == 2
        rng = np.random.default_rng(0)
        images = jnp.asarray(rng.normal(size=(4, 8, 8, 1)), jnp.float32)
        labels = (images[..., 0] > 0).astype(jnp.int32)
        network = unet.UNet(base_features=4, depth=1)
        params = jax.jit(lambda: network.init(jax.random.key(0), images, train=True))()["params"]

        @jax.jit
        def both(params, images, labels):
            def loss_of(params):
                logits = network.apply({"params": params}, images, train=True)
                return losses.dice_cross_entropy(logits, labels, jnp.ones(4), 1.0)[0]
            return jax.value_and_grad(loss_of)(params)

        alone = both(params, images, labels)
        mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
        split, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (["data"], []))
        sharded = both(
            jax.device_put(params, whole), *jax.device_put((images, labels), split)
        )
        assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(alone))
        for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(sharded), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    """
    environment = os.environ | {
        # Without optimisation the compilation is quicker, and rounding differs between the places
        # where XLA computes a number twice: the gradient of the pooling must stand that.
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, check=True, timeout=120
    )
