"""Signal equations against closed forms and published values."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from liver_jax.physics import signal


@pytest.mark.parametrize(
    ("tr_ms", "flip_angle_deg", "ratio"),
    [(150, 10, 1.042), (125, 10, 1.050), (7, 3, 1.078), (7, 5, 1.193)],
)
def test_t1_weight_of_fat_over_water_at_3_t(tr_ms, flip_angle_deg, ratio):
    fat = signal.spgr_weight(382.0, tr_ms, flip_angle_deg)
    water = signal.spgr_weight(809.0, tr_ms, flip_angle_deg)
    assert fat / water == pytest.approx(ratio, abs=1e-3)


def test_weight_after_full_recovery_is_the_sine_of_the_flip_angle():
    assert signal.spgr_weight(800.0, 1e6, 30.0) == pytest.approx(0.5)


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(strategies.floats(100, 3000), strategies.floats(2, 500), strategies.floats(1, 89))
def test_the_ernst_angle_is_best(t1_ms, tr_ms, flip_angle_deg):
    ernst = np.rad2deg(np.arccos(np.exp(-tr_ms / t1_ms)))
    best = signal.spgr_weight(t1_ms, tr_ms, ernst)
    assert signal.spgr_weight(t1_ms, tr_ms, flip_angle_deg) <= best * (1 + 1e-9)


def test_signal_at_time_zero_is_water_plus_fat_and_then_decays():
    s = signal.multiecho(0.8, 0.2, 50.0, [0.0, 20.0], 3.0)
    assert s[0] == pytest.approx(1.0)
    # exp(-50/s x 20 ms) = exp(-1); water alone, so that fat does not beat.
    water = signal.multiecho(np.array([0.8]), np.array([0.0]), np.array([50.0]), [20.0], 3.0)
    assert water.shape == (1, 1)
    assert abs(water[0, 0]) == pytest.approx(0.8 * np.exp(-1))


def test_pdff_of_one_part_fat_in_five_is_exactly_20_percent():
    pdff = signal.pdff_percent(np.array([0.8, 0.0, 0.0]), np.array([0.2, 1.0, 0.0]))
    assert pdff.tolist() == [20.0, 100.0, 0.0]


@pytest.mark.parametrize(
    ("t1_ms", "relaxivity", "concentration_mm", "expected_ms"),
    [(809, 9.8, 0.25, 271), (586, 14.6, 0.20, 216), (586, 14.6, 0.30, 164), (809, 9.8, 0.0, 809)],
)
def test_t1_with_gadoxetate(t1_ms, relaxivity, concentration_mm, expected_ms):
    found = signal.enhanced_t1_ms(t1_ms, relaxivity, concentration_mm)
    assert found == pytest.approx(expected_ms, abs=0.6)
