import numpy as np
import pytest
from scipy import special

from liver_jax.evaluation import expected_dice


def made(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Dice, and signals of all three directions: two that tell it, one that tells nothing."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(2.3, 1.0, n)
    dice = special.expit(latent)
    like_dice = special.expit(1 + latent + rng.normal(0, 0.2, n))
    entropy = np.exp(-0.6 * latent + rng.normal(0, 0.2, n))
    chance = rng.normal(size=n)
    return np.column_stack([like_dice, entropy, chance]), dice


DIRECTIONS = (1, -1, 0)


def test_it_predicts_cases_that_it_has_not_seen():
    (known, known_dice), (wanted, dice) = made(60), made(200, seed=1)
    found = expected_dice.predict(known, known_dice, wanted, DIRECTIONS)
    assert np.corrcoef(found, dice)[0, 1] > 0.95
    assert np.mean(np.abs(found - dice)) < 0.02
    assert np.mean(np.abs(known_dice.mean() - dice)) > 0.06


def test_each_case_is_predicted_from_what_it_has():
    (known, known_dice), (wanted, _) = made(60), made(3, seed=1)
    full = expected_dice.predict(known, known_dice, wanted, DIRECTIONS)
    alone = expected_dice.predict(known[:, :1], known_dice, wanted[:, :1], DIRECTIONS[:1])
    wanted[1, 1:] = np.nan
    wanted[2] = np.nan
    found = expected_dice.predict(known, known_dice, wanted, DIRECTIONS)
    assert found[0] == full[0]
    assert found[1] == pytest.approx(alone[1], abs=1e-12)
    assert np.isnan(found[2])


def test_a_signal_that_few_known_cases_have_is_left_out():
    (known, known_dice), (wanted, _) = made(60), made(5, seed=1)
    without = expected_dice.predict(known[:, 1:], known_dice, wanted[:, 1:], DIRECTIONS[1:])
    known[9:, 0] = np.nan  # 9 have it
    found = expected_dice.predict(known, known_dice, wanted, DIRECTIONS)
    np.testing.assert_allclose(found, without)


def test_a_better_signal_never_lowers_the_prediction():
    # Within the known cases the signal goes the wrong way, by chance.
    rng = np.random.default_rng(0)
    dice = rng.uniform(0.8, 0.95, 30)
    known = np.column_stack([1.7 - dice, rng.uniform(0.2, 0.4, 30)])
    wanted = np.column_stack([np.linspace(0.1, 0.99, 20), np.full(20, 0.3)])
    found = expected_dice.predict(known, dice, wanted, (1, -1))
    assert np.all(np.diff(found) >= 0)


def test_predictions_are_dice_however_strange_the_signals():
    known, dice = made(40)
    wanted = np.array([[0.0, 1e9, 1e9], [1.0, 0.0, 0.0], [0.5, 1e-12, -1e12]])
    found = expected_dice.predict(known, dice, wanted, DIRECTIONS)
    assert np.all((found > 0) & (found < 1))
    assert found[0] < found[1]


def test_signals_that_never_change_predict_the_usual_dice():
    dice = np.full(20, 0.9)
    found = expected_dice.predict(np.full((20, 1), 1.0), dice, np.array([[0.2]]), (1,))
    assert found == pytest.approx(0.9)


def test_too_few_known_cases_predict_nothing():
    known, dice = made(expected_dice.MIN_CASES - 1)
    assert np.isnan(expected_dice.predict(known, dice, known, DIRECTIONS)).all()


def test_turned_signals_are_the_higher_the_better():
    known, _ = made(31)
    signals = np.array([[0.9, 0.2, np.median(known[:, 2])], [0.8, 0.3, 5.0], [0.8, 0.3, -5.0]])
    found = expected_dice.turned(signals, known, DIRECTIONS)
    assert np.all(found[0] > found[1])
    assert np.all(found[0] > found[2])
