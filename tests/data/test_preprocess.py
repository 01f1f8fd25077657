"""Scan to network grid and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liver_jax.data import preprocess
from liver_jax.errors import InputError
from liver_jax.volume.geometry import Volume

SETTINGS = preprocess.Settings(
    size=32,
    spacing_mm=4.0,
    ct_low_hu=-160.0,
    ct_high_hu=240.0,
    mr_low_percentile=0.0,
    mr_high_percentile=100.0,
)


def ellipse(shape, center, radii, inside, outside):
    """A volume that is `inside` in an ellipse around `center` of every slice."""
    x, y = np.ogrid[: shape[0], : shape[1]]
    hit = ((x - center[0]) / radii[0]) ** 2 + ((y - center[1]) / radii[1]) ** 2 <= 1
    return np.repeat(np.where(hit, inside, outside)[:, :, None], shape[2], axis=2)


def ct(shape=(60, 50, 3), spacing_mm=(2.0, 2.0, 5.0), center=(30, 25), radii=(25, 18)):
    data = ellipse(shape, center, radii, 40.0, -1000.0).astype(np.float32)
    return Volume(data, np.diag([*spacing_mm, 1.0]))


def test_resampling_matrix_interpolates_where_the_output_is_finer():
    weights = preprocess.resampling_matrix(np.array([0.0, 0.5, 1.0]), 3)
    np.testing.assert_allclose(weights, [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0]])


def test_resampling_matrix_averages_where_the_output_is_coarser():
    # Steps of two samples: a triangle of half-width two, weights 1/4, 1/2, 1/4.
    weights = preprocess.resampling_matrix(np.array([2.0, 4.0]), 7)
    np.testing.assert_allclose(weights[0], [0, 0.25, 0.5, 0.25, 0, 0, 0])


def test_resampling_matrix_is_zero_outside():
    weights = preprocess.resampling_matrix(np.array([-9.0, -8.0, 2.0]), 3)
    np.testing.assert_allclose(weights, [[0, 0, 0], [0, 0, 0], [0, 0, 1]])


def test_ct_window_maps_to_zero_and_one():
    volume = ct()
    placement = preprocess.place(volume, "CT", SETTINGS)
    images = preprocess.image_slices(volume, "CT", placement, SETTINGS, "x")
    assert images.shape == (3, 32, 32)
    assert images.dtype == np.float32
    assert images.min() == 0.0
    # 40 HU is half-way from -160 to 240.
    np.testing.assert_allclose(images[1, 16, 16], 0.5, atol=1e-6)


def test_grid_is_centred_on_the_body_wherever_it_lies():
    volume = ct(shape=(80, 50, 3), center=(50, 25))
    placement = preprocess.place(volume, "CT", SETTINGS)
    assert abs(placement.center[0] - 50) <= 1
    assert abs(placement.center[1] - 24.5) <= 1


def test_a_body_wider_than_the_grid_gets_wider_pixels():
    # 32 pixels of 4 mm are 128 mm; this body is about 240 mm wide.
    volume = ct(shape=(140, 60, 3), center=(70, 30), radii=(60, 25))
    placement = preprocess.place(volume, "CT", SETTINGS)
    assert placement.pixel_mm > 240 / 32
    body = Volume(volume.data > -500, volume.affine)
    masks = preprocess.mask_slices(body, placement)
    area = masks[0].sum() * placement.pixel_mm**2
    assert area == pytest.approx(body.data[:, :, 0].sum() * 4.0, rel=0.05)
    assert not masks[:, [0, -1]].any()
    assert not masks[:, :, [0, -1]].any()


@given(
    axes=st.permutations([0, 1, 2]),
    flips=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    spacing=st.tuples(*[st.floats(1.5, 3.0)] * 2, st.floats(3.0, 8.0)),
)
def test_slices_do_not_depend_on_how_the_axes_are_stored(axes, flips, spacing):
    volume = ct(spacing_mm=spacing)
    data, affine = volume.data, volume.affine
    data, affine = np.transpose(data, axes), affine[:, [*axes, 3]]
    for axis, flip in enumerate(flips):
        if flip:
            move = np.eye(4)
            move[axis, axis], move[axis, 3] = -1, data.shape[axis] - 1
            data, affine = np.flip(data, axis), affine @ move
    stored = Volume(np.ascontiguousarray(data), affine)
    expected = preprocess.place(volume, "CT", SETTINGS)
    placement = preprocess.place(stored, "CT", SETTINGS)
    assert placement.pixel_mm == pytest.approx(expected.pixel_mm)
    images = preprocess.image_slices(stored, "CT", expected, SETTINGS, "x")
    np.testing.assert_allclose(
        images, preprocess.image_slices(volume, "CT", expected, SETTINGS, "x"), atol=1e-5
    )
    # And back: a mask on the stored grid returns to the stored grid.
    mask = Volume(stored.data > -500, affine)
    fraction = preprocess.to_scan_grid(
        preprocess.mask_slices(mask, placement).astype(np.float32), placement, stored
    )
    assert fraction.shape == stored.data.shape
    back = fraction >= 0.5
    dice = 2 * (back & mask.data).sum() / (back.sum() + mask.data.sum())
    assert dice > 0.93


def test_mr_scale_does_not_matter():
    rng = np.random.default_rng(0)
    data = ellipse((60, 50, 3), (30, 25), (25, 18), 100.0, 0.0) * rng.uniform(0.5, 1, (60, 50, 3))
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    images = []
    for scale in (1.0, 1e-3, 4096.0):
        volume = Volume((data * scale).astype(np.float32), affine)
        placement = preprocess.place(volume, "MR", SETTINGS)
        images.append(preprocess.image_slices(volume, "MR", placement, SETTINGS, "x"))
    np.testing.assert_allclose(images[0], images[1], atol=1e-5)
    np.testing.assert_allclose(images[0], images[2], atol=1e-5)


def test_refuses_a_ct_that_is_not_in_hounsfield_units():
    volume = Volume(np.random.default_rng(0).random((8, 8, 2), np.float32), np.eye(4))
    placement = preprocess.place(volume, "CT", SETTINGS)
    with pytest.raises(InputError, match=r"scan\.nii.*not in Hounsfield units"):
        preprocess.image_slices(volume, "CT", placement, SETTINGS, "scan.nii")


def test_refuses_a_ct_with_the_scanners_offset():
    volume = ct()
    shifted = Volume(volume.data + 1024, volume.affine)
    placement = preprocess.place(shifted, "CT", SETTINGS)
    with pytest.raises(InputError, match="not in Hounsfield units"):
        preprocess.image_slices(shifted, "CT", placement, SETTINGS, "scan.nii")


def test_refuses_an_image_without_contrast():
    volume = Volume(np.full((8, 8, 2), 7.0, np.float32), np.eye(4))
    placement = preprocess.place(volume, "MR", SETTINGS)
    with pytest.raises(InputError, match="no contrast"):
        preprocess.image_slices(volume, "MR", placement, SETTINGS, "scan.nii")
