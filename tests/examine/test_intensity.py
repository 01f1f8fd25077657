import numpy as np
import pytest

from liver_jax.examine import intensity
from liver_jax.volume import nifti

SHAPE = (60, 60, 30)


def ct() -> tuple[np.ndarray, np.ndarray]:
    """Air around a body of fat, with a liver, lung and a little bone in it; HU."""
    x, y, z = np.indices(SHAPE)
    image = np.full(SHAPE, -1000.0, np.float32)
    body = (x - 30) ** 2 / 26**2 + (y - 30) ** 2 / 20**2 < 1
    inner = (x - 30) ** 2 / 23**2 + (y - 30) ** 2 / 17**2 < 1
    image[body], image[inner] = -100, 50
    image[inner & (z > 24)] = -820
    mask = inner & (x > 32) & (z > 5) & (z < 22)
    image[mask] = 60
    image[28:33, 14:18] = 400
    return image + np.random.default_rng(0).normal(0, 12, SHAPE), mask


def mr() -> np.ndarray:
    image, _ = ct()
    return np.abs(image + 1000) * 0.37


def test_hounsfield_units_raise_no_doubt():
    image, mask = ct()
    assert intensity.doubt(image, mask, "CT") is None
    assert intensity.doubt(image + 100 * mask, mask, "CT") is None  # contrast agent
    assert intensity.doubt(np.where(image < -990, -3024, image), mask, "CT") is None  # padding


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda hu: hu + 1024, "Hounsfield"),
        (lambda hu: hu - 1024, "Hounsfield"),
        (lambda hu: hu / 2, "air and lung have -4"),
        (lambda hu: hu * 10, "Hounsfield"),
        (lambda hu: np.where(hu < -900, -2000, hu + 1024), "soft tissue and fat"),
        (lambda hu: np.clip(hu, -160, 240), "nearly nothing is below -300"),
    ],
)
@pytest.mark.parametrize("found", [True, False])
def test_ct_on_another_scale_is_doubted_whether_or_not_a_liver_was_found(change, words, found):
    image, mask = ct()
    assert words in intensity.doubt(change(image), mask & found, "CT")


def test_a_mask_that_cannot_be_liver_in_hounsfield_units_is_doubted():
    image, _ = ct()
    lung = (image < -700) & (image > -900)
    assert "the mask's median is -82" in intensity.doubt(image, lung, "CT")


@pytest.mark.parametrize("scale", [1e-4, 1.0, 300.0])
def test_an_mr_may_have_any_scale(scale):
    _, mask = ct()
    assert intensity.doubt(mr() * scale, mask, "MR") is None
    assert intensity.doubt(np.round(mr() * 3).astype(np.int16), mask, "MR") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda image: image - 300, "negative, which no magnitude is"),
        (lambda image: np.clip(image, 0, 300), "300: it may be a picture"),
        (lambda image: image / image.max() * 100, "end at 100: it may be a fat fraction map"),
        (lambda image: np.round(image / 40), "different values"),
    ],
)
def test_what_is_no_magnitude_is_doubted(change, words):
    _, mask = ct()
    assert words in intensity.doubt(change(mr()), mask, "MR")


def test_a_ct_called_mr_is_doubted():
    image, mask = ct()
    assert "a CT" in intensity.doubt(image, mask, "MR")


def test_one_thin_slice_can_be_judged():
    image, mask = ct()
    assert intensity.doubt(image[..., 15:16], mask[..., 15:16], "CT") is None


@pytest.mark.real
def test_real_scans_raise_no_doubt_and_a_lost_intercept_does(real_data):
    labels = nifti.read_labels(real_data / "ct_native" / "labels.nii.gz").data == 5
    hu = nifti.read_image(real_data / "ct_native" / "ct.nii.gz").data
    assert intensity.doubt(hu, labels, "CT") is None
    assert intensity.doubt(hu + 1024, labels & False, "CT") is not None
    for name in ("chaos01", "chaos02", "chaos03", "chaos05", "chaos08"):
        image = nifti.read_image(real_data / "mr_t2spir" / f"{name}_image.nii.gz").data
        assert intensity.doubt(image, image > 1e9, "MR") is None
