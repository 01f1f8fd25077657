"""Voxels: partial volume that adds up, grids that hold the liver, orientation that keeps place."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from liver_jax.phantom import anatomy, person, sampling
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue
from liver_jax.volume import geometry


@pytest.fixture(scope="module")
def subject():
    generator = np.random.default_rng(11)
    someone = person.draw(generator, {}, person.VolumeRange(1700, 300, 1200, 2500))
    return anatomy.draw(someone, generator)


@pytest.fixture(scope="module")
def grid(subject):
    return sampling.around(subject, 64, 10.0, (20.0, 25.0), 0.05)


@dataclasses.dataclass(frozen=True)
class Halves:
    """Liver below a height, air above it."""

    height_mm: float

    def tissue(self, x, y, z):
        below = np.broadcast_to(z < self.height_mm, np.broadcast_shapes(x.shape, y.shape, z.shape))
        return np.where(below, Tissue.LIVER, Tissue.AIR).astype(np.uint8)


def layers(body, grid, samples, **options):
    return [c for _, c in sampling.compositions(body, grid, samples, **options)]


def test_fractions_sum_to_one_and_their_liver_has_the_true_volume(subject, grid):
    total = 0.0
    for composition in layers(subject, grid, 5):
        np.testing.assert_allclose(composition.fractions.sum(axis=1), 1.0, atol=1e-5)
        np.testing.assert_allclose(composition.fraction(list(Tissue)), 1.0, atol=1e-5)
        assert (composition.fractions.max(axis=1) < 1).all()
        total += float(composition.fraction(LIVER_TISSUES).sum())
    volume_ml = total * np.prod(grid.spacing_mm) / 1000
    assert volume_ml == pytest.approx(subject.liver_volume_ml, rel=1e-2)


def test_a_half_space_fills_half_of_the_voxel_that_it_cuts(grid):
    body = Halves(float(grid.axis_mm(2)[3]))
    liver = [c.fraction([Tissue.LIVER]) for c in layers(body, grid, 10)]
    assert np.unique(liver[2]).tolist() == [1.0]
    assert np.unique(liver[4]).tolist() == [0.0]
    np.testing.assert_allclose(liver[3], 0.5, atol=1e-6)


def test_a_thicker_slab_sees_its_neighbours(grid):
    body = Halves(float(grid.axis_mm(2)[3] - grid.spacing_mm[2] / 2))
    exact = layers(body, grid, 10)[3].fraction([Tissue.LIVER])
    np.testing.assert_allclose(exact, 0.0)
    wide = layers(body, grid, 10, thickness=1.5)[3].fraction([Tissue.LIVER])
    assert (wide > 0.1).all()


def test_a_mean_is_that_of_the_fractions(subject, grid):
    values = np.random.default_rng(0).normal(size=(len(Tissue), 2)).astype(np.complex64)
    composition = layers(subject, grid, 3)[4]
    expected = sum(
        values[t] * composition.fraction([t])[..., None].astype(np.complex64) for t in Tissue
    )
    found = composition.mean(values)
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_threads_change_nothing_but_time(subject, grid):
    for one, other in zip(
        layers(subject, grid, 3), layers(subject, grid, 3, threads=3), strict=True
    ):
        np.testing.assert_array_equal(one.tissue, other.tissue)
        np.testing.assert_array_equal(one.fractions, other.fractions)


def test_the_grid_holds_the_body_and_leaves_slices_free_of_liver(subject, grid):
    assert grid.shape[0] % 8 == grid.shape[1] % 8 == 0
    low, high = subject.liver_range_mm
    z = grid.axis_mm(2)
    assert z[0] < low - 10
    assert z[-1] > high + 10
    tissue = np.stack([c.tissue for c in layers(subject, grid, 1)], axis=2)
    assert not (tissue[[0, -1]] != Tissue.AIR).any()
    assert not (tissue[:, [0, -1]] != Tissue.AIR).any()
    liver = np.isin(tissue, LIVER_TISSUES).any(axis=(0, 1))
    assert not liver[0]
    assert not liver[-1]
    assert liver.any()


def test_a_negative_margin_cuts_the_liver_and_no_grid_leaves_the_known_anatomy(subject):
    cut = sampling.around(subject, 64, 10.0, (20.0, -15.0), 0.05)
    assert cut.axis_mm(2)[-1] < subject.liver_range_mm[1] - 10

    class Slab:
        extent_mm = ((-150.0, -100.0, -60.0), (150.0, 100.0, -20.0))
        liver_range_mm = (-90.0, -5.0)

    inside = sampling.around(Slab(), 64, 10.0, (20.0, 20.0), 0.05)
    assert inside.shape[2] == 4
    assert inside.axis_mm(2)[[0, -1]].tolist() == [-55.0, -25.0]


def test_a_turned_grid_samples_where_its_affine_says(subject, grid):
    turned = grid.rotated(Rotation.from_euler("xyz", (6, -2, 5), degrees=True).as_matrix())
    index = np.array([10, 40, 3])
    point = (turned.affine @ [*index, 1])[:3]
    x, y, z = (np.broadcast_to(p, grid.shape[:2])[10, 40] for p in turned.layer_mm(3))
    np.testing.assert_allclose([x, y, z], point, atol=1e-9)
    np.testing.assert_allclose(geometry.spacing_mm(turned.affine), grid.spacing_mm)
    (composition,) = (c for k, c in sampling.compositions(subject, turned, 1) if k == 3)
    single = subject.tissue(*(p.reshape(1, 1, 1) for p in point))
    assert composition.tissue[10, 40] == single.item()
    # The same liver is there, whatever the axes.
    liver = sum(c.fraction(LIVER_TISSUES).sum() for c in layers(subject, turned, 3)) * np.prod(
        grid.spacing_mm
    )
    assert liver / 1000 == pytest.approx(subject.liver_volume_ml, rel=0.01)


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
