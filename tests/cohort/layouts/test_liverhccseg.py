"""LiverHccSeg in miniature: masks on the arterial image, other phases on grids of their own."""

import dataclasses

import numpy as np
import pytest

TOLD = {
    "pre": ("t1w", "unenhanced"),
    "art": ("ce_t1w", "arterial"),
    "pv": ("ce_t1w", "portal_venous"),
    "del": ("ce_t1w", "delayed"),
}
WHOLE = "TCGA-BC-4073"
DATES = {"10-01-2001": ("pre", "art", "pv", "del"), "11-02-2002": ("pre", "art", "pv")}


def grid(body, phase):
    """Shape and affine: pre is turned, art ends in the liver's last slice, del within the liver.

    pv lies between the voxels, and of the last slice of art less than half a slice above.
    """
    x, y, z = body.liver.shape
    liver = np.argwhere(body.liver)
    middle, last = int(liver[:, 0].mean()), liver[:, 2].max()
    start, steps, shape = {
        "pre": ((x - 1, 1, 0), (-1, 1, 1), (x, y - 1, z)),
        "art": ((0, 0, 0), (1, 1, 1), (x, y, last + 1)),
        "pv": ((0.2, 0.35, 0.3), (0.8, 0.9, 1), (5 * x // 4, 10 * y // 9, z)),
        "del": ((0, 0, 0), (1, 1, 1), (middle, y, last + 1)),
    }[phase]
    affine = body.affine @ np.diag([*steps, 1])
    affine[:3, 3] = (body.affine @ [*start, 1])[:3]
    return shape, affine


def nearest(data, affine, shape, to):
    """What lies nearest in mm to each voxel of another grid; 0 outside all voxels."""
    place_mm = np.indices(shape).reshape(3, -1).T @ to[:3, :3].T + to[:3, 3]
    voxels = np.rint((place_mm - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T).astype(int)
    inside = ((voxels >= 0) & (voxels < data.shape)).all(axis=1)
    result = np.zeros(len(voxels), data.dtype)
    result[inside] = data[tuple(voxels[inside].T)]
    return result.reshape(shape)


def seen(body, data, phase):
    """What a phase shows of the whole scan, and its affine."""
    shape, affine = grid(body, phase)
    return nearest(data, body.affine, shape, affine), affine


def drawn(body):
    """What the two raters drew; the second left the tumour out."""
    return {"mask": body.liver, "reader2_mask": body.organs == 1}


@pytest.fixture
def download(mr, write_nifti, tmp_path):
    """One patient with grids that differ, one with two dates, and two that lack something."""
    root = tmp_path / "nifti_and_segms"
    folder = root / WHOLE / "02-21-2000"
    for echo, phase in zip(mr.echoes, TOLD, strict=False):
        write_nifti(folder / f"{phase}.nii.gz", *seen(mr, echo, phase))
        write_nifti(folder / f"art_{phase}.nii.gz", *seen(mr, echo, "art"))
    for rater, mask in enumerate(drawn(mr).values(), 1):
        for name, data in ((f"rater{rater}_liver", mask), (f"rater{rater}_tumor1", ~mask)):
            write_nifti(folder / f"{name}.nii.gz", *seen(mr, data, "art"))
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
    held = {name.rpartition("-")[2]: exam for name, exam in exams.items() if WHOLE in name}
    assert list(held) == ["pre", "art", "pv"]
    for (phase, exam), echo in zip(held.items(), mr.echoes, strict=False):
        told = (exam.modality, exam.technique, exam.contrast_phase)
        assert told == ("MR", *TOLD[phase])
        assert (exam.subject_id, exam.session) == (f"liverhccseg-{WHOLE}", "02-21-2000")
        assert exam.liver_labels == (1,)
        image, affine = seen(mr, echo, phase)
        there = dataclasses.replace(mr, echoes=(image,), affine=affine)
        for column, data in drawn(mr).items():
            art, art_affine = seen(mr, data, "art")
            wanted = nearest(art, art_affine, image.shape, affine)
            np.testing.assert_array_equal(wanted.any((0, 1))[: art.shape[2]], art.any((0, 1)))
            rater = dataclasses.replace(exam, mask=getattr(exam, column))
            assert_is(rater, there, liver=wanted)


def test_only_masks_of_other_grids_are_resampled(download, prepare):
    exams, _ = prepare("liverhccseg", download)
    change = "mask: resampled from the image it was drawn on, reader2_"
    for name, exam in exams.items():
        resampled = name in (f"liverhccseg-{WHOLE}-02-21-2000-{phase}" for phase in ("pre", "pv"))
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
    assert "mL of its mask lie in the field of view" in left_out.pop(f"{WHOLE}-02-21-2000-del")
    assert left_out == {
        "TCGA-DD-A1EG-11-02-2002-del": "its image is not there",
        "TCGA-A-01-01-2003": "rater1_liver is not there",
        "TCGA-B-01-01-2003": "the arterial image is not there, which its masks lie on",
    }
