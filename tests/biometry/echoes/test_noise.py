import jax.numpy as jnp
import numpy as np
import pytest

from liver_jax.biometry.echoes import magnitude, noise
from liver_jax.physics import signal, spectra


def scene(count: int, sigma: float, fractions: tuple[float, float]) -> tuple[np.ndarray, tuple]:
    """[echo, x, y, z], 40 % of it air, and the arguments of the fit."""
    te_ms = 1.15 * np.arange(1, count + 1)
    x, y = np.mgrid[:60, :50] / 50.0
    fraction = fractions[0] + (fractions[1] - fractions[0]) * x / x.max()
    density = np.where(x < 0.72, 100 + 30 * np.sin(3 * y), 0)
    clean = signal.multiecho(density * (1 - fraction), density * fraction, 40 + 20 * y, te_ms, 3.0)
    clean = np.moveaxis(clean, -1, 0)[..., None]
    parts = np.random.default_rng(3).normal(size=(2, *clean.shape)) * sigma
    c = spectra.dephasing(spectra.HAMILTON_LIVER, te_ms, 3.0)
    arguments = jnp.float32(te_ms / 1000), (jnp.float32(c.real), jnp.float32(c.imag))
    return np.abs(clean + parts[0] + 1j * parts[1]).astype(np.float32), arguments


@pytest.mark.parametrize("count", [4, 6])
@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_residuals_tell_the_noise(count: int, sigma: float) -> None:
    measured, arguments = scene(count, sigma, (0.02, 0.4))
    estimate = magnitude.fit(measured.reshape(count, -1), *arguments)
    np.testing.assert_allclose(noise.from_residuals(estimate, count), sigma, rtol=0.1)


def test_some_voxels_that_the_model_does_not_describe_hardly_matter() -> None:
    measured, arguments = scene(6, 1.0, (0.02, 0.4))
    measured[2, ::9, ::3] *= 3.0
    estimate = magnitude.fit(measured.reshape(6, -1), *arguments)
    np.testing.assert_allclose(noise.from_residuals(estimate, 6), 1.0, rtol=0.2)


def test_nothing_measured_has_no_noise() -> None:
    _, arguments = scene(6, 1.0, (0.02, 0.4))
    estimate = magnitude.fit(jnp.zeros((6, 3000)), *arguments)
    assert float(noise.from_residuals(estimate, 6)) == 0


@pytest.mark.parametrize("count", [2, 3, 6])
def test_neighbours_tell_the_noise_where_echoes_cannot(count: int) -> None:
    measured, _ = scene(count, 2.0, (0.02, 0.2))
    mask = jnp.asarray(measured[0] > 30)
    np.testing.assert_allclose(noise.from_neighbours(measured, mask), 2.0, rtol=0.12)


def test_neighbours_do_not_take_edges_for_noise() -> None:
    """A chessboard of densities: every voxel differs from its neighbours, in all echoes alike."""
    measured, _ = scene(3, 1.0, (0.1, 0.1))
    x, y = np.mgrid[:60, :50]
    pattern = np.where((x + y) % 2 == 0, 100.0, 60.0)[..., None]
    decay = np.array([1.0, 0.6, 0.8])[:, None, None, None]
    parts = np.random.default_rng(0).normal(size=measured.shape)
    uneven = (pattern * decay + parts).astype(np.float32)
    mask = jnp.ones(pattern.shape, bool)
    np.testing.assert_allclose(noise.from_neighbours(uneven, mask), 1.0, rtol=0.12)


def test_no_neighbours_no_noise() -> None:
    assert float(noise.from_neighbours(jnp.ones((3, 2, 2, 1)), jnp.ones((2, 2, 1), bool))) == 0
    assert float(noise.from_neighbours(jnp.ones((3, 5, 5, 1)), jnp.zeros((5, 5, 1), bool))) == 0
