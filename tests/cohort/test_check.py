import dataclasses
import json

import nibabel as nib
import numpy as np
import pytest

from liver_jax.cohort import check, manifest
from liver_jax.cohort.exam import Exam
from liver_jax.errors import InputError
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

AFFINE = np.diag([2.0, 2.0, 5.0, 1.0])
SHAPE = (6, 5, 4)


def scan(path, data, affine=AFFINE):
    data = np.asarray(data)
    nifti.write(path, data, Volume(data, affine))
    return path


def labels(value=1):
    data = np.zeros(SHAPE, np.uint8)
    data[1:3, 1:3, 1:3] = value
    return data


def pdff_percent():
    """3 % everywhere, 92 % at the rim: a body with its fat."""
    data = np.full(SHAPE, 92, np.float32)
    data[1:-1, 1:-1] = 3
    return data


@pytest.fixture
def cohort(tmp_path):
    """Two sound examinations: an MR of two echoes with everything, and a CT."""
    rng = np.random.default_rng(0)
    for name in ("mr_e1", "mr_e2", "mr_p1", "mr_p2", "ct"):
        scan(tmp_path / f"{name}.nii.gz", rng.normal(size=SHAPE).astype(np.float32))
    for name in ("mr_mask", "mr_vessels", "ct_mask"):
        scan(tmp_path / f"{name}.nii.gz", labels())
    scan(tmp_path / "mr_pdff.nii.gz", pdff_percent())
    mr = Exam(
        exam_id="mr",
        subject_id="s1",
        modality="MR",
        technique="spgr2d",
        split="train",
        images=(tmp_path / "mr_e1.nii.gz", tmp_path / "mr_e2.nii.gz"),
        phase_images=(tmp_path / "mr_p1.nii.gz", tmp_path / "mr_p2.nii.gz"),
        phase_unit="radian",
        te_ms=(1.15, 2.3),
        mask=tmp_path / "mr_mask.nii.gz",
        liver_labels=(1,),
        vessel_mask=tmp_path / "mr_vessels.nii.gz",
        pdff_map=tmp_path / "mr_pdff.nii.gz",
        pdff_unit="percent",
    )
    ct = Exam(
        exam_id="ct",
        subject_id="s2",
        modality="CT",
        technique="ct",
        split="test",
        images=(tmp_path / "ct.nii.gz",),
        mask=tmp_path / "ct_mask.nii.gz",
        liver_labels=(1,),
    )
    return mr, ct


def checked(tmp_path, *exams):
    manifest.write(tmp_path / "manifest.csv", exams)
    return check.check(tmp_path / "manifest.csv")


def only(report):
    (fault,) = report.faults
    return fault


def test_a_sound_cohort(tmp_path, cohort):
    report = checked(tmp_path, *cohort)
    assert report == check.Report(2, ())
    assert check.format_faults(report) == "2 examinations read, 0 faults in 0 rows"
    assert report.left_out() == {}


def test_all_faults_are_listed_with_their_rows(tmp_path, cohort):
    mr, ct = cohort
    mr.images[1].unlink()
    scan(mr.mask, labels(7))
    scan(mr.pdff_map, pdff_percent() / 100)
    ct.mask.write_bytes(b"no mask")
    report = checked(tmp_path, mr, ct)
    assert [(fault.row, fault.column, fault.file) for fault in report.faults] == [
        (2, "images", "mr_e2.nii.gz"),
        (2, "mask", "mr_mask.nii.gz"),
        (2, "pdff_unit", "mr_pdff.nii.gz"),
        (3, "mask", "ct_mask.nii.gz"),
    ]
    text = check.format_faults(report).splitlines()
    assert text[0] == "2 examinations read, 4 faults in 2 rows"
    assert text[1].startswith("row 2, mr, images: mr_e2.nii.gz: no such file. Correct")
    assert report.left_out() == {
        "mr": "images: no such file",
        "ct": "mask: cannot be read: " + ("Not a gzipped file (b'no')"),
    }


def test_rows_that_cannot_be_read_are_listed_beside_faulty_files(tmp_path, cohort):
    manifest.write(tmp_path / "m.csv", cohort)
    path = tmp_path / "m.csv"
    path.write_text(path.read_text().replace("mr,s1,,MR", "m r,s1,,MRI"))
    cohort[1].images[0].unlink()
    report = check.check(path)
    assert report.exam_count == 1
    assert [(fault.row, fault.exam_id, fault.column) for fault in report.faults] == [
        (2, "m r", "exam_id"),
        (2, "m r", "modality"),
        (3, "ct", "images"),
    ]


def test_geometry(tmp_path, cohort):
    mr, ct = cohort
    moved = AFFINE.copy()
    moved[2, 3] = 5
    for path in (mr.images[1], mr.phase_images[1], mr.vessel_mask, mr.pdff_map, ct.mask):
        volume = nifti.read_image(path)
        scan(path, volume.data, moved)
    report = checked(tmp_path, mr, ct)
    assert sorted((fault.row, fault.column) for fault in report.faults) == [
        (2, "images"),
        (2, "pdff_map"),
        (2, "phase_images"),
        (2, "vessel_mask"),
        (3, "mask"),
    ]
    assert all("another grid" in fault.message for fault in report.faults)


def test_phase_images_lie_on_the_image(tmp_path, cohort):
    moved = AFFINE.copy()
    moved[2, 3] = 5
    for path in cohort[0].phase_images:
        scan(path, nifti.read_image(path).data, moved)
    fault = only(checked(tmp_path, cohort[0]))
    assert (fault.column, fault.file) == ("phase_images", "mr_p1.nii.gz")


def test_phase_has_the_range_of_its_unit(tmp_path, cohort):
    mr, _ = cohort
    scan(mr.phase_images[1], np.linspace(-180, 180, 120, dtype=np.float32).reshape(SHAPE))
    fault = only(checked(tmp_path, mr))
    assert (fault.column, fault.file) == ("phase_unit", "mr_p2.nii.gz")
    assert "named radian: beyond two pi" in fault.message
    faults = checked(tmp_path, dataclasses.replace(mr, phase_unit="scanner")).faults
    assert [(fault.column, fault.file) for fault in faults] == [("phase_unit", "mr_p1.nii.gz")]
    assert "looks like radian" in faults[0].message


def test_echo_counts(tmp_path, cohort):
    mr, ct = cohort
    together = scan(tmp_path / "all.nii.gz", np.ones((*SHAPE, 3), np.float32))
    fault = only(checked(tmp_path, dataclasses.replace(mr, images=(together,), phase_images=())))
    assert fault.column == "te_ms"
    assert fault.message == "mr has 3 echoes and 2 echo times (te_ms)"
    fault = only(checked(tmp_path, dataclasses.replace(ct, images=(together,))))
    assert fault.message == "ct is CT and has 3 volumes"
    phases = dataclasses.replace(mr, images=(mr.images[0],), te_ms=(1.0,), phase_images=(together,))
    fault = only(checked(tmp_path, phases))
    assert fault.message == "3 phase images for 1 magnitude images"
    fault = only(
        checked(
            tmp_path,
            dataclasses.replace(
                ct, mask=scan(tmp_path / "masks.nii.gz", np.ones((*SHAPE, 2), np.uint8))
            ),
        )
    )
    assert (fault.column, fault.message) == ("mask", "has 2 volumes, while a mask or map has one")


@pytest.mark.parametrize("split", ["train", "test", ""])
def test_liver_labels(tmp_path, cohort, split):
    ct = dataclasses.replace(cohort[1], split=split)
    scan(ct.mask, labels(6))
    fault = only(checked(tmp_path, ct))
    assert fault.message == "has no voxel of the liver labels 1; it holds 6"
    scan(ct.mask, labels(0))
    report = checked(tmp_path, ct)
    if split == "test":  # an empty truth is a case of its own there
        assert not report.faults
    else:
        assert "it holds only 0" in only(report).message


def test_voxels(tmp_path, cohort):
    mr, ct = cohort
    data = np.asarray(nifti.read_image(ct.images[0]).data).copy()
    data[0, 0, 0] = np.nan
    nib.save(nib.Nifti1Image(data, AFFINE), ct.images[0])
    scan(mr.vessel_mask, np.full(SHAPE, 0.5, np.float32))
    faults = checked(tmp_path, mr, ct).faults
    assert [fault.column for fault in faults] == ["vessel_mask", "images"]
    assert "whole numbers" in faults[0].message
    assert "NaN" in faults[1].message


@pytest.mark.parametrize("named", ["percent", "fraction", "permille"])
@pytest.mark.parametrize("true", ["percent", "fraction", "permille"])
def test_pdff_units(tmp_path, cohort, named, true):
    scale = {"percent": 1, "fraction": 0.01, "permille": 10}[true]
    scan(cohort[0].pdff_map, pdff_percent() * np.float32(scale))
    report = checked(tmp_path, dataclasses.replace(cohort[0], pdff_unit=named))
    if named == true:
        assert not report.faults
    else:
        fault = only(report)
        assert fault.column == "pdff_unit"
        assert f"named {named} in the manifest: looks like " in fault.message
        assert true in fault.message.split("looks like")[1]


def test_pdff_of_a_liver_cut_out(tmp_path, cohort):
    """A lean liver alone does not reach 11 % in any true unit, and is no fault."""
    lean = labels().astype(np.float32)
    for unit, value in [("percent", 3), ("fraction", 0.03), ("permille", 30)]:
        scan(cohort[0].pdff_map, lean * value)
        report = checked(tmp_path, dataclasses.replace(cohort[0], pdff_unit=unit))
        assert not report.faults
    scan(cohort[0].pdff_map, lean * 0)
    assert "empty" in only(checked(tmp_path, cohort[0])).message


def test_a_subject_in_two_splits(tmp_path, cohort):
    manifest.write(tmp_path / "m.csv", cohort)
    path = tmp_path / "m.csv"
    path.write_text(path.read_text().replace("ct,s2", "ct,s1"))
    faults = check.check(path).faults
    assert [(fault.row, fault.column) for fault in faults] == [(2, "split"), (3, "split")]
    assert "subject s1 is in the splits train and test" in faults[0].message


def test_the_same_image_twice(tmp_path, cohort):
    mr, ct = cohort
    copy = tmp_path / "copy.nii.gz"
    copy.write_bytes(ct.images[0].read_bytes())
    again = dataclasses.replace(ct, exam_id="again", subject_id="s3", split="train", images=(copy,))
    fault = only(checked(tmp_path, mr, ct, again))
    assert (fault.row, fault.column, fault.file) == (4, "images", "copy.nii.gz")
    assert fault.message.startswith("is the same image as ct.nii.gz of ct in row 3 (subject s2,")
    rescored = dataclasses.replace(ct, exam_id="again", images=(copy,))  # one subject, one split
    assert not checked(tmp_path, mr, ct, rescored).faults


def test_a_manifest_that_is_none(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        check.check(tmp_path / "none.csv")


def test_faults_are_plain_data(tmp_path, cohort):
    cohort[1].images[0].unlink()
    report = checked(tmp_path, *cohort)
    assert json.loads(json.dumps(dataclasses.asdict(report)))["faults"][0]["row"] == 3


def test_a_copy_that_is_turned_and_packed_is_found(cohort, tmp_path):
    """As DICOM and NIfTI of one scan are."""
    mr, ct = cohort
    data = nib.load(ct.images[0]).get_fdata(dtype=np.float32)
    turned = AFFINE @ np.array([[-1, 0, 0, SHAPE[0] - 1], *np.eye(4)[1:]])
    copy = scan(tmp_path / "copy.nii", data[::-1], turned)
    mask = scan(tmp_path / "copy_mask.nii", labels()[::-1], turned)
    other = dataclasses.replace(
        ct, exam_id="copy", subject_id="s9", split="train", images=(copy,), mask=mask
    )
    (fault,) = checked(tmp_path, mr, ct, other).faults
    assert "is the same image as ct.nii.gz of ct in row 3" in fault.message


def test_manifests_are_checked_against_each_other(cohort, tmp_path):
    mr, ct = cohort
    other = dataclasses.replace(mr, split="test", subject_id="s7")
    again = dataclasses.replace(ct, exam_id="again", split="train")
    manifest.write(tmp_path / "a.csv", [mr, ct])
    manifest.write(tmp_path / "b.csv", [other, again])
    assert not check.check(tmp_path / "b.csv").faults
    report = check.check(f"{tmp_path / 'a.csv'}, {tmp_path / 'b.csv'}")
    assert report.exam_count == 4
    messages = [(fault.exam_id, fault.message) for fault in report.faults]
    assert ("mr", f"mr is used already in row 2 of {tmp_path / 'a.csv'}") in messages
    assert ("ct", "subject s2 is in the splits train and test") in messages
    assert ("again", "subject s2 is in the splits train and test") in messages
    assert any("is the same image as mr_e1.nii.gz of mr" in message for _, message in messages)
    assert f"{tmp_path / 'b.csv'}, row 3, again" in check.format_faults(report)


def test_a_folder_may_have_a_comma_in_its_name(cohort, tmp_path):
    folder = tmp_path / "Doe, J"
    folder.mkdir()
    manifest.write(folder / "manifest.csv", cohort)
    assert not check.check(folder / "manifest.csv").faults
