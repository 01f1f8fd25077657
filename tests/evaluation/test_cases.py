import functools
import json

import numpy as np
import pytest

from liver_jax.biometry import parenchyma, pdff
from liver_jax.evaluation import cases

AFFINE = np.diag([1.0, 1.0, 10.0, 1.0])


def mask(*where: tuple) -> np.ndarray:
    result = np.zeros((6, 6, 4), bool)
    for place in where:
        result[place] = True
    return result


def test_a_pair_by_hand():
    automated, manual = mask(np.s_[1:3, 1, 1]), mask(np.s_[2:4, 1, 1])
    pdff_percent = np.zeros(automated.shape, np.float32)
    pdff_percent[1:4, 1, 1] = 10.0, 20.0, 40.0
    row = cases.measure(automated, manual, AFFINE, cases.PdffMap(pdff_percent, "map"))
    assert row["status"] == "ok" and row["reason"] is None and row["flags"] == []
    assert (row["tp"], row["fp"], row["fn"], row["tn"]) == (1, 1, 1, 141)
    assert row["dice"] == 0.5 and row["iou"] == 1 / 3 and row["rvd_percent"] == 0.0
    assert (row["assd_mm"], row["mssd_mm"], row["nsd_1mm"]) == (0.5, 1.0, 1.0)
    assert row["volume_ml_auto"] == row["volume_ml_manual"] == pytest.approx(0.02)
    assert (row["pdff_percent_auto"], row["pdff_percent_manual"]) == (15.0, 30.0)
    assert row["pdff_source"] == "map"
    assert row["component_count_auto"] == row["component_count_manual"] == 1
    assert row["fov_cut_cm2_auto"] == row["fov_cut_cm2_manual"] == 0.0


def test_a_row_is_what_json_knows():
    row = cases.measure(mask(np.s_[1:3, 1, 1]), mask(np.s_[0:3, 1, 1]), AFFINE)
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert list(row) == ["status", "reason", *cases.FIGURES, "flags"]


def test_parts_of_a_mask_are_counted():
    automated = mask(np.s_[1, 1, 1], np.s_[2, 2, 2], np.s_[4, 4, 1])  # the first two share a corner
    row = cases.measure(automated, mask(np.s_[1, 1, 1]), AFFINE)
    assert (row["component_count_auto"], row["component_count_manual"]) == (2, 1)


@pytest.mark.parametrize("cut", ["auto", "manual"])
def test_either_mask_at_the_border_is_flagged(cut):
    at_border, inside = mask(np.s_[2, 2, 1:]), mask(np.s_[2, 2, 1:3])
    pair = (at_border, inside) if cut == "auto" else (inside, at_border)
    row = cases.measure(*pair, AFFINE)
    assert row["flags"] == ["touches_fov_border"]
    assert row[f"fov_cut_cm2_{cut}"] == pytest.approx(0.01)
    assert row["fov_cut_cm2_manual" if cut == "auto" else "fov_cut_cm2_auto"] == 0.0


def test_vessels_are_left_out_of_both_masks_by_one_rule():
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    rng = np.random.default_rng(0)
    x, y, z = np.mgrid[:40, :40, :20]
    manual = ((x - 20) / 16) ** 2 + ((y - 20) / 15) ** 2 + ((z - 10) / 8) ** 2 <= 1
    automated = np.roll(manual, 2, axis=0)
    vessels = (np.abs(x - 20) <= 2) & (np.abs(y - 20) <= 2)
    echo = np.where(vessels, 160, 100) + 3 * rng.normal(size=manual.shape)
    percent = np.where(vessels, 0.0, 20.0)
    find = functools.partial(parenchyma.find_vessels, echo, affine=affine)
    row = cases.measure(automated, manual, affine, cases.PdffMap(percent, "map", find_vessels=find))
    for name, liver in (("auto", automated), ("manual", manual)):
        assert row[f"pdff_percent_{name}"] < 19.5
        found = row[f"pdff_percent_{name}_without_vessels"]
        assert found == pytest.approx(20.0, abs=0.05)
        summary = pdff.summarise(percent, liver, affine, find(liver)).mean_without_vessels
        assert found == pytest.approx(summary.value)
    drawn = cases.PdffMap(percent, "map", find_vessels=lambda _: vessels)
    row = cases.measure(automated, manual, affine, drawn)
    assert row["pdff_percent_auto_without_vessels"] == 20.0


def test_without_vessels_there_is_no_mean_without_them():
    one = mask(np.s_[2, 2, 2])
    row = cases.measure(one, one, AFFINE, cases.PdffMap(np.ones(one.shape), "map"))
    assert row["pdff_percent_auto"] == 1.0
    assert row["pdff_percent_auto_without_vessels"] is None
    assert row["pdff_percent_manual_without_vessels"] is None


def test_labels_of_whole_numbers_serve_as_masks():
    automated, manual = mask(np.s_[1:3, 1, 1]), mask(np.s_[2:4, 1, 1])
    as_labels = cases.measure(automated.astype(np.uint8), manual.astype(np.int32), AFFINE)
    assert as_labels == cases.measure(automated, manual, AFFINE)


@pytest.mark.parametrize(
    ("automated", "manual", "dice", "flags"),
    [
        (mask(), mask(), None, ["automated_empty", "manual_empty"]),
        (mask(), mask(np.s_[2, 2, 2]), 0.0, ["automated_empty"]),
        (mask(np.s_[2, 2, 2]), mask(), 0.0, ["manual_empty"]),
    ],
)
def test_policy_for_empty_masks(automated, manual, dice, flags):
    pdff_map = cases.PdffMap(np.full(automated.shape, 20.0), "map", None, np.zeros_like)
    row = cases.measure(automated, manual, AFFINE, pdff_map)
    assert row["status"] == "empty" and row["flags"] == flags
    assert row["dice"] == row["iou"] == dice
    assert row["component_count_auto"] == int(automated.any())
    assert all(row[figure] is None for figure in cases.SURFACE_FIGURES)
    assert row["volume_ml_auto"] == pytest.approx(0.01 * automated.sum())
    assert row["pdff_percent_auto"] == (20.0 if automated.any() else None)
    assert row["pdff_percent_manual"] == (20.0 if manual.any() else None)


def test_without_a_map_there_is_no_fat_fraction():
    row = cases.measure(mask(np.s_[2, 2, 2]), mask(np.s_[2, 2, 2]), AFFINE, None)
    assert row["pdff_source"] is row["pdff_percent_auto"] is row["pdff_percent_manual"] is None


def test_a_fault_of_the_map_is_flagged_and_the_masks_are_compared():
    one = mask(np.s_[2, 2, 2])
    row = cases.measure(one, one, AFFINE, None, "no voxel\ncould be fitted")
    assert (row["status"], row["dice"], row["flags"]) == ("ok", 1.0, ["pdff_unavailable"])
    assert row["reason"] == "no voxel could be fitted"
    assert row["pdff_source"] is row["pdff_percent_auto"] is row["pdff_percent_manual"] is None


def test_a_fitted_map_counts_where_it_was_fitted():
    both = mask(np.s_[1:3, 1, 1])
    percent = np.zeros(both.shape, np.float32)
    percent[1, 1, 1] = 10.0
    pdff_map = cases.PdffMap(percent, "complex_fit", percent > 0)
    row = cases.measure(both, mask(np.s_[2, 1, 1]), AFFINE, pdff_map)
    assert (row["pdff_percent_auto"], row["pdff_percent_manual"]) == (10.0, None)
    assert row["pdff_source"] == "complex_fit"


def test_a_mask_that_fills_the_volume_has_no_surface():
    row = cases.measure(mask(np.s_[:]), mask(np.s_[2, 2, 2]), AFFINE, None)
    assert row["status"] == "ok" and row["assd_mm"] is None
    assert row["flags"] == ["no_surface", "touches_fov_border"]


def test_a_failed_case_has_the_same_columns():
    row = cases.measure(mask(np.s_[2, 2, 2]), mask(np.s_[2, 2, 2]), AFFINE, None)
    failed = cases.failed("a fault\nover two lines")
    assert failed.keys() == row.keys()
    assert failed["status"] == "failed" and failed["reason"] == "a fault over two lines"
    assert all(failed[figure] is None for figure in cases.FIGURES)
