"""TotalSegmentator in miniature: a file for each organ, no liver in the head, two sets."""

import numpy as np
import pytest

COLUMNS = (
    "image_id;age;gender;institute;study_type;split;manufacturer;scanner_model;kvp;pathology;"
    "pathology_location"
)
CT_TABLE = f"""\
{COLUMNS}
s0000;57;m;C;ct thorax-abdomen-pelvis;train;siemens;Force;120.0;no_pathology;
s0001;64;f;A;"ct  abdomen
portal venous";val;ge;;100.0;tumor;liver
s0010;;f;;ct head;test;;;;;
s0002;70;m;B;ct abdomen;test;philips;;120.0;nan;
"""
MR_TABLE = f"{COLUMNS}\ns0001;33;m;M;mr abdomen;test;siemens;Aera;;unclear;\n"
ORGANS = ("liver", "spleen", "kidney_right", "kidney_left")


@pytest.fixture
def write_person(write_nifti):
    """Writes one folder, with a file for each organ."""

    def write(folder, word, image, body, liver=None):
        write_nifti(folder / f"{word}.nii.gz", image, body.affine)
        labels = body.labels(liver=1, spleen=2, right_kidney=3, left_kidney=4)
        for value, organ in enumerate(ORGANS, 1):
            mask = liver if organ == "liver" and liver is not None else labels == value
            path = folder / "segmentations" / f"{organ}.nii.gz"
            write_nifti(path, mask, body.affine, np.uint8)

    return write


@pytest.fixture
def download(ct, mr, write_person, write_nifti, tmp_path):
    """Both sets, each in the folder of its zip."""
    source = tmp_path / "TotalSegmentator"
    root = source / "Totalsegmentator_dataset_v201"
    write_person(root / "s0000", "ct", ct.image, ct)
    write_person(root / "s0001", "ct", ct.image + 1, ct)
    write_person(root / "s0010", "ct", ct.image + 10, ct, liver=np.zeros(ct.liver.shape))
    labels = ct.labels(liver=5, spleen=1, right_kidney=2, left_kidney=3)
    for number in (2, 11):
        folder = root / f"s{number:04d}"
        write_nifti(folder / "ct.nii.gz", ct.image + number, ct.affine)
        labels = labels if number == 2 else np.where(labels == 5, 0, labels)
        write_nifti(folder / "segmentations.nii.gz", labels, ct.affine, np.uint8)
    write_nifti(root / "s0012" / "ct.nii.gz", ct.image, ct.affine)
    write_nifti(root / "s0012" / "segmentations" / "spleen.nii.gz", labels == 1, ct.affine)
    (root / "meta.csv").write_text(CT_TABLE, encoding="utf-8-sig")
    root = source / "TotalsegmentatorMRI_dataset_v200"
    for number in (0, 1):
        write_person(root / f"s{number:04d}", "mri", mr.image + number, mr)
    (root / "meta.csv").write_text(MR_TABLE, encoding="utf-8-sig")
    return source


def test_every_voxel_is_where_it_belongs(download, prepare, assert_is, ct, mr):
    exams, left_out = prepare("totalsegmentator", download)
    names = ("ct-s0000", "ct-s0001", "ct-s0002", "mr-s0000", "mr-s0001")
    assert list(exams) == [f"totalsegmentator-{name}" for name in names]
    for name, exam in zip(names, exams.values(), strict=True):
        body = ct if name.startswith("ct") else mr
        assert_is(exam, body, echoes=[body.image + int(name[-4:])])
        assert (exam.modality, exam.technique) == (name[:2].upper(), name[:2])
        assert exam.subject_id == f"totalsegmentator-{name}"
        assert exam.liver_labels == ((5,) if name == "ct-s0002" else (1,))
        assert exam.images[0].is_relative_to(download) and exam.mask.is_relative_to(download)
    assert left_out == {
        "ct-s0010": "its mask has no liver (1)",
        "ct-s0011": "its mask has no liver (5), but 1, 2, 3",
        "ct-s0012": "there is no mask of the liver for it",
    }


def test_what_the_tables_tell(download, prepare):
    exams, _ = prepare("totalsegmentator", download)
    columns = ("published_split", "age", "sex", "study_type", "manufacturer", "pathology")
    told = {
        name.partition("-")[2]: (exam.site, *(exam.extra[column] for column in columns))
        for name, exam in exams.items()
    }
    assert told == {
        "ct-s0000": (
            "C",
            "train",
            "57",
            "m",
            "ct thorax-abdomen-pelvis",
            "siemens",
            "no_pathology",
        ),
        "ct-s0001": ("A", "validation", "64", "f", "ct abdomen portal venous", "ge", "tumor"),
        "ct-s0002": ("B", "test", "70", "m", "ct abdomen", "philips", ""),
        "mr-s0000": ("",) * 7,
        "mr-s0001": ("M", "test", "33", "m", "mr abdomen", "siemens", "unclear"),
    }


def test_one_set_by_itself(download, prepare, assert_is, mr):
    exams, left_out = prepare("totalsegmentator", download / "TotalsegmentatorMRI_dataset_v200")
    assert list(exams) == ["totalsegmentator-mr-s0000", "totalsegmentator-mr-s0001"]
    assert_is(exams["totalsegmentator-mr-s0001"], mr, echoes=[mr.image + 1])
    assert exams["totalsegmentator-mr-s0001"].extra["age"] == "33" and not left_out
