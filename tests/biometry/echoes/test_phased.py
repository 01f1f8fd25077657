import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liver_jax.biometry.echoes import phased
from liver_jax.biometry.echoes.phased import Parameters, Sampling
from liver_jax.physics import signal, spectra

TE = tuple(1.2 + 1.0 * n for n in range(6))


def sampling(te_ms=TE, field_strength_t=3.0):
    dephasing = spectra.dephasing(spectra.HAMILTON_LIVER, te_ms, field_strength_t)
    parts = (np.array(te_ms) / 1000, dephasing.real, dephasing.imag)
    return Sampling(*(jnp.asarray(part, jnp.float32) for part in parts))


def echoes(water, fat, r2star, field_hz, phase, te_ms=TE, field_strength_t=3.0):
    """complex [echo, voxel]."""
    clean = signal.multiecho(water, fat, r2star, te_ms, field_strength_t)
    t = np.array(te_ms) / 1000
    turned = clean * np.exp(1j * (phase + 2 * np.pi * np.multiply.outer(field_hz, t)))
    return np.moveaxis(turned, -1, 0)


def split(data):
    return jnp.asarray(data.real, jnp.float32), jnp.asarray(data.imag, jnp.float32)


@jax.jit
def settle(real, imag, s, field_hz, r2star):
    return phased.refine(real, imag, s, phased.start(real, imag, s, field_hz, r2star), 12)


@given(
    st.floats(0, 1),
    st.floats(0, 600),
    st.floats(-400, 400),
    st.floats(-3, 3),
    st.sampled_from([1.5, 3.0]),
)
def test_the_signal_is_returned_from_near_its_field(
    pdff, r2star, field_hz, phase, field_strength_t
):
    te_ms = TE if field_strength_t == 3.0 else tuple(1.2 + 2.0 * n for n in range(6))
    one = [np.array([value]) for value in (1 - pdff, pdff, r2star, field_hz, phase)]
    real, imag = split(echoes(*one, te_ms, field_strength_t))
    s = sampling(te_ms, field_strength_t)
    off = jnp.array([field_hz + 8.0], jnp.float32), jnp.array([0.7 * r2star + 20], jnp.float32)
    found = settle(real, imag, s, *off)
    np.testing.assert_allclose(float(found.fat[0]), pdff, atol=2e-3)
    np.testing.assert_allclose(float(found.water[0]), 1 - pdff, atol=2e-3)
    np.testing.assert_allclose(float(found.r2star_per_s[0]), r2star, atol=1.0)
    np.testing.assert_allclose(float(found.field_hz[0]), field_hz, atol=0.5)


def test_the_start_solves_the_amplitudes_when_field_and_decay_are_right():
    data = echoes(np.array([0.7]), np.array([0.3]), np.array([50.0]), np.array([33.0]), 1.1)
    found = phased.start(*split(data), sampling(), jnp.array([33.0]), jnp.array([50.0]))
    np.testing.assert_allclose(
        [float(found.water[0]), float(found.fat[0]), float(found.phase_radian[0])],
        [0.7, 0.3, 1.1],
        atol=1e-4,
    )


def test_amplitudes_are_turned_to_have_a_sum_above_zero():
    data = -echoes(np.array([0.2]), np.array([0.8]), np.array([50.0]), np.array([0.0]), 0.0)
    found = phased.start(*split(data), sampling(), jnp.zeros(1), jnp.array([50.0]))
    np.testing.assert_allclose([float(found.water[0]), float(found.fat[0])], [0.2, 0.8], atol=1e-4)


def test_normal_equations_are_those_of_finite_differences():
    p = [0.6, 0.4, 0.5, 20.0, 60.0]
    data = echoes(np.array([0.5]), np.array([0.45]), np.array([50.0]), np.array([25.0]), 0.6)
    te_s = np.array(TE) / 1000
    dephasing = spectra.dephasing(spectra.HAMILTON_LIVER, TE, 3.0)

    def model(w, f, phase, turning, r2star):
        return (w + f * dephasing) * np.exp((1j * turning - r2star) * te_s + 1j * phase)

    at = np.array([*p[:3], 2 * np.pi * p[3], p[4]])
    jacobian = []
    for k, step in enumerate((1e-6, 1e-6, 1e-6, 1e-4, 1e-4)):
        ends = [model(*(at + sign * step * np.eye(5)[k])) for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * step)
        jacobian.append(np.concatenate([slope.real, slope.imag]))
    jacobian = np.array(jacobian).T
    rest = data[:, 0] - model(*at)
    rest = np.concatenate([rest.real, rest.imag])
    found = phased.normal(*split(data), sampling(), Parameters(*(jnp.array([v]) for v in p)))
    matrix = jacobian.T @ jacobian
    for row in range(5):
        for k in range(row + 1):
            assert float(found.matrix[row][k][0]) == pytest.approx(
                matrix[row, k], rel=1e-3, abs=1e-6
            )
        assert float(found.gradient[row][0]) == pytest.approx(
            (jacobian.T @ rest)[row], rel=1e-3, abs=1e-6
        )
    assert float(found.residual_squares[0]) == pytest.approx((rest**2).sum(), rel=1e-3)


def test_noise_of_a_voxel_without_signal_stays_finite():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(6, 500)) + 1j * rng.normal(size=(6, 500))
    data[:, :10] = 0.0
    real, imag = split(data)
    s = sampling()
    found = settle(real, imag, s, jnp.zeros(500), jnp.full(500, 50.0))
    for array in found:
        assert bool(jnp.isfinite(array).all())
