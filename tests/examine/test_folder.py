"""A folder of scans: what counts as one, and what it is called."""

import zipfile

import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom import uid

from liver_jax.errors import InputError
from liver_jax.examine import folder
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nifti.write(path, np.zeros((4, 3, 2), np.float32), Volume(np.zeros((4, 3, 2)), np.eye(4)))


def test_files_and_subfolders_are_scans(tmp_path):
    save(tmp_path / "b.nii.gz")
    save(tmp_path / "p 01" / "ct.nii.gz")
    save(tmp_path / "p 01" / "late.nii")
    SimpleITK.WriteImage(SimpleITK.Image(4, 3, 2, SimpleITK.sitkInt16), tmp_path / "a.mha")
    (tmp_path / "readme.txt").write_text("no scan")
    (tmp_path / "empty").mkdir()
    save(tmp_path / ".hidden.nii.gz")
    found = folder.exams(str(tmp_path), "CT", keep_identifiers=False)
    assert [exam.exam_id for exam in found] == ["a", "b", "p_01_ct", "p_01_late"]
    assert {exam.modality for exam in found} == {"CT"}
    assert found[2].images == (tmp_path / "p 01" / "ct.nii.gz",)


def test_names_that_become_the_same_are_told_apart(tmp_path):
    for name in ("a b.nii", "a_b.nii.gz", "A-b.nii", "ä b.nii"):
        save(tmp_path / name)
    found = folder.exams(str(tmp_path), "MR", keep_identifiers=False)
    assert [exam.exam_id for exam in found] == ["A-b", "a_b", "a_b_2", "b"]


def test_faults_are_named(tmp_path):
    with pytest.raises(InputError, match="holds no scan"):
        folder.exams(str(tmp_path), "CT", keep_identifiers=False)
    save(tmp_path / "b.nii.gz")
    with pytest.raises(InputError, match=r"--modality: b.nii.gz does not tell"):
        folder.exams(str(tmp_path), "", keep_identifiers=False)
    with pytest.raises(InputError, match="is not a folder"):
        folder.exams(str(tmp_path / "b.nii.gz"), "CT", keep_identifiers=False)


def save_dicom(path, name="SECRET^NAME", series="1.2.826.1"):
    """A header alone: whether it is a scan is found out when it is read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = pydicom.Dataset()
    header.SOPClassUID, header.SOPInstanceUID = uid.CTImageStorage, "1.2.826.2"
    header.Modality, header.PatientName, header.SeriesInstanceUID = "CT", name, series
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    header.save_as(path, enforce_file_format=True)
    return path


def test_dicom_is_a_scan_for_each_subfolder_zip_and_file(tmp_path):
    save_dicom(tmp_path / "a" / "deep" / "1")
    save_dicom(tmp_path / "a" / "2")
    single = save_dicom(tmp_path / "enhanced.dcm")
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.write(single, "any/name")
    with zipfile.ZipFile(tmp_path / "letters.zip", "w") as archive:
        archive.writestr("letter.txt", "no scan")
    found = folder.exams(str(tmp_path), "", keep_identifiers=False)
    assert [exam.exam_id for exam in found] == ["a", "c", "enhanced"]
    assert [exam.modality for exam in found] == ["", "", ""]  # the files tell
    assert found[0].images == (tmp_path / "a",)
    save_dicom(tmp_path / "second")
    with pytest.raises(InputError, match="loose DICOM files"):
        folder.exams(str(tmp_path), "", keep_identifiers=False)


def test_a_name_that_tells_the_patient_becomes_a_code_that_is_always_the_same(tmp_path):
    save_dicom(tmp_path / "Secret CT" / "1")
    save_dicom(tmp_path / "late_name" / "1", series="1.2.826.9")
    save_dicom(tmp_path / "other" / "1")
    first, second, third = (
        exam.exam_id for exam in folder.exams(str(tmp_path), "", keep_identifiers=False)
    )
    assert third == "other"
    assert first != second and {first[:5], second[:5]} == {"scan_"}
    (tmp_path / "Secret CT").rename(tmp_path / "Secret_again")
    again = folder.exams(str(tmp_path), "", keep_identifiers=False)
    assert [exam.exam_id for exam in again] == [first, second, third]
    kept = folder.exams(str(tmp_path), "", keep_identifiers=True)
    assert [exam.exam_id for exam in kept] == ["Secret_again", "late_name", "other"]
