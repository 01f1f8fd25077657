import numpy as np
import pytest

from liver_jax.biometry import pdff


def test_every_pixel_inside_is_averaged_and_none_outside():
    pdff_percent = np.full((2, 2, 2), 90.0, np.float32)
    mask = np.zeros((2, 2, 2), bool)
    mask[0, 0] = mask[1, 1, 0] = True
    pdff_percent[0, 0], pdff_percent[1, 1, 0] = [10.0, 20.0], 30.0
    assert pdff.mean_over_mask(pdff_percent, mask) == pdff.MaskMean(20.0, 3)


def test_an_empty_mask_has_no_mean():
    empty = np.zeros((1, 2, 3), bool)
    assert pdff.mean_over_mask(np.ones((1, 2, 3)), empty) == pdff.MaskMean(None, 0)


def test_a_large_map_is_summed_without_rounding():
    pdff_percent = np.full((200, 300, 300), 20.1, np.float32)
    mean = pdff.mean_over_mask(pdff_percent, np.ones(pdff_percent.shape, bool))
    assert mean.percent == pytest.approx(float(np.float32(20.1)), rel=1e-12)


def test_another_shape_is_not_broadcast():
    with pytest.raises(ValueError, match="differ in shape"):
        pdff.mean_over_mask(np.ones((2, 2, 1)), np.ones((2, 2, 2), bool))


def test_the_summary_is_of_percent_above_5_and_counts_what_has_no_fit():
    pdff_percent = np.array([4.0, 5.0, 6.0, 7.0, 99.0]).reshape(5, 1, 1)
    fitted = pdff_percent < 90
    found = pdff.summarise(pdff_percent, np.ones((5, 1, 1), bool), np.eye(4), fitted=fitted)
    assert (found.quantity, found.threshold) == ("pdff_percent", 5)
    assert found.mean.value == 5.5
    assert found.share_above.value == 0.5
    assert (found.mean.voxel_count, found.unfitted_voxel_count) == (4, 1)
