import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from liver_jax.biometry import volumetry
from liver_jax.volume import nifti


def random_affine(rng: np.random.Generator) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0] @ np.diag(rng.uniform(0.5, 5, 3))
    affine[:3, 2] += 0.2 * affine[:3, 0]
    affine[:3, 3] = rng.normal(size=3) * 100
    return affine


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
    affine = random_affine(rng)
    voxel_ml = abs(np.linalg.det(affine[:3, :3])) / 1000
    assert volumetry.volume_ml(mask, affine) == pytest.approx(mask.sum() * voxel_ml)


def test_uneven_sections_by_hand():
    # Sections at 0, 2, 8 and 9 mm stand for 2, (2 + 6) / 2, (6 + 1) / 2 and 1 mm.
    mask = np.zeros((3, 2, 4), bool)
    mask[0, 0, :] = mask[1, 1, 2] = True
    positions_mm = np.array([[7.0, -3.0, z] for z in (0.0, 2.0, 8.0, 9.0)])
    affine = np.diag([2.0, 5.0, 123.0, 1.0])  # the third step is not looked at
    found_ml = volumetry.volume_ml(mask, affine, positions_mm)
    assert found_ml == pytest.approx(10 * (2 + 4 + 2 * 3.5 + 1) / 1000)
    descending_ml = volumetry.volume_ml(mask[..., ::-1], affine, positions_mm[::-1])
    assert descending_ml == pytest.approx(found_ml)


def test_uneven_sections_with_a_tilt_count_along_the_normal():
    # The table moves along (0, 3, 4) while the sections stay axial.
    moved_mm = np.array([0.0, 1.0, 4.0])[:, None] * np.array([0.0, 3.0, 4.0])
    found_ml = volumetry.volume_ml(np.ones((1, 1, 3), bool), np.eye(4), moved_mm)
    assert found_ml == pytest.approx((4 + 8 + 12) / 1000)


def test_a_sphere_in_uneven_sections():
    # Dense below, sparse above: counting voxels would take all for equally thick.
    z_mm = np.concatenate((np.arange(-21.0, -10, 0.5), np.arange(-10, 23, 1.5)))
    x, y = np.mgrid[-21:21.5:0.5, -21:21.5:0.5]
    sphere = (x**2 + y**2)[..., None] + z_mm**2 <= 20.0**2
    positions_mm = np.stack((np.full(z_mm.size, -21.0), np.full(z_mm.size, -21.0), z_mm), axis=1)
    affine = np.diag([0.5, 0.5, np.diff(z_mm).mean(), 1.0])
    expected_ml = 4 / 3 * np.pi * 2.0**3
    found_ml = volumetry.volume_ml(sphere, affine, positions_mm)
    assert found_ml == pytest.approx(expected_ml, rel=0.003)
    assert abs(volumetry.volume_ml(sphere, affine) / expected_ml - 1) > 0.1


@hypothesis.given(st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_even_positions_along_any_axis_change_nothing(seed, axis):
    rng = np.random.default_rng(seed)
    mask = rng.random((4, 3, 5)) < 0.4
    affine = random_affine(rng)
    positions_mm = affine[:3, 3] + np.arange(mask.shape[axis])[:, None] * affine[:3, axis]
    found_ml = volumetry.volume_ml(mask, affine, positions_mm)
    assert found_ml == pytest.approx(volumetry.volume_ml(mask, affine))


@pytest.mark.parametrize(
    ("z_mm", "message"),
    [
        ((0, 1, 1), "neither ascend nor descend"),
        ((0, 2, 1), "neither ascend nor descend"),
        ((0, 1), "2 positions for 3 sections"),
        ((0,), "two or more"),
    ],
)
def test_positions_that_make_no_sense_are_refused(z_mm, message):
    positions_mm = np.array([[0.0, 0.0, z] for z in z_mm])
    with pytest.raises(ValueError, match=message):
        volumetry.volume_ml(np.ones((2, 2, 3), bool), np.eye(4), positions_mm)


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


def test_section_areas_by_hand():
    mask = np.zeros((5, 4, 6), bool)
    mask[1:3, 0, 1] = mask[0:4, 2, 3] = True
    affine = np.array([[1.0, 0, 0, 9], [0, 2, 0, 9], [0, 0, -3, 100], [0, 0, 0, 1]])
    found = volumetry.section_areas_cm2(mask, affine)
    expected = [(1, 97, 0.04), (2, 94, 0), (3, 91, 0.08)]
    np.testing.assert_allclose(found, expected)
    assert [type(section.index) for section in found] == [int] * 3


def test_an_empty_mask_has_no_sections():
    assert volumetry.section_areas_cm2(np.zeros((2, 2, 2), bool), np.eye(4)) == []


def test_sections_lie_across_the_patient_whatever_the_plane_of_the_scan():
    mask = np.zeros((3, 4, 5), bool)  # sagittal sections: the first axis leads to the right
    mask[:, 1, 1:3] = True
    affine = np.array([[0.0, 0, 7, 0], [2, 0, 0, 0], [0, 3, 0, -40], [0, 0, 0, 1]])
    (found,) = volumetry.section_areas_cm2(mask, affine)
    assert found == (1, -37, pytest.approx(3 * 2 * 2 * 7 / 100))


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(st.integers(0, 2**32 - 1))
def test_areas_and_levels_give_the_volume_on_any_grid(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((4, 3, 5)) < 0.4
    mask[0] = mask[-1] = mask[:, 0] = mask[:, -1] = mask[..., 0] = mask[..., -1] = True
    affine = random_affine(rng)
    found = volumetry.section_areas_cm2(mask, affine)
    steps_mm = np.diff([section.level_mm for section in found])
    np.testing.assert_allclose(steps_mm, steps_mm[0])
    volume_ml = sum(section.area_cm2 for section in found) * abs(steps_mm[0]) / 10
    assert volume_ml == pytest.approx(volumetry.volume_ml(mask, affine))


def test_levels_of_a_tilted_gantry_lie_along_the_normal_and_rise_to_the_head():
    affine = np.eye(4)
    affine[:3, 2] = [0.0, 3.0, -4.0]
    found = volumetry.section_areas_cm2(np.ones((1, 1, 3), bool), affine)
    assert [section.level_mm for section in found] == pytest.approx([0, -4, -8])
