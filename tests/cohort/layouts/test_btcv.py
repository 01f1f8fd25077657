"""BTCV in miniature: thirty labelled patients, twenty without labels, the split of TransUNet."""

import numpy as np
import pytest

TRAINING = (*range(1, 11), *range(21, 41))
TESTED = {1, 2, 3, 4, 8, 22, 25, 29, 32, 35, 36, 38}


@pytest.fixture
def download(ct, write_nifti, tmp_path):
    """Two patients as they are, one at the end of each list of numbers."""
    root = tmp_path / "Abdomen" / "RawData"
    labels = ct.labels(liver=6, spleen=1, right_kidney=2, left_kidney=3)
    for number in (1, 40):
        training = root / "Training"
        write_nifti(training / "img" / f"img{number:04d}.nii.gz", ct.image + number, ct.affine)
        write_nifti(training / "label" / f"label{number:04d}.nii.gz", labels, ct.affine)
    write_nifti(root / "Training" / "label" / "label0021.nii.gz", labels, ct.affine)
    write_nifti(root / "Testing" / "img" / "img0061.nii.gz", ct.image, ct.affine)
    return tmp_path / "Abdomen"


def test_every_voxel_is_where_it_belongs(download, prepare, assert_is, ct):
    exams, left_out = prepare("btcv", download)
    assert list(exams) == ["btcv-0001", "btcv-0040"]
    for exam in exams.values():
        number = exam.exam_id.rpartition("-")[2]
        assert_is(exam, ct, echoes=[ct.image + int(number)])
        told = (exam.modality, exam.technique, exam.contrast_phase)
        assert told == ("CT", "ct", "portal_venous")
        assert (exam.subject_id, exam.liver_labels) == (f"btcv-{number}", (6,))
        training = download / "RawData" / "Training"
        assert exam.images == (training / "img" / f"img{number}.nii.gz",)
        assert exam.mask == training / "label" / f"label{number}.nii.gz"
    assert left_out == {
        "0021": "there is no image for its mask",
        "0061": "no mask is published for it",
    }


def test_the_published_split(write_nifti, prepare, tmp_path):
    root = tmp_path / "RawData" / "Training"
    labels = np.full((4, 4, 4), 6)
    for number in TRAINING:
        write_nifti(root / "img" / f"img{number:04d}.nii.gz", labels + number, np.eye(4))
        write_nifti(root / "label" / f"label{number:04d}.nii.gz", labels, np.eye(4))
    exams, left_out = prepare("btcv", tmp_path / "RawData")
    assert list(exams) == [f"btcv-{number:04d}" for number in TRAINING] and not left_out
    for number, exam in zip(TRAINING, exams.values(), strict=True):
        assert exam.extra == {"published_split": "test" if number in TESTED else "train"}
        assert exam.split == ""
