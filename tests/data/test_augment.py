"""Augmentation: keyed by example, off when told so, mask and image moved together."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from liver_jax.data import augment

NONE = augment.Settings(
    rotation_deg=0.0,
    log_scale=0.0,
    shift_mm=0.0,
    elastic_mm=0.0,
    elastic_points=4,
    log_gain=0.0,
    log_gamma=0.0,
    log_bias=0.0,
    noise=0.0,
)
SOME = augment.Settings(10.0, 0.1, 10.0, 4.0, 4, 0.1, 0.1, 0.1, 0.05)


def batch(count=4, size=32):
    rng = np.random.default_rng(0)
    images = rng.uniform(0.1, 0.9, (count, size, size)).astype(np.float32)
    masks = np.zeros((count, size, size), np.float32)
    masks[:, 8:20, 10:24] = 1
    return jnp.asarray(images), jnp.asarray(masks)


def run(examples, settings, images=None, masks=None):
    if images is None:
        images, masks = batch(len(examples))
    key = jax.random.key(0)
    return augment.augment(key, images, masks, jnp.asarray(examples, jnp.uint32), 3.0, settings)


def test_nothing_changes_when_all_is_off():
    images, masks = batch()
    out_images, out_masks = run([0, 1, 2, 3], NONE)
    np.testing.assert_allclose(out_images, images, atol=1e-5)
    np.testing.assert_array_equal(out_masks, masks)


def test_an_example_looks_the_same_wherever_it_lies_in_the_batch():
    images, masks = batch(1)
    images, masks = jnp.tile(images, (3, 1, 1)), jnp.tile(masks, (3, 1, 1))
    forwards = run([5, 6, 7], SOME, images, masks)
    backwards = run([7, 6, 5], SOME, images, masks)
    np.testing.assert_array_equal(forwards[0], backwards[0][::-1])
    assert np.abs(forwards[0][0] - forwards[0][1]).max() > 0.05


def test_masks_stay_binary_and_images_in_range():
    images, masks = run(range(8), SOME)
    assert set(np.unique(masks)) <= {0.0, 1.0}
    assert images.min() >= 0.0
    assert images.max() <= 1.0
    assert np.isfinite(images).all()


def test_image_and_mask_move_together():
    _, masks = batch()
    geometry = dataclasses.replace(NONE, rotation_deg=10.0, shift_mm=10.0, elastic_mm=4.0)
    moved, moved_masks = run([0, 1, 2, 3], geometry, masks, masks)
    np.testing.assert_array_equal(np.asarray(moved) >= 0.5, np.asarray(moved_masks) > 0)
    assert np.abs(np.asarray(moved_masks) - np.asarray(masks)).sum() > 0
