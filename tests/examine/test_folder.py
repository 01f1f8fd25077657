"""A folder of scans: what counts as one, and what it is called."""

import numpy as np
import pytest
import SimpleITK

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
