"""What a network's output says of its worth, with networks whose faults are known."""

import numpy as np
import pytest

from liver_jax.inference import doubt


def discs(level: float = 1.0) -> np.ndarray:
    """Ten slices, a disc in each but the first and the last."""
    row, column = np.mgrid[:48, :48]
    images = np.zeros((10, 48, 48), np.float32)
    images[1:-1][:, (row - 22) ** 2 + (column - 25) ** 2 <= 100] = level
    return images


def above_half(images):
    return (images > 0.5).astype(np.float32)


def test_a_network_that_no_change_moves_agrees_with_itself():
    assert doubt.augmentation_dice(above_half, discs(), above_half(discs())) == 1.0


def test_a_network_that_knows_places_and_not_livers_does_not():
    def same_place(images):
        return np.broadcast_to(above_half(discs())[1], images.shape)

    # Every other slice is shifted, and a mask that stays where it was overlaps with itself less.
    disc = above_half(discs())[1].astype(bool)
    overlap = np.count_nonzero(disc & np.roll(disc, (5, 3), (0, 1))) / np.count_nonzero(disc)
    found = doubt.augmentation_dice(same_place, discs(), above_half(discs()))
    assert found == pytest.approx((1 + overlap) / 2)


def test_a_network_that_noise_moves_does_not_agree_with_itself():
    faint = discs(0.51)
    found = doubt.augmentation_dice(above_half, faint, above_half(faint))
    assert 0.7 < found < 0.95  # the slices with noise lose 43 % of the disc


def test_the_same_slices_and_noise_each_time():
    faint = discs(0.51)
    first, again = (doubt.augmentation_dice(above_half, faint, above_half(faint)) for _ in "ab")
    assert first == again


def test_the_scan_is_left_as_it_is():
    images = discs(0.51)
    doubt.augmentation_dice(above_half, images, above_half(images))
    np.testing.assert_array_equal(images, discs(0.51))


@pytest.mark.parametrize("slices", [1, 2, 5, 100])
def test_never_more_than_one_small_batch(slices):
    asked = []

    def forward(images):
        asked.append(len(images))
        return above_half(images)

    images = np.repeat(discs()[1:2], slices, axis=0)
    assert doubt.augmentation_dice(forward, images, above_half(images)) == 1.0
    assert asked == [min(slices, 8)]


def test_entropy_is_in_bits_for_each_pixel_of_the_mask():
    probability = np.zeros((1, 4, 4), np.float32)
    probability[0, 0, :2] = 1.0
    assert doubt.border_entropy(probability) == 0.0
    probability[0, 1, :2] = 0.5  # in the mask, 1 bit each
    assert doubt.border_entropy(probability) == pytest.approx(2 / 4)
    probability[0, 2, 0] = 0.25  # outside it, 0.8113 bit
    assert doubt.border_entropy(probability) == pytest.approx((2 + 0.811278) / 4)


def test_soft_dice_by_hand():
    probability = np.array([[[1.0, 0.8, 0.4, 0.0]]], np.float32)
    assert doubt.soft_dice(probability) == pytest.approx(2 * 1.8 / (2.2 + 2))


def test_soft_dice_is_the_mean_dice_of_masks_that_the_probabilities_deal_out():
    rng = np.random.default_rng(0)
    probability = rng.beta(0.3, 0.6, size=(1, 60, 60)).astype(np.float32)
    mask = probability >= 0.5
    truths = rng.random((200, *probability.shape)) < probability
    dice = 2 * (truths & mask).sum((1, 2, 3)) / (truths.sum((1, 2, 3)) + mask.sum())
    assert doubt.soft_dice(probability) == pytest.approx(dice.mean(), abs=0.003)


def test_without_a_mask_there_is_nothing_to_say():
    nothing = np.full((3, 8, 8), 0.4, np.float32)
    assert doubt.augmentation_dice(above_half, nothing, nothing) is None
    assert doubt.border_entropy(nothing) is None
    assert doubt.soft_dice(nothing) is None
