import numpy as np
import pytest

from liver_jax.biometry import plausibility

AFFINE = np.array([[4.0, 0, 0, -160], [0, 4, 0, -120], [0, 0, 5, 30], [0, 0, 0, 1]])
SHAPE = (80, 60, 40)  # 320 x 240 x 200 mm


def box(x: slice, y: slice = slice(10, 40), z: slice = slice(5, 25)) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[x, y, z] = True
    return mask


def test_a_liver_on_the_right_is_plausible():
    found = plausibility.judge(box(slice(36, 72)), AFFINE)  # 36 x 30 x 20 voxels of 0.08 mL
    assert found.flags == ()
    assert found.right_share == pytest.approx(32 / 36)
    assert found.largest_component_share == 1.0
    assert found.volume_z == pytest.approx(np.log(1728 / 1742) / 0.377)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("flipped", [False, True])
def test_the_side_is_the_patients_whatever_the_axes(axes, flipped):
    mask, affine = np.transpose(box(slice(4, 30)), axes), AFFINE[:, [*axes, 3]]
    if flipped:
        move = np.eye(4)
        move[0, 0], move[0, 3] = -1, mask.shape[0] - 1
        mask, affine = mask[::-1], affine @ move
    found = plausibility.judge(mask, affine)
    assert found.right_share == 0.0
    assert found.flags == ("wrong_side",)


def test_a_tilted_grid_has_the_same_side():
    turn = np.deg2rad(20)
    rotation = np.eye(4)
    rotation[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    affine = rotation @ AFFINE
    mask = box(slice(30, 60))
    middle = (np.array(SHAPE) - 1) / 2
    x_mm = (np.argwhere(mask) - middle) @ affine[0, :3]
    found = plausibility.judge(mask, affine).right_share
    assert found == pytest.approx(np.mean(x_mm > 0))


def test_voxels_on_the_middle_plane_count_half():
    mask = np.zeros((81, 60, 40), bool)
    mask[40:42] = True
    assert plausibility.judge(mask, AFFINE).right_share == pytest.approx(0.75)


def test_a_grid_as_narrow_as_the_liver_does_not_tell_the_side():
    mask = np.zeros((62, 60, 40), bool)  # 248 mm
    mask[5:20] = True
    found = plausibility.judge(mask, AFFINE)
    assert found.right_share is None
    assert "wrong_side" not in found.flags


@pytest.mark.parametrize("width, flagged", [(12, True), (13, False), (80, False)])
def test_the_volume_is_held_against_the_papers_patients(width, flagged):
    mask = box(slice(80 - width, 80))  # 48 mL for each voxel of width: 576, 624 and 3840 mL
    assert ("implausible_volume" in plausibility.judge(mask, AFFINE).flags) == flagged


def test_a_huge_mask_is_implausible():
    assert "implausible_volume" in plausibility.judge(np.ones(SHAPE, bool), AFFINE).flags


@pytest.mark.parametrize("voxels, flagged", [(124, False), (125, True)])
def test_a_second_piece_of_ten_millilitres_is_flagged(voxels, flagged):
    mask = box(slice(40, 70))
    piece = np.zeros(125, bool)
    piece[:voxels] = True
    mask[2:7, 45:50, 30:35] = piece.reshape(5, 5, 5)
    found = plausibility.judge(mask, AFFINE)
    assert ("several_components" in found.flags) == flagged
    assert found.largest_component_share == pytest.approx(18000 / (18000 + voxels))


def test_an_empty_mask_tells_nothing():
    empty = np.zeros(SHAPE, bool)
    assert plausibility.judge(empty, AFFINE) == plausibility.Plausibility(None, None, None, ())


def test_the_reference_is_the_papers_pooled_patients():
    n, mean, sd = np.array([230, 100]), np.array([1677, 2315]), np.array([540, 901])
    pooled = (n @ mean) / n.sum()
    variance = n @ (sd**2 + (mean - pooled) ** 2) / n.sum()
    log_sd = np.sqrt(np.log1p(variance / pooled**2))
    assert pytest.approx(log_sd, abs=5e-4) == plausibility.LOG_VOLUME_SD
    median = pooled * np.exp(-(log_sd**2) / 2)
    assert pytest.approx(median, abs=0.5) == plausibility.MEDIAN_VOLUME_ML
