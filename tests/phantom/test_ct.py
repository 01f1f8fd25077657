"""CT images: attenuation from the table, noise of unit spread and the spectrum of a ramp."""

import numpy as np
import pytest

from liver_jax.phantom import anatomy, ct, sampling
from liver_jax.physics.tissues import Tissue


@pytest.mark.parametrize("phase", ["unenhanced", "portal_venous"])
def test_pure_voxels_have_the_attenuation_of_their_tissue(phase):
    subject = anatomy.draw(np.random.default_rng(5), finding_share=0.0)
    grid = sampling.around(subject, 80, 12.0, (20.0, 20.0), 0.05)
    images = ct.acquire(subject, grid, ct.Protocol(phase, 0.0), np.random.default_rng(2))
    hu = ct.attenuation_hu(phase, subject.liver_pdff_percent, np.random.default_rng(2))
    fractions = np.stack([f for _, f in sampling.tissue_fractions(subject, grid, 3)], axis=2)
    for tissue in (Tissue.AIR, Tissue.LIVER, Tissue.SPLEEN, Tissue.SUBCUTANEOUS_FAT, Tissue.LUNG):
        pure = fractions[..., tissue] > 0.999
        assert pure.sum() > 20
        assert np.abs(images.image[pure] - hu[tissue]).max() <= 0.51
    volume_ml = images.mask.sum() * np.prod(grid.spacing_mm) / 1000
    assert volume_ml == pytest.approx(subject.liver_volume_ml, rel=0.015)


def test_ten_points_of_fat_darken_the_liver_by_18_5_hu():
    lean = ct.attenuation_hu("unenhanced", 5.0, np.random.default_rng(0))
    fatty = ct.attenuation_hu("unenhanced", 15.0, np.random.default_rng(0))
    assert lean[Tissue.LIVER] - fatty[Tissue.LIVER] == pytest.approx(18.5, abs=1e-4)
    np.testing.assert_array_equal(np.delete(lean, Tissue.LIVER), np.delete(fatty, Tissue.LIVER))


def test_enhanced_vessels_outshine_the_liver():
    for seed in range(20):
        hu = ct.attenuation_hu("portal_venous", 3.0, np.random.default_rng(seed))
        assert hu[Tissue.LIVER_VESSEL] >= hu[Tissue.LIVER] + 20


@pytest.mark.parametrize("shape", [(192, 160), (64, 63)])
@pytest.mark.parametrize("pixel_mm", [0.8, 2.0])
def test_noise_has_mean_0_sd_1_and_a_band_of_frequencies(shape, pixel_mm):
    generator = np.random.default_rng(0)
    noise = np.stack([ct.correlated_noise(shape, pixel_mm, generator) for _ in range(20)])
    assert noise.dtype == np.float32
    assert noise.shape == (20, *shape)
    assert abs(noise.mean()) < 1e-3
    assert noise.std() == pytest.approx(1.0, rel=0.03)
    power = (np.abs(np.fft.fft(noise.mean(axis=2), axis=1)) ** 2).mean(axis=0)
    frequency = np.abs(np.fft.fftfreq(shape[0], pixel_mm))
    low = power[(frequency > 0) & (frequency < 0.04)].mean()
    middle = power[(frequency > 0.12) & (frequency < 0.22)].mean()
    assert middle > 2 * low  # unlike white noise
