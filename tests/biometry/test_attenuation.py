import json

import numpy as np
import pytest

from liver_jax.biometry import attenuation
from liver_jax.volume import nifti

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


def liver(hu: float, border_hu: float = -20.0) -> tuple[np.ndarray, np.ndarray]:
    """A cube of 60 mm, whose outer 4 mm are partly fat, with some noise."""
    mask = np.zeros((40, 40, 40), bool)
    mask[5:35, 5:35, 5:35] = True
    image = np.full(mask.shape, -100.0, np.float32)
    image[mask] = border_hu
    image[7:33, 7:33, 7:33] = hu
    noise = np.random.default_rng(0).normal(0, 12, mask.shape)
    return (image + noise).astype(np.float32), mask


def test_figures_by_hand():
    mask = np.zeros((3, 3, 3), bool)
    image = np.zeros((3, 3, 3))
    mask[0, 0, :] = mask[2, 2, 2] = True
    image[0, 0, :], image[2, 2, 2] = (40, 50, 60), 90
    found = attenuation.summarise(image, mask, np.eye(4))
    assert (found.mean_hu, found.median_hu, found.voxels) == (60, 55, 4)
    assert found.sd_hu == pytest.approx(np.sqrt((400 + 100 + 0 + 900) / 3))
    assert (found.parenchyma_mean_hu, found.parenchyma_voxels) == (None, 0)
    assert found.pdff_estimate_percent is None
    assert found.pdff_estimate_reason == "nothing of the mask lies deeper than 5 mm"


def test_the_border_is_left_out_of_the_parenchyma_and_of_the_estimate():
    image, mask = liver(50.0)
    found = attenuation.summarise(image, mask, AFFINE)
    assert found.mean_hu < 35
    assert found.parenchyma_mean_hu == pytest.approx(50, abs=0.5)
    assert found.parenchyma_median_hu == pytest.approx(50, abs=0.5)
    assert found.parenchyma_sd_hu == pytest.approx(12, abs=0.5)
    assert found.parenchyma_voxels == 24**3  # centres 1, 3 and 5 mm deep are off
    assert found.pdff_estimate_percent == pytest.approx(37.15 - 0.54 * 50, abs=0.3)
    assert found.pdff_estimate_reason is None
    assert "37.15 - 0.54 HU" in found.pdff_estimate_method


@pytest.mark.parametrize(
    ("hu", "phase", "words"),
    [
        (50, "portal_venous", "the contrast phase is portal_venous"),
        (75, None, "above 68.8 HU"),
        (75, "unenhanced", "above 68.8 HU"),
        (-60, "unenhanced", "too low for a liver"),
    ],
)
def test_where_the_line_cannot_hold_there_is_a_reason(hu, phase, words):
    image, mask = liver(hu)
    found = attenuation.summarise(image, mask, AFFINE, phase)
    assert found.pdff_estimate_percent is None
    assert words in found.pdff_estimate_reason
    assert found.parenchyma_median_hu == pytest.approx(hu, abs=0.5)


def test_bright_vessels_tell_a_fatty_liver_with_contrast_agent():
    image, mask = liver(60.0)
    image[19:22, 12:24, 12:24] += 80
    found = attenuation.summarise(image, mask, AFFINE)
    assert found.pdff_estimate_percent is None
    assert "the scan looks enhanced" in found.pdff_estimate_reason
    told = attenuation.summarise(image, mask, AFFINE, "unenhanced")  # a lesion treated, say
    assert told.pdff_estimate_percent == pytest.approx(37.15 - 0.54 * 60, abs=0.5)


def test_an_empty_mask_has_no_figures_and_json_no_nan():
    found = attenuation.summarise(np.zeros((4, 4, 4)), np.zeros((4, 4, 4), bool), AFFINE)
    assert found.mean_hu is found.median_hu is found.sd_hu is found.pdff_estimate_percent is None
    assert found.voxels == 0
    json.dumps(found.to_json(), allow_nan=False)
    mask = np.zeros((4, 4, 4), bool)
    mask[1, 1, 1] = True
    json.dumps(attenuation.summarise(np.zeros((4, 4, 4)), mask, AFFINE).to_json(), allow_nan=False)


def test_shapes_that_differ_are_a_defect():
    with pytest.raises(ValueError, match="differ in shape"):
        attenuation.summarise(np.zeros((4, 4, 4)), np.zeros((4, 4, 5), bool), AFFINE)


@pytest.mark.real
def test_a_real_liver_without_contrast_agent(real_data):
    image = nifti.read_image(real_data / "ct_native" / "ct.nii.gz")
    labels = nifti.read_labels(real_data / "ct_native" / "labels.nii.gz")
    found = attenuation.summarise(image.data, labels.data == 5, image.affine)
    assert found.mean_hu == pytest.approx(44.5, abs=0.05)
    assert found.parenchyma_median_hu > found.mean_hu  # the border holds fat and lung
    assert found.pdff_estimate_percent == pytest.approx(
        37.15 - 0.54 * found.parenchyma_median_hu, abs=1e-9
    )
