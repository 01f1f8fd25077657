"""An evaluation of examinations that are DICOM: planned from headers, measured from voxels."""

import numpy as np
import pytest

from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError
from liver_jax.scoring import plan, scan, work
from liver_jax.volume import nifti, reader

TE_MS = (2.3, 4.6, 6.9)


@pytest.fixture
def exam(tmp_path, write_series):
    """Three echoes in a DICOM folder, which alone tells their times and the field strength."""
    data = np.random.default_rng(0).integers(1, 900, (14, 12, 4, 3)).astype(np.float32)
    write_series(tmp_path / "series", data, modality="MR", te_ms=TE_MS)
    image = reader.read([tmp_path / "series"]).volume
    mask = np.zeros(image.grid_shape, np.uint8)
    mask[3:10, 3:9] = 1
    for place in (tmp_path / "mask.nii.gz", tmp_path / "theirs" / "a.nii.gz"):
        nifti.write(place, mask, image)
    return Exam(
        exam_id="a",
        subject_id="s",
        modality="MR",
        technique="spgr2d",
        split="test",
        images=(tmp_path / "series",),
        mask=tmp_path / "mask.nii.gz",
        liver_labels=(1,),
        manifest=tmp_path / "manifest.csv",
    )


def test_a_case_knows_what_its_dicom_files_tell(tmp_path, exam):
    (case,) = plan.plan([exam], tmp_path / "out", {}, tmp_path / "theirs", all_echoes=False)
    assert (case.echo, case.exam.te_ms, case.exam.field_strength_t) == (1, TE_MS, 1.5)
    assert scan.is_fitted(case.exam)  # echo times and field strength are what a fit needs
    assert not scan.is_fitted(exam)
    (row,) = work.work([case], {}, with_pictures=False)
    assert (row["status"], row["dice"], row["te_ms"]) == ("ok", 1.0, 2.3)


def test_a_changed_image_is_another_case(tmp_path, exam, write_series):
    def fingerprint():
        (case,) = plan.plan([exam], tmp_path / "out", {}, tmp_path / "theirs", all_echoes=False)
        return case.fingerprint

    before = fingerprint()
    assert fingerprint() == before
    for path in exam.images[0].iterdir():
        path.rename(path.with_name(f"renamed-{path.name}"))
    assert fingerprint() == before
    write_series(
        tmp_path / "other", np.ones((14, 12, 4, 3), np.float32), modality="MR", te_ms=TE_MS
    )
    exam.images[0].rename(tmp_path / "gone")
    (tmp_path / "other").rename(exam.images[0])
    assert fingerprint() != before


def test_a_mask_on_another_grid_is_refused_before_the_work(tmp_path, exam):
    image = reader.read([exam.images[0]]).volume
    image.affine[0, 3] += 5
    nifti.write(exam.mask, np.ones(image.grid_shape, np.uint8), image)
    with pytest.raises(InputError, match=r"mask\.nii\.gz: lies on another grid than the image ser"):
        plan.plan([exam], tmp_path / "out", {}, tmp_path / "theirs", all_echoes=False)
