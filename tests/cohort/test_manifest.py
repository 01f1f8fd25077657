import dataclasses
import pathlib
import string

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from liver_jax import files
from liver_jax.cohort import manifest
from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

HEADER = "exam_id,subject_id,modality,technique,split,images,te_ms,mask,liver_labels,age"
ROW = "a1,s1,MR,spgr2d,train,a_e1.nii.gz;a_e2.nii.gz,1.15;2.3,a_mask.nii.gz,1;2,54"


def table(tmp_path, *lines, header=HEADER, end="\n"):
    path = tmp_path / "manifest.csv"
    path.write_bytes(end.join([header, *lines, ""]).encode())
    return path


def changed(**cells):
    """ROW with some cells changed, quoted where that is needed."""
    row = dict(zip(HEADER.split(","), ROW.split(","), strict=True)) | cells
    return ",".join(f'"{cell}"' for cell in row.values())


def test_a_row(tmp_path):
    (exam,) = manifest.read(table(tmp_path, ROW))
    assert exam == Exam(
        exam_id="a1",
        subject_id="s1",
        modality="MR",
        technique="spgr2d",
        split="train",
        images=(tmp_path / "a_e1.nii.gz", tmp_path / "a_e2.nii.gz"),
        te_ms=(1.15, 2.3),
        mask=tmp_path / "a_mask.nii.gz",
        liver_labels=(1, 2),
        extra={"age": "54"},
    )
    assert (exam.manifest, exam.row) == (tmp_path / "manifest.csv", 2)
    assert exam.pdff_map is None
    assert exam.tr_ms is None


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_spreadsheets_do_to_a_file(tmp_path, end):
    path = table(tmp_path, "", f" {ROW} ", "", ",,,,,,,,,", "", end=end)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    (exam,) = manifest.read(path)
    assert (exam.exam_id, exam.extra, exam.row) == ("a1", {"age": "54"}, 3)


def test_columns_without_a_name_are_ignored_while_empty(tmp_path):
    (exam,) = manifest.read(table(tmp_path, ROW + ",,", header=HEADER + ",,"))
    assert exam.extra == {"age": "54"}
    with pytest.raises(InputError, match="without a name"):
        manifest.read(table(tmp_path, ROW + ",x,", header=HEADER + ",,"))


def test_semicolon_csv(tmp_path):
    row = 'a1;s1;MR;spgr2d;train;"e1.nii;e2.nii";"1.15;2.3";m.nii;"1;2";54'
    (exam,) = manifest.read(table(tmp_path, row, header=HEADER.replace(",", ";")))
    assert [path.name for path in exam.images] == ["e1.nii", "e2.nii"]
    assert exam.te_ms == (1.15, 2.3)
    row = row.replace("1.15;2.3", "1,15;2,3")
    with pytest.raises(InputError, match=r"row 2, column te_ms: '1,15' is not a number.*point"):
        manifest.read(table(tmp_path, row, header=HEADER.replace(",", ";")))


def test_line_numbers_count_lines_of_the_file(tmp_path):
    note = '"two\nlines"'
    first = changed().rsplit(",", 1)[0] + f",{note}"
    assert manifest.read(table(tmp_path, first, end="\r\n"))[0].extra == {"age": "two\nlines"}
    with pytest.raises(InputError, match=r"manifest\.csv, row 5, column modality: 'PET'"):
        manifest.read(table(tmp_path, first, "", changed(exam_id="a2", modality="PET")))


FAULTS = {
    "empty id": (changed(exam_id=""), "exam_id: is empty"),
    "slash in id": (changed(exam_id="a/1"), "exam_id: 'a/1' is not safe"),
    "dots in id": (changed(exam_id=".."), r"'\.\.' is not safe"),
    "umlaut in id": (changed(subject_id="mül"), "subject_id: 'mül' is not safe"),
    "modality": (changed(modality="MRI"), "modality: 'MRI' is unknown. Write CT, MR"),
    "split": (changed(split="holdout"), "split: 'holdout' is unknown. Write train, validation"),
    "no technique": (changed(technique=""), "technique: is empty"),
    "no images": (changed(images=""), "images: is empty"),
    "gap in a list": (changed(images="a.nii;;b.nii"), "images: .* has an empty place"),
    "file twice": (changed(images="a.nii;a.nii"), "images: .* has a value twice"),
    "DICOM mask": (changed(mask="a.dcm"), r"mask: a\.dcm: is not \.nii.* Convert it to NIfTI"),
    "folder of masks": (changed(mask="masks/"), r"mask: masks/: is not \.nii"),
    "te count": (changed(te_ms="1.15"), "te_ms: 1 echo times for 2 images"),
    "te order": (changed(te_ms="2.3;1.15"), "te_ms: echo times do not rise"),
    "te word": (changed(te_ms="1.15;x"), "te_ms: 'x' is not a number"),
    "te nan": (changed(te_ms="1.15;nan"), "te_ms: 'nan' is not a number"),
    "te seconds": (changed(te_ms="0.00115;0.0023"), "te_ms: 0.00115 cannot be"),
    "te of CT": (changed(modality="CT", images="a.nii", te_ms="1"), "te_ms: CT has no echoes"),
    "CT files": (changed(modality="CT", te_ms=""), "images: CT with 2 files"),
    "no labels": (changed(liver_labels=""), "liver_labels: is empty, while there is a mask"),
    "label 0": (changed(liver_labels="0"), "liver_labels: '0' is not a label"),
    "label 1.5": (changed(liver_labels="1.5"), "liver_labels: '1.5' is not a label"),
    "two masks": (changed(mask="a.nii;b.nii"), "mask: has 2 files"),
    "short row": ("a1,s1,MR", "row 2: has 3 cells, while the header has 10"),
    "long row": (ROW + ",1", "row 2: has 11 cells"),
    "open quote": ('a1,"s1', "row 2: is not CSV"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_are_named_with_row_and_column(tmp_path, case):
    row, fault = FAULTS[case]
    with pytest.raises(InputError, match=fault) as refused:
        manifest.read(table(tmp_path, row))
    assert str(refused.value).startswith(f"{tmp_path / 'manifest.csv'}, row 2")


FURTHER = {
    "pdff_map": ({"pdff_map": "p.nii"}, "pdff_unit: is empty, while there is a pdff_map"),
    "pdff_unit": ({"pdff_map": "p.nii", "pdff_unit": "%"}, "pdff_unit: '%' is unknown. Write perc"),
    "phase count": ({"phase_images": "p.nii", "phase_unit": "radian"}, "1 files for 2 images"),
    "phase unit": ({"phase_images": "p.nii;q.nii"}, "phase_unit: is empty"),
    "precession": ({"precession": "left"}, "precession: 'left' is unknown"),
    "reader 2": ({"reader2_mask": "r.dcm"}, r"reader2_mask: r\.dcm: is not \.nii"),
    "flip angle": ({"flip_angle_deg": "270"}, "flip_angle_deg: 270 cannot be"),
    "gauss": ({"field_strength_t": "15000"}, "field_strength_t: 15000 cannot be"),
    "two fields": ({"field_strength_t": "1.5;3"}, "field_strength_t: has 2 values"),
    "session": ({"session": "first visit"}, "session: 'first visit' is not safe"),
}


@pytest.mark.parametrize("case", FURTHER)
def test_faults_of_further_columns(tmp_path, case):
    cells, fault = FURTHER[case]
    header = ",".join([HEADER, *cells])
    with pytest.raises(InputError, match=fault):
        manifest.read(table(tmp_path, ",".join([ROW, *cells.values()]), header=header))


@pytest.mark.parametrize("name", ["series/", "scan.zip", "IM0001", "CT.1.2.3", "a.nrrd", "a.mha"])
def test_any_name_can_be_that_of_an_image(tmp_path, name):
    (exam,) = manifest.read(table(tmp_path, changed(images=name, te_ms="")))
    assert exam.images == (tmp_path / name,)


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (HEADER.replace("subject_id", "patient"), "column subject_id: is missing"),
        (HEADER.replace("age", "mask"), "column mask: occurs twice"),
        (HEADER.replace("te_ms", "TE ms"), "column TE ms: is not how .* Write te_ms"),
        (HEADER.replace(",", "\t"), "column exam_id: is missing"),
    ],
)
def test_faults_of_the_header(tmp_path, header, fault):
    with pytest.raises(InputError, match=f"row 1, {fault}"):
        manifest.read(table(tmp_path, ROW, header=header))


def test_files_that_are_no_manifest(tmp_path):
    with pytest.raises(InputError, match=r"No such file.*liver_jax\.prepare"):
        manifest.read(tmp_path / "none.csv")
    with pytest.raises(InputError, match="cannot be read"):
        manifest.read(tmp_path)
    path = tmp_path / "manifest.csv"
    for content, fault in [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (HEADER.encode(), "has no examinations"),
        (HEADER.encode("utf-16"), "not UTF-8"),
        ((HEADER + "\nm\xfcller").encode("latin-1"), "not UTF-8"),
        ((HEADER + "\n\0").encode(), "not CSV|cells"),
    ]:
        path.write_bytes(content)
        with pytest.raises(InputError, match=fault):
            manifest.read(path)


def test_ids_are_unique_even_where_file_names_ignore_case(tmp_path):
    with pytest.raises(InputError, match="row 3, column exam_id: A1 is used already in row 2"):
        manifest.read(table(tmp_path, ROW, changed(exam_id="A1")))


def test_a_subject_in_two_splits_is_refused(tmp_path):
    with pytest.raises(InputError, match="subject s1 is in the splits train and test"):
        manifest.read(table(tmp_path, ROW, changed(exam_id="a2", split="test")))
    assert len(manifest.read(table(tmp_path, ROW, changed(exam_id="a2", split="")))) == 2


def test_many_manifests(tmp_path):
    (tmp_path / "x").mkdir()
    one = table(tmp_path, ROW)
    two = table(tmp_path / "x", changed(exam_id="a2"))
    exams = manifest.read_many(f"{one}, {two}")
    assert [exam.exam_id for exam in exams] == ["a1", "a2"]
    assert exams[1].images[0] == tmp_path / "x" / "a_e1.nii.gz"
    with pytest.raises(InputError, match=r"exam_id a1 is used already in .*row 2"):
        manifest.read_many(f"{one},{one}")
    with pytest.raises(InputError, match="empty file name"):
        manifest.read_many(f"{one},")
    table(tmp_path / "x", changed(exam_id="a2", split="test"))
    with pytest.raises(InputError, match="subject s1 is in the splits train and test"):
        manifest.read_many(f"{one},{two}")


words = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=8)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12).map(str.strip)


@st.composite
def examinations(draw):
    folder = pathlib.Path("/data") / draw(words)
    echoes = draw(st.integers(1, 3))
    rise = st.lists(st.floats(0.02, 900), min_size=echoes, max_size=echoes, unique=True).map(sorted)
    value = st.none() | st.floats(0.5, 15)
    labels = st.lists(st.integers(1, 99), unique=True, min_size=1, max_size=3)
    return Exam(
        exam_id=draw(words),
        subject_id=draw(words),
        session=draw(words | st.just("")),
        modality="MR",
        technique=draw(words),
        contrast_phase=draw(texts),
        site=draw(texts),
        images=tuple(folder / f"{echo}, echo.nii.gz" for echo in range(echoes)),
        te_ms=tuple(draw(rise)),
        tr_ms=draw(value),
        field_strength_t=draw(value),
        mask=folder / "mask.nii",
        liver_labels=tuple(draw(labels)),
        pdff_map=folder / "pdff.nii",
        pdff_unit=draw(st.sampled_from(["percent", "fraction", "permille"])),
        extra={"note": draw(texts), "age": draw(texts)},
    )


@hypothesis.given(
    st.lists(examinations(), min_size=1, max_size=4, unique_by=lambda exam: exam.exam_id.casefold())
)
@hypothesis.settings(deadline=None, max_examples=60)
def test_what_is_written_is_read_again(tmp_path_factory, exams):
    path = tmp_path_factory.mktemp("written") / "manifest.csv"
    manifest.write(path, exams)
    assert manifest.read(path) == exams


def test_written_paths_are_relative_so_that_the_folder_can_move(tmp_path):
    exam = manifest.read(table(tmp_path, ROW))[0]
    manifest.write(tmp_path / "moved" / "m.csv", [exam])
    text = (tmp_path / "moved" / "m.csv").read_text()
    assert "../a_e1.nii.gz;../a_e2.nii.gz" in text
    assert str(tmp_path) not in text
    assert text.startswith("exam_id,subject_id,session,modality,technique,contrast_phase,cohort,")
    assert manifest.read(tmp_path / "moved" / "m.csv") == [exam]
    assert list((tmp_path / "moved").iterdir()) == [tmp_path / "moved" / "m.csv"]


def test_numpy_numbers_are_written_as_numbers(tmp_path):
    exam = manifest.read(table(tmp_path, ROW))[0]
    odd = dataclasses.replace(exam, te_ms=(np.float64(1.15), np.float32(2.5)), tr_ms=np.float64(3))
    manifest.write(tmp_path / "m.csv", [odd])
    again = manifest.read(tmp_path / "m.csv")[0]
    assert (again.te_ms, again.tr_ms) == ((1.15, 2.5), 3.0)


def test_nothing_unreadable_is_written(tmp_path, monkeypatch):
    exam = manifest.read(table(tmp_path, ROW))[0]
    target = tmp_path / "out" / "m.csv"
    for change, fault in [
        ({"exam_id": "a b"}, "'a b' is not safe"),
        ({"images": (tmp_path / "a;b.nii", tmp_path / "c.nii")}, "semicolon"),
        ({"liver_labels": ()}, "liver_labels: cannot be written: is empty"),
    ]:
        with pytest.raises(InputError, match=fault):
            manifest.write(target, [dataclasses.replace(exam, **change)])

    def full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_text", full)
    with pytest.raises(InputError, match="No space left on device"):
        manifest.write(target, [exam])
    assert not target.parent.exists()


AFFINE = np.diag([1.5, 2.0, 8.0, 1.0])


def scan(path, data, affine=AFFINE):
    nifti.write(path, data, Volume(data, affine))
    return path


@pytest.fixture
def exam(tmp_path):
    for echo in (1, 2):
        scan(tmp_path / f"a_e{echo}.nii.gz", np.full((3, 4, 2), echo, np.float32))
    labels = np.zeros((3, 4, 2), np.uint8)
    labels[0, 0, 0], labels[0, 0, 1], labels[1, 1, 1] = 1, 2, 3
    scan(tmp_path / "a_mask.nii.gz", labels)
    return manifest.read(table(tmp_path, ROW))[0]


def test_load(exam):
    image = manifest.load_image(exam)
    assert image.data.shape == (3, 4, 2, 2)
    assert image.data[0, 0, 0].tolist() == [1, 2]
    mask = manifest.load_mask(exam)
    assert mask.data.dtype == bool
    assert np.argwhere(mask.data).tolist() == [[0, 0, 0], [0, 0, 1]]  # labels 1 and 2, not 3
    absent = dataclasses.replace(exam, liver_labels=(9,))
    assert not manifest.load_mask(absent).data.any()
    assert manifest.load_pdff_percent(exam) is None
    assert manifest.image_hashes(exam) == tuple(files.sha256(path) for path in exam.images)


# Of three readings of the same map one fits: fat is near 100 %.
@pytest.mark.parametrize(("unit", "fat"), [("percent", 95), ("fraction", 0.95), ("permille", 950)])
def test_pdff_in_percent(exam, tmp_path, unit, fat):
    stored = np.full((3, 4, 2), fat, np.float32)
    stored[0] *= 0.2
    stored[1, 0] *= [-0.01, 1.1]  # as a fit has them
    scan(tmp_path / "p.nii", stored)
    exam = dataclasses.replace(exam, pdff_map=tmp_path / "p.nii", pdff_unit=unit)
    assert manifest.load_pdff_percent(exam).data == pytest.approx(stored / fat * 95)
    for other in {"percent", "fraction", "permille"} - {unit}:
        with pytest.raises(InputError, match=f"named {other} in the manifest: looks like"):
            manifest.load_pdff_percent(dataclasses.replace(exam, pdff_unit=other))


@pytest.fixture
def complex_exam(exam, tmp_path):
    """`exam` with the phase of its echoes, a quarter of a circle and minus a half."""
    for echo, step in ((1, 2048), (2, -4096)):
        scan(tmp_path / f"a_p{echo}.nii.gz", np.full((3, 4, 2), step, np.int16))
    return dataclasses.replace(
        exam,
        phase_images=(tmp_path / "a_p1.nii.gz", tmp_path / "a_p2.nii.gz"),
        phase_unit="scanner",
        precession="clockwise",
    )


def test_load_complex(exam, complex_exam):
    assert manifest.load_complex(exam) is None
    echoes = manifest.load_complex(complex_exam)
    assert echoes.data.dtype == np.complex64
    assert echoes.data.shape == (3, 4, 2, 2)
    np.testing.assert_allclose(echoes.data[0, 0, 0], [1j, -2], atol=1e-6)
    np.testing.assert_array_equal(echoes.affine, AFFINE)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"precession": None}, "a1 has phase images and no precession. Write clockwise or counter"),
        ({"phase_unit": None}, "a1 has phase images and no phase_unit. Write radian or scanner"),
        ({"phase_unit": "radian"}, "named radian: beyond two pi"),
    ],
)
def test_load_complex_refuses_what_the_row_does_not_tell(complex_exam, change, fault):
    with pytest.raises(InputError, match=rf"a_p1\.nii\.gz: .*{fault}"):
        manifest.load_complex(dataclasses.replace(complex_exam, **change))


def test_load_complex_refuses_phase_of_another_scan(complex_exam, tmp_path):
    one = dataclasses.replace(complex_exam, phase_images=complex_exam.phase_images[:1])
    with pytest.raises(InputError, match="1 phase images for 2 magnitude images"):
        manifest.load_complex(one)
    moved = AFFINE + np.eye(4, k=3)
    scan(tmp_path / "a_p1.nii.gz", np.full((3, 4, 2), -4000, np.int16), moved)
    scan(tmp_path / "a_p2.nii.gz", np.full((3, 4, 2), -4000, np.int16), moved)
    with pytest.raises(InputError, match=r"a_p1\.nii\.gz: lies on another grid than the magnitude"):
        manifest.load_complex(complex_exam)


def test_load_refuses(exam, tmp_path):
    with pytest.raises(InputError, match=r"row 2: a1 has no mask"):
        manifest.load_mask(dataclasses.replace(exam, mask=None))
    with pytest.raises(InputError, match="2 echoes and 3 echo times"):
        manifest.load_image(dataclasses.replace(exam, te_ms=(1, 2, 3)))
    moved = AFFINE.copy()
    moved[0, 3] = 1
    scan(tmp_path / "a_mask.nii.gz", np.ones((3, 4, 2), np.uint8), moved)
    with pytest.raises(InputError, match=r"a_mask\.nii\.gz: lies on another grid than the image"):
        manifest.load_mask(exam)
    scan(tmp_path / "p.nii", np.ones((3, 4, 2, 2), np.float32))
    with pytest.raises(InputError, match="has 2 volumes"):
        manifest.load_pdff_percent(
            dataclasses.replace(exam, pdff_map=tmp_path / "p.nii", pdff_unit="percent")
        )
    exam.images[0].unlink()
    for load in (manifest.load_image, manifest.image_hashes):
        with pytest.raises(InputError, match=r"a_e1\.nii\.gz: .*[Nn]o such file"):
            load(exam)
