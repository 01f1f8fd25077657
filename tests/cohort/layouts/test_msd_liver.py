"""MSD Task03 in miniature: what macOS drops, labels as floats, the patients of LiTS."""

import numpy as np
import pytest


@pytest.fixture
def download(ct, write_nifti, tmp_path):
    """As its tar unpacks."""
    root = tmp_path / "msd" / "Task03_Liver"
    labels = ct.labels(liver=1, tumour=2)
    for number in (0, 2, 10, 28, 40):
        name = f"liver_{number}.nii.gz"
        affine = np.eye(4) if number == 40 else ct.affine
        write_nifti(root / "imagesTr" / name, ct.image + number, affine, np.float32)
        write_nifti(root / "labelsTr" / name, labels, affine, np.float32)
    write_nifti(root / "imagesTs" / "liver_132.nii.gz", ct.image, ct.affine)
    write_nifti(root / "imagesTr" / "liver_5.nii.gz", ct.image, ct.affine)
    write_nifti(root / "labelsTr" / "liver_7.nii.gz", labels, ct.affine)
    for folder in ("imagesTr", "labelsTr", "imagesTs"):
        (root / folder / "._liver_0.nii.gz").write_bytes(
            b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X"
        )
        (root / f"._{folder}").write_bytes(b"\x00\x05\x16\x07")
    (root / "dataset.json").write_text('{"labels": {"0": "background", "1": "liver"}}')
    return root.parent


def test_every_voxel_is_where_it_belongs(download, prepare, assert_is, ct):
    exams, _ = prepare("msd_liver", download)
    assert list(exams) == [f"msd_liver-{number}" for number in (0, 2, 10, 28)]
    for exam in exams.values():
        number = int(exam.exam_id.rpartition("-")[2])
        assert_is(exam, ct, echoes=[ct.image + number])
        assert (exam.modality, exam.technique, exam.contrast_phase) == ("CT", "ct", "")
        assert (exam.cohort, exam.subject_id) == ("msd_liver", f"lits-{number}")
        assert (exam.liver_labels, exam.extra) == ((1, 2), {})


def test_nothing_is_copied(download, prepare):
    exams, _ = prepare("msd_liver", download)
    for exam in exams.values():
        name = f"liver_{exam.exam_id.rpartition('-')[2]}.nii.gz"
        assert exam.images == (download / "Task03_Liver" / "imagesTr" / name,)
        assert exam.mask == download / "Task03_Liver" / "labelsTr" / name


def test_what_is_left_out(download, prepare):
    _, left_out = prepare("msd_liver", download)
    assert "not its true spacing" in left_out.pop("40")
    assert left_out == {
        "5": "there is no mask for its image",
        "7": "there is no image for its mask",
        "132": "no mask is published for it",
    }
