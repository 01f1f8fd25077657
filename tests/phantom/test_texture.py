"""Texture: unit spread at every scale, no mean, continuous along z, weaker in large voxels."""

import numpy as np
import pytest

from liver_jax.phantom import sampling, texture
from liver_jax.physics.tissues import Tissue


def layers(spacing_mm, shape=(160, 144, 24), seed=0):
    grid = sampling.Grid(shape, spacing_mm, (0.0, 0.0, 0.0))
    drawn = texture.Texture(grid, np.random.default_rng(seed))
    return np.stack([drawn.layer(k) for k in range(shape[2])], axis=-1)


def test_gaussian_components_have_sd_1_and_no_component_has_a_mean():
    drawn = layers((1.0, 1.0, 4.0), shape=(300, 280, 40))
    assert drawn.dtype == np.float32
    # Few independent places fit in: the coarse component's mean is the least certain.
    np.testing.assert_allclose(drawn.mean(axis=(1, 2, 3)), 0, atol=0.06)
    np.testing.assert_allclose(drawn.std(axis=(1, 2, 3))[1:3], 1, rtol=0.1)
    assert 0.7 < drawn[0].std() < 1  # slices of 4 mm average some of 2.5 mm away
    assert drawn[3:].max() > 0.8
    assert drawn[3:].min() > -0.2


def test_sheets_fill_more_than_threads_and_both_little():
    drawn = layers((1.0, 1.0, 1.0))
    sheets, threads = ((part > 0.3).mean() for part in drawn[3:])
    assert 0.1 < sheets < 0.3
    assert 0.01 < threads < 0.08


def test_neighbouring_slices_are_alike_and_distant_ones_are_not():
    drawn = layers((2.0, 2.0, 1.0))

    def correlation(component, lag):
        field = drawn[component]
        return np.corrcoef(field[..., lag:].ravel(), field[..., : field.shape[2] - lag].ravel())[
            0, 1
        ]

    assert correlation(0, 1) > 0.75
    assert abs(correlation(0, 6)) < 0.1
    assert correlation(1, 2) > 0.75
    assert correlation(2, 6) > 0.75


def test_thick_slices_average_the_fine_component_away():
    sd = [layers((1.0, 1.0, mm))[0].std() for mm in (1.0, 3.0, 8.0)]
    assert sd[0] > 1.05 * sd[1] > 1.2 * sd[2]


def test_the_seed_decides():
    shape = (40, 32, 3)
    np.testing.assert_array_equal(layers((2, 2, 5), shape), layers((2, 2, 5), shape))
    assert (layers((2, 2, 5), shape) != layers((2, 2, 5), shape, seed=1)).mean() > 0.9


@pytest.mark.parametrize("spacing", [0.3, 1.0, 7.0])
def test_splines_carry_ones_to_ones(spacing):
    np.testing.assert_allclose(texture.spline(50, spacing, 2.5).toarray().sum(axis=1), 1, atol=1e-5)


def test_the_table_names_components_by_tissue():
    grains = {Tissue.LIVER: texture.Grain(fine=1, threads=5)}
    amplitudes = texture.table(grains)
    assert amplitudes.shape == (5, len(Tissue))
    assert amplitudes[:, Tissue.LIVER].tolist() == [1, 0, 0, 0, 5]
    assert np.count_nonzero(amplitudes) == 2
