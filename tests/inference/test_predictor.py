"""Prediction on a scan's own grid, with a network that only thresholds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from liver_jax.data import preprocess
from liver_jax.inference import postprocess, predictor
from liver_jax.volume.geometry import Volume

SETTINGS = preprocess.Settings(48, 4.0, -160.0, 240.0, 0.0, 100.0)


@jax.jit
def bright(variables, images):
    """Liver is what is brighter than the given level."""
    return jnp.where(images > variables["level"], 1.0, 0.0)


def network(batch_size=4):
    return predictor.Predictor(bright, {"level": 0.6}, SETTINGS, batch_size)


def scan(affine, shape=(60, 50, 7)):
    x, y, z = np.mgrid[: shape[0], : shape[1], : shape[2]]
    body = ((x - 30) / 27) ** 2 + ((y - 25) / 20) ** 2 <= 1
    liver = ((x - 38) / 10) ** 2 + ((y - 25) / 10) ** 2 + ((z - 3) / 3) ** 2 <= 1
    data = np.where(liver, 150.0, np.where(body, 20.0, -1000.0)).astype(np.float32)
    return Volume(data, affine), liver


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("flipped", [False, True])
def test_the_mask_lies_where_the_liver_is_whatever_the_axes(axes, flipped):
    volume, liver = scan(np.diag([3.0, 3.0, 6.0, 1.0]))
    affine = volume.affine[:, [*axes, 3]]
    data, truth = np.transpose(volume.data, axes), np.transpose(liver, axes)
    if flipped:
        move = np.eye(4)
        move[0, 0], move[0, 3] = -1, data.shape[0] - 1
        data, truth, affine = data[::-1], truth[::-1], affine @ move
    probability = network().probability(Volume(np.ascontiguousarray(data), affine), "CT")
    assert probability.shape == data.shape
    assert probability.dtype == np.float32
    mask = postprocess.threshold(probability)
    dice = 2 * (mask & truth).sum() / (mask.sum() + truth.sum())
    assert dice > 0.93


@pytest.mark.parametrize("batch_size", [1, 3, 7, 16])
def test_the_batch_size_does_not_matter(batch_size):
    volume, _ = scan(np.diag([3.0, 3.0, 6.0, 1.0]))
    expected = network(4).probability(volume, "CT")
    np.testing.assert_array_equal(network(batch_size).probability(volume, "CT"), expected)


def test_a_pixel_at_one_half_is_liver():
    np.testing.assert_array_equal(
        postprocess.threshold(np.array([0.49, 0.5, 0.51])), [False, True, True]
    )


def test_a_segmentation_is_the_same_probability_with_its_doubts():
    volume, _ = scan(np.diag([3.0, 3.0, 6.0, 1.0]))
    found = network().segment(volume, "CT")
    np.testing.assert_array_equal(found.probability, network().probability(volume, "CT"))
    doubts = found.doubts()
    assert doubts["border_entropy"] == 0.0  # this network is always sure
    assert doubts["soft_dice"] == 1.0
    assert 0.9 < doubts["augmentation_dice"] <= 1.0


def test_other_contrasts_vote_and_tell_whether_they_agree():
    volume, liver = scan(np.diag([3.0, 3.0, 6.0, 1.0]))
    # Brighter than the level as it is, and with one exponent; inverted it is not.
    found = network().segment(volume, "CT", contrasts=True)
    alone = network().segment(volume, "CT")
    assert alone.contrast_dice is None and 0 <= found.contrast_dice < 1
    assert found.soft_dice == alone.soft_dice
    inside = found.probability[liver]
    assert set(np.round(4 * np.unique(inside))) <= {0, 1, 2, 3, 4} and 0 < inside.mean() < 1


def test_where_nothing_is_found_there_are_no_doubts_to_tell():
    volume, _ = scan(np.diag([3.0, 3.0, 6.0, 1.0]))
    blind = predictor.Predictor(bright, {"level": 2.0}, SETTINGS, 4)
    found = blind.segment(volume, "CT")
    assert not found.probability.any()
    assert set(found.doubts().values()) == {None}


def test_echoes_vote_and_each_is_judged_by_itself():
    volume, liver = scan(np.diag([3.0, 3.0, 6.0, 1.0]))
    cut = liver & (np.arange(60) < 38)[:, None, None]
    echoes = [
        np.where(shown, 150.0, np.maximum(volume.data, 0) / 8) for shown in (liver, liver, cut)
    ]
    volume = Volume(np.stack(echoes, axis=3).astype(np.float32), volume.affine)
    found = network().consensus(volume, "MR")
    single = [
        network().segment(Volume(echo.astype(np.float32), volume.affine), "MR") for echo in echoes
    ]
    np.testing.assert_allclose(
        found.probability, np.mean([one.probability for one in single], axis=0), atol=1e-6
    )
    # This network is always sure, so each echo's mask is as good as it can tell; that they differ
    # is what echo_dice says.
    assert found.soft_dice == 1.0
    assert found.border_entropy == 0.0
    whole, part = (postprocess.threshold(single[k].probability).sum() for k in (0, 2))
    pair = 2 * part / (whole + part)
    assert found.echo_dice == pytest.approx((1 + pair + pair) / 3, abs=0.03)
    assert single[0].echo_dice is None
