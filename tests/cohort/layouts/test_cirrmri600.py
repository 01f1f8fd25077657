"""CirrMRI600+ in miniature: T1 and T2 of the same people, healthy ones under the same numbers."""

import nibabel as nib
import numpy as np
import pytest

TABLE = """\
Patient ID,Age,Gender,Radiological Evaluation
3,61,1,1
12,55,2,3
7,48,2,
"""
HEALTHY = "ID,Age,Gender\n12,25,1\n"
# Weighting, folder, number -> subject and published split.
CASES = {
    ("T1", "train", 3): ("3", "train"),
    ("T1", "train", 12): ("12", "train"),
    ("T1", "test", 7): ("7", "test"),
    ("T2", "train", 12): ("12", "train"),
    ("T2", "valid", 100): ("100", "validation"),
    ("T1", "healthy", 12): ("healthy-12", ""),
    ("T2", "healthy", 12): ("healthy-12", ""),
}


def image(body, kind, part, number):
    """An image that no other case has."""
    return body.echoes[0 if kind == "T1" else -1] + number + (part == "healthy")


@pytest.fixture
def download(mr, write_nifti, tmp_path):
    """The T2 part is unpacked into a folder of its own name; the healthy are in RAS, not LPS."""
    root = tmp_path / "CirrMRI600+"
    assert nib.aff2axcodes(mr.affine) == ("L", "P", "S")
    for kind, part, number in CASES:
        folder = root / f"Cirrhosis_{kind}_3D" / ("" if kind == "T1" else f"Cirrhosis_{kind}_3D")
        images, masks = folder / f"{part}_images", folder / f"{part}_masks"
        if part == "healthy":
            folder = root / "Healthy_subjects" / f"{kind}_W_Healthy"
            images, masks = folder / f"{kind}_images", folder / f"{kind}_masks"
        flip = slice(None, None, -1 if part == "healthy" else 1)
        affine = mr.affine.copy()
        if part == "healthy":
            affine[:3, 3] = (mr.affine @ [*(np.array(mr.liver.shape[:2]) - 1), 0, 1])[:3]
            affine[:, :2] *= -1
        data, liver = image(mr, kind, part, number)[flip, flip], mr.liver[flip, flip]
        write_nifti(images / f"{number}.nii.gz", data, affine)
        write_nifti(masks / f"{number}.nii.gz", liver, affine, np.uint8)
    write_nifti(root / "Cirrhosis_T1_3D" / "valid_images" / "20.nii.gz", mr.image, mr.affine)
    (root / "CirrMRI600+_CompleteData_age_gender_evaluation.csv").write_text(
        TABLE, encoding="utf-8-sig"
    )
    (root / "T1_age_gender_evaluation.csv").write_text("Patient ID,Age\n12,99\n")
    (root / "Healthy_demographics.csv").write_text(HEALTHY, encoding="utf-8-sig")
    return root


def test_every_voxel_is_where_it_belongs(download, prepare, assert_is, mr):
    exams, left_out = prepare("cirrmri600", download)
    names = [f"cirrmri600-{person}-{k.lower()}" for (k, _, _), (person, _) in CASES.items()]
    assert list(exams) == names
    for (case, (person, split)), exam in zip(CASES.items(), exams.values(), strict=True):
        assert_is(exam, mr, echoes=[image(mr, *case)])
        told = (exam.modality, exam.technique, exam.contrast_phase)
        assert told == ("MR", f"{case[0].lower()}w", "")
        assert (exam.subject_id, exam.liver_labels) == (f"cirrmri600-{person}", (1,))
        assert (exam.split, exam.extra["published_split"]) == ("", split)
    assert left_out == {"20": "there is no mask for its image"}


def test_the_files_are_the_downloads_own(download, prepare):
    exams, _ = prepare("cirrmri600", download)
    for exam in exams.values():
        assert exam.images[0].is_relative_to(download) and exam.mask.is_relative_to(download)
    healthy = nib.load(exams["cirrmri600-healthy-12-t1"].images[0])
    assert nib.aff2axcodes(healthy.affine) == ("R", "A", "S")


def test_what_the_tables_tell(download, prepare):
    exams, _ = prepare("cirrmri600", download)
    told = {
        name.partition("-")[2]: tuple(exam.extra[key] for key in ("age", "sex", "cirrhosis_grade"))
        for name, exam in exams.items()
    }
    assert told == {
        "3-t1": ("61", "F", "mild"),
        "12-t1": ("55", "M", "severe"),
        "7-t1": ("48", "M", ""),
        "12-t2": ("55", "M", "severe"),
        "100-t2": ("", "", ""),
        "healthy-12-t1": ("25", "F", "healthy"),
        "healthy-12-t2": ("25", "F", "healthy"),
    }
