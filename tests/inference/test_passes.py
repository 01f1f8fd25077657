import numpy as np
import pytest

from liver_jax.inference import passes


def disc(size=64, radius=14.0, centre=(36, 28)):
    rows, columns = np.mgrid[:size, :size]
    distance = np.hypot(rows - centre[0], columns - centre[1])
    return np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)[None].repeat(2, 0)


def test_a_network_that_sees_the_image_itself_finds_it_where_it_is():
    images = disc()
    found = passes.mean_probability(lambda slices: slices, images, images)
    assert found.dtype == np.float32 and found.shape == images.shape
    # Two interpolations there and back blur the edge, and move nothing.
    mask, after = images >= 0.5, found >= 0.5
    assert 2 * (mask & after).sum() / (mask.sum() + after.sum()) > 0.99
    rows, columns = (np.mgrid[:64, :64][axis] for axis in (0, 1))
    for axis in (rows, columns):
        assert (axis * found[0]).sum() / found[0].sum() == pytest.approx(
            (axis * images[0]).sum() / images[0].sum(), abs=0.02
        )


def test_the_passes_see_other_images_and_one_of_them_is_as_it_is():
    seen = []

    def forward(slices):
        seen.append(slices)
        return np.zeros_like(slices)

    images = disc()
    unchanged = np.ones_like(images)
    found = passes.mean_probability(forward, images, unchanged)
    assert len(seen) == 4
    assert all(np.abs(slices - images).max() > 0.3 for slices in seen)
    assert found[0, 32, 32] == pytest.approx(1 / 5)


def test_other_contrasts_keep_air_dark_and_change_the_body():
    images = disc()
    darker, brighter, inverted = passes.other_contrasts(lambda slices: -slices, 0.8 * images)
    middle = (0, 36, 28)
    assert -np.array([darker[middle], brighter[middle], inverted[middle]]) == pytest.approx(
        [0.8**0.7, 0.8**1.4, 0.26]
    )
    assert all(look[0, 0, 0] == 0 for look in (darker, brighter, inverted))


def test_what_a_pass_pushed_over_the_edge_is_told_by_the_others():
    everywhere = np.ones((1, 48, 48), np.float32)
    found = passes.mean_probability(np.ones_like, everywhere, everywhere)
    np.testing.assert_allclose(found, 1.0, atol=1e-6)  # the corners, too
    assert found.max() <= 1.0
