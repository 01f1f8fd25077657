"""Fat spectra: normalised, and dephasing as a hand can compute it."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from liver_jax.physics import spectra

ALL = (
    spectra.HAMILTON_LIVER,
    spectra.ISMRM_2012,
    spectra.HAMILTON_LIVER_9,
    spectra.ROOM_TEMPERATURE,
)


@pytest.mark.parametrize("spectrum", ALL)
def test_all_fat_is_in_phase_at_time_zero(spectrum):
    assert spectra.dephasing(spectrum, 0.0, 3.0) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("spectrum", ALL)
def test_amplitudes_belong_to_peaks_and_sum_to_one(spectrum):
    assert len(spectrum.amplitude) == len(spectrum.shift_ppm)
    assert sum(spectrum.amplitude) == pytest.approx(1.0, abs=1.5e-3)


def test_a_single_peak_opposes_water_after_half_a_turn():
    one = spectra.Spectrum(shift_ppm=(-3.4,), amplitude=(2.0,))
    # 3.4 ppm of 3 T x 42.57747892 MHz/T is 434.29 Hz: half a turn takes 1.15130 ms.
    c = spectra.dephasing(one, [0.57565, 1.15130, 2.30260], 3.0)
    np.testing.assert_allclose(c, [-1j, -1, 1], atol=1e-4)


def test_the_papers_first_echoes_oppose_and_align_main_peak_at_3_t():
    c = spectra.dephasing(spectra.HAMILTON_LIVER, [1.15, 2.30], 3.0)
    assert c[0].real < -0.6
    assert c[1].real > 0.6


def test_six_and_nine_peaks_of_the_same_fat_agree():
    te_ms = np.linspace(0, 7, 50)
    six = spectra.dephasing(spectra.HAMILTON_LIVER, te_ms, 1.5)
    nine = spectra.dephasing(spectra.HAMILTON_LIVER_9, te_ms, 1.5)
    assert np.abs(six - nine).max() < 0.12
    assert np.abs(six - nine).max() > 0  # they are two spectra


@hypothesis.settings(deadline=None, max_examples=30)
@hypothesis.given(strategies.floats(0, 50), strategies.sampled_from([1.5, 3.0]))
def test_dephasing_never_exceeds_one(te_ms, field):
    for spectrum in ALL:
        assert abs(spectra.dephasing(spectrum, te_ms, field)) <= 1 + 1e-12
