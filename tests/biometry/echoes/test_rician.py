import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special

from liver_jax.biometry.echoes import magnitude, rician
from liver_jax.physics import signal, spectra

TE_MS = {"2d": 1.15 * np.arange(1, 7), "3d": 0.9 + 0.76 * np.arange(6)}


def test_bessel_ratio() -> None:
    x = np.concatenate([np.linspace(0, 20, 400), np.geomspace(20, 1e30, 40)])
    small = x < 1e6
    expected = np.where(small, special.i1e(x) / special.i0e(np.where(small, x, 1.0)), 1.0)
    np.testing.assert_allclose(rician.bessel_ratio(jnp.float32(x)), expected, atol=3e-4)


@pytest.mark.parametrize("snr", [0.0, 0.05, 0.5, 1.0, 2.0, 4.0, 12.0])
def test_information_is_the_variance_of_the_slope(snr: float) -> None:
    def integrand(m: float) -> float:
        density = m * np.exp(-0.5 * (m - snr) ** 2) * special.i0e(m * snr)
        return density * (m * special.i1e(m * snr) / special.i0e(m * snr)) ** 2

    low, high = max(0.0, snr - 9), snr + 9
    expected = integrate.quad(integrand, low, high, limit=200)[0] - snr**2
    np.testing.assert_allclose(rician.information(jnp.float32(snr)), expected, atol=1.2e-3)


def arguments(te_ms: np.ndarray, field_t: float) -> tuple[jnp.ndarray, magnitude.Dephasing]:
    c = spectra.dephasing(spectra.HAMILTON_LIVER, te_ms, field_t)
    return jnp.float32(te_ms / 1000), (jnp.float32(c.real), jnp.float32(c.imag))


def repeated(
    fraction: float, r2star: float, te_ms: np.ndarray, field_t: float, snr: float, count: int = 3000
) -> np.ndarray:
    clean = signal.multiecho(1 - fraction, fraction, r2star, te_ms, field_t)[:, None]
    parts = np.random.default_rng(11).normal(size=(2, len(te_ms), count)) / snr
    return np.abs(clean + parts[0] + 1j * parts[1]).astype(np.float32)


def explained(measured: np.ndarray, fraction: float, te_s, dephasing, snr: float):
    """Water, fat and R2* of the explanation on the true side, before and after the refinement."""
    e = magnitude.fit(measured, te_s, dephasing)
    first = magnitude.fraction(e.water, e.fat)
    other = magnitude.fraction(e.other_water, e.other_fat)
    nearer = jnp.abs(first - fraction) <= jnp.abs(other - fraction)
    plain = [jnp.where(nearer, a, b) for a, b in zip(e[:3], e[4:7], strict=True)]
    return plain, rician.refine(measured, te_s, dephasing, *plain, 1 / snr)


def percent(water, fat, _=None) -> np.ndarray:
    return np.asarray(100 * fat / (water + fat))


@pytest.mark.parametrize("te_ms", TE_MS.values(), ids=TE_MS)
@pytest.mark.parametrize(("snr", "limit"), [(40, 0.15), (15, 0.6)])
def test_a_liver_without_fat_has_none_on_average(
    te_ms: np.ndarray, snr: float, limit: float
) -> None:
    te_s, dephasing = arguments(te_ms, 3.0)
    measured = repeated(0.0, 40, te_ms, 3.0, snr)
    plain, refined = explained(measured, 0.0, te_s, dephasing, snr)
    assert abs(percent(*refined).mean()) < limit
    assert percent(*plain).mean() > 2.5 * limit  # at or above 0 by its bounds
    assert abs(np.mean(refined[2]) - 40) < 1.5


def test_noise_floor_of_late_echoes_does_not_slow_the_decay() -> None:
    te_ms = 2.1 * np.arange(1, 7)
    te_s, dephasing = arguments(te_ms, 1.5)
    plain, refined = explained(repeated(0.1, 300, te_ms, 1.5, 40), 0.1, te_s, dephasing, 40)
    assert np.mean(plain[2]) < 295
    assert abs(np.mean(refined[2]) - 300) < 5
    assert abs(np.mean(refined[2]) - 300) < 0.5 * abs(np.mean(plain[2]) - 300)


@pytest.mark.parametrize("te_ms", TE_MS.values(), ids=TE_MS)
@pytest.mark.parametrize(
    ("fraction", "r2star", "field_t"),
    [(0.0, 40, 3.0), (0.05, 60, 3.0), (0.2, 50, 1.5), (0.35, 100, 1.5), (0.1, 250, 3.0)],
)
def test_standard_errors_are_those_of_many_repeats(
    te_ms: np.ndarray, fraction: float, r2star: float, field_t: float
) -> None:
    te_s, dephasing = arguments(te_ms, field_t)
    measured = repeated(fraction, r2star, te_ms, field_t, 40)
    _, refined = explained(measured, fraction, te_s, dephasing, 40)
    pdff_error, r2star_error = rician.standard_errors(te_s, dephasing, *refined, 1 / 40)
    np.testing.assert_allclose(np.median(pdff_error), percent(*refined).std(), rtol=0.08)
    np.testing.assert_allclose(np.median(r2star_error), np.std(refined[2]), rtol=0.08)


def test_refinement_without_noise_changes_nothing() -> None:
    te_ms = TE_MS["2d"]
    te_s, dephasing = arguments(te_ms, 3.0)
    truth = [jnp.tile(jnp.float32(x), 1500) for x in ([80, 30], [20, 70], [40, 90])]
    clean = np.abs(signal.multiecho(*map(np.asarray, truth), te_ms, 3.0)).T.astype(np.float32)
    for sigma in (0.0, 1e-3):
        refined = rician.refine(clean, te_s, dephasing, *truth, sigma)
        for one, other in zip(refined, truth, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3)


@pytest.mark.parametrize("sigma", [0.0, 1.0, 1e30])
def test_any_input_gives_finite_output(sigma: float) -> None:
    te_s, dephasing = arguments(TE_MS["2d"], 3.0)
    columns = [np.full(6, value) for value in (0, 1, 1e30, 1e-30, 1e-38)]
    columns += [np.eye(6)[0], np.arange(6)]
    measured = jnp.zeros((6, 3000)).at[:, : len(columns)].set(np.stack(columns, axis=1))
    estimate = magnitude.fit(measured, te_s, dephasing)
    refined = rician.refine(measured, te_s, dephasing, *estimate[:3], sigma)
    errors = rician.standard_errors(te_s, dephasing, *refined, sigma)
    assert all(np.isfinite(part).all() for part in (*refined, *errors))
    assert all((np.asarray(part) >= 0).all() for part in errors)
    assert errors[0][0] == 100  # nothing measured, nothing known
