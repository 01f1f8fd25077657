import numpy as np
import pytest

from liver_jax.evaluation import bootstrap


def test_whole_subjects_are_drawn():
    weights = bootstrap.draws(["a", "b", "a", "c"])
    assert weights.shape == (bootstrap.RESAMPLES, 4)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])  # both cases of a, or neither
    np.testing.assert_array_equal(weights[:, [0, 1, 3]].sum(axis=1), 3)  # as many as there are
    # Each subject is missing from (2/3)^3 of the resamples.
    assert np.mean(weights == 0) == pytest.approx((2 / 3) ** 3, abs=0.02)


def test_the_order_of_the_cases_changes_nothing():
    values, subjects = np.arange(12.0) ** 2, np.repeat(list("abcdef"), 2)
    order = np.random.default_rng(3).permutation(12)
    forwards = bootstrap.mean_interval_95(values, subjects)
    assert bootstrap.mean_interval_95(values[order], subjects[order]) == pytest.approx(forwards)


def test_the_interval_of_a_mean_is_that_of_its_definition():
    rng = np.random.default_rng(1)
    values, subjects = rng.normal(size=60), np.array([f"s{i // 3}" for i in range(60)])
    names = np.unique(subjects)
    drawn = np.random.default_rng(bootstrap.SEED).integers(20, size=(bootstrap.RESAMPLES, 20))
    means = [np.concatenate([values[subjects == names[i]] for i in row]).mean() for row in drawn]
    expected = np.percentile(means, (2.5, 97.5))
    assert bootstrap.mean_interval_95(values, subjects) == pytest.approx(expected)
    assert bootstrap.interval_95(np.mean, values, subjects) == pytest.approx(expected)
    vectorised = bootstrap.interval_95(
        lambda values, weights: weights @ values / weights.sum(axis=1), values, subjects, True
    )
    assert vectorised == pytest.approx(expected)


def test_cases_of_one_subject_do_not_narrow_the_interval():
    values = np.random.default_rng(2).normal(size=40)
    subjects = [f"s{i}" for i in range(40)]
    once = bootstrap.mean_interval_95(values, subjects)
    copies = bootstrap.mean_interval_95(np.tile(values, 6), subjects * 6)
    assert copies == pytest.approx(once)
    half = 1.96 * values.std() / np.sqrt(40)
    assert np.diff(once)[0] / 2 == pytest.approx(half, rel=0.1)


def test_a_statistic_of_two_columns():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(30, 2))
    interval = bootstrap.interval_95(
        lambda rows: np.corrcoef(rows.T)[0, 1], values, [f"s{i}" for i in range(30)]
    )
    assert interval[0] < np.corrcoef(values.T)[0, 1] < interval[1]


def test_what_cannot_be_had_is_none():
    assert bootstrap.mean_interval_95([], []) is None
    assert bootstrap.mean_interval_95([1.0, 2.0], ["a", "a"]) is None
    assert bootstrap.interval_95(np.mean, np.ones(2), ["a", "a"]) is None

    def spread(values):
        return None if np.ptp(values) == 0 else 1.0

    # Two subjects: half of the resamples hold one of them twice. Five: one in 625.
    assert bootstrap.interval_95(spread, np.arange(2.0), list("ab")) is None
    assert bootstrap.interval_95(spread, np.arange(5.0), list("abcde")) == (1.0, 1.0)


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="3 cases of 2 subjects"):
        bootstrap.mean_interval_95([1.0, 2.0, 3.0], ["a", "b"])
    with pytest.raises(ValueError, match="3 cases of 2 subjects"):
        bootstrap.interval_95(np.mean, np.ones(3), ["a", "b"])
