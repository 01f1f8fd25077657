"""Random fields: their size, their wavelength, and the same value however a point is asked for."""

import numpy as np
import pytest

from liver_jax.phantom import noise
from liver_jax.phantom.abdomen.points import Points, draw_grain


@pytest.fixture(scope="module")
def waves():
    return noise.draw(np.random.default_rng(0), (15, 25), 2.0)


def test_one_wave_is_a_cosine():
    wave = noise.Noise(((0.1, 0.2, 0.3),), (0.5,), 2.0)
    point = tuple(np.full((1, 1, 1), c) for c in (1.0, 2.0, 3.0))
    expected = 2 * np.cos(0.1 * 1 + 0.2 * 2 + 0.3 * 3 + 0.5)
    assert noise.field(wave, noise.terms(*point)).item() == pytest.approx(expected, rel=1e-5)
    assert noise.field(wave, point).item() == pytest.approx(expected, rel=1e-5)


def test_mean_and_sd(waves):
    axis = np.arange(0, 300, 5.0)
    points = noise.terms(axis[:, None, None], axis[None, :, None], axis[None, None, :])
    field = noise.field(waves, points)
    assert field.mean() == pytest.approx(0, abs=0.1)
    assert field.std() == pytest.approx(2.0, rel=0.05)
    assert field.dtype == np.float32


def test_wavelengths_lie_in_the_range(waves):
    lengths = 2 * np.pi / np.linalg.norm(waves.vectors, axis=1)
    assert 15 <= lengths.min() < lengths.max() <= 25


def test_a_turned_lattice_is_one_and_scattered_points_are_none(waves):
    axis = np.arange(0, 40, 4.0)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    turned = 0.8 * x + 0.6 * y, -0.6 * x + 0.8 * y, z + 0.1 * x
    parts = noise.terms(*turned)
    np.testing.assert_allclose(noise.field(waves, parts), noise.field(waves, turned), atol=1e-3)
    scattered = tuple(np.random.default_rng(1).uniform(0, 40, (3, 5, 4, 3)))
    assert noise.terms(*scattered) is None


@pytest.mark.parametrize("oblique", [False, True])
def test_blocks_hold_every_point_of_their_box(oblique):
    axis = np.arange(-60, 60, 4.0)
    x, y, z = axis[:, None, None], axis[None, :, None], axis[None, None, :]
    if oblique:
        x, y, z = 0.8 * x + 0.6 * y + 0 * z, -0.6 * x + 0.8 * y + 0 * z, z + 0.2 * y + 0 * x
    points = Points.of(draw_grain(np.random.default_rng(2)), x, y, z)
    box = (-20.0, -5.0, 0.0), (10.0, 30.0, 25.0)
    block = points.block(box)
    inside = np.ones(points.tissue.shape, bool)
    for coordinate, low, high in zip((points.x, points.y, points.z), *box, strict=True):
        inside &= (coordinate >= low) & (coordinate <= high)
    assert inside.any()
    assert inside[block].sum() == inside.sum()
    assert points.block(((500.0, 0.0, 0.0), (600.0, 1.0, 1.0))) is None


def test_a_view_of_a_block_paints_the_whole():
    axis = np.arange(-30, 30, 5.0)
    points = Points.of(
        draw_grain(np.random.default_rng(3)),
        axis[:, None, None],
        axis[None, :, None],
        axis[None, None, :],
    )
    block = (slice(2, 5), slice(0, 4), slice(3, 9))
    view = points.within(block)
    view.tissue[...] = 7
    assert (points.tissue[block] == 7).all()
    assert (points.tissue == 7).sum() == view.tissue.size
    np.testing.assert_array_equal(view.x, points.x[block])
    np.testing.assert_allclose(np.broadcast_to(view.height, view.x.shape)[0, 0], axis[3:9])


def test_points_of_fewer_axes_have_the_values_of_the_field():
    waves = noise.draw(np.random.default_rng(5), (30, 60), 1.0)
    x, y, z = np.linspace(0, 40, 7), np.linspace(-20, 20, 5), np.array([3.0])
    whole = noise.field(waves, noise.terms(x[:, None, None], y[None, :, None], z[None, None]))
    layer = noise.at(waves, x[:, None], y[None, :], z[:, None])
    np.testing.assert_allclose(layer, whole[..., 0], atol=1e-5)
    single = noise.at(waves, x[:5], y, np.full(5, 3.0))
    np.testing.assert_allclose(single, whole[np.arange(5), np.arange(5), 0], atol=1e-5)
