"""Voxels: partial volume that adds up, grids that hold the liver, orientation that keeps place."""

import numpy as np
import pytest

from liver_jax.phantom import anatomy, sampling
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue
from liver_jax.volume import geometry


@pytest.fixture(scope="module")
def subject():
    return anatomy.draw(np.random.default_rng(11))


@pytest.fixture(scope="module")
def grid(subject):
    return sampling.around(subject, 64, 10.0, (20.0, 25.0), 0.05)


def test_fractions_sum_to_one_and_their_liver_has_the_true_volume(subject, grid):
    total = 0.0
    for _, fractions in sampling.tissue_fractions(subject, grid, 5):
        np.testing.assert_allclose(fractions.sum(axis=-1), 1.0, atol=1e-5)
        total += float(sampling.liver_fraction(fractions).sum())
    volume_ml = total * np.prod(grid.spacing_mm) / 1000
    assert volume_ml == pytest.approx(subject.liver_volume_ml, rel=1e-2)


def test_a_half_space_fills_half_of_the_voxel_that_it_cuts(subject, grid, monkeypatch):
    def half_space(subject, x, y, z):
        shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
        cut = np.broadcast_to(z < grid.axis_mm(2)[3], shape)
        return np.where(cut, Tissue.LIVER, Tissue.AIR).astype(np.uint8)

    monkeypatch.setattr(anatomy, "paint", half_space)
    liver = [sampling.liver_fraction(f) for _, f in sampling.tissue_fractions(subject, grid, 10)]
    assert np.unique(liver[2]).tolist() == [1.0]
    assert np.unique(liver[4]).tolist() == [0.0]
    np.testing.assert_allclose(liver[3], 0.5, atol=1e-6)


def test_the_grid_holds_the_body_and_leaves_slices_free_of_liver(subject, grid):
    assert grid.shape[0] % 8 == grid.shape[1] % 8 == 0
    low, high = subject.scan_range_mm
    z = grid.axis_mm(2)
    assert z[0] < low - 10
    assert z[-1] > high + 10
    x, y = grid.axis_mm(0)[:, None, None], grid.axis_mm(1)[None, :, None]
    tissue = anatomy.paint(subject, x, y, z[None, None, :])
    assert not (tissue[[0, -1]] != Tissue.AIR).any()
    assert not (tissue[:, [0, -1]] != Tissue.AIR).any()
    liver = np.isin(tissue, LIVER_TISSUES).any(axis=(0, 1))
    assert not liver[0]
    assert not liver[-1]
    assert liver.any()


@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "RPS", "LPI", "SAR"])
@pytest.mark.parametrize("echoes", [(), (2,)])
def test_stored_axes_keep_every_voxel_in_its_place(codes, echoes):
    grid = sampling.Grid((4, 3, 2), (1.5, 2.0, 8.0), (-10.0, 5.0, 30.0))
    data = np.random.default_rng(0).normal(size=(*grid.shape, *echoes))
    stored = sampling.oriented(data, grid, codes)
    assert "".join(stored.axis_codes) == codes
    back = geometry.to_canonical(stored)
    np.testing.assert_array_equal(back.data, data)
    np.testing.assert_allclose(back.affine, grid.affine)


def test_smooth_fields_are_smooth_and_have_unit_spread():
    grid = sampling.Grid((60, 60, 60), (5.0, 5.0, 5.0), (0.0, 0.0, 0.0))
    spread = []
    for seed in range(8):
        field = sampling.smooth_field(grid, (60, 150), np.random.default_rng(seed))
        spread.append(field.std())
        # The steepest a wave of 60 mm gets in 5 mm, six of them together.
        assert np.abs(np.diff(field, axis=0)).max() < 6**0.5 * 8**0.5 * 2 * np.pi * 5 / 60
    assert np.mean(spread) == pytest.approx(1.0, abs=0.15)
