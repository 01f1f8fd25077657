"""The public face of the fat-water fit: what goes in, and that what comes out is true and sound."""

import dataclasses

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liver_jax.biometry import fatwater
from liver_jax.physics import signal, spectra, tissues

TE_2D = tuple(1.15 * n for n in range(1, 7))
TE_3D = tuple(0.9 + 0.76 * n for n in range(6))
SHAPE = (48, 40)


def slice_of(shape=SHAPE, field_hz=60.0):
    """PDFF rises along x, R2* along y, the field along both; all smooth."""
    x, y = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    pdff = 2 + 58 * x
    return pdff, 30 + 70 * y, field_hz * np.sin(3 * x + y)


def echoes_of(pdff, r2star, field_hz, te_ms=TE_2D, field_strength_t=3.0, snr=None, **arguments):
    """complex [..., echo] of W + F = 1, with noise of standard deviation 1 / snr per channel."""
    fat = pdff / 100
    data = signal.multiecho(1 - fat, fat, r2star, te_ms, field_strength_t, **arguments)
    t = np.array(te_ms) / 1000
    data = data * np.exp(1j * (0.7 + 2 * np.pi * field_hz[..., None] * t))
    if snr:
        rng = np.random.default_rng(0)
        data = data + (rng.normal(size=data.shape) + 1j * rng.normal(size=data.shape)) / snr
    return data


@pytest.mark.parametrize("method", ["complex", "magnitude", "regularised"])
def test_without_noise_the_truth_is_returned(method):
    pdff, r2star, field_hz = slice_of()
    data = echoes_of(pdff, r2star, field_hz)
    if method == "complex":
        fit = fatwater.fit_complex(data, TE_2D, 3.0)
        np.testing.assert_allclose(fit.field_map_hz, field_hz, atol=0.2)
        np.testing.assert_allclose(fit.phase_error_radian, 0.0)
    else:
        regularised = method == "regularised"
        fit = fatwater.fit_magnitude(np.abs(data), TE_2D, 3.0, regularised=regularised)
        assert fit.field_map_hz is None
        assert fit.phase_error_radian is None
    assert fit.fitted.all()
    assert not fit.failed.any()
    np.testing.assert_allclose(fit.pdff_percent, pdff, atol=0.02)
    np.testing.assert_allclose(fit.r2star_per_s, r2star, atol=0.1)
    np.testing.assert_allclose(fit.water + fit.fat, 1.0, atol=1e-3)
    assert float(fit.residual.max()) < 1e-3


def test_magnitude_takes_any_leading_shape():
    pdff, r2star, field_hz = slice_of((4, 6))
    data = np.abs(echoes_of(pdff, r2star, field_hz))
    whole = fatwater.fit_magnitude(data, TE_2D, 3.0).pdff_percent
    volume = fatwater.fit_magnitude(data.reshape(2, 3, 4, 6), TE_2D, 3.0).pdff_percent
    assert whole.shape == (4, 6)
    assert volume.shape == (2, 3, 4)
    np.testing.assert_allclose(volume.reshape(4, 6), whole, atol=1e-3)


@pytest.mark.slow
def test_a_volume_of_slices_is_fitted_in_place():
    slices = [slice_of((24, 20), f) for f in (20.0, 40.0, 60.0)]
    pdff, r2star, field_hz = (np.stack(parts, axis=2) for parts in zip(*slices, strict=True))
    fit = fatwater.fit_complex(
        echoes_of(pdff, r2star, field_hz), TE_2D, 3.0, spacing_mm=(1.5, 1.5, 8.0)
    )
    np.testing.assert_allclose(fit.pdff_percent, pdff, atol=0.02)
    np.testing.assert_allclose(fit.field_map_hz, field_hz, atol=0.2)


def test_noise_neither_swaps_nor_shifts_complex_data_and_errors_are_as_stated():
    pdff, r2star, field_hz = slice_of()
    fit = fatwater.fit_complex(echoes_of(pdff, r2star, field_hz, TE_3D, snr=40), TE_3D, 3.0)
    error = np.asarray(fit.pdff_percent) - pdff
    assert np.abs(error).max() < 15  # none is swapped
    assert abs(error.mean()) < 0.15
    assert float(fit.noise) == pytest.approx(1 / 40, rel=0.05)
    assert np.std(error / np.asarray(fit.pdff_standard_error_percent)) == pytest.approx(1, abs=0.1)
    off = np.asarray(fit.r2star_per_s) - r2star
    assert np.std(off / np.asarray(fit.r2star_standard_error_per_s)) == pytest.approx(1, abs=0.1)


def test_a_liver_without_fat_has_a_mean_of_zero():
    pdff, r2star, field_hz = slice_of()
    data = echoes_of(0 * pdff, r2star, field_hz, snr=20)
    for fit in (
        fatwater.fit_complex(data, TE_2D, 3.0),
        fatwater.fit_magnitude(np.abs(data), TE_2D, 3.0, regularised=True),
    ):
        percent = np.asarray(fit.pdff_percent)
        assert (percent < 0).mean() == pytest.approx(0.5, abs=0.1)
        assert np.median(percent) == pytest.approx(0, abs=0.4)


def test_a_field_of_300_hz_with_islands_swaps_nothing():
    pdff, r2star, _ = slice_of()
    x, y = np.meshgrid(np.linspace(-1, 1, 48), np.linspace(-1, 1, 40), indexing="ij")
    data = echoes_of(pdff, r2star, 300 * x + 100 * x * y, snr=30)
    island = np.abs(x) < 0.12  # noise alone parts the two halves
    data[island] -= echoes_of(pdff, r2star, 300 * x + 100 * x * y)[island]
    fit = fatwater.fit_complex(data, TE_2D, 3.0)
    error = np.abs(np.asarray(fit.pdff_percent) - pdff)[~island]
    assert (error > 25).sum() == 0


def test_phase_errors_of_a_bipolar_readout_do_no_harm():
    pdff, r2star, field_hz = slice_of()
    data = echoes_of(pdff, r2star, field_hz, TE_3D, snr=60)
    ramp = np.linspace(-1, 1, 48)[:, None, None]
    data = data * np.exp(0.3j * ramp * (-1.0) ** np.arange(6))
    fit = fatwater.fit_complex(data, TE_3D, 3.0)
    without = fatwater.fit_complex(data, TE_3D, 3.0, correct_phase=False)
    error = np.asarray(fit.pdff_percent) - pdff
    assert abs(error.mean()) < 0.5
    assert np.abs(error).max() < 15
    assert np.std(np.asarray(without.pdff_percent) - pdff) > 1.5 * np.std(error)
    assert 0.05 < float(fit.phase_error_radian.max()) < 0.3


def test_counterclockwise_data_are_conjugate():
    pdff, r2star, field_hz = slice_of()
    data = echoes_of(pdff, r2star, field_hz)
    one = fatwater.fit_complex(data, TE_2D, 3.0)
    other = fatwater.fit_complex(data.conj(), TE_2D, 3.0, precession="counterclockwise")
    np.testing.assert_allclose(one.pdff_percent, other.pdff_percent, atol=1e-3)


def test_the_right_spectrum_by_name_or_given():
    pdff, r2star, field_hz = slice_of()
    given = spectra.Spectrum((-3.4, 0.6), (0.9, 0.1))
    for spectrum, known in ((given, given), (spectra.ROOM_TEMPERATURE, "room_temperature")):
        data = np.abs(echoes_of(pdff, r2star, field_hz, spectrum=spectrum))
        right = fatwater.fit_magnitude(data, TE_2D, 3.0, spectrum=known)
        wrong = fatwater.fit_magnitude(data, TE_2D, 3.0)
        assert np.median(np.abs(right.pdff_percent - pdff)) < 0.02
        assert np.median(np.abs(wrong.pdff_percent - pdff)) > 0.2


def test_t1_weighting_is_divided_out_of_the_fraction_and_its_error():
    weight = signal.fat_over_water_weight(7.0, 5.0, 809.0, tissues.FAT_T1_MS[3.0])
    assert weight == pytest.approx(1.193, abs=1e-3)
    pdff, r2star, _ = slice_of()
    fat = pdff / 100
    data = signal.multiecho(1 - fat, weight * fat, r2star, TE_2D, 3.0)
    plain = fatwater.fit_magnitude(np.abs(data), TE_2D, 3.0)
    fit = fatwater.fit_magnitude(np.abs(data), TE_2D, 3.0, t1_weight=weight)
    np.testing.assert_allclose(fit.pdff_percent, pdff, atol=0.02)
    # A PDFF of 20 % reads 2.97 points too high at this flip angle.
    at = np.unravel_index(np.abs(pdff - 20).argmin(), pdff.shape)
    bias = float(plain.pdff_percent[at]) - pdff[at]
    assert bias == pytest.approx(2.97, abs=0.15)
    # The error shrinks by the slope of the corrected fraction by the weighted one.
    step = float(plain.pdff_percent[at]) / 100
    slope = weight / (weight + (1 - weight) * step) ** 2
    ratio = fit.pdff_standard_error_percent[at] / plain.pdff_standard_error_percent[at]
    assert float(ratio) == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("method", ["complex", "magnitude"])
def test_background_and_what_cannot_be_fitted_are_finite_and_marked(method):
    pdff, r2star, field_hz = slice_of()
    data = echoes_of(pdff, r2star, field_hz, snr=50)
    rng = np.random.default_rng(0)
    data[:6] = (rng.normal(size=data[:6].shape) + 1j * rng.normal(size=data[:6].shape)) / 1000
    data[6, 0], data[6, 1], data[6, 2] = 0, np.nan, np.inf
    mask = np.ones(SHAPE, bool)
    mask[:, -1] = False
    fit = (
        fatwater.fit_complex(data, TE_2D, 3.0, mask=mask)
        if method == "complex"
        else fatwater.fit_magnitude(np.abs(data), TE_2D, 3.0, mask=mask)
    )
    for array in jax.tree.leaves(fit):
        assert np.isfinite(np.asarray(array)).all()
    fitted, failed = np.asarray(fit.fitted), np.asarray(fit.failed)
    assert not (fitted & failed).any()
    np.testing.assert_array_equal(fitted | failed, mask)
    assert failed[6, :3].all()
    assert failed[:6, :-1].mean() > 0.8  # noise has no fat fraction
    assert fitted[7:, :-1].all()
    assert not np.asarray(fit.pdff_percent)[~fitted].any()
    # Without a mask the background is left out.
    free = fatwater.fit_magnitude(np.abs(np.nan_to_num(data, posinf=0)), TE_2D, 3.0)
    assert not np.asarray(free.fitted | free.failed)[:6].any()


@given(st.sampled_from([1e-6, 1.0, 1e5]), st.sampled_from(["complex", "magnitude"]))
@settings(max_examples=6)
def test_units_of_the_echoes_do_not_matter(scale, method):
    pdff, r2star, field_hz = slice_of()
    data = echoes_of(pdff, r2star, field_hz, snr=50)
    kind = fatwater.fit_complex if method == "complex" else fatwater.fit_magnitude
    data = data if method == "complex" else np.abs(data)
    one, scaled = kind(data, TE_2D, 3.0), kind(scale * data, TE_2D, 3.0)
    np.testing.assert_allclose(scaled.pdff_percent, one.pdff_percent, atol=0.02)
    np.testing.assert_allclose(np.asarray(scaled.water) / scale, one.water, rtol=1e-3, atol=1e-3)


def test_a_volume_of_zeros_gives_no_result_and_no_fault():
    for fit in (
        fatwater.fit_complex(np.zeros((*SHAPE, 6), complex), TE_2D, 3.0),
        fatwater.fit_magnitude(np.zeros((*SHAPE, 6)), TE_2D, 3.0),
    ):
        assert not fit.fitted.any()
        for array in jax.tree.leaves(fit):
            assert np.isfinite(np.asarray(array)).all()


def test_another_set_of_echo_times_compiles_nothing_anew():
    pdff, r2star, field_hz = slice_of()
    for te_ms in (TE_2D, tuple(1.3 * n for n in range(1, 7))):
        fatwater.fit_magnitude(np.abs(echoes_of(pdff, r2star, field_hz, te_ms)), te_ms, 3.0)
    before = fatwater._fit_magnitude._cache_size()
    data = np.abs(echoes_of(pdff, r2star, field_hz, TE_2D, 1.5))
    fatwater.fit_magnitude(data, TE_2D, 1.5, spectrum="ismrm_2012", t1_weight=1.1)
    assert fatwater._fit_magnitude._cache_size() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"te_ms": TE_2D[:5]}, "do not fit"),
        ({"te_ms": TE_2D[::-1]}, "rising"),
        ({"te_ms": (np.nan, *TE_2D[1:])}, "rising"),
        ({"field_strength_t": 0.0}, "field_strength_t"),
        ({"spectrum": "butter"}, "butter"),
        ({"mask": np.ones((2, 2), bool)}, "mask"),
    ],
)
@pytest.mark.parametrize("kind", [fatwater.fit_complex, fatwater.fit_magnitude])
def test_arguments_that_cannot_be(kind, change, message):
    data = np.ones((*SHAPE, 6), complex if kind is fatwater.fit_complex else float)
    arguments = {"te_ms": TE_2D, "field_strength_t": 3.0} | change
    with pytest.raises(ValueError, match=message):
        kind(data, **arguments)


def test_more_arguments_that_cannot_be():
    two = np.ones((4, 4, 2))
    with pytest.raises(ValueError, match="2 echoes"):
        fatwater.fit_magnitude(two, (1.0, 2.0), 3.0)
    with pytest.raises(ValueError, match="complex"):
        fatwater.fit_magnitude(np.ones((4, 4, 6), complex), TE_2D, 3.0)
    with pytest.raises(ValueError, match="precession"):
        fatwater.fit_complex(np.ones((4, 4, 6), complex), TE_2D, 3.0, precession="left")
    with pytest.raises(ValueError, match="spacing_mm"):
        fatwater.fit_complex(np.ones((4, 4, 6), complex), TE_2D, 3.0, spacing_mm=(1, 1, 1))
    with pytest.raises(ValueError, match="neighbours"):
        fatwater.fit_magnitude(np.ones((4, 6)), TE_2D, 3.0, regularised=True)


def test_every_attribute_of_a_fit_is_an_array_or_none():
    pdff, r2star, field_hz = slice_of()
    fit = fatwater.fit_magnitude(np.abs(echoes_of(pdff, r2star, field_hz)), TE_2D, 3.0)
    for field in dataclasses.fields(fit):
        value = getattr(fit, field.name)
        assert value is None or isinstance(value, jax.Array), field.name


def test_foreground_is_what_any_echo_shows():
    data = np.zeros((10, 10, 1, 2), np.float32)
    data[2:8, 2:8, 0, 0] = 100
    data[2:8, 8, 0, 1] = 100  # dark on the first echo
    data[0, 0] = 3
    body = np.asarray(fatwater.foreground(data))
    assert body[2:8, 2:9].all() and body.sum() == 42
    np.testing.assert_array_equal(fatwater.foreground(data * np.exp(1j)), body)
    assert not fatwater.foreground(np.zeros((2, 2, 1, 3))).any()


@pytest.mark.parametrize("r2star", [300.0, 450.0, 600.0, 750.0])
def test_iron_does_not_turn_water_into_fat(r2star):
    _, _, field_hz = slice_of()
    shape = np.ones(SHAPE)
    fit = fatwater.fit_complex(echoes_of(5 * shape, r2star * shape, field_hz, snr=100), TE_2D, 3.0)
    assert np.median(fit.pdff_percent) == pytest.approx(5, abs=0.5)
    assert np.median(fit.r2star_per_s) == pytest.approx(r2star, rel=0.02)
    assert (np.abs(np.asarray(fit.pdff_percent) - 5) > 40).mean() < 0.001
    assert float(fit.noise) == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("last_ms", [6.9, 7.2, 13.8])
@pytest.mark.parametrize("kind", ["complex", "magnitude"])
def test_what_decays_faster_than_echoes_can_show_has_no_result(kind, last_ms):
    te_ms = tuple(last_ms / 6 * n for n in range(1, 7))
    pdff, r2star, field_hz = slice_of()
    r2star = r2star.copy()
    r2star[:6] = 4000.0
    data = echoes_of(pdff, r2star, field_hz, te_ms, snr=200)
    mask = np.ones(SHAPE, bool)
    if kind == "complex":
        fit = fatwater.fit_complex(data, te_ms, 3.0, mask=mask)
    else:
        fit = fatwater.fit_magnitude(np.abs(data), te_ms, 3.0, mask=mask)
    assert np.asarray(fit.failed)[:6].mean() > 0.7
    if kind == "complex":
        assert np.asarray(fit.fitted & ~fit.ambiguous)[:6].mean() < 0.1
    assert fit.fitted[6:].all()


def test_three_echoes_of_a_list_of_voxels_do_not_tell_the_noise():
    pdff, r2star, field_hz = slice_of()
    data = np.abs(echoes_of(pdff, r2star, field_hz, snr=50))[..., :3]
    known = fatwater.fit_magnitude(data, TE_2D[:3], 3.0)
    fit = fatwater.fit_magnitude(data.reshape(-1, 3), TE_2D[:3], 3.0)
    assert float(known.noise) == pytest.approx(1 / 50, rel=0.15)
    assert float(fit.noise) == 0
    assert fit.ambiguous.all()
    np.testing.assert_allclose(fit.pdff_standard_error_percent, 100.0)


def test_a_noise_only_half_has_no_sure_result():
    pdff, r2star, field_hz = slice_of()
    data = echoes_of(pdff, r2star, field_hz, snr=30)
    data[:24] -= echoes_of(pdff, r2star, field_hz)[:24]
    fit = fatwater.fit_complex(data, TE_2D, 3.0, mask=np.ones(SHAPE, bool))
    sure = np.asarray(fit.fitted & ~fit.ambiguous)
    assert sure[:24].mean() < 0.02
    assert sure[24:].mean() > 0.98
