"""Ghosts of breathing: where they lie, and how they grow."""

import numpy as np
import pytest

from liver_jax.phantom.mr import motion

LINES = 120
SPACING = (2.0, 2.0, 8.0)
STILL = np.zeros((1, 1), np.float32)


def _bar() -> np.ndarray:
    image = np.zeros((4, LINES, 2), np.complex64)
    image[:, 60:64] = 1.0
    return image


def _corrupt(breathing, image, below=None, upward=0.0):
    return motion.corrupt(
        breathing,
        image,
        image if below is None else below,
        np.ones(LINES),
        np.full(image.shape[:2], upward, np.float32),
        SPACING,
    )


def test_periodic_motion_puts_ghosts_lines_by_period_pixels_away():
    # A period of 6 lines: ghosts lie 120 / 6 = 20 pixels away on both sides.
    excursion = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(LINES) / 6)
    found = np.abs(_corrupt(motion.Motion(8.0, 0.0, excursion), _bar()))[0, :, 0]
    away = np.abs(np.arange(LINES) - 62)
    ghost = found[(away > 14) & (away < 26)].max()
    between = found[(away > 8) & (away < 13)].max()
    assert ghost > 0.1
    assert ghost > 4 * between


def test_without_excursion_nothing_changes():
    found = _corrupt(motion.Motion(8.0, 8.0, np.zeros(LINES)), _bar(), 0 * _bar(), 1.0)
    np.testing.assert_allclose(found, _bar(), atol=1e-6)


def test_letting_the_breath_out_sinks_the_front():
    found = _corrupt(motion.Motion(6.0, 0.0, np.ones(LINES)), _bar())
    np.testing.assert_allclose(found, np.roll(_bar(), -3, axis=1), atol=1e-6)


def test_organs_come_from_the_slice_below_and_the_wall_does_not():
    image, below = _bar(), np.roll(_bar(), 30, axis=1)
    breathing = motion.Motion(0.0, 4.0, np.ones(LINES))  # half a slice
    np.testing.assert_allclose(
        _corrupt(breathing, image, below, 1.0), (image + below) / 2, atol=1e-6
    )
    np.testing.assert_allclose(_corrupt(breathing, image, below, 0.0), image, atol=1e-6)


def test_ghosts_grow_with_the_grade():
    image = _bar()
    energy = []
    for grade in (1, 2, 3):
        trials = []
        for seed in range(8):
            breathing = motion.draw(grade, LINES, 0.15, np.random.default_rng(seed))
            difference = _corrupt(breathing, image) - image
            trials.append(float((np.abs(difference) ** 2).sum()))
        energy.append(np.mean(trials))
    assert 0 < 2 * energy[0] < energy[1] < energy[2]


def test_no_motion_is_none():
    assert motion.draw(0, LINES, 0.15, np.random.default_rng(0)) is None


@pytest.mark.parametrize("line_time_s", [0.12, 0.3])
def test_breathing_has_a_period_of_three_to_five_seconds(line_time_s):
    breathing = motion.draw(3, 400, line_time_s, np.random.default_rng(2))
    centred = breathing.excursion - breathing.excursion.mean()
    breaths = (np.diff(np.sign(centred)) > 0).sum()
    assert 400 * line_time_s / 5.5 < breaths < 400 * line_time_s / 2.5
    assert breathing.excursion.min() >= 0
    assert breathing.excursion.max() <= 1


def test_a_pulse_puts_ghosts_of_arteries_where_its_rate_says():
    # One beat in 8 lines: ghosts lie 120 / 8 = 15 pixels away, each with half the change.
    image = np.ones((3, LINES, 1), np.complex64)
    arteries = np.zeros((3, LINES), np.float32)
    arteries[1, 60] = 1.0
    changes = 0.2 * np.cos(2 * np.pi * np.arange(LINES) / 8)
    ghosts = np.abs(motion.pulsate(image, arteries, changes) - image)[..., 0]
    assert not ghosts[[0, 2]].any()
    assert sorted(np.flatnonzero(ghosts[1] > 0.05)) == [45, 75]
    np.testing.assert_allclose(ghosts[1, [45, 75]], 0.1, atol=1e-5)


def test_the_pulse_has_the_rate_of_a_heart():
    changes = motion.pulse(0.1, 600, 0.15, np.random.default_rng(0))
    beats = (np.diff(np.sign(changes)) > 0).sum()
    assert 55 / 60 * 90 - 1 <= beats <= 90 / 60 * 90 + 1
    assert np.abs(changes).max() == pytest.approx(0.1, rel=0.01)
