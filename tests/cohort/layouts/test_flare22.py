"""FLARE22 in miniature: fifty labelled cases, each file in a folder of its name in some copies."""

import pytest

LABELS = {"liver": 1, "right_kidney": 2, "spleen": 3, "left_kidney": 13}


@pytest.fixture(params=["as published", "as on Kaggle"])
def download(request, ct, write_nifti, tmp_path):
    source = tmp_path / "FLARE22"
    root = source / "Training" / "FLARE22_LabeledCase50"

    def place(folder, name):
        if request.param == "as published":
            return root / folder / f"{name}.nii.gz"
        return root / folder / f"{name}.nii" / f"{name}.nii"

    for number in (1, 2, 50):
        name = f"FLARE22_Tr_{number:04d}"
        write_nifti(place("images", f"{name}_0000"), ct.image + number, ct.affine)
        write_nifti(place("labels", name), ct.labels(**LABELS), ct.affine)
    write_nifti(place("images", "FLARE22_Tr_0003_0000"), ct.image, ct.affine)
    write_nifti(place("labels", "FLARE22_Tr_0004"), ct.labels(**LABELS), ct.affine)
    for name in ("FLARE22_UnlabeledCase1-1000/Case_00001_0000", "FLARETs_0001_0000"):
        write_nifti(source / "Training" / f"{name}.nii.gz", ct.image, ct.affine)
    return source


def test_every_voxel_is_where_it_belongs(download, prepare, assert_is, ct):
    exams, left_out = prepare("flare22", download)
    assert list(exams) == [f"flare22-{number}" for number in ("0001", "0002", "0050")]
    for exam in exams.values():
        number = exam.exam_id.rpartition("-")[2]
        assert_is(exam, ct, echoes=[ct.image + int(number)])
        assert (exam.modality, exam.technique, exam.contrast_phase) == ("CT", "ct", "")
        assert (exam.subject_id, exam.liver_labels) == (f"flare22-{number}", (1,))
        assert exam.extra == {}
        assert exam.images[0].is_relative_to(download) and exam.mask.is_relative_to(download)
    assert left_out == {
        "0003": "there is no mask for its image",
        "0004": "there is no image for its mask",
    }


def test_an_image_that_is_there_twice_is_left_out(download, write_nifti, prepare, ct):
    write_nifti(download / "copy" / "FLARE22_Tr_0002_0000.nii.gz", ct.image, ct.affine)
    exams, left_out = prepare("flare22", download)
    assert list(exams) == ["flare22-0001", "flare22-0050"]
    assert left_out["0002"].startswith("is there 2 times: ")
    assert "copy/FLARE22_Tr_0002_0000.nii.gz" in left_out["0002"]
