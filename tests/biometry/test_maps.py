"""Maps of one examination: what is fitted, and what lies on disk."""

import dataclasses

import numpy as np
import pytest

from liver_jax.biometry import acquisition, maps
from liver_jax.biometry.acquisition import Acquisition
from liver_jax.biometry.fatwater import Fit
from liver_jax.errors import InputError
from liver_jax.physics import signal
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

TE_MS = (1.15, 2.3, 3.45, 4.6, 5.75, 6.9)
SHAPE = (12, 10, 3)
AFFINE = np.array(
    [[0.0, -1.5, 0.2, 30.0], [1.2, 0.0, 0.0, -20.0], [0.1, 0.0, -4.0, 50.0], [0, 0, 0, 1]]
)
FIELD_HZ = 25.0


def truth():
    """PDFF 5 to 30 % in three blocks of a body, R2* 40 1/s; nothing around it."""
    percent = np.zeros(SHAPE)
    percent[2:10, 2:4], percent[2:10, 4:6], percent[2:10, 6:8] = 5, 15, 30
    return percent, percent > 0


def echoes(weight=1.0):
    """Complex echoes of `truth`, fat weighted by T1, in a field of 25 Hz."""
    percent, body = truth()
    fat = 100 * percent / 100 * weight
    values = signal.multiecho(100 * body - 100 * percent / 100, fat, 40.0 * body, TE_MS, 3.0)
    turn = np.exp(2j * np.pi * (FIELD_HZ * np.array(TE_MS) / 1000 + 0.1))
    return (values * turn).astype(np.complex64)


def fit(data, precession=None, **arguments):
    conditions = Acquisition(TE_MS, 3.0, precession)
    return maps.fit(Volume(data, AFFINE), conditions, "scan.nii", **arguments)


def made_up(field=None):
    """A fit with one voxel of each kind."""
    zero = np.zeros((2, 2, 1), np.float32)
    fitted, ambiguous = np.array([[[1], [1]], [[0], [0]]], bool), np.zeros((2, 2, 1), bool)
    ambiguous[0, 1] = True
    failed = np.zeros((2, 2, 1), bool)
    failed[1, 1] = True
    ramp = np.arange(4, dtype=np.float32).reshape(2, 2, 1) - 1
    return Fit(
        pdff_percent=ramp,
        r2star_per_s=ramp + 40,
        water=zero,
        fat=zero,
        field_map_hz=field,
        residual=zero,
        ambiguous=ambiguous,
        fitted=fitted,
        failed=failed,
        pdff_standard_error_percent=zero + 0.5,
        r2star_standard_error_per_s=zero + 2.5,
        noise=np.float32(1.5),
        phase_error_radian=None if field is None else np.array([0, 0.25], np.float32),
    )


def test_status_of_each_voxel_and_the_record():
    found = made_up()
    assert maps.status(found).ravel().tolist() == [1, 2, 0, 3]
    t1 = acquisition.t1_correction(3.0, 7.0, 5.0, None, None, "scan.nii")
    assert maps.counts(found, found.pdff_percent < 1) == {
        "background": 0,
        "fitted": 1,
        "ambiguous": 1,
        "failed": 0,
    }
    told = maps.facts(found, Acquisition(TE_MS, 3.0), "ismrm_2012", t1)
    assert told["voxels"] == {"background": 1, "fitted": 1, "ambiguous": 1, "failed": 1}
    assert (told["method"], told["precession"], told["noise"]) == ("magnitude", None, 1.5)
    assert told["t1_correction"] == {
        "tr_ms": 7.0,
        "flip_angle_deg": 5.0,
        "t1_water_ms": 809,
        "t1_fat_ms": 382.0,
        "weight": pytest.approx(1.193, abs=5e-4),
    }
    found = made_up(np.zeros((2, 2, 1)))
    told = maps.facts(found, Acquisition(TE_MS, 3.0, "clockwise"), "ismrm_2012", None)
    assert (told["method"], told["precession"]) == ("complex", "clockwise")
    assert told["t1_correction"] is None and told["phase_error_radian"] == [0, 0.25]


@pytest.mark.parametrize("field", [None, np.full((2, 2, 1), 25.0, np.float32)])
def test_files_lie_on_the_grid_of_the_echoes(tmp_path, field):
    found = made_up(field)
    like = Volume(np.zeros((2, 2, 1, 6)), AFFINE)
    maps.write(tmp_path, found, like)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == set(maps.FILES) - (set() if field is not None else {"field_map_hz.nii.gz"})
    for name in names:
        np.testing.assert_allclose(nifti.read_header(tmp_path / name).affine, AFFINE, atol=1e-6)
    held = nifti.read_image(tmp_path / "pdff_percent.nii.gz").data
    np.testing.assert_array_equal(held, found.pdff_percent)  # -1 and all: nothing is cut off
    held = nifti.read_image(tmp_path / "r2star_standard_error_per_s.nii.gz").data
    np.testing.assert_array_equal(held, found.r2star_standard_error_per_s)
    labels = nifti.read_labels(tmp_path / "fit_status.nii.gz").data
    np.testing.assert_array_equal(labels, maps.status(found))


def test_nothing_is_written_for_a_fit_with_nan(tmp_path):
    found = dataclasses.replace(made_up(), r2star_per_s=np.full((2, 2, 1), np.nan))
    with pytest.raises(ValueError, match="cannot hold"):
        maps.write(tmp_path, found, Volume(np.zeros((2, 2, 1, 6)), AFFINE))


def check_truth(found, percent, body):
    np.testing.assert_array_equal(np.asarray(found.fitted), body)
    np.testing.assert_allclose(np.asarray(found.pdff_percent)[body], percent[body], atol=1.0)
    np.testing.assert_allclose(np.asarray(found.r2star_per_s)[body], 40, atol=5)
    assert not np.asarray(found.pdff_percent)[~body].any()


def test_magnitude_echoes_give_back_their_truth():
    found = fit(abs(echoes()))
    check_truth(found, *truth())
    assert maps.method(found) == "magnitude"


@pytest.mark.parametrize("precession", ["clockwise", "counterclockwise"])
def test_complex_echoes_give_back_their_truth_in_either_direction(precession):
    data = echoes() if precession == "clockwise" else echoes().conj()
    found = fit(data, precession)
    percent, body = truth()
    check_truth(found, percent, body)
    assert maps.method(found) == "complex"
    field = np.asarray(found.field_map_hz)[body]
    np.testing.assert_allclose(field, FIELD_HZ, atol=3)


def test_the_t1_correction_takes_out_the_weight_of_fat():
    t1 = acquisition.t1_correction(3.0, 7.0, 5.0, None, None, "scan.nii")
    data = abs(echoes(t1.weight))
    percent, body = truth()
    check_truth(fit(data, t1=t1), percent, body)
    uncorrected = np.asarray(fit(data).pdff_percent)
    assert (uncorrected - percent)[percent == 30].mean() > 2.5


def test_the_body_of_a_file_and_a_dark_liver_are_fitted():
    percent, body = truth()
    data = abs(echoes())
    data[2:4, 2:4] *= 0.01
    left = body.copy()
    left[2:4, 2:4] = False
    np.testing.assert_array_equal(np.asarray(fit(data).fitted), left)
    np.testing.assert_array_equal(np.asarray(fit(data, liver=percent == 5).fitted), body)
    found = fit(data, body=percent == 15)
    np.testing.assert_array_equal(np.asarray(found.fitted), percent == 15)


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(InputError, match=r"scan\.nii: is empty"):
        fit(np.zeros((*SHAPE, 6), np.complex64), "clockwise")
    with pytest.raises(InputError, match=r"scan\.nii: has no value above 0"):
        fit(np.zeros((*SHAPE, 6), np.float32))
    with pytest.raises(InputError, match=r"scan\.nii: holds values .* no magnitude"):
        fit(echoes().real)
    with pytest.raises(InputError, match="there are 5 echoes and 6 echo times"):
        fit(abs(echoes())[..., :5])
    with pytest.raises(InputError, match=r"--spectrum: there is no 'pork'\. Write one of hamilton"):
        fit(abs(echoes()), spectrum="pork")
