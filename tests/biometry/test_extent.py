import numpy as np

from liver_jax.biometry import extent


def test_the_box_holds_all_masks_and_stays_in_the_grid():
    first, second = np.zeros((2, 8, 9, 10), bool)
    first[2, 0, 5] = second[4, 3, 5] = True
    assert extent.bounding_box(first) == np.s_[2:3, 0:1, 5:6]
    assert extent.bounding_box(first, second) == np.s_[2:5, 0:4, 5:6]
    assert extent.bounding_box(first, second, margin=2) == np.s_[0:7, 0:6, 3:8]


def test_one_empty_mask_adds_nothing_and_none_has_no_box():
    empty, full = np.zeros((2, 3, 4), bool), np.ones((2, 3, 4), bool)
    assert extent.bounding_box(empty, full) == np.s_[0:2, 0:3, 0:4]
    assert extent.bounding_box(empty, empty) is None
