import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from liver_jax.biometry import volumetry
from liver_jax.volume import nifti


def test_ten_voxels_by_hand():
    mask = np.zeros((5, 4, 3), bool)
    mask[1:3, 0, 0] = mask[0:4, 2, 1] = mask[0:4, 3, 2] = True
    assert volumetry.volume_ml(mask, np.diag([1.0, 2.0, 3.0, 1.0])) == pytest.approx(0.060)


def test_sphere():
    x, y, z = np.mgrid[-25:26, -25:26, -25:26]
    sphere = x**2 + y**2 + z**2 <= 20.0**2
    expected_ml = 4 / 3 * np.pi * 2.0**3
    assert volumetry.volume_ml(sphere, np.eye(4)) == pytest.approx(expected_ml, rel=0.005)


def test_empty_mask_covers_nothing():
    assert volumetry.volume_ml(np.zeros((2, 2, 2), bool), np.eye(4)) == 0.0


def test_gantry_tilt_counts_the_thickness_along_the_normal():
    # The sections are 5 mm apart along a tilted table, but 4 mm apart along their normal.
    affine = np.eye(4)
    affine[:3, 2] = [0.0, 3.0, 4.0]
    assert volumetry.volume_ml(np.ones((1, 1, 1), bool), affine) == pytest.approx(0.004)


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(st.integers(0, 2**32 - 1))
def test_equals_the_voxel_count_on_any_uniform_grid(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((4, 3, 5)) < 0.4
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0] @ np.diag(rng.uniform(0.5, 5, 3))
    affine[:3, 2] += 0.1 * affine[:3, 0]  # a little shear
    voxel_ml = abs(np.linalg.det(affine[:3, :3])) / 1000
    assert volumetry.volume_ml(mask, affine) == pytest.approx(mask.sum() * voxel_ml)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "label", "expected_ml"),
    [
        ("mr_t2spir/chaos01_label.nii.gz", 1, 1849.7),
        ("mr_t2spir/chaos02_label.nii.gz", 1, 2121.6),
        ("mr_t2spir/chaos03_label.nii.gz", 1, 1262.6),
        ("mr_t2spir/chaos05_label.nii.gz", 1, 1948.4),
        ("mr_t2spir/chaos08_label.nii.gz", 1, 1596.4),
        ("ct_native/labels.nii.gz", 5, 1125.68),
    ],
)
def test_livers_of_known_volume(real_data, name, label, expected_ml):
    labels = nifti.read_labels(real_data / name)
    found_ml = volumetry.volume_ml(labels.data == label, labels.affine)
    assert found_ml == pytest.approx(expected_ml, abs=0.05)
