import jax.numpy as jnp
import numpy as np
import pytest

from liver_jax.biometry.echoes import phase_errors
from liver_jax.biometry.echoes.phased import Sampling
from liver_jax.physics import signal, spectra

TE = tuple(1.2 + 1.0 * n for n in range(6))
SHAPE = (1, 24, 20)


def _without_what_voxels_explain(pattern):
    """The part of [echo, ...] that is neither constant nor rises with echo time."""
    t = np.array(TE)
    span = np.stack([np.ones(6), t - t.mean()], axis=1)
    return pattern - span @ (np.linalg.pinv(span) @ pattern)


@pytest.mark.parametrize("kind", ["odd and even", "first echo", "eddy currents"])
def test_errors_are_found_among_fat_water_and_noise(kind):
    rng = np.random.default_rng(1)
    terms = np.asarray(phase_errors.basis(SHAPE)).reshape(phase_errors.TERMS, -1)
    echo = np.arange(6)
    in_time = {
        "odd and even": 0.2 * (-1.0) ** echo,
        "first echo": 0.3 * (echo == 0),
        "eddy currents": 0.3 * np.exp(-echo / 1.5),
    }[kind]
    in_place = np.array([0.5, 0.0, 0.8, -0.3, 0.0, 0.4, 0.0, 0.0, 0.0, -0.2])
    wanted = np.outer(in_time, in_place)
    count = terms.shape[1]
    pdff = rng.uniform(0, 0.9, count)
    r2star, field_hz = rng.uniform(30, 100, count), rng.uniform(-50, 50, count)
    clean = signal.multiecho(1 - pdff, pdff, r2star, TE, 3.0).T
    turning = 2 * np.pi * np.outer(np.array(TE) / 1000, field_hz)
    noise = rng.normal(size=clean.shape) + 1j * rng.normal(size=clean.shape)
    data = clean * np.exp(1j * (turning + wanted @ terms)) + noise / 50
    dephasing = spectra.dephasing(spectra.HAMILTON_LIVER, TE, 3.0)
    parts = (np.array(TE) / 1000, dephasing.real, dephasing.imag)
    found = np.asarray(
        phase_errors.estimate(
            jnp.asarray(data.real, jnp.float32),
            jnp.asarray(data.imag, jnp.float32),
            Sampling(*(jnp.asarray(part, jnp.float32) for part in parts)),
            jnp.asarray(field_hz, jnp.float32),
            jnp.asarray(r2star, jnp.float32),
            jnp.full(count, 50.0**2),
            jnp.asarray(terms),
        )
    )
    np.testing.assert_allclose(found, _without_what_voxels_explain(wanted), atol=0.02)
    # A single slice has no slope along its normal.
    np.testing.assert_allclose(found[:, [1, 4, 7, 8]], 0.0, atol=1e-6)


def test_turning_there_and_back_changes_nothing():
    rng = np.random.default_rng(0)
    real, imag, angle = (jnp.asarray(rng.normal(size=(3, 5)), jnp.float32) for _ in range(3))
    there = phase_errors.turn(real, imag, angle)
    back = phase_errors.turn(*there, -angle)
    np.testing.assert_allclose(back[0], real, atol=1e-5)
    np.testing.assert_allclose(back[1], imag, atol=1e-5)
    # exp(i a) turned back by a is 1.
    one = phase_errors.turn(jnp.cos(angle), jnp.sin(angle), angle)
    np.testing.assert_allclose(one[0], 1.0, atol=1e-6)


def test_basis_runs_from_minus_one_to_one():
    terms = np.asarray(phase_errors.basis((3, 1, 5)))
    assert terms.shape == (phase_errors.TERMS, 3, 1, 5)
    np.testing.assert_allclose(terms[0], 1.0)
    np.testing.assert_allclose(terms[1, :, 0, 0], [-1, 0, 1])
    np.testing.assert_allclose(terms[2], 0.0)
    np.testing.assert_allclose(terms[3, 0, 0], [-1, -0.5, 0, 0.5, 1])
    np.testing.assert_allclose(terms[6, 0, 0], np.array([1, 0.25, 0, 0.25, 1]) - 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(terms[8, :, 0], np.outer([-1, 0, 1], [-1, -0.5, 0, 0.5, 1]))
    np.testing.assert_allclose(terms[[5, 7, 9]], 0.0)
