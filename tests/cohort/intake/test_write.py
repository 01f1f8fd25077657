"""A cohort taken in: what stays, what is made again, what is never written over."""

import csv
import dataclasses
import errno
import hashlib
import pathlib
import shutil

import numpy as np
import pytest

from liver_jax.cohort import layouts, manifest
from liver_jax.cohort.intake import write
from liver_jax.cohort.intake.case import Case, Found, LeftOut
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.layouts import catalogue
from liver_jax.errors import InputError
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

AFFINE = np.diag([3.0, 3.0, 5.0, 1.0])


def add_case(source, number, mask_value=1):
    rng = np.random.default_rng(number)
    image = rng.integers(-100, 200, (9, 8, 5)).astype(np.int16)
    mask = np.zeros((9, 8, 5), np.uint8)
    mask[2:5, 2:5, 1:4] = mask_value
    for name, data in (("volume", image), ("segmentation", mask)):
        nifti.write(source / f"{name}-{number}.nii", data, Volume(data, AFFINE))


def take_in(source, output, name="lits", **options):
    found = catalogue.read(catalogue.PUBLIC[name], Download(source, apart=output))
    return write.write(name, found, output, **options)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    for number in (0, 1):
        add_case(folder, number)
    return folder


def test_more_of_a_download_adds_to_the_cohort(source, tmp_path):
    output = tmp_path / "out"
    exams, _ = take_in(source, output)
    assert [exam.exam_id for exam in exams] == ["lits-0", "lits-1"]
    add_case(source, 10)
    add_case(source, 2)
    exams, _ = take_in(source, output, split="test")
    assert [exam.exam_id for exam in exams] == ["lits-0", "lits-1", "lits-2", "lits-10"]
    assert {exam.split for exam in manifest.read(output / "manifest.csv")} == {"test"}


def test_what_was_unpacked_is_kept_until_the_download_changes(source, tmp_path):
    shutil.make_archive(str(tmp_path / "packed" / "batch"), "zip", source)
    output = tmp_path / "out"
    exams, _ = take_in(tmp_path / "packed", output)
    image = exams[0].images[0]
    assert image == output / "exams" / "lits-0" / "image_1.nii"
    before = image.stat().st_mtime_ns
    take_in(tmp_path / "packed", output)
    assert image.stat().st_mtime_ns == before
    image.unlink()
    take_in(tmp_path / "packed", output)
    assert image.exists()
    add_case(source, 0, mask_value=2)
    shutil.make_archive(str(tmp_path / "packed" / "batch"), "zip", source)
    exams, _ = take_in(tmp_path / "packed", output)
    assert nifti.read_labels(exams[0].mask).data.max() == 2


def test_a_download_that_was_moved_is_followed(source, tmp_path):
    """A mask with a header of its own is written anew, beside the download's own image."""
    mask = np.zeros((9, 8, 5), np.uint8)
    mask[2:5, 2:5, 1:4] = 1
    add_case(source, 48)
    affine = np.diag([-3.0, 3.0, 5.0, 1.0])
    nifti.write(source / "segmentation-48.nii", mask, Volume(mask, affine))
    take_in(source, tmp_path / "out")
    moved = source.rename(tmp_path / "moved")
    exams, _ = take_in(moved, tmp_path / "out")
    assert all(exam.images[0].is_relative_to(moved) for exam in exams)


def test_a_mask_on_turned_axes_is_turned_to_its_image(source, tmp_path):
    """As a tool writes it that has axes of its own: the voxels are in their places."""
    mask = nifti.read_labels(source / "segmentation-1.nii").data
    turned = AFFINE @ np.array([[0, -1, 0, 8], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    data = np.ascontiguousarray(mask[::-1].transpose(1, 0, 2))
    nifti.write(source / "segmentation-1.nii", data, Volume(data, turned))
    exams, left_out = take_in(source, tmp_path / "out")
    assert not left_out
    assert exams[1].extra["mask_changed"] == "mask: axes turned as its image's"
    np.testing.assert_array_equal(manifest.load_mask(exams[1]).data, mask == 1)
    assert exams[0].mask.is_relative_to(source)


def test_rows_that_are_gone_are_told_and_the_split_stays(source, tmp_path):
    take_in(source, tmp_path / "out", split="test")
    (source / "volume-0.nii").unlink()
    (source / "segmentation-0.nii").unlink()
    exams, left_out = take_in(source, tmp_path / "out")
    assert [(exam.exam_id, exam.split) for exam in exams] == [("lits-1", "test")]
    assert [item.case for item in left_out] == ["lits-0"]
    assert "is not in the download any more" in left_out[0].reason
    exams, left_out = take_in(source, tmp_path / "out", split="")
    assert exams[0].split == "" and not left_out


def test_what_is_not_used_any_more_is_removed(source, tmp_path):
    shutil.make_archive(str(tmp_path / "packed" / "batch"), "zip", source)
    output = tmp_path / "out"
    take_in(tmp_path / "packed", output)
    assert len(list((output / "exams").iterdir())) == 2
    shutil.unpack_archive(tmp_path / "packed" / "batch.zip", tmp_path / "packed")
    exams, _ = take_in(tmp_path / "packed", output)
    assert all(exam.images[0].is_relative_to(tmp_path / "packed") for exam in exams)
    assert not list((output / "exams").iterdir())


def test_whoever_is_killed_between_two_files_goes_on(source, tmp_path, monkeypatch):
    output = tmp_path / "out"
    take_in(source, output)
    add_case(source, 2)
    with monkeypatch.context() as patch:
        patch.setattr(manifest, "write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            take_in(source, output)
    assert len(manifest.read(output / "manifest.csv")) == 2
    take_in(source, output)
    assert len(manifest.read(output / "manifest.csv")) == 3


def test_a_full_disk_is_no_fault_of_a_case(source, tmp_path, monkeypatch):
    shutil.make_archive(str(tmp_path / "packed" / "batch"), "zip", source)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        with pytest.raises(OSError, match="No space left"):
            take_in(tmp_path / "packed", tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.csv").exists()
    exams, left_out = take_in(tmp_path / "packed", tmp_path / "out")
    assert len(exams) == 2 and not left_out


def test_an_output_behind_a_link(source, tmp_path):
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "data").symlink_to(tmp_path / "far" / "deep")
    take_in(source, tmp_path / "data" / "lits")
    for folder in (tmp_path / "data", tmp_path / "far" / "deep"):
        exams = manifest.read(folder / "lits" / "manifest.csv")
        assert all(exam.images[0].exists() and exam.mask.exists() for exam in exams)


def test_a_place_that_cannot_be_written_to_is_refused(source, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        take_in(source, tmp_path / "file" / "out")


def test_one_person_is_spelled_in_one_way(source, tmp_path):
    found = catalogue.PUBLIC["lits"].read(Download(source))
    found.cases = [
        dataclasses.replace(case, subject_id=name)
        for case, name in zip(found.cases, ("P1", "p1"), strict=True)
    ]
    exams, _ = write.write("lits", found, tmp_path / "out")
    assert {exam.subject_id for exam in exams} == {"P1"}


def test_all_that_is_left_out_is_in_a_table(source, tmp_path):
    (source / "segmentation-1.nii").unlink()
    shutil.copy(source / "volume-0.nii", source / "volume-7.nii")
    (source / "segmentation-7.nii").write_bytes(b"no NIfTI")
    (source / "rest.tar.gz").write_bytes(b"")
    exams, left_out = take_in(source, tmp_path / "out")
    with open(tmp_path / "out" / "left_out.csv", newline="") as file:
        rows = {row["case"]: row["reason"] for row in csv.DictReader(file)}
    assert rows == {item.case: item.reason for item in left_out}
    assert set(rows) == {"1", "7", "rest.tar.gz"}
    assert "is not a NIfTI file" in rows["7"]
    text = write.describe(tmp_path / "out", exams, left_out, 131)
    assert "1 examination of 1 subject (the whole download has 131)" in text
    for case, reason in rows.items():
        assert case in text and reason.split(":")[0] in text


def test_what_somebody_edited_is_not_written_over(source, tmp_path):
    output = tmp_path / "out"
    take_in(source, output)
    path = output / "manifest.csv"
    path.write_text(path.read_text().replace("lits-1", "mine-1"))
    with pytest.raises(InputError, match="was edited"):
        take_in(source, output)
    assert "mine-1" in path.read_text()


def test_another_cohort_is_not_written_over(source, tmp_path):
    output = tmp_path / "out"
    take_in(source, output)
    with pytest.raises(InputError, match="holds the cohort lits, not own"):
        write.write("own", catalogue.PUBLIC["lits"].read(Download(source)), output)
    (output / "cohort.json").unlink()
    with pytest.raises(InputError, match="was not written from a download"):
        take_in(source, output)


def test_nothing_that_can_be_used_is_refused_with_the_first_reason(source, tmp_path):
    for path in source.glob("segmentation*"):
        path.unlink()
    with pytest.raises(InputError, match="no case that can be used: 0: there is no mask"):
        take_in(source, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_a_download_of_another_cohort_is_recognised(source):
    with pytest.raises(InputError, match="It looks like --cohort=lits"):
        catalogue.read(catalogue.PUBLIC["atlas"], Download(source))


def test_ids_that_cannot_be_told_apart_are_left_out(source, tmp_path):
    (entry,) = [e for e in Download(source).entries if e.name == "volume-0.nii"]
    (mask,) = [e for e in Download(source).entries if e.name == "segmentation-0.nii"]
    cases = [
        Case(
            case_id=name,
            subject_id=f"s {name}",
            modality="CT",
            technique="ct",
            images=(entry,),
            mask=mask,
        )
        for name in ("Jo-1", "jo-1", "Jo 1", "李", "王")
    ]
    exams, left_out = write.write("own", Found(cases), tmp_path / "out")
    assert left_out == [LeftOut("jo-1", "has the name of Jo-1, as a manifest has it")]
    assert (
        exams[0].exam_id == "own-Jo-1"
        and exams[1].exam_id == "own-Jo_1-" + hashlib.sha256(b"own-Jo 1").hexdigest()[:8]
    )
    assert len({exam.exam_id for exam in exams}) == len({e.subject_id for e in exams}) == 4


def test_a_row_that_cannot_be_written_is_left_out_alone(source, tmp_path):
    found = catalogue.PUBLIC["lits"].read(Download(source))
    found.cases[0] = dataclasses.replace(found.cases[0], field_strength_t=15000.0)
    exams, left_out = write.write("lits", found, tmp_path / "out")
    assert [exam.exam_id for exam in exams] == ["lits-1"]
    assert "15000" in left_out[0].reason


def test_every_layout_is_in_the_table():
    (folder,) = layouts.__path__
    files = {path.stem for path in pathlib.Path(folder).glob("*.py")}
    assert files - {"__init__", "catalogue", "nnunet", "bids", "folders"} == set(catalogue.PUBLIC)
    text = catalogue.describe()
    assert max(map(len, text.splitlines())) <= 100
    for layout in catalogue.PUBLIC.values():
        assert layout.name in text and layout.licence in text and layout.home in text
        assert layout.liver in text
