"""One's own scans in folders: what a pattern pairs, and what is shown before it is written."""

import shutil

import pytest

from liver_jax.cohort import manifest
from liver_jax.cohort.intake import write
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.intake.own import Own
from liver_jax.cohort.layouts import folders
from liver_jax.errors import InputError


@pytest.fixture
def scans(ct, write_nifti, tmp_path):
    """Writes CT, the second image brighter by 1 and so on: `scans(images, masks)`; the folder."""

    def write(images, masks):
        for number, name in enumerate(images):
            write_nifti(tmp_path / "my scans" / name, ct.image + number, ct.affine)
        for name in masks:
            write_nifti(tmp_path / "my scans" / name, ct.labels(liver=1, tumour=2), ct.affine)
        return tmp_path / "my scans"

    return write


def _prepare(prepare_own, root, pattern, **told):
    told = {"modality": "CT", "liver_labels": (1, 2)} | told
    return prepare_own(folders.read, root, root, pattern, **told)


def test_two_folders_of_the_same_names(scans, prepare_own, assert_is, ct):
    root = scans(
        ["img/P2.nii.gz", "img/P10.nii.gz", "img/no-mask.nii.gz"],
        ["seg/P2.nii.gz", "seg/p10.nii.gz", "seg/no image.nii.gz"],
    )
    (root / "img" / "._P2.nii.gz").write_bytes(b"Mac OS X")
    (root / "seg" / "notes.txt").write_text("P2 is difficult")
    exams, left_out = prepare_own(
        folders.read,
        *(root / "img", root / "seg", "*.nii.gz,*.nii.gz"),
        **{"modality": "CT", "liver_labels": (1, 2)},
    )
    assert list(exams) == ["own-P2", "own-P10"]
    for number, exam in enumerate(exams.values()):
        assert_is(exam, ct, echoes=[ct.image + number])
        assert exam.subject_id == exam.exam_id
        assert (exam.modality, exam.technique, exam.session) == ("CT", "ct", "")
    assert left_out["no-mask"] == "there is no mask for its image"
    assert left_out["no image"] == "there is no image for its mask"


@pytest.mark.parametrize(
    ("images", "masks", "pattern", "wanted"),
    [
        (
            ["P1.nii.gz", "P2.nii.gz"],
            ["P1_seg.nii.gz", "P2_seg.nii.gz"],
            "*.nii.gz,*_seg.nii.gz",
            ["P1", "P2"],
        ),
        (["P1_img.nii"], ["P1.nii"], "*_img.nii, *.nii", ["P1"]),
        (["P1_CT.NII.GZ"], ["p1_Seg.nii"], "*_ct.nii.gz,*_seg.nii", ["P1"]),
        (
            ["Doe, J/portal venous.nii.gz", "Roe-Poe/portal venous.nii.gz"],
            ["Doe, J/the liver.nii.gz", "Roe-Poe/the liver.nii.gz"],
            "*/portal venous.nii.gz,*/the liver.nii.gz",
            ["Doe, J", "Roe-Poe"],
        ),
        (
            ["a/P1_img.nii.gz", "b/P1_img.nii.gz"],
            ["a/P1_seg.nii.gz", "b/P1_seg.nii.gz"],
            "*/*_img.nii.gz,*/*_seg.nii.gz",
            ["a-P1", "b-P1"],
        ),
        (["P1/P1_img.nii"], ["P1/P1_seg.nii"], "*/{case}_img.nii,*/{case}_seg.nii", ["P1-P1"]),
        (["P.1.nii.gz"], ["P.1-label.nii.gz"], "*.nii.gz,*-label.nii.gz", ["P.1"]),
    ],
)
def test_patterns(scans, prepare_own, assert_is, ct, images, masks, pattern, wanted):
    exams, left_out = _prepare(prepare_own, scans(images, masks), pattern)
    assert list(exams) == [write.plain(f"own-{name}") for name in wanted] and not left_out
    for number, exam in enumerate(exams.values()):
        assert_is(exam, ct, echoes=[ct.image + number])


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{subject}_{session}.nii.gz", "{subject}_{session}_seg.nii.gz"),
        ("{subject}/{session}/*_img.nii", "{subject}/{session}/*_seg.nii"),
        ("{session}/{subject}/{subject}.nii", "{session}/masks/{subject}.nii"),
    ],
)
def test_one_person_twice(scans, prepare_own, assert_is, ct, image, mask):
    people = [("P1", "2019-01-31"), ("P1", "2020 b"), ("P2", "2019-01-31")]
    names = [
        [name.format(subject=who, session=when).replace("*", "t1") for who, when in people]
        for name in (image, mask)
    ]
    exams, left_out = _prepare(prepare_own, scans(*names), f"{image},{mask}")
    assert len(exams) == 3 and not left_out
    found = {(exam.subject_id, exam.session): exam for exam in exams.values()}
    for number, (who, when) in enumerate(people):
        exam = found[f"own-{who}", write.plain(when)]
        assert_is(exam, ct, echoes=[ct.image + number])


def test_masks_in_a_folder_of_the_images(scans, prepare_own):
    root = scans(["P1.nii.gz"], ["masks/P1.nii.gz"])
    given = (root, root / "masks", "*.nii.gz,*.nii.gz")
    exams, left_out = prepare_own(folders.read, *given, modality="MR", technique="spgr2d")
    assert list(exams) == ["own-P1"] and not left_out
    assert (exams["own-P1"].modality, exams["own-P1"].technique) == ("MR", "spgr2d")
    assert exams["own-P1"].liver_labels == (1,)


def test_packed_images_and_masks(scans, prepare_own, assert_is, ct, tmp_path):
    root = scans(["P1.nii.gz"], ["P1_seg.nii.gz"])
    packed = tmp_path / "packed.zip"
    shutil.make_archive(packed.with_suffix(""), "zip", root)
    exams, _ = _prepare(prepare_own, packed, "*.nii.gz,*_seg.nii.gz")
    assert_is(exams["own-P1"], ct)


def test_what_is_there_twice_is_left_out(scans, prepare_own):
    root = scans(["a/P1.nii.gz", "b/P1.nii.gz", "a/P2.nii.gz"], ["m/P1_x.nii.gz", "m/P2_x.nii.gz"])
    exams, left_out = _prepare(prepare_own, root, "{subject}.nii.gz,{subject}_x.nii.gz")
    assert list(exams) == ["own-P2"]
    assert left_out == {"P1": "is there 2 times: a/P1.nii.gz and b/P1.nii.gz"}


def test_the_preview_shows_pairs_and_what_has_none(scans):
    numbers = range(1, 15)
    root = scans([f"{n}.nii" for n in numbers], [f"{n}_seg.nii" for n in numbers if n != 5])
    own = Own(cohort="own", modality="CT")
    download = Download(root)
    found = folders.read(download, download, "{subject}.nii,{subject}_seg.nii", own)
    lines = folders.preview(found).splitlines()
    assert lines[0] == "13 pairs"
    assert lines[1] == "  1.nii  +  1_seg.nii  ->  own-1"
    assert lines[-2:] == ["  ... and 1 more", "  5: there is no mask for its image"]


def test_nothing_is_written_before_it_was_seen(scans, run, assert_is, ct, tmp_path):
    root = scans(["P1_s1.nii.gz"], ["P1_s1_seg.nii.gz"])
    arguments = (
        *("prepare", "--cohort=folders", f"--images={root}", f"--masks={root}", "--modality=CT"),
        "--pattern={subject}_{session}.nii.gz,{subject}_{session}_seg.nii.gz",
        *("--liver_labels=1,2", f"--output={tmp_path / 'new'}", "--workers=1"),
    )
    code, out, err = run(*arguments)
    assert code == 0, err
    assert "P1_s1.nii.gz  +  P1_s1_seg.nii.gz  ->  new-P1, session s1" in out
    assert "--write" in out and not (tmp_path / "new").exists()
    code, out, err = run(*arguments, "--write")
    assert code == 0 and "1 examination of 1 subject" in out, err
    (exam,) = manifest.read(tmp_path / "new" / "manifest.csv")
    assert (exam.exam_id, exam.subject_id, exam.session) == ("new-P1-s1", "new-P1", "s1")
    assert_is(exam, ct)


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("*.nii.gz", "not two names with a comma"),
        ("*.nii.gz,", "not two names with a comma"),
        ("*.nii.gz,*_seg.nii.gz,*_t1.nii.gz", "not two names with a comma"),
        ("image.nii.gz,mask.nii.gz", "the same {words}"),
        ("{subject}.nii.gz,*.nii.gz", "the same {words}"),
        ("{name}.nii.gz,{name}_seg.nii.gz", "the same {words}"),
        ("*.nii.gz,*.nii.gz", "holds no image by the names"),
        ("*,*_seg", "holds no mask by the names"),
        ("*_t2.nii.gz,*_seg.nii.gz", "its first file is P1.nii.gz"),
    ],
)
def test_patterns_that_are_refused(scans, prepare_own, pattern, fault):
    root = scans(["P1.nii.gz"], ["P1_seg.nii.gz"])
    with pytest.raises(InputError) as refused:
        _prepare(prepare_own, root, pattern)
    assert fault in str(refused.value) and "--pattern=" in str(refused.value)


def test_the_modality_has_to_be_told(scans, prepare_own):
    root = scans(["P1.nii.gz"], ["P1_seg.nii.gz"])
    with pytest.raises(InputError, match="--modality=CT or --modality=MR"):
        _prepare(prepare_own, root, "*.nii.gz,*_seg.nii.gz", modality="")
