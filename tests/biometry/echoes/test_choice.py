import jax.numpy as jnp
import numpy as np

from liver_jax.biometry.echoes import choice
from liver_jax.biometry.echoes.magnitude import Estimate


def estimate(fat: np.ndarray, other_fat: np.ndarray, nats: np.ndarray, size: float = 1) -> Estimate:
    """Of the given fat fractions; the other explanation is worse by so many nats of noise 1."""
    fat, other_fat, nats = (jnp.float32(np.ravel(x)) for x in (fat, other_fat, nats))
    rest = jnp.full_like(fat, 40.0)
    return Estimate(
        size * (1 - fat), size * fat, rest, 0 * rest,
        size * (1 - other_fat), size * other_fat, rest, 2 * nats,
    )  # fmt: skip


def test_separation_is_half_the_difference_over_the_variance() -> None:
    one = estimate([0.1], [0.9], [3.0])
    np.testing.assert_allclose(choice.separation_nats(one, 1.0), 3.0)
    np.testing.assert_allclose(choice.separation_nats(one, 2.0), 0.75)
    assert np.isfinite(choice.separation_nats(one, 0.0)).all()


def test_ambiguous_needs_two_different_explanations_that_noise_does_not_part() -> None:
    close = estimate([0.1, 0.1, 0.1], [0.9, 0.9, 0.12], [0.5, 9.0, 0.0])
    marked = choice.ambiguous(close, choice.separation_nats(close, 1.0), jnp.zeros(3))
    np.testing.assert_array_equal(marked, [True, False, False])


def test_ambiguous_where_the_fraction_says_little() -> None:
    merged = estimate([0.55, 0.55], [0.56, 0.56], [0.0, 0.0])
    marked = choice.ambiguous(merged, jnp.zeros(2), jnp.float32([2.0, 25.0]))
    np.testing.assert_array_equal(marked, [False, True])


def regularised(fat, other, nats, shape, size=1):
    chosen, sure = choice.regularise(estimate(fat, other, nats, size), 1.0, shape)
    return np.asarray(chosen.fat / jnp.maximum(chosen.fat + chosen.water, 1e-9)), np.asarray(sure)


def test_neighbours_turn_single_voxels_round_and_leave_regions() -> None:
    truth = np.zeros((1, 16, 12)) + 0.1
    truth[8:] = 0.9  # a border between water and fat
    rng = np.random.default_rng(0)
    wrong = rng.random(truth.shape) < 0.15
    first = np.where(wrong, 1 - truth, truth)
    nats = np.where(wrong, 0.5, 2.0)
    fat, sure = regularised(first, 1 - first, nats, (1, 16, 12))
    np.testing.assert_allclose(fat, truth.ravel(), atol=1e-6)
    assert (sure >= 0).all() and np.median(sure) > 3
    # The explanation that lost is still there.
    chosen, _ = choice.regularise(estimate(first, 1 - first, nats), 1.0, (1, 16, 12))
    np.testing.assert_allclose(chosen.other_fat, 1 - truth.ravel(), atol=1e-6)


def test_a_voxel_that_is_sure_stands_against_its_neighbours() -> None:
    first = np.full((1, 16, 12), 0.05)
    first[0, 3, 3] = 0.95
    nats = np.full(first.shape, 1.0)
    nats[0, 3, 3] = 40.0
    fat, _ = regularised(first, 1 - first, nats, (1, 16, 12))
    np.testing.assert_allclose(fat, first.ravel(), atol=1e-6)


def test_water_goes_first_where_nothing_tells() -> None:
    first = np.full((5, 5, 5), 0.8)
    fat, _ = regularised(first, 1 - first, np.zeros(first.shape), (5, 5, 5))
    np.testing.assert_allclose(fat, 0.2, atol=1e-6)


def test_voxels_of_zeros_have_no_influence() -> None:
    first = np.full((1, 16, 12), 0.92)
    size = np.zeros((1, 16, 12))
    size[0, 4, 4] = 1.0  # one voxel of fat in a background whose fraction is 0
    fat, _ = regularised(first, 1 - first, np.full(first.shape, 0.5), (1, 16, 12), size.ravel())
    np.testing.assert_allclose(fat[4 * 12 + 4], 0.92, atol=1e-6)
