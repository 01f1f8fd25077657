"""Resolution and noise of what a scanner acquires of k-space."""

import numpy as np
import pytest

from liver_jax.phantom.mr import kspace


def test_the_middle_is_kept_and_what_lies_outside_is_not():
    weights = np.fft.fftshift(kspace.window(100, 0.6))
    # 60 lines about line 50; the outer 35 % of 30 on either side fall off.
    assert not weights[:20].any()
    assert not weights[81:].any()
    np.testing.assert_allclose(weights[31:70], 1.0)
    assert 0 < weights[22] < weights[25] < weights[28] < 1


def test_an_even_image_stays_and_an_edge_is_blurred_along_the_coarser_axis_more():
    windows = kspace.window(64, 1.0), kspace.window(64, 0.5)
    image = np.ones((64, 64, 2), np.complex64)
    np.testing.assert_allclose(kspace.filtered(image, *windows), image, atol=1e-6)
    along_y = image.copy()
    along_y[:, 32:] = 0
    along_x = along_y.transpose(1, 0, 2)
    blurred_y = np.abs(kspace.filtered(along_y, *windows) - along_y)[10, :, 0]
    blurred_x = np.abs(kspace.filtered(along_x, *windows) - along_x)[:, 10, 0]
    assert blurred_y[31:33].min() > 0.2
    assert blurred_y.sum() > 1.5 * blurred_x.sum()


@pytest.mark.parametrize("resolution", [0.65, 1.0])
def test_noise_falls_as_the_mean_squares_of_the_windows(resolution):
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((160, 128, 1)) + 0j
    windows = kspace.window(160, 1.0), kspace.window(128, resolution)
    expected = np.sqrt(np.mean(windows[0] ** 2) * np.mean(windows[1] ** 2))
    assert kspace.filtered(noise, *windows).std() == pytest.approx(expected, rel=0.02)
