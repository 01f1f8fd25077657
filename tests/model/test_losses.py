import jax
import jax.numpy as jnp
import numpy as np
import pytest

from liver_jax.model import losses

ONE = jnp.ones(1)
# Probabilities .5, .75 and .25.
LOGITS = jnp.array([[[0.0, jnp.log(3.0), -jnp.log(3.0)]]])
LABELS = jnp.array([[[1, 1, 0]]])


def test_three_pixels_by_hand():
    loss, sums = losses.dice_cross_entropy(LOGITS, LABELS, ONE, 1.0)
    assert sums.intersection == pytest.approx(0.5 + 0.75)
    assert sums.prediction == pytest.approx(1.5)
    assert sums.truth == 2
    assert sums.cross_entropy == pytest.approx(-np.log(0.5) - 2 * np.log(0.75))
    assert (sums.pixels, sums.n) == (3, 1)
    dice = (2 * 1.25 + 1) / (1.5 + 2 + 1)
    assert loss == pytest.approx((np.log(2) - 2 * np.log(0.75)) / 3 + 1 - dice)


def test_dice_weight_scales_the_dice_alone():
    loss, sums = losses.dice_cross_entropy(LOGITS, LABELS, ONE, 0.0)
    assert loss == pytest.approx(float(sums.mean_cross_entropy()))
    heavier, _ = losses.dice_cross_entropy(LOGITS, LABELS, ONE, 2.0)
    assert heavier - loss == pytest.approx(2 * (1 - float(sums.dice())))


@pytest.mark.parametrize("dtype", [jnp.bool_, jnp.uint8, jnp.int32, jnp.float32])
def test_any_type_of_label(dtype):
    loss, _ = losses.dice_cross_entropy(LOGITS, LABELS.astype(dtype), ONE, 1.0)
    assert loss == losses.dice_cross_entropy(LOGITS, LABELS, ONE, 1.0)[0]


@pytest.mark.parametrize("filling", [0.0, 50.0, jnp.nan])
def test_padding_counts_nowhere(filling):
    def loss_of(logits):
        labels = jnp.concatenate([LABELS, jnp.ones_like(LABELS)])
        return losses.dice_cross_entropy(logits, labels, jnp.array([1.0, 0.0]), 1.0)

    padded = jnp.concatenate([LOGITS, jnp.full_like(LOGITS, filling)])
    (loss, sums), gradient = jax.value_and_grad(loss_of, has_aux=True)(padded)
    expected, expected_sums = losses.dice_cross_entropy(LOGITS, LABELS, ONE, 1.0)
    assert loss == pytest.approx(float(expected))
    np.testing.assert_allclose(jnp.stack(sums), jnp.stack(expected_sums), rtol=1e-6)
    np.testing.assert_array_equal(gradient[1], 0.0)
    assert jnp.all(gradient[0] != 0)


def test_dice_is_of_the_batch_and_not_of_each_image():
    # One image all liver and found, one without liver where a little is found.
    logits = jnp.array([[[50.0, 50.0]], [[50.0, -50.0]]])
    labels = jnp.array([[[1, 1]], [[0, 0]]])
    sums = losses.measure(logits, labels, jnp.ones(2))
    assert sums.dice() == pytest.approx((2 * 2 + 1) / (3 + 2 + 1))


def test_merged_sums_are_those_of_the_joined_batch():
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(size=(4, 3, 5)))
    labels = jnp.asarray(rng.integers(0, 2, (4, 3, 5)))
    weights = jnp.array([1.0, 1.0, 1.0, 0.0])
    whole = losses.measure(logits, labels, weights)
    parts = [losses.measure(logits[p], labels[p], weights[p]) for p in (slice(1), slice(1, 4))]
    merged = parts[0].merge(parts[1])
    np.testing.assert_allclose(jnp.stack(merged), jnp.stack(whole), rtol=1e-5)
    assert merged.loss(1.0) == pytest.approx(float(whole.loss(1.0)), rel=1e-5)


@pytest.mark.parametrize("weights", [[1.0, 1.0], [0.0, 0.0]])
@pytest.mark.parametrize("logit", [-200.0, 0.0, 200.0])
def test_without_liver_loss_and_gradient_are_finite(weights, logit):
    def loss_of(logits):
        return losses.dice_cross_entropy(
            logits, jnp.zeros_like(logits), jnp.array(weights), dice_weight=1.0
        )[0]

    loss, gradient = jax.value_and_grad(loss_of)(jnp.full((2, 4, 4), logit))
    assert jnp.isfinite(loss)
    assert jnp.isfinite(gradient).all()
    if not any(weights):
        assert loss == 0


def test_perfect_and_empty_prediction_without_liver():
    empty = losses.measure(jnp.full((1, 4, 4), -50.0), jnp.zeros((1, 4, 4)), ONE)
    assert empty.dice() == pytest.approx(1.0)
    assert empty.loss(1.0) == pytest.approx(0.0, abs=1e-6)


def test_bfloat16_logits_are_summed_in_float32():
    sums = losses.measure(
        jnp.zeros((1, 64, 64), jnp.bfloat16), jnp.ones((1, 64, 64), jnp.bfloat16), ONE
    )
    assert sums.intersection.dtype == jnp.float32
    assert (sums.intersection, sums.truth) == (2048, 4096)
