import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from liver_jax.biometry import dimensions
from liver_jax.volume import nifti

AFFINE = np.array([[2.0, 0, 0, -50], [0, 3, 0, 20], [0, 0, 5, 700], [0, 0, 0, 1]])


def block() -> np.ndarray:
    mask = np.zeros((9, 10, 11), bool)
    mask[2:6, 3:5, 1:8] = True
    return mask


def test_a_block_by_hand():
    found = dimensions.extent_mm(block(), AFFINE)
    assert found == dimensions.Dimensions(7 * 5, 2 * 3, 4 * 2)
    assert found.to_json() == {"craniocaudal": 35, "anteroposterior": 6, "transverse": 8}


def test_points_far_apart_count_whole_and_one_voxel_has_its_own_size():
    mask = np.zeros((9, 10, 11), bool)
    mask[4, 4, 4] = True
    assert dimensions.extent_mm(mask, AFFINE) == dimensions.Dimensions(5, 3, 2)
    mask[0, 9, 4] = True
    assert dimensions.extent_mm(mask, AFFINE) == dimensions.Dimensions(5, 18, 10)


def test_an_empty_mask_has_none():
    found = dimensions.extent_mm(np.zeros((3, 3, 3), bool), AFFINE)
    assert found == dimensions.Dimensions(None, None, None)


@pytest.mark.parametrize("axes", itertools.permutations(range(3)))
@pytest.mark.parametrize("flips", itertools.product((1, -1), repeat=3))
def test_the_patients_axes_count_not_the_grids(axes, flips):
    mask, affine = block().transpose(axes), AFFINE[:, [*axes, 3]].copy()
    for axis, flip in enumerate(flips):
        if flip < 0:
            mask = np.flip(mask, axis)
            affine[:, 3] += affine[:, axis] * (mask.shape[axis] - 1)
            affine[:, axis] *= -1
    assert dimensions.extent_mm(mask, affine) == dimensions.Dimensions(35, 6, 8)


@pytest.mark.parametrize("tilt_deg", [0, 7, 20, 45])
def test_a_ball_on_oblique_thick_sections_is_as_long_in_each_direction(tilt_deg):
    turned = Rotation.from_euler("xyz", tilt_deg * np.array([1, 0.5, 0.3]), degrees=True)
    affine = np.eye(4)
    affine[:3, :3] = turned.as_matrix() @ np.diag([2.0, 2.0, 6.0])
    shape = np.array([80, 80, 34])
    affine[:3, 3] = -affine[:3, :3] @ ((shape - 1) / 2)
    positions_mm = np.indices(shape).reshape(3, -1).T @ affine[:3, :3].T + affine[:3, 3]
    ball = (np.linalg.norm(positions_mm, axis=1) <= 60).reshape(shape)
    found = dimensions.extent_mm(ball, affine)
    for length_mm, step_mm in zip(
        (found.craniocaudal_mm, found.anteroposterior_mm, found.transverse_mm),
        (6, 4, 4),
        strict=True,
    ):
        assert 118 <= length_mm <= 120 + step_mm


@pytest.mark.real
def test_a_real_liver(real_data):
    labels = nifti.read_labels(real_data / "mr_t2spir" / "chaos01_label.nii.gz")
    liver = labels.data == 1
    found = dimensions.extent_mm(liver, labels.affine)
    sections = np.flatnonzero(liver.any(axis=(0, 1)))
    assert found.craniocaudal_mm == pytest.approx(np.ptp(sections) * 7.7 + 7.7, rel=0.01)
    assert 120 < found.anteroposterior_mm < 250 and 120 < found.transverse_mm < 300
