import numpy as np
import pytest

from liver_jax.biometry import border
from liver_jax.volume import nifti

AFFINE = np.diag([2.0, 3.0, 5.0, 1.0])


def mask(*where: tuple) -> np.ndarray:
    result = np.zeros((4, 5, 6), bool)
    for place in where:
        result[place] = True
    return result


@pytest.mark.parametrize(
    ("where", "expected_mm2"),
    [
        (np.s_[1:3, 1:4, 1:5], 0.0),
        (np.s_[0, 2, 2], 3 * 5),
        (np.s_[-1, 2, 2], 3 * 5),
        (np.s_[2, 0, 2], 2 * 5),
        (np.s_[2, 2, -1], 2 * 3),
        (np.s_[0, 0, 0], 3 * 5 + 2 * 5 + 2 * 3),  # a corner looks out on three sides
        (np.s_[1:3, 1:4, :], 2 * 6 * 2 * 3),  # cut above and below
    ],
)
def test_the_faces_that_look_out_by_hand(where, expected_mm2):
    assert border.cut_area_cm2(mask(where), AFFINE) == pytest.approx(expected_mm2 / 100)


def test_a_single_section_is_cut_on_both_sides():
    section = np.zeros((3, 3, 1), bool)
    section[1, 1] = True
    assert border.cut_area_cm2(section, AFFINE) == pytest.approx(2 * 2 * 3 / 100)


def test_oblique_and_sheared_faces_have_their_true_area():
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.diag([2.0, 3.0, 5.0])
    everything = np.s_[:, :, :]
    expected_mm2 = 2 * (5 * 6 * 15 + 4 * 6 * 10 + 4 * 5 * 6)
    assert border.cut_area_cm2(mask(everything), affine) == pytest.approx(expected_mm2 / 100)
    # Steps of (0, 3, 0) and (0, 3, 4) span the same face as (0, 3, 0) and (0, 0, 4).
    tilted = np.eye(4)
    tilted[:3, :3] = np.array([[2.0, 0, 0], [0, 3, 0], [0, 3, 4]]).T
    assert border.cut_area_cm2(mask(np.s_[0, 2, 2]), tilted) == pytest.approx(12 / 100)


def test_an_empty_mask_is_cut_nowhere():
    assert border.cut_area_cm2(mask(), AFFINE) == 0.0


@pytest.mark.real
def test_a_real_liver_that_the_field_of_view_cuts(real_data):
    cut = nifti.read_labels(real_data / "ct_native" / "labels.nii.gz")  # its top is missing
    area_cm2 = border.cut_area_cm2(cut.data == 5, cut.affine)
    assert area_cm2 == pytest.approx(np.count_nonzero(cut.data[..., -1] == 5) * 0.09)
    assert area_cm2 > 10
    whole = nifti.read_labels(real_data / "mr_t2spir" / "chaos01_label.nii.gz")
    assert border.cut_area_cm2(whole.data == 1, whole.affine) == 0.0
