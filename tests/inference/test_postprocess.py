import numpy as np
import pytest

from liver_jax.inference import postprocess


def box(shape, *ranges):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(*ends) for ends in ranges)] = True
    return mask


def test_the_largest_component_is_kept_and_the_given_mask_left_alone():
    large, small = (
        box((12, 12, 6), (1, 6), (1, 6), (1, 4)),
        box((12, 12, 6), (8, 11), (8, 11), (2, 4)),
    )
    both = large | small
    kept = postprocess.largest_component(both)
    np.testing.assert_array_equal(kept, large)
    assert both.sum() == large.sum() + small.sum()


@pytest.mark.parametrize("corner", [(5, 5, 2), (5, 5, 5), (2, 5, 5), (4, 4, 5)])
def test_voxels_that_touch_at_a_face_an_edge_or_a_corner_are_one(corner):
    mask = box((8, 8, 8), (1, 5), (1, 5), (1, 5))
    mask[corner] = True
    np.testing.assert_array_equal(postprocess.largest_component(mask), mask)
    mask[corner], mask[6, 6, 6] = False, True  # two voxels away
    assert postprocess.largest_component(mask).sum() == 4**3


def test_of_two_alike_both_are_kept_so_that_no_axis_decides():
    mask = box((9, 5, 5), (1, 3), (1, 4), (1, 4)) | box((9, 5, 5), (6, 8), (1, 4), (1, 4))
    kept = postprocess.largest_component(mask)
    np.testing.assert_array_equal(kept[::-1], postprocess.largest_component(mask[::-1]))


def test_a_cavity_is_filled_and_what_is_open_is_not():
    mask = box((9, 9, 9), (1, 8), (1, 8), (1, 8))
    mask[3:6, 3:6, 3:6] = False
    assert postprocess.fill_holes(mask).sum() == 7**3
    mask[4, 4, 5:] = False  # a channel to the outside: the gallbladder's bed, say
    np.testing.assert_array_equal(postprocess.fill_holes(mask), mask)


def test_what_reaches_the_end_of_the_grid_is_open():
    mask = np.ones((5, 5, 5), bool)
    mask[2, 2, 3:] = False
    np.testing.assert_array_equal(postprocess.fill_holes(mask), mask)


def test_background_that_meets_by_corners_only_is_closed():
    mask = np.ones((6, 6, 6), bool)
    mask[2, 2, 2] = mask[1, 1, 1] = mask[0, 0, 0] = False
    # The corner voxel lies at the grid's end; the others are reached over corners alone.
    assert postprocess.fill_holes(mask).sum() == 6**3 - 1


def test_an_empty_mask_stays_empty():
    empty = np.zeros((4, 4, 4), bool)
    assert not postprocess.largest_component(empty).any()
    assert not postprocess.fill_holes(empty).any()


def tower(*areas):
    """Sections of so many voxels each, one above the other, [x, y, z]."""
    mask = np.zeros((40, 1, len(areas)), bool)
    for level, area in enumerate(areas):
        mask[:area, 0, level] = True
    return mask


@pytest.mark.parametrize("affine", [np.eye(4), np.diag([1.0, 1.0, -2.0, 1.0])])
def test_what_hangs_by_a_neck_is_cut_off_at_the_neck(affine):
    liver_and_bowel = tower(8, 11, 4, 9, 20, 30, 28, 15, 3)  # 19 of 128 are beyond
    found = postprocess.cut_necks(liver_and_bowel, affine)
    np.testing.assert_array_equal(found, tower(0, 0, 4, 9, 20, 30, 28, 15, 3))
    upside_down = postprocess.cut_necks(liver_and_bowel[:, :, ::-1], affine)
    np.testing.assert_array_equal(upside_down, found[:, :, ::-1])


def test_a_little_growth_a_wide_section_and_much_beyond_are_no_necks():
    for areas in (
        (4, 9, 20, 30, 18, 29, 14),
        (9, 16, 2, 20, 30, 12),
        (3, 12, 9, 13, 30, 20, 10, 14, 6),
        (7,),
        (0, 5, 0),
    ):
        np.testing.assert_array_equal(
            postprocess.cut_necks(tower(*areas), np.eye(4)), tower(*areas)
        )


def test_the_sections_are_those_across_the_patients_long_axis():
    turned = np.array([[0.0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])  # axis 0 is z
    mask = tower(6, 2, 9, 20)
    found = postprocess.cut_necks(mask.transpose(2, 1, 0), turned)
    np.testing.assert_array_equal(found, tower(0, 2, 9, 20).transpose(2, 1, 0))


def test_what_is_given_out_is_one_piece_and_the_cut_is_told():
    mask = tower(3, 4, 1, 9, 20, 0, 0)
    mask[30:32, 0, 6] = True  # apart
    kept, cut = postprocess.cleaned(mask, np.eye(4))
    np.testing.assert_array_equal(kept, tower(0, 0, 1, 9, 20, 0, 0))
    assert cut.sum() == 3 + 4
    empty, nothing = postprocess.cleaned(np.zeros_like(mask), np.eye(4))
    assert not empty.any() and not nothing.any()
