import numpy as np
import pytest

from liver_jax.evaluation import quality


def line(low: int, high: int) -> np.ndarray:
    mask = np.zeros((10, 1, 1), bool)
    mask[low:high] = True
    return mask


def test_echoes_are_compared_each_with_all_others():
    # Dice: first with second 2 x 2 / 8, first with third 0, second with third 2 x 2 / 6.
    found = quality.echo_dice([line(0, 4), line(2, 6), line(4, 6)])
    assert found == pytest.approx([(0.5 + 0) / 2, (0.5 + 4 / 6) / 2, (0 + 4 / 6) / 2])


def test_one_image_has_no_other_echo():
    assert quality.echo_dice([line(0, 4)]) == [None]
    assert quality.echo_dice([]) == []


def test_empty_echoes_agree_with_no_mask_and_say_nothing_of_each_other():
    empty = line(0, 0)
    assert quality.echo_dice([empty, empty]) == [None, None]
    assert quality.echo_dice([empty, line(0, 4), line(0, 4)]) == [0.0, 0.5, 0.5]


def test_a_mask_gives_its_own_signals_and_flags():
    mask = np.zeros((100, 80, 60), bool)
    mask[:30, 20:60, 10:40] = True  # left
    signals, flags = quality.of_mask(mask, np.diag([4.0, 4.0, 4.0, 1.0]))
    assert set(signals) == {"volume_z", "right_share", "largest_component_share"}
    assert signals["right_share"] == 0.0
    assert flags == ["wrong_side"]


def test_every_row_has_every_signal():
    assert quality.complete({"soft_dice": 0.9}) == dict.fromkeys(quality.SIGNALS) | {
        "soft_dice": 0.9
    }
    with pytest.raises(ValueError, match="sharpness"):
        quality.complete({"sharpness": 1.0})
