"""MR images against the signal equation, with the noise off; and what the contrast agent does."""

import dataclasses

import numpy as np
import pytest

from liver_jax.phantom import anatomy, mri, sampling
from liver_jax.physics import spectra
from liver_jax.physics.tissues import Tissue

T1_MS = {Tissue.SPLEEN: 1328.0, Tissue.MUSCLE: 898.0, Tissue.SUBCUTANEOUS_FAT: 382.0}
R2STAR = {Tissue.SPLEEN: 35.0, Tissue.MUSCLE: 40.0, Tissue.SUBCUTANEOUS_FAT: 45.0}
DENSITY = {Tissue.SPLEEN: 0.85, Tissue.MUSCLE: 0.8, Tissue.SUBCUTANEOUS_FAT: 1.0}
FAT = {Tissue.SPLEEN: 0.009, Tissue.MUSCLE: 0.03, Tissue.SUBCUTANEOUS_FAT: 0.93}
QUIET = mri.Protocol(
    technique="spgr2d",
    field_strength_t=3.0,
    te_ms=mri.TE_2D_MS,
    tr_ms=150.0,
    flip_angle_deg=10.0,
    snr=np.inf,
    bias_peak_to_peak=0.0,
    scale=10_000.0,
)


@pytest.fixture(scope="module")
def subject():
    drawn = anatomy.draw(np.random.default_rng(3), finding_share=0.0)
    return dataclasses.replace(drawn, liver_pdff_percent=20.0)


@pytest.fixture(scope="module")
def grid(subject):
    return sampling.around(subject, 72, 12.0, (20.0, 20.0), 0.05)


@pytest.fixture(scope="module")
def fractions(subject, grid):
    return np.stack([f for _, f in sampling.tissue_fractions(subject, grid, 5)], axis=2)


@pytest.fixture(scope="module")
def quiet(subject, grid):
    return mri.acquire(subject, grid, QUIET, np.random.default_rng(0))


def _weight(t1_ms):
    e1, angle = np.exp(-150.0 / t1_ms), np.pi / 18
    return np.sin(angle) * (1 - e1) / (1 - e1 * np.cos(angle))


@pytest.mark.parametrize("tissue", list(T1_MS))
def test_pure_voxels_follow_the_signal_equation(quiet, fractions, tissue):
    pure = fractions[..., tissue] > 0.999
    assert pure.sum() > 20
    te_s = np.array(mri.TE_2D_MS) / 1000
    c = spectra.dephasing(spectra.HAMILTON_LIVER, mri.TE_2D_MS, 3.0)
    water = DENSITY[tissue] * (1 - FAT[tissue]) * _weight(T1_MS[tissue])
    fat = DENSITY[tissue] * FAT[tissue] * _weight(382.0)
    expected = np.abs(water + fat * c) * np.exp(-R2STAR[tissue] * te_s)
    expected *= QUIET.scale / (0.8 * _weight(809.0))
    np.testing.assert_allclose(quiet.image[pure].mean(axis=0), expected, rtol=0.01)


def test_a_liver_of_20_percent_is_mapped_as_20_percent(quiet, fractions):
    _, _, densities = mri.signal_tables(QUIET, 20.0)
    water, fat = densities[Tissue.LIVER]
    assert fat / (water + fat) == pytest.approx(0.2)
    pure = fractions[..., Tissue.LIVER] > 0.999
    inside = quiet.pdff_percent[pure]
    assert inside.mean() == pytest.approx(20.0, abs=0.8)  # it varies by 1.5 points in space
    assert 0.7 < inside.std() < 2.5
    vessels = fractions[..., Tissue.LIVER_VESSEL] > 0.999
    assert not quiet.pdff_percent[vessels].any()


def test_the_change_for_a_point_of_fat_is_the_difference_of_two_tables():
    at20, slope, _ = mri.signal_tables(QUIET, 20.0)
    at21, _, _ = mri.signal_tables(QUIET, 21.0)
    np.testing.assert_allclose(at21[Tissue.LIVER] - at20[Tissue.LIVER], slope, rtol=1e-9)


def test_the_mask_has_the_true_volume_and_holds_its_vessels(subject, grid, quiet):
    volume_ml = quiet.mask.sum() * np.prod(grid.spacing_mm) / 1000
    assert volume_ml == pytest.approx(subject.liver_volume_ml, rel=0.015)
    assert quiet.vessel_mask.any()
    assert not (quiet.vessel_mask & ~quiet.mask).any()


def test_air_of_a_noisy_image_has_the_rician_floor(subject, grid, fractions):
    noisy = dataclasses.replace(QUIET, snr=20.0)
    image = mri.acquire(subject, grid, noisy, np.random.default_rng(0)).image
    air = fractions[..., Tissue.AIR] == 1
    floor = QUIET.scale / 20 * np.sqrt(np.pi / 2)
    assert image[air].mean() == pytest.approx(floor, rel=0.01)


def test_bias_changes_intensity_smoothly_and_leaves_pdff_alone(subject, grid, quiet):
    biased = dataclasses.replace(QUIET, bias_peak_to_peak=0.5)
    images = mri.acquire(subject, grid, biased, np.random.default_rng(0))
    bright = quiet.image[..., 1] > 2000
    ratio = images.image[..., 1][bright] / quiet.image[..., 1][bright]
    assert 1.2 < ratio.max() / ratio.min() <= np.exp(0.5) * 1.01
    np.testing.assert_array_equal(images.pdff_percent[quiet.mask], quiet.pdff_percent[quiet.mask])


@pytest.mark.parametrize("field", [1.5, 3.0])
def test_hepatobiliary_liver_is_brightest_and_fat_is_dark(field):
    protocol = mri.draw_protocol("hbp_t1w", field, np.random.default_rng(0))
    table, _, _ = mri.signal_tables(protocol, 3.0)
    bright = np.abs(table[:, 0])
    assert bright.argmax() == Tissue.LIVER
    for tissue in (Tissue.LIVER_VESSEL, Tissue.SPLEEN, Tissue.MUSCLE):
        assert bright[Tissue.LIVER] > 1.6 * bright[tissue]
    assert bright[Tissue.SUBCUTANEOUS_FAT] < 0.35


def test_liver_enhances_by_the_published_factor():
    # 3 T, TR 4 ms, flip 15 deg: a T1 of 270 ms gives 2.4 times the signal before contrast.
    protocol = dataclasses.replace(
        QUIET, tr_ms=4.0, flip_angle_deg=15.0, te_ms=(0.0,), uptake_mm=0.2519
    )
    table, _, _ = mri.signal_tables(protocol, 0.0)
    assert abs(table[Tissue.LIVER, 0]) == pytest.approx(2.4, abs=0.05)


@pytest.mark.parametrize("technique", ["spgr2d", "spgr3d", "hbp_t1w"])
@pytest.mark.parametrize("field", [1.5, 3.0])
def test_protocols_have_the_papers_echoes(technique, field):
    protocol = mri.draw_protocol(technique, field, np.random.default_rng(1))
    expected = {
        "spgr2d": (1.15, 2.3, 3.45, 4.6, 5.75, 6.9),
        "spgr3d": (0.9, 1.66, 2.42, 3.18, 3.94, 4.7),
        "hbp_t1w": (1.2,),
    }
    assert protocol.te_ms == expected[technique]
    assert (protocol.fat_residual < 1) == (technique == "hbp_t1w")
