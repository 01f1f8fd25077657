import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from liver_jax.data import contrast
from liver_jax.physics import signal, tissues
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue

# Nothing but the tissues themselves.
BARE = contrast.Settings(
    ct=0.0,
    mr=0.0,
    ct_low_hu=-160.0,
    ct_high_hu=240.0,
    texture=0.0,
    alike=0.0,
    bowel=0.0,
    log_gamma=0.0,
    log_shading=0.0,
    blur_pixels=0.0,
    noise=0.0,
    thickness=0.0,
    cut=0.0,
    beside=0.0,
    ghost=0.0,
)
RICH = dataclasses.replace(
    BARE,
    ct=0.3,
    mr=0.4,
    texture=0.1,
    alike=0.2,
    bowel=0.3,
    log_gamma=0.4,
    log_shading=0.4,
    blur_pixels=1.0,
    noise=0.1,
    thickness=0.33,
    cut=0.3,
    beside=0.3,
    ghost=0.3,
)
KEY = jax.random.key(3)


COUNT, SIZE = 40, 32


def body():
    """Labels [3, row, column]: fat around muscle, a liver on one side, a spleen on the other."""
    row, column = np.mgrid[:SIZE, :SIZE] - 15.5
    labels = np.zeros((SIZE, SIZE), np.uint8)
    labels[np.hypot(row, column) < 14] = Tissue.SUBCUTANEOUS_FAT
    labels[np.hypot(row, column) < 12] = Tissue.MUSCLE
    labels[np.hypot(row, column - 5) < 5] = Tissue.LIVER
    labels[np.hypot(row, column + 7) < 3] = Tissue.SPLEEN
    return np.stack([labels] * 3)


@functools.cache
def compiled(settings):
    return jax.jit(lambda labels, examples: contrast.render(KEY, labels, examples, settings))


def rendered(stacks, settings, first=0):
    """Images and masks of one stack for each example; always as many, so that one program does."""
    stacks = np.broadcast_to(stacks, (COUNT, 3, SIZE, SIZE))
    examples = jnp.arange(first, first + COUNT, dtype=jnp.uint32)
    images, masks = compiled(settings)(jnp.asarray(stacks), examples)
    return np.asarray(images), np.asarray(masks)


def test_images_lie_in_range_and_differ_from_example_to_example():
    images, masks = rendered(body(), RICH)
    assert images.shape == masks.shape == (COUNT, SIZE // 2, SIZE // 2)
    assert np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1
    assert set(np.unique(masks)) == {0.0, 1.0}
    assert len({image.tobytes() for image in images}) == COUNT


def test_an_example_looks_the_same_wherever_it_stands_in_a_batch():
    one, _ = rendered(body(), RICH, first=0)
    other, _ = rendered(body(), RICH, first=5)
    np.testing.assert_allclose(one[5:], other[:-5], atol=1e-6)


def test_the_mask_is_liver_where_it_fills_half_a_pixel():
    labels = np.zeros((3, SIZE, SIZE), np.uint8)
    labels[:, :2, :2] = Tissue.LIVER  # all of a pixel
    labels[:, 0, 2:4] = Tissue.LIVER_VESSEL  # half of one
    labels[:, 3, 0] = Tissue.LESION  # a quarter
    _, masks = rendered(labels, BARE)
    np.testing.assert_array_equal(masks[0, :2, :2], [[1, 1], [0, 0]])
    assert masks[0].sum() == 2


def test_what_a_reader_draws_is_liver_and_its_neighbours_are_not():
    labels = np.zeros((COUNT, 3, SIZE, SIZE), np.uint8)
    for tissue in Tissue:
        labels[tissue] = tissue
    _, masks = rendered(labels, BARE)
    for tissue in Tissue:
        assert masks[tissue].all() == masks[tissue].any() == (tissue in LIVER_TISSUES)


def test_a_thick_slice_holds_its_neighbours():
    labels = np.zeros((3, SIZE, SIZE), np.uint8)
    labels[1] = Tissue.LIVER
    labels[:, :, :2] = Tissue.MUSCLE  # in all of them, to scale by
    thin, _ = rendered(labels, BARE)
    thick, _ = rendered(labels, dataclasses.replace(BARE, thickness=0.33))
    part = (thick[:, 2, 3] / thick[:, 2, 0]) / (thin[:, 2, 3] / thin[:, 2, 0])
    part = part[np.isfinite(part)]
    assert len(part) > COUNT / 2 and np.nanmin(part) < 0.9


def test_what_bowel_holds_differs_from_loop_to_loop_and_the_liver_does_not():
    labels = np.full((3, SIZE, SIZE), Tissue.LIVER, np.uint8)
    labels[:, 2:] = Tissue.BOWEL_FLUID
    images, _ = rendered(labels, dataclasses.replace(BARE, ct=1.0, bowel=0.3))
    assert np.ptp(images[:, 0], axis=1).max() < 1e-3
    assert np.ptp(images[:, 1:], axis=(1, 2)).mean() > 0.1


def test_an_organ_beside_the_liver_may_look_as_it_does():
    labels = np.full((3, SIZE, SIZE), Tissue.SPLEEN, np.uint8)
    labels[:, 2:] = Tissue.LIVER
    labels[:, 30:] = Tissue.SUBCUTANEOUS_FAT

    def apart(alike):
        images, _ = rendered(labels, dataclasses.replace(BARE, alike=alike))
        return np.median(np.abs(images[:, 0, 5] - images[:, 5, 5]))

    assert 2 * apart(1.0) < apart(0.0)


def test_where_fat_opposes_water_their_border_is_dark():
    labels = np.full((3, SIZE, SIZE), Tissue.LIVER, np.uint8)
    labels[:, :, 11:] = Tissue.VISCERAL_FAT  # a pixel of both in every row
    labels[:, 16:] = Tissue.AIR
    images, _ = rendered(labels, dataclasses.replace(BARE, mr=1.0))
    liver, border, fat = images[:, 4, 2], images[:, 4, 5], images[:, 4, 10]
    dark = border < 0.7 * np.minimum(liver, fat)
    assert 2 < dark.sum() < COUNT - 5
    ct, _ = rendered(labels, dataclasses.replace(BARE, ct=1.0))
    np.testing.assert_allclose(ct[:, 4, 5], (ct[:, 4, 2] + ct[:, 4, 10]) / 2, atol=1e-3)


def test_ct_has_its_tissues_in_order():
    images, _ = rendered(body(), dataclasses.replace(BARE, ct=1.0))
    air, fat, liver, muscle = (images[:, r, c] for r, c in ((0, 0), (1, 8), (8, 10), (13, 8)))
    assert air.max() == 0  # -1000 HU
    # -104 +/- 8 HU on a scale from -160 to 240.
    assert fat.mean() == pytest.approx(56 / 400, abs=0.02)
    assert muscle.mean() == pytest.approx(220 / 400, abs=0.03)
    assert (liver > fat).all() and np.ptp(liver) > 0.1


def test_the_steady_state_is_that_of_the_physics():
    found = contrast._spoiled(150.0, jnp.deg2rad(10.0), jnp.asarray([809.0, 382.0]))
    weight = [signal.spgr_weight(t1, 150.0, 10.0) for t1 in (809.0, 382.0)]
    np.testing.assert_allclose(found, weight, rtol=1e-5)


def test_every_tissue_has_its_values():
    assert set(tissues.T2_MS) == set(tissues.MR) == set(tissues.CT) == set(Tissue)


def test_contrasts_are_wide():
    """The liver is brighter than spleen, muscle and fat in many examples, and darker in many."""
    wide = dataclasses.replace(BARE, mr=0.6)
    images = np.concatenate([rendered(body(), wide, first)[0] for first in range(0, 320, COUNT)])
    liver = images[:, 8, 10]
    for other in (images[:, 8, 4], images[:, 13, 8], images[:, 1, 8]):
        assert 0.2 < (liver > other).mean() < 0.8
