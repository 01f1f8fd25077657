import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from liver_jax.evaluation import overlap

MASKS = hnp.arrays(bool, (3, 4, 2))


def row(*values: int) -> np.ndarray:
    return np.array(values, bool).reshape(-1, 1, 1)


def test_three_pixels_by_hand():
    counts = overlap.count(row(1, 1, 0, 0), row(0, 1, 1, 0))
    assert counts == overlap.Counts(tp=1, fp=1, fn=1, tn=1)
    assert overlap.dice(counts) == 0.5
    assert overlap.iou(counts) == 1 / 3
    assert overlap.rvd_percent(counts) == 0.0


@pytest.mark.parametrize(
    ("automated", "manual", "dice", "iou", "rvd"),
    [
        ((0, 0, 0), (0, 0, 0), None, None, None),
        ((0, 0, 0), (1, 1, 0), 0.0, 0.0, -100.0),
        ((1, 0, 0), (0, 0, 0), 0.0, 0.0, None),
        ((1, 1, 1), (1, 1, 0), 0.8, 2 / 3, 50.0),
        ((1, 0, 0), (1, 1, 0), 2 / 3, 0.5, -50.0),
    ],
)
def test_empty_masks_and_signs(automated, manual, dice, iou, rvd):
    counts = overlap.count(row(*automated), row(*manual))
    assert overlap.dice(counts) == dice
    assert overlap.iou(counts) == iou
    assert overlap.rvd_percent(counts) == rvd


def test_another_shape_is_not_broadcast():
    with pytest.raises(ValueError, match="differ in shape"):
        overlap.count(np.ones((2, 1, 1), bool), np.ones((2, 2, 1), bool))


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(MASKS, MASKS, st.permutations(range(3)))
def test_dice_is_symmetric_bounded_and_blind_to_axes(first, second, axes):
    counts = overlap.count(first, second)
    assert counts.tp == (first & second).sum() and counts.fn == (second & ~first).sum()
    assert counts.tp + counts.fp + counts.fn + counts.tn == first.size
    dice = overlap.dice(counts)
    assert dice == overlap.dice(overlap.count(second, first))
    assert counts == overlap.count(first.transpose(axes), second.transpose(axes))
    if dice is None:
        assert not first.any() and not second.any()
    else:
        assert 0 <= dice <= 1
        assert overlap.iou(counts) == pytest.approx(dice / (2 - dice))
        assert (dice == 1) == bool((first == second).all())
