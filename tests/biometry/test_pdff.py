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


def blurred_liver() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A PDFF map, a liver and its vessels; voxels of 2 x 2 x 5 mm."""
    rng = np.random.default_rng(0)
    x, y, z = np.mgrid[:30, :26, :12]
    liver = ((x - 15) / 13) ** 2 + ((y - 13) / 11) ** 2 + ((z - 6) / 5) ** 2 <= 1
    vessels = (np.abs(x - 15) < 2) & (np.abs(y - 12) < 3) & liver
    pdff_percent = np.where(liver, 10 + rng.normal(size=liver.shape), 80).astype(np.float32)
    pdff_percent[vessels] = 1.0
    return pdff_percent, liver, vessels


@pytest.mark.parametrize("with_fitted", [False, True])
def test_the_mean_without_vessels_is_that_of_the_summary(with_fitted):
    pdff_percent, liver, vessels = blurred_liver()
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    fitted = None
    if with_fitted:
        fitted = np.random.default_rng(1).random(liver.shape) < 0.8
        pdff_percent[13, 15, 6] = np.nan  # has no value, whatever `fitted` says
        fitted[13, 15, 6] = True
    light = pdff.mean_without_vessels(pdff_percent, liver, affine, vessels, fitted)
    full = pdff.summarise(pdff_percent, liver, affine, vessels, fitted).mean_without_vessels
    assert light.percent == pytest.approx(full.value, rel=1e-12)
    assert light.voxel_count == full.voxel_count > 500
    whole = pdff.mean_over_mask(np.nan_to_num(pdff_percent, nan=10.0), liver)
    assert light.percent > whole.percent + 0.3  # the vessels hold little fat


def test_nothing_inside_the_border_has_no_mean():
    thin = np.zeros((9, 9, 9), bool)
    thin[4] = True
    none = np.zeros(thin.shape, bool)
    found = pdff.mean_without_vessels(np.ones(thin.shape), thin, np.eye(4), none)
    assert found == pdff.MaskMean(None, 0)


@pytest.mark.parametrize("wrong", ["map", "vessels", "fitted"])
def test_another_shape_is_refused_without_vessels_too(wrong):
    right, other = np.ones((3, 3, 3), bool), np.ones((3, 3, 1), bool)
    data = {name: other if name == wrong else right for name in ("map", "vessels", "fitted")}
    with pytest.raises(ValueError, match="differ in shape"):
        pdff.mean_without_vessels(
            data["map"].astype(float), right, np.eye(4), data["vessels"], data["fitted"]
        )
