"""LiverHccSeg in miniature: masks on the arterial image, other phases on grids of their own."""

import dataclasses

import numpy as np
import pytest

# Where each phase begins in the scan, its steps there, and its shape: pre is turned from left to
# right; art ends in the liver's topmost slice; pv lies between voxels; del ends within the liver.
GRIDS = {
    "pre": ((47, 5, 1), (-1, 1, 1), (44, 40, 14)),
    "art": ((0, 0, 0), (1, 1, 1), (48, 48, 13)),
    "pv": ((2.2, 3.35, 0.3), (0.8, 1.1, 1), (50, 40, 14)),
    "del": ((0, 0, 0), (1, 1, 1), (20, 48, 13)),
}
TOLD = {
    "pre": ("t1w", "unenhanced"),
    "art": ("ce_t1w", "arterial"),
    "pv": ("ce_t1w", "portal_venous"),
    "del": ("ce_t1w", "delayed"),
}
WHOLE = "TCGA-BC-4073"
DATES = {"10-01-2001": ("pre", "art", "pv", "del"), "11-02-2002": ("pre", "art", "pv")}


def affine(body, phase):
    start, step, _ = GRIDS[phase]
    result = body.affine @ np.diag([*step, 1])
    result[:3, 3] = (body.affine @ [*start, 1])[:3]
    return result


def nearest(data, affine, shape, to):
    """What lies nearest in mm to each voxel of another grid; 0 outside all voxels."""
    place_mm = np.indices(shape).reshape(3, -1).T @ to[:3, :3].T + to[:3, 3]
    voxels = np.rint((place_mm - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T).astype(int)
    inside = ((voxels >= 0) & (voxels < data.shape)).all(axis=1)
    result = np.zeros(len(voxels), data.dtype)
    result[inside] = data[tuple(voxels[inside].T)]
    return result.reshape(shape)


def seen(body, data, phase):
    """What a phase shows of the whole scan."""
    return nearest(data, body.affine, GRIDS[phase][2], affine(body, phase))


def drawn(body):
    """What the two raters drew; the second left the tumour out."""
    return {"mask": body.liver, "reader2_mask": body.organs == 1}


@pytest.fixture
def download(mr, write_nifti, tmp_path):
    """One patient with grids that differ, one with two dates, and two that lack something."""
    root = tmp_path / "nifti_and_segms"
    folder = root / WHOLE / "02-21-2000"
    for echo, phase in zip(mr.echoes, GRIDS, strict=False):
        write_nifti(folder / f"{phase}.nii.gz", seen(mr, echo, phase), affine(mr, phase))
        registered = folder / f"art_{phase}.nii.gz"
        write_nifti(registered, seen(mr, echo, "art"), affine(mr, "art"))
    for rater, mask in enumerate(drawn(mr).values(), 1):
        for name, data in ((f"rater{rater}_liver", mask), (f"rater{rater}_tumor1", ~mask)):
            write_nifti(folder / f"{name}.nii.gz", seen(mr, data, "art"), affine(mr, "art"))
    for date, phases in DATES.items():
        folder = root / "TCGA-DD-A1EG" / date
        for echo, phase in enumerate(phases, len(phases)):
            write_nifti(folder / f"{phase}.nii.gz", mr.image + echo * 10, mr.affine)
        write_nifti(folder / "rater1_liver.nii.gz", mr.liver, mr.affine)
    for patient, names in (("TCGA-A", ("art", "pv")), ("TCGA-B", ("pv", "rater1_liver"))):
        for name in names:
            write_nifti(root / patient / "01-01-2003" / f"{name}.nii.gz", mr.liver, mr.affine)
    return root


def test_every_voxel_is_where_it_belongs(download, prepare, assert_is, mr):
    exams, _ = prepare("liverhccseg", download)
    held = {
        exam.exam_id.rpartition("-")[2]: exam for exam in exams.values() if WHOLE in exam.exam_id
    }
    assert list(held) == ["pre", "art", "pv"]
    for (phase, exam), echo in zip(held.items(), mr.echoes, strict=False):
        told = (exam.modality, exam.technique, exam.contrast_phase)
        assert told == ("MR", *TOLD[phase])
        assert (exam.subject_id, exam.session) == (f"liverhccseg-{WHOLE}", "02-21-2000")
        assert exam.liver_labels == (1,)
        there = dataclasses.replace(mr, echoes=(seen(mr, echo, phase),), affine=affine(mr, phase))
        for column, data in drawn(mr).items():
            art = seen(mr, data, "art"), affine(mr, "art")
            wanted = nearest(*art, GRIDS[phase][2], affine(mr, phase))
            assert phase != "pv" or wanted[..., 12].any()  # 0.3 above the last slice of art
            rater = dataclasses.replace(exam, mask=getattr(exam, column))
            assert_is(rater, there, liver=wanted)


def test_only_masks_of_other_grids_are_resampled(download, prepare):
    exams, _ = prepare("liverhccseg", download)
    change = "mask: resampled from the image it was drawn on, reader2_"
    for name, exam in exams.items():
        resampled = name in (f"liverhccseg-{WHOLE}-pre", f"liverhccseg-{WHOLE}-pv")
        assert exam.extra["mask_changed"].startswith(change) == resampled
        assert exam.mask.is_relative_to(download) != resampled
        assert exam.images[0].is_relative_to(download)


def test_two_dates_are_one_person(download, prepare, assert_is, mr):
    exams, _ = prepare("liverhccseg", download)
    held = iter(exam for exam in exams.values() if "A1EG" in exam.exam_id)
    for date, phases in DATES.items():
        for echo, phase in enumerate(phases, len(phases)):
            exam = next(held)
            assert exam.exam_id == f"liverhccseg-TCGA-DD-A1EG-{date}-{phase}"
            assert (exam.subject_id, exam.session) == ("liverhccseg-TCGA-DD-A1EG", date)
            assert (exam.technique, exam.contrast_phase) == TOLD[phase]
            assert exam.reader2_mask is None and exam.extra["mask_changed"] == ""
            assert_is(exam, mr, echoes=[mr.image + echo * 10])
    assert next(held, None) is None


def test_what_is_left_out(download, prepare):
    _, left_out = prepare("liverhccseg", download)
    assert "mL of its mask lie in the field of view" in left_out.pop(f"{WHOLE}-del")
    assert left_out == {
        "TCGA-DD-A1EG-11-02-2002-del": "its image is not there",
        "TCGA-A": "rater1_liver is not there",
        "TCGA-B": "the arterial image is not there, which its masks lie on",
    }
