import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liver_jax.biometry.echoes import choice, magnitude, noise
from liver_jax.physics import signal, spectra

TE_2D_MS = 1.15 * np.arange(1, 7)
TE_3D_MS = 0.9 + 0.76 * np.arange(6)
UNEVEN_MS = np.array([1.1, 2.0, 3.6, 4.1, 6.3, 8.9])


def times(te_ms: np.ndarray, field_t: float) -> tuple[jnp.ndarray, magnitude.Dephasing]:
    c = spectra.dephasing(spectra.HAMILTON_LIVER, te_ms, field_t)
    return jnp.float32(te_ms / 1000), (jnp.float32(c.real), jnp.float32(c.imag))


def echoes(
    fraction: np.ndarray, r2star: np.ndarray, te_ms: np.ndarray, field_t: float, snr: float = np.inf
) -> np.ndarray:
    """[echo, voxel], of proton density 1."""
    clean = signal.multiecho(1 - fraction, fraction, r2star, te_ms, field_t).T
    rng = np.random.default_rng(7)
    parts = rng.normal(size=(2, *clean.shape)) / snr
    return np.abs(clean + parts[0] + 1j * parts[1]).astype(np.float32)


def fit(
    measured: np.ndarray, te_s: jnp.ndarray, dephasing: magnitude.Dephasing
) -> magnitude.Estimate:
    """As `magnitude.fit`, of voxels filled up to one count: each shape compiles for a second."""
    voxels = measured.shape[1]
    filled = jnp.pad(jnp.float32(measured), [(0, 0), (0, 3000 - voxels)])
    return magnitude.Estimate(*(x[:voxels] for x in magnitude.fit(filled, te_s, dephasing)))


def percent(estimate: magnitude.Estimate) -> np.ndarray:
    return 100 * np.asarray(magnitude.fraction(estimate.water, estimate.fat))


def other_percent(estimate: magnitude.Estimate) -> np.ndarray:
    return 100 * np.asarray(magnitude.fraction(estimate.other_water, estimate.other_fat))


def every(fractions: np.ndarray, r2star_per_s: list[float]) -> tuple[np.ndarray, np.ndarray]:
    pairs = np.meshgrid(fractions, np.array(r2star_per_s, dtype=float), indexing="ij")
    return pairs[0].ravel(), pairs[1].ravel()


@pytest.mark.parametrize("field_t", [1.5, 3.0])
@pytest.mark.parametrize(
    "te_ms",
    [TE_2D_MS, TE_3D_MS, TE_2D_MS[:4], UNEVEN_MS, UNEVEN_MS[::-1], 0.95 * np.arange(1, 13)],
    ids=["2d", "3d", "four", "uneven", "backwards", "twelve"],
)
def test_without_noise_finds_the_truth(te_ms: np.ndarray, field_t: float) -> None:
    fraction, r2star = every(np.linspace(0, 1, 51), [0, 5, 20, 50, 100, 200, 300, 450, 600])
    measured = echoes(fraction, r2star, te_ms, field_t)
    te_s, dephasing = times(te_ms, field_t)
    estimate = fit(100 * measured, te_s, dephasing)
    # Four echoes, or little left of the later ones at 600 1/s: the two explanations of some voxels
    # differ by less than single precision tells.
    clear = np.asarray(
        (estimate.other_residual_squares > 1e-3)
        | (np.abs(percent(estimate) - other_percent(estimate)) < 1)
    )
    assert clear[r2star <= 300].mean() > 0.85
    off = np.abs(percent(estimate) - 100 * fraction)[clear]
    assert np.quantile(off, 0.99) < 0.1
    assert off.max() < 1
    assert (np.abs(np.asarray(estimate.r2star_per_s) - r2star) < 0.1 + 0.01 * r2star)[clear].all()
    np.testing.assert_allclose(estimate.water[clear], 100 * (1 - fraction)[clear], atol=1.0)
    assert np.asarray(estimate.residual_squares)[r2star <= 300].max() < 0.05


@pytest.mark.parametrize("field_t", [1.5, 3.0])
def test_three_echoes_hold_the_truth_among_their_two_explanations(field_t: float) -> None:
    fraction, r2star = every(np.linspace(0, 1, 51), [0, 30, 60, 120])
    te_ms = TE_2D_MS[:3]
    te_s, dephasing = times(te_ms, field_t)
    estimate = fit(echoes(fraction, r2star, te_ms, field_t), te_s, dephasing)
    off = np.abs(np.stack([percent(estimate), other_percent(estimate)]) - 100 * fraction).min(0)
    assert np.quantile(off, 0.95) < 0.1


def test_three_echoes_that_do_not_tell_are_taken_for_water() -> None:
    fraction, r2star = every(np.linspace(0, 0.4, 21), [30, 60, 120])
    te_s, dephasing = times(TE_2D_MS[:3], 3.0)
    estimate = fit(echoes(fraction, r2star, TE_2D_MS[:3], 3.0), te_s, dephasing)
    np.testing.assert_allclose(percent(estimate), 100 * fraction, atol=0.5)


def test_one_peak_of_fat_leaves_both_explanations() -> None:
    """In and out of phase: 100 and 40 are 70 of one and 30 of the other, whichever is fat."""
    te_s = jnp.float32([0.001, 0.002, 0.003, 0.004])
    dephasing = (jnp.float32([-1, 1, -1, 1]), jnp.zeros(4))
    estimate = fit(jnp.float32([[40], [100], [40], [100]]), te_s, dephasing)
    amplitudes = [float(x[0]) for x in (estimate.water, estimate.fat)]
    np.testing.assert_allclose(sorted(amplitudes), [30, 70], atol=0.01)
    np.testing.assert_allclose(
        [estimate.other_fat[0], estimate.other_water[0]], amplitudes, atol=0.02
    )
    np.testing.assert_allclose(estimate.r2star_per_s, 0, atol=0.05)
    separation = choice.separation_nats(estimate, 1.0)
    assert bool(choice.ambiguous(estimate, separation, jnp.zeros(1))[0])


def test_one_start_would_exchange_fat_and_water(monkeypatch: pytest.MonkeyPatch) -> None:
    fraction, r2star = every(np.linspace(0.75, 0.95, 20), [30, 60])
    te_s, dephasing = times(TE_2D_MS, 3.0)
    measured = echoes(fraction, r2star, TE_2D_MS, 3.0)
    assert np.abs(percent(fit(measured, te_s, dephasing)) / 100 - fraction).max() < 0.001
    monkeypatch.setattr(magnitude, "_STARTS", (0.1,))
    lonely = jax.jit(magnitude.fit.__wrapped__)(measured, te_s, dephasing)
    assert (np.abs(percent(lonely) / 100 - fraction) > 0.3).all()


@given(exponent=st.floats(-6, 6), seed=st.integers(0, 99))
def test_units_of_the_echoes_do_not_matter(exponent: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    measured = rng.uniform(0, 1, (6, 16)).astype(np.float32)
    te_s, dephasing = times(TE_2D_MS, 3.0)
    one = fit(measured, te_s, dephasing)
    scaled = fit(measured * np.float32(2.0 ** round(exponent * 3)), te_s, dephasing)
    np.testing.assert_allclose(percent(scaled), percent(one), atol=1e-3)
    np.testing.assert_allclose(scaled.r2star_per_s, one.r2star_per_s, atol=1e-3)


@pytest.mark.parametrize("count", [3, 6, 12])
def test_any_input_gives_finite_output(count: int) -> None:
    te_s, dephasing = times(1.15 * np.arange(1, count + 1), 3.0)
    columns = [np.full(count, value) for value in (0, 1, 1e38, 1e-38, 1e-30, np.inf, np.nan, -1)]
    columns += [np.eye(count)[k] for k in range(count)]
    columns += [np.arange(count), np.logspace(-30, 30, count), np.logspace(30, -30, count)]
    estimate = fit(jnp.float32(np.stack(columns, axis=1)), te_s, dephasing)
    for name, values in estimate._asdict().items():
        assert np.isfinite(values).all(), name
        assert (np.asarray(values) >= 0).all(), name
    for voxel in (0, 5, 6, 7):  # nothing measured
        assert percent(estimate)[voxel] == 0
        assert estimate.water[voxel] == estimate.r2star_per_s[voxel] == 0
    separation = choice.separation_nats(estimate, noise.from_residuals(estimate, count))
    assert np.isfinite(separation).all()


def test_many_voxels_give_what_few_give(monkeypatch: pytest.MonkeyPatch) -> None:
    fraction, r2star = every(np.linspace(0, 1, 11), [20, 70])
    measured = echoes(fraction, r2star, TE_3D_MS, 3.0, snr=30)
    te_s, dephasing = times(TE_3D_MS, 3.0)
    whole = fit(measured, te_s, dephasing)
    monkeypatch.setattr(magnitude, "CHUNK", 8)  # 22 voxels: two chunks and a part of one
    parts = jax.jit(magnitude.fit.__wrapped__)(measured, te_s, dephasing)
    assert parts.water.shape == (22,)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def exhaustive(measured: np.ndarray, te_ms: np.ndarray, field_t: float) -> np.ndarray:
    """Fat fraction of the best of 36 000 models."""
    fraction, r2star = every(np.linspace(0, 1, 301), list(np.linspace(0, 300, 121)))
    models = np.abs(signal.multiecho(1 - fraction, fraction, r2star, te_ms, field_t))
    models = (models / np.linalg.norm(models, axis=1, keepdims=True)).astype(np.float32)
    return np.concatenate(
        [fraction[(models @ part).argmax(axis=0)] for part in np.array_split(measured, 8, axis=1)]
    )


@pytest.mark.parametrize("te_ms", [TE_2D_MS, TE_3D_MS], ids=["2d", "3d"])
def test_exchanges_no_more_than_an_exhaustive_search(te_ms: np.ndarray) -> None:
    fraction, r2star = every(np.linspace(0.017, 0.9, 48), list(np.linspace(30, 120, 48)))
    measured = echoes(fraction, r2star, te_ms, 3.0, snr=40)
    te_s, dephasing = times(te_ms, 3.0)
    estimate = fit(measured, te_s, dephasing)
    wrong = np.abs(percent(estimate) - 100 * fraction) > 15
    search_wrong = np.abs(exhaustive(measured, te_ms, 3.0) - fraction) > 0.15
    assert 0.01 < search_wrong.mean() < 0.2  # there is something to compare
    assert wrong.sum() <= 1.1 * search_wrong.sum()
    sigma = noise.from_residuals(estimate, 6)
    separation = choice.separation_nats(estimate, sigma)
    marked = np.asarray(choice.ambiguous(estimate, separation, jnp.zeros(len(fraction))))
    assert marked[wrong].mean() >= 0.95
    assert marked.mean() < 0.7
