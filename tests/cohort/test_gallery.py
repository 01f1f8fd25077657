"""The page of pictures: one for each examination, with its masks, for any manifest."""

import dataclasses

import numpy as np
import pytest
from matplotlib import image as images

from liver_jax.cohort import gallery, manifest
from liver_jax.errors import InputError
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume


@pytest.fixture
def path(tmp_path):
    affine = np.diag([2.0, 2.0, 6.0, 1.0])
    x, y, z = np.mgrid[:40, :32, :12]
    liver = ((x - 24) / 9) ** 2 + ((y - 16) / 8) ** 2 + ((z - 6) / 4) ** 2 < 1
    ct = Volume(np.where(liver, 100, -80).astype(np.float32), affine)
    echoes = Volume(np.stack([liver * 200.0, liver * 100.0], -1).astype(np.float32), affine)
    for name, volume in (("ct", ct), ("mr", echoes)):
        nifti.write(tmp_path / f"{name}.nii.gz", volume.data, volume)
    nifti.write(tmp_path / "mask.nii.gz", liver.astype(np.uint8), ct)
    nifti.write(tmp_path / "pdff.nii.gz", (liver * 12.0).astype(np.float32), ct)
    common = {
        "mask": tmp_path / "mask.nii.gz",
        "liver_labels": (1,),
        "extra": {"findings": "cysts <large>"},
    }
    rows = [
        manifest.Exam(
            exam_id="a",
            subject_id="a",
            modality="CT",
            technique="ct",
            images=(tmp_path / "ct.nii.gz",),
            **common,
        ),
        manifest.Exam(
            exam_id="b",
            subject_id="b",
            modality="MR",
            technique="spgr2d",
            images=(tmp_path / "mr.nii.gz",),
            te_ms=(1.15, 2.3),
            pdff_map=tmp_path / "pdff.nii.gz",
            pdff_unit="percent",
            **common,
        ),
    ]
    manifest.write(tmp_path / "manifest.csv", rows)
    return tmp_path / "manifest.csv"


def test_every_examination_has_its_picture_and_its_caption(path, tmp_path):
    page = gallery.write(path, tmp_path / "pictures")
    text = page.read_text()
    assert "2 examinations" in text
    assert "findings cysts &lt;large&gt;" in text
    for exam_id, panels in (("a", 4), ("b", 6)):
        assert f'src="{exam_id}.png"' in text
        shown = images.imread(page.parent / f"{exam_id}.png")[..., :3]
        assert shown.shape[1] == panels * 250
        # The reader's outline is there, in its colour.
        outline = (np.abs(shown - [1.0, 0.82, 0.4]) < 0.08).all(axis=-1)
        assert outline.sum() > 100


def test_the_right_of_the_patient_is_on_the_left(path, tmp_path):
    gallery.write(path, tmp_path / "pictures")
    shown = images.imread(tmp_path / "pictures" / "a.png")[:, 250:500, 0]
    bright = np.argwhere(shown > 0.6)
    assert bright[:, 1].mean() < 125


def test_an_examination_without_masks_is_shown_too(path, tmp_path):
    exams = [
        dataclasses.replace(e, mask=None, liver_labels=(), pdff_map=None, pdff_unit=None)
        for e in manifest.read(path)
    ]
    manifest.write(path, exams)
    assert gallery.write(path, tmp_path / "pictures").exists()


def test_a_folder_that_exists_is_refused(path, tmp_path):
    with pytest.raises(InputError, match="exists already"):
        gallery.write(path, tmp_path)


def test_one_slice_is_shown_too(path, tmp_path):
    for name in ("ct", "mask"):
        volume = nifti.read_image(tmp_path / f"{name}.nii.gz")
        data = volume.data[..., 6:7].astype(np.uint8 if name == "mask" else np.float32)
        nifti.write(tmp_path / f"{name}.nii.gz", data, Volume(data, volume.affine))
    manifest.write(path, manifest.read(path)[:1])
    assert gallery.write(path, tmp_path / "pictures").exists()


def test_a_second_mask_on_another_grid_is_refused(path, tmp_path):
    small = Volume(np.ones((4, 4, 4), np.uint8), np.eye(4))
    nifti.write(tmp_path / "second.nii.gz", small.data, small)
    exams = manifest.read(path)
    exams[0] = dataclasses.replace(exams[0], reader2_mask=tmp_path / "second.nii.gz")
    manifest.write(path, exams)
    with pytest.raises(InputError, match="while the image"):
        gallery.write(path, tmp_path / "pictures")
    assert not (tmp_path / "pictures").exists()
