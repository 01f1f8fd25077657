import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from nibabel import orientations

from liver_jax.biometry import parenchyma, pdff, summary
from liver_jax.cohort import manifest
from liver_jax.phantom import cohort
from liver_jax.volume import nifti

AFFINE = np.diag([4.0, 4.0, 6.0, 1.0])
SHAPE = (50, 45, 24)
FIGURES = ("mean", "median", "trimmed_mean", "sd", "iqr", "share_above", "mean_without_vessels")


@pytest.fixture(scope="module")
def liver():
    mask = np.zeros(SHAPE, bool)
    mask[2:48, 2:43, 3:21] = True
    return mask


def test_ten_voxels_by_hand():
    values = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 64.0]).reshape(10, 1, 1)
    found = pdff.summarise(values, np.ones((10, 1, 1), bool), np.eye(4))
    assert found.mean.value == pytest.approx(10.0)
    assert found.median.value == pytest.approx(4.5)
    assert found.trimmed_mean.value == pytest.approx(4.5)  # 1 to 8
    assert found.sd.value == pytest.approx(np.sqrt((4300 - 1000) / 9))
    assert found.iqr.value == pytest.approx(6.75 - 2.25)
    assert found.share_above.value == pytest.approx(0.4)  # 5 itself is not above
    assert found.threshold == 5
    assert found.quantity == "pdff_percent"
    for name in FIGURES[:6]:
        figure = getattr(found, name)
        assert figure.voxel_count == 10
        assert figure.standard_error is None
        assert "too few blocks" in figure.reason
    assert found.mean_without_vessels.reason == "vessels were not looked for"
    assert found.vessel_voxel_count is None
    assert found.nine_rois.mean.reason == "no circle fits"


def test_vessels_border_and_what_has_no_fit_are_left_out(liver):
    values = np.full(SHAPE, 90.0, np.float32)  # outside: fat
    values[liver] = 30.0  # the border
    core = parenchyma.erode_mm(liver, AFFINE, parenchyma.BORDER_MM)
    values[core] = 10.0
    vessels = np.zeros(SHAPE, bool)
    vessels[:, 20:22] = True
    values[vessels & liver] = 0.0
    fitted = np.ones(SHAPE, bool)
    fitted[25:27] = False
    values[25:27] = 77.0
    values[30, 30, 10] = np.nan
    found = pdff.summarise(values, liver, AFFINE, vessels, fitted)
    assert found.mean_without_vessels.value == pytest.approx(10.0)
    kept = core & ~vessels & fitted & np.isfinite(values)
    assert found.mean_without_vessels.voxel_count == kept.sum()
    assert found.mean_without_vessels.standard_error == pytest.approx(0, abs=1e-12)
    assert found.unfitted_voxel_count == 2 * 41 * 18 + 1
    assert found.vessel_voxel_count == (vessels & liver).sum()
    known = liver & fitted & np.isfinite(values)
    assert found.mean.voxel_count == known.sum()
    assert found.mean.value == pytest.approx(values[known].mean(dtype=np.float64))
    assert found.nine_rois.mean.value == pytest.approx(10.0)
    assert found.nine_rois.sd == pytest.approx(0.0)


def test_the_mean_is_the_papers(liver):
    values = np.random.default_rng(0).normal(5, 20, SHAPE).astype(np.float32)
    found = pdff.summarise(values, liver, AFFINE)
    plain = pdff.mean_over_mask(values, liver)
    assert found.mean.value == pytest.approx(plain.percent)
    assert found.mean.voxel_count == plain.voxel_count


def test_nine_circles_are_averaged_alike(liver):
    x = np.arange(SHAPE[0], dtype=float)[:, None, None]
    values = np.broadcast_to(x, SHAPE)
    nine = pdff.summarise(values, liver, AFFINE).nine_rois
    means = [roi.mean.value for roi in nine.rois]
    assert means == pytest.approx([roi.centre[0] for roi in nine.rois])  # the middle of a slope
    assert nine.mean.value == pytest.approx(np.mean(means))
    assert nine.sd == pytest.approx(np.std(means, ddof=1))
    assert nine.mean.standard_error == pytest.approx(nine.sd / 3)
    assert nine.mean.voxel_count == 9 * 21  # (i, j) with i^2 + j^2 <= 2.5^2
    columns = np.repeat([-2, -1, 0, 1, 2], [3, 5, 5, 5, 3])
    expected = columns.std(ddof=1) / np.sqrt(21)
    assert nine.rois[0].mean.standard_error == pytest.approx(expected)


def test_the_standard_error_of_independent_voxels(liver):
    count = liver.sum()
    theory = {
        "mean": 3 / np.sqrt(count),
        "median": 3 * np.sqrt(np.pi / 2 / count),
        "trimmed_mean": 3 * np.sqrt(1.06 / count),  # its asymptotic efficiency is 0.943
        "sd": 3 / np.sqrt(2 * count),
        "iqr": 3 * 1.573 / np.sqrt(count),
        "share_above": np.sqrt(0.8413 * 0.1587 / count),
    }
    maps = np.random.default_rng(3).normal(8, 3, (8, *SHAPE))
    found = [pdff.summarise(values, liver, AFFINE) for values in maps]
    for name, expected in theory.items():
        told = np.mean([getattr(one, name).standard_error for one in found])
        assert told == pytest.approx(expected, rel=0.15), name


def test_the_standard_error_knows_that_neighbours_are_alike(liver):
    """In each of many livers the parts of 12 mm have their own fat; how do the figures spread?"""
    rng = np.random.default_rng(4)
    spread, told = {}, {}
    for _ in range(20):
        parts = np.kron(rng.gamma(4, 2, (17, 15, 12)), np.ones((3, 3, 2)))
        values = parts[: SHAPE[0]] + rng.normal(0, 1, SHAPE)
        found = pdff.summarise(values, liver, AFFINE)
        for name in ("mean", "median", "trimmed_mean", "sd", "iqr", "share_above"):
            spread.setdefault(name, []).append(getattr(found, name).value)
            told.setdefault(name, []).append(getattr(found, name).standard_error)
    for name, values in spread.items():
        assert np.mean(told[name]) == pytest.approx(np.std(values, ddof=1), rel=0.35), name
    independent = 4 / np.sqrt(liver.sum())  # SD / sqrt(voxels)
    assert np.mean(told["mean"]) > 3 * independent


@pytest.mark.parametrize("voxels", [0, 1, 2, 50])
def test_small_masks_give_none_with_a_reason_and_never_nan(voxels):
    mask = np.zeros((6, 5, 4), bool)
    mask.flat[:voxels] = True
    values = np.random.default_rng(0).normal(5, 2, mask.shape)
    for fitted in (None, np.zeros(mask.shape, bool)):
        found = pdff.summarise(values, mask, AFFINE, np.zeros(mask.shape, bool), fitted)
        text = json.dumps(found.to_json(), allow_nan=False)
        assert json.loads(text)["mean"]["voxel_count"] == (0 if fitted is not None else voxels)
        figures = [getattr(found, name) for name in FIGURES] + [found.nine_rois.mean]
        for figure in figures + [roi.mean for roi in found.nine_rois.rois]:
            assert figure.reason if figure.standard_error is None else not figure.reason
            assert figure.voxel_count > 0 or figure.value is None
    assert found.mean.reason == (
        "no voxel of the mask has a value" if voxels else "the mask is empty"
    )


@hypothesis.given(st.permutations(range(3)), st.tuples(*[st.sampled_from([-1, 1])] * 3))
@hypothesis.settings(max_examples=3)
def test_the_order_in_which_a_grid_is_stored_changes_nothing(liver, axes, flips):
    values = np.random.default_rng(5).gamma(2, 4, SHAPE)
    vessels = values > 30
    turn = np.column_stack([axes, flips])
    turned = [orientations.apply_orientation(data, turn) for data in (values, liver, vessels)]
    affine = AFFINE @ orientations.inv_ornt_aff(turn, SHAPE)
    one = pdff.summarise(values, liver, AFFINE, vessels)
    two = pdff.summarise(turned[0], turned[1], affine, turned[2])
    for name in FIGURES:
        a, b = getattr(one, name), getattr(two, name)
        assert (a.value, a.standard_error) == pytest.approx((b.value, b.standard_error))
        assert a.voxel_count == b.voxel_count
    assert one.nine_rois.mean.value == pytest.approx(two.nine_rois.mean.value)


def test_another_shape_is_not_broadcast():
    mask = np.ones((2, 2, 2), bool)
    for arguments in (
        {"values": np.ones((2, 2, 1))},
        {"vessels": np.ones((2, 2, 1), bool)},
        {"fitted": np.ones((1, 2, 2), bool)},
    ):
        given = {"values": np.ones((2, 2, 2)), "quantity": "pdff_percent"} | arguments
        with pytest.raises(ValueError, match="differ in shape"):
            summary.summarise(mask=mask, affine=np.eye(4), **given)


def test_parenchyma_of_a_phantom_is_measured_better_without_vessels_and_border(tmp_path):
    counts = "spgr2d/test=1"
    path = cohort.write(tmp_path / "c", "demo", 0, workers=1, progress=False, counts=counts)
    (exam,) = manifest.read(path)
    mask = manifest.load_mask(exam)
    true_percent = nifti.read_image(exam.pdff_map.parent / "true_pdff_map.nii.gz").data
    other = [nifti.read_labels(name).data > 0 for name in (exam.vessel_mask, exam.lesion_mask)]
    core = parenchyma.erode_mm(mask.data, mask.affine, parenchyma.BORDER_MM)
    vessels = parenchyma.find_vessels(manifest.load_image(exam).data, mask.data, mask.affine)
    assert (vessels & other[0]).sum() > 0.7 * (core & other[0]).sum()
    found = pdff.summarise(true_percent, mask.data, mask.affine, vessels)
    parenchymal = true_percent[core & ~other[0] & ~other[1]].mean()
    assert found.mean_without_vessels.value == pytest.approx(parenchymal, abs=0.1)
    expected = float(exam.extra["true_pdff_percent"])
    plain_error = abs(found.mean.value - expected)
    assert abs(found.mean_without_vessels.value - expected) < plain_error / 2
    assert abs(found.median.value - expected) < plain_error / 2
