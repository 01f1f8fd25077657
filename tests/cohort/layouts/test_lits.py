"""LiTS in miniature: batches, wrong headers, patients shared with two other cohorts."""

import numpy as np
import pytest

from liver_jax.cohort.layouts import lits


@pytest.fixture
def download(ct, write_nifti, tmp_path):
    """Two training batches as they are unpacked, and the test cases."""
    source = tmp_path / "LiTS"
    root = source / "media" / "nas" / "01_Datasets" / "CT" / "LITS"
    labels = ct.labels(liver=1, tumour=2)
    for number, batch in ((0, 1), (9, 1), (28, 2), (40, 2), (48, 2), (130, 2)):
        folder = root / f"Training Batch {batch}"
        affine = np.eye(4) if number == 40 else ct.affine
        write_nifti(folder / f"volume-{number}.nii", ct.image + number, affine)
        # Masks of some cases have a header of their own, turned from left to right.
        affine = np.diag([-1, 1, 1, 1]) @ ct.affine if number == 48 else affine
        write_nifti(folder / f"segmentation-{number}.nii", labels, affine, np.uint8)
    write_nifti(root / "Training Batch 1" / "volume-5.nii", ct.image, ct.affine)
    write_nifti(source / "LITS-Challenge-Test-Data" / "test-volume-3.nii", ct.image, ct.affine)
    return source


def test_every_voxel_is_where_it_belongs(download, prepare, assert_is, ct):
    exams, left_out = prepare("lits", download)
    assert list(exams) == ["lits-0", "lits-9", "lits-28", "lits-48", "lits-130"]
    for exam in exams.values():
        number = int(exam.exam_id.rpartition("-")[2])
        assert_is(exam, ct, echoes=[ct.image + number])
        assert (exam.modality, exam.technique, exam.cohort) == ("CT", "ct", "lits")
        assert exam.liver_labels == (1, 2)
    assert set(left_out) == {"40", "5", "test-volume-3"}
    assert "not its true spacing" in left_out["40"]
    assert left_out["5"] == "there is no mask for its image"
    assert "no mask is published" in left_out["test-volume-3"]


def test_only_a_mask_with_another_header_is_copied(download, prepare):
    exams, _ = prepare("lits", download)
    for exam in exams.values():
        copied = exam.exam_id == "lits-48"
        assert exam.images[0].is_relative_to(download)
        assert exam.mask.is_relative_to(download) != copied
        assert ("header replaced" in exam.extra.get("mask_changed", "")) == copied


def test_a_mask_of_another_shape_is_left_out(ct, write_nifti, prepare, tmp_path):
    source = tmp_path / "few"
    labels = ct.labels(liver=1, tumour=2)
    for number in (1, 2):
        write_nifti(source / f"volume-{number}.nii", ct.image, ct.affine)
    write_nifti(source / "segmentation-1.nii", labels, ct.affine)
    write_nifti(source / "segmentation-2.nii", labels[..., 1:], ct.affine)
    exams, left_out = prepare("lits", source)
    assert list(exams) == ["lits-1"]
    x, y, z = ct.image.shape
    assert f"has {x} x {y} x {z - 1} voxels, while the image" in left_out["2"]


def test_patients_have_one_name_in_three_cohorts():
    assert [lits.subject(number) for number in (0, 28, 130)] == ["lits-0", "lits-28", "lits-130"]
    # LiTS 44 is 3D-IRCADb 17.
    assert lits.IRCADB[17 - 1] == 44 and lits.IRCADB[0] == 28 and len(lits.IRCADB) == 20
