"""AMOS22 in miniature: CT and MR in the same folders, a table beside them, the zip of a Mac."""

import shutil

import pytest

TABLE = """\
amos_id,Patient's Birth Date,Patient's Sex,Patient's Age,Manufacturer's Model Name,Manufacturer,\
Acquisition Date,Site
1,19750101,M,045Y,Aquilion ONE,TOSHIBA,20200101,SLGPH
507,,F,,Ingenia,Philips,20200101,SLCH
600,,,nan,,,,
"""
PARTS = {1: "Tr", 500: "Tr", 501: "Tr", 507: "Tr", 8: "Va", 600: "Va"}
CT = (1, 8, 500)


@pytest.fixture
def download(ct, mr, write_nifti, tmp_path):
    """The zip, unpacked, and the table."""
    root = tmp_path / "AMOS" / "amos22"
    for number, part in PARTS.items():
        body = ct if number in CT else mr
        name = f"amos_{number:04d}.nii.gz"
        labels = body.labels(liver=6, spleen=1, right_kidney=2, left_kidney=3)
        write_nifti(root / f"images{part}" / name, body.image + number, body.affine)
        write_nifti(root / f"labels{part}" / name, labels, body.affine)
        dropping = root.parent / "__MACOSX" / "amos22" / f"images{part}" / f"._{name}"
        dropping.parent.mkdir(parents=True, exist_ok=True)
        dropping.write_bytes(b"\x00\x05\x16\x07")
    write_nifti(root / "imagesTs" / "amos_0561.nii.gz", mr.image, mr.affine)
    write_nifti(root / "imagesVa" / "amos_0013.nii.gz", ct.image, ct.affine)
    (root / "labelsTs").mkdir()
    (root / "dataset.json").write_text("{}")
    (root.parent / "labeled_data_meta_0000_0599.csv").write_text(TABLE)
    return root.parent


def check(exams, left_out, assert_is, ct, mr):
    assert list(exams) == [f"amos22-{number:04d}" for number in PARTS]
    for number, exam in zip(PARTS, exams.values(), strict=True):
        body = ct if number in CT else mr
        assert_is(exam, body, echoes=[body.image + number])
        told = (exam.modality, exam.technique)
        assert told == (("CT", "ct") if number in CT else ("MR", "mr"))
        assert (exam.subject_id, exam.liver_labels) == (f"amos22-{number:04d}", (6,))
        split = {"Tr": "train", "Va": "validation"}[PARTS[number]]
        assert (exam.split, exam.extra["published_split"]) == ("", split)
    assert left_out == {
        "amos_0013": "there is no mask for its image",
        "amos_0561": "no mask is published for it",
    }


def test_every_voxel_is_where_it_belongs(download, prepare, assert_is, ct, mr):
    exams, left_out = prepare("amos22", download)
    check(exams, left_out, assert_is, ct, mr)
    for number, exam in zip(PARTS, exams.values(), strict=True):
        name = f"amos_{number:04d}.nii.gz"
        assert exam.images == (download / "amos22" / f"images{PARTS[number]}" / name,)
        assert exam.mask == download / "amos22" / f"labels{PARTS[number]}" / name


def test_what_the_table_tells(download, prepare):
    exams, _ = prepare("amos22", download)
    told = {
        int(exam.exam_id[-4:]): tuple(exam.extra[key] for key in ("sex", "age", "scanner"))
        for exam in exams.values()
    }
    assert told[1] == ("M", "45", "Aquilion ONE")
    assert told[507] == ("F", "", "Ingenia")
    assert told[600] == told[500] == ("", "", "")
    sites = {int(exam.exam_id[-4:]): exam.site for exam in exams.values() if exam.site}
    assert sites == {1: "SLGPH", 507: "SLCH"}


def test_the_zip_is_read_where_it_lies(download, prepare, assert_is, ct, mr, tmp_path):
    packed = tmp_path / "packed"
    packed.mkdir()
    shutil.make_archive(packed / "amos22", "zip", download)
    shutil.copy(download / "labeled_data_meta_0000_0599.csv", packed)
    exams, left_out = prepare("amos22", packed, "of_the_zip")
    check(exams, left_out, assert_is, ct, mr)
    assert exams["amos22-0001"].extra["age"] == "45"
    assert all(exam.mask.is_relative_to(tmp_path / "of_the_zip") for exam in exams.values())
