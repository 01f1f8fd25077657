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


def turned(data, affine, axes):
    """A scan and its affine on other axes."""
    now, then = nib.io_orientation(affine), nib.orientations.axcodes2ornt(axes)
    scan = nib.Nifti1Image(data.astype(np.int16), affine)
    scan = scan.as_reoriented(nib.orientations.ornt_transform(now, then))
    return np.asarray(scan.dataobj), scan.affine


@pytest.fixture
def download(mr, write_nifti, tmp_path):
    """The T2 part is unpacked into a folder of its own name; the healthy are in RAS, not LPS."""
    root = tmp_path / "CirrMRI600+"
    for kind, part, number in CASES:
        folder = root / f"Cirrhosis_{kind}_3D" / ("" if kind == "T1" else f"Cirrhosis_{kind}_3D")
        images, masks = folder / f"{part}_images", folder / f"{part}_masks"
        if part == "healthy":
            folder = root / "Healthy_subjects" / f"{kind}_W_Healthy"
            images, masks = folder / f"{kind}_images", folder / f"{kind}_masks"
        axes = "RAS" if part == "healthy" else "LPS"
        data = image(mr, kind, part, number)
        write_nifti(images / f"{number}.nii.gz", *turned(data, mr.affine, axes))
        write_nifti(masks / f"{number}.nii.gz", *turned(mr.liver, mr.affine, axes))
        (images / f"._{number}.nii.gz").write_bytes(b"\x00\x05\x16\x07")
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
    assert left_out == {"20-t1": "there is no mask for its image"}


def test_the_files_are_the_downloads_own(download, prepare):
    exams, _ = prepare("cirrmri600", download)
    for exam in exams.values():
        assert exam.images[0].is_relative_to(download) and exam.mask.is_relative_to(download)
    for name, axes in (("12-t1", "LPS"), ("healthy-12-t1", "RAS")):
        affine = nib.load(exams[f"cirrmri600-{name}"].images[0]).affine
        assert nib.aff2axcodes(affine) == tuple(axes)


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
