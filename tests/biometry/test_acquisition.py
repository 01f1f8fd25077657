import math

import pytest

from liver_jax.biometry import acquisition
from liver_jax.biometry.acquisition import Acquisition
from liver_jax.errors import InputError

TIMES = (1.15, 2.3, 3.45)

FAULTS = {
    "no times": ((), 3, 3.0, r"echo times \(te_ms\) are missing"),
    "count": (TIMES, 4, 3.0, "there are 4 echoes and 3 echo times"),
    "two echoes": ((1.15, 2.3), 2, 3.0, "has 2 echoes, while .* need at least 3"),
    "seconds": ((0.00115, 0.0023, 0.00345), 3, 3.0, "0.00115, 0.0023, 0.00345, which look like se"),
    "microseconds": ((1150, 2300, 3450), 3, 3.0, "no echo of a liver lasts 200 ms"),
    "negative": ((-1.15, 1.15, 2.3), 3, 3.0, "are above 0 ms"),
    "zero": ((0.0, 1.15, 2.3), 3, 3.0, "are above 0 ms"),
    "NaN": ((1.15, math.nan, 2.3), 3, 3.0, "are above 0 ms"),
    "falling": ((2.3, 1.15, 3.45), 3, 3.0, "do not rise"),
    "twice": ((1.15, 1.15, 2.3), 3, 3.0, "do not rise"),
    "no field": (TIMES, 3, None, "field_strength_t is missing"),
    "gauss": (TIMES, 3, 15000, "field_strength_t is 15000, outside 0.2 to 11.7"),
    "MHz": (TIMES, 3, 63.87, "field_strength_t is 63.87"),
    "no number": (TIMES, 3, math.nan, "field_strength_t is nan"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_cannot_be_is_refused_in_one_line(case):
    times, echo_count, field_strength_t, fault = FAULTS[case]
    with pytest.raises(InputError, match=f"scan.nii: .*{fault}") as refused:
        acquisition.check(Acquisition(times, field_strength_t), echo_count, "scan.nii")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("field_strength_t", [0.55, 1.5, 2.89, 7.0])
def test_what_scanners_have_passes(field_strength_t):
    acquisition.check(Acquisition(TIMES, field_strength_t), 3, "scan.nii")
    acquisition.check(Acquisition((0.03, *TIMES), field_strength_t), 4, "scan.nii")


def correction(field_strength_t=3.0, **changes):
    given = {"tr_ms": 7.0, "flip_angle_deg": 5.0, "t1_water_ms": None, "t1_fat_ms": None} | changes
    return acquisition.t1_correction(field_strength_t, **given, subject="scan.nii")


def test_t1_weight_of_a_3d_sequence():
    # The published table's figure for TR 7 ms and 5 degrees at 3 T.
    assert correction().weight == pytest.approx(1.193, abs=5e-4)
    assert (correction().t1_water_ms, correction().t1_fat_ms) == (809, 382)
    assert correction(flip_angle_deg=3.0).weight == pytest.approx(1.078, abs=5e-4)
    assert correction(2.89).t1_water_ms == 809
    assert correction(1.49).t1_water_ms == 586
    given = correction(0.55, t1_water_ms=500.0, t1_fat_ms=200.0)
    assert (given.t1_water_ms, given.t1_fat_ms) == (500, 200)
    assert correction(t1_water_ms=900.0).t1_fat_ms == 382


@pytest.mark.parametrize(
    ("field_strength_t", "changes", "fault"),
    [
        (3.0, {"tr_ms": None}, "correction at 3 T needs tr_ms"),
        (3.0, {"flip_angle_deg": None}, "needs flip_angle_deg"),
        (0.55, {}, "correction at 0.55 T needs t1_water_ms"),
        (7.0, {"t1_water_ms": 1200.0}, "correction at 7 T needs t1_fat_ms"),
        (3.0, {"tr_ms": 0.007}, "tr_ms is 0.007, outside"),
        (3.0, {"flip_angle_deg": 0.0}, "flip_angle_deg is 0, outside"),
        (3.0, {"t1_fat_ms": 0.382}, "t1_fat_ms is 0.382, outside"),
        (3.0, {"t1_water_ms": math.nan}, "t1_water_ms is nan, outside"),
    ],
)
def test_refused_t1_corrections(field_strength_t, changes, fault):
    with pytest.raises(InputError, match=f"scan.nii: .*{fault}"):
        correction(field_strength_t, **changes)
