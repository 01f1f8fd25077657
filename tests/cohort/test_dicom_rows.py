"""Rows of a manifest that name DICOM folders, zips, NRRD and MetaImage files."""

import dataclasses
import re
import shutil

import numpy as np
import pytest
import SimpleITK

from liver_jax.cohort import check, manifest, table1
from liver_jax.cohort.manifest import Exam
from liver_jax.data import preprocess, slices
from liver_jax.errors import InputError
from liver_jax.volume import nifti, reader
from liver_jax.volume.geometry import Volume

TE_MS = (2.3, 4.6, 6.9)
SETTINGS = preprocess.Settings(16, 3.0, -160.0, 240.0, 0.5, 99.5)


@pytest.fixture
def exam(tmp_path, write_series):
    """Three echoes in one DICOM folder, a mask in NIfTI on its grid."""
    data = np.random.default_rng(0).integers(0, 900, (14, 12, 4, 3)).astype(np.float32)
    write_series(tmp_path / "series", data, modality="MR", te_ms=TE_MS)
    image = reader.read([tmp_path / "series"]).volume
    mask = np.zeros(image.grid_shape, np.uint8)
    mask[3:10, 3:9] = 1
    nifti.write(tmp_path / "mask.nii.gz", mask, image)
    return Exam(
        exam_id="a",
        subject_id="s",
        modality="MR",
        technique="spgr2d",
        split="train",
        images=(tmp_path / "series",),
        mask=tmp_path / "mask.nii.gz",
        liver_labels=(1,),
    )


def rows(tmp_path, *exams):
    manifest.write(tmp_path / "manifest.csv", exams)
    return tmp_path / "manifest.csv"


def test_a_folder_fills_what_the_row_leaves_empty(tmp_path, exam):
    (read,) = manifest.read(rows(tmp_path, exam))
    assert read.images == exam.images
    completed, source = manifest.load(read)
    assert source.volume.data.shape == (14, 12, 4, 3)
    assert completed.te_ms == TE_MS
    assert (completed.field_strength_t, completed.tr_ms, completed.flip_angle_deg) == (1.5, 150, 10)
    assert manifest.load_header(read)[0] == completed
    assert manifest.load_mask(read).data.sum() == 7 * 6 * 4
    assert check.check(tmp_path / "manifest.csv").faults == ()
    text = table1.format_table(table1.describe([read]))
    assert "2.3 4.6 6.9 (n = 1)" in text
    assert "1.5 (n = 1)" in text


def test_what_a_row_says_stays_where_it_is_near_enough(exam):
    row = dataclasses.replace(exam, te_ms=(2.31, 4.6, 6.9), field_strength_t=1.49)
    completed, _ = manifest.load(row)
    assert (completed.te_ms, completed.field_strength_t) == (row.te_ms, 1.49)
    assert manifest.load(dataclasses.replace(exam, modality=""))[0].modality == "MR"


@pytest.mark.parametrize(
    ("cells", "column", "fault"),
    [
        ({"te_ms": (1.2, 2.3, 3.4)}, "images", "tells te_ms 2.3;4.6;6.9, while the row .* 1.2;2.3"),
        ({"te_ms": (1.2, 2.3)}, "te_ms", "3 echoes and 2 echo times"),
        (
            {"field_strength_t": 3.0},
            "images",
            "tells field_strength_t 1.5, while the row of a has 3",
        ),
        ({"flip_angle_deg": 25.0}, "images", "tells flip_angle_deg 10"),
        ({"modality": "CT"}, "images", "tells modality MR, while the row of a has CT"),
    ],
)
def test_a_contradiction_is_a_fault_by_name(tmp_path, exam, cells, column, fault):
    wrong = dataclasses.replace(exam, **cells)
    with pytest.raises(InputError, match=fault) as refused:
        manifest.load(wrong)
    assert str(refused.value).startswith(f"{exam.images[0]}: ")
    if cells.get("modality") != "CT":
        (found,) = check.check(rows(tmp_path, wrong)).faults
        assert re.search(fault, found.message)
        assert (found.column, found.file) == (column, "series")


def test_several_series_cannot_be_told_apart_in_a_row(tmp_path, exam, write_series):
    other = np.ones((14, 12, 4), np.float32) * 7
    numbered = {"SeriesNumber": 9, "SeriesDescription": "other"}
    write_series(exam.images[0], other, modality="MR", series=numbered)
    with pytest.raises(InputError, match="Put the one that is meant into a folder of its own"):
        manifest.load_image(exam)


def test_the_same_images_in_a_folder_and_a_zip_are_one_image(tmp_path, exam):
    archive = shutil.make_archive(str(tmp_path / "same"), "zip", exam.images[0])
    other = dataclasses.replace(
        exam, exam_id="b", subject_id="t", split="test", images=(tmp_path / archive,)
    )
    assert manifest.image_hashes(exam) == manifest.image_hashes(other)
    (fault,) = check.check(rows(tmp_path, exam, other)).faults
    assert "is the same image as series of a in row 2" in fault.message


def test_training_takes_a_folder_and_notices_when_it_changes(tmp_path, exam):
    images, masks, _ = slices.slices_of(exam, SETTINGS)
    assert images.shape == (4, 3, 16, 16)
    assert masks.any()
    before = slices.fingerprint([exam], SETTINGS)
    assert slices.fingerprint([exam], SETTINGS) == before
    next(exam.images[0].iterdir()).touch()
    assert slices.fingerprint([exam], SETTINGS) != before


def test_phase_of_dicom_is_used_where_the_row_tells_its_direction(tmp_path, write_series):
    magnitude = np.full((6, 5, 4, 3), 100.0, np.float32)
    angle = np.tile(np.array([0, 1000, -2000], np.float32), (6, 5, 4, 1))  # thousandths of radians
    angle[0, 0] = 3141, -3141, 3141  # the whole circle, from which the unit is told
    place = {"SeriesNumber": 4, "SeriesInstanceUID": "1.2.3.44"}
    kinds = ["ORIGINAL", "PRIMARY", "P"]
    write_series(tmp_path / "s", magnitude, modality="MR", te_ms=TE_MS)
    write_series(
        tmp_path / "s",
        angle,
        modality="MR",
        te_ms=TE_MS,
        signed=True,
        image_type=kinds,
        series=place,
    )
    exam = Exam(
        exam_id="a",
        subject_id="s",
        modality="MR",
        technique="spgr2d",
        images=(tmp_path / "s",),
    )
    if manifest.load(exam)[1].phase is None:
        pytest.fail("the phase images were not found")
    assert manifest.load_complex(exam) is None
    found = manifest.load_complex(dataclasses.replace(exam, precession="clockwise"))
    np.testing.assert_allclose(np.angle(found.data[3, 3, 2]), [0, 1, -2], atol=1e-3)
    np.testing.assert_allclose(np.abs(found.data), 100, rtol=1e-5)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_other_formats_for_images_masks_and_maps(tmp_path, exam, suffix):
    image = manifest.load_image(exam)

    def save(name, data):
        made = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.T))
        made.SetSpacing(image.spacing_mm)
        lps = np.diag([-1, -1, 1, 1]) @ image.affine
        made.SetDirection((lps[:3, :3] / image.spacing_mm).ravel())
        made.SetOrigin(lps[:3, 3])
        SimpleITK.WriteImage(made, tmp_path / f"{name}{suffix}", True)
        return tmp_path / f"{name}{suffix}"

    mask = manifest.load_mask(exam).data
    fat = np.where(mask, 6, 93).astype(np.float32)
    other = dataclasses.replace(
        exam,
        images=tuple(save(f"e{echo}", image.data[..., echo]) for echo in range(3)),
        te_ms=TE_MS,
        mask=save("mask", mask.astype(np.uint8)),
        pdff_map=save("pdff", fat),
        pdff_unit="percent",
    )
    (read,) = manifest.read(rows(tmp_path, other))
    np.testing.assert_array_equal(manifest.load_image(read).data, image.data)
    np.testing.assert_array_equal(manifest.load_mask(read).data, mask)
    np.testing.assert_array_equal(manifest.load_pdff_percent(read).data, fat)
    assert check.check(tmp_path / "manifest.csv").faults == ()


def test_a_mask_on_the_grid_of_another_series_is_refused(tmp_path, exam):
    image = manifest.load_image(exam)
    moved = Volume(image.data[..., 0], image.affine + np.eye(4, k=3))
    nifti.write(tmp_path / "mask.nii.gz", np.ones(moved.grid_shape, np.uint8), moved)
    with pytest.raises(InputError, match=r"mask\.nii\.gz: lies on another grid than the image ser"):
        manifest.load_mask(exam)
