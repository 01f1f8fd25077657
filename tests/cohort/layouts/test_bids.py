"""BIDS datasets in miniature: echoes, sidecars, sessions, and masks under all their names."""

import json
import pathlib

import pytest

from liver_jax.cohort.layouts import bids
from liver_jax.errors import InputError


@pytest.fixture
def liver(mr):
    return mr.labels(liver=1)


@pytest.fixture
def root(tmp_path) -> pathlib.Path:
    return tmp_path / "my BIDS"


@pytest.fixture
def put(root, mr, write_nifti):
    """Writes a file of the dataset: a scan on the grid of the MR, a table, or a sidecar."""

    def write(path, content, affine=mr.affine):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str | dict):
            file.write_text(content if isinstance(content, str) else json.dumps(content))
        else:
            write_nifti(file, content, affine)

    return write


@pytest.fixture
def megre(put, mr, liver):
    """Three echoes, the second of them first by its number; phase images; sidecars of all kinds."""
    put("dataset_description.json", {"Name": "liver", "BIDSVersion": "1.10.0"})
    put("MEGRE.json", {"RepetitionTime": 0.1485, "FlipAngle": 12, "MagneticFieldStrength": 3})
    for number, echo in ((1, 1), (2, 0), (10, 2)):
        for part, data in (("mag", mr.echoes[echo]), ("phase", mr.echoes[echo] * 0 + 7)):
            stem = f"sub-A1/anat/sub-A1_echo-{number}_part-{part}_MEGRE"
            put(f"{stem}.nii.gz", data)
            put(f"{stem}.json", {"EchoTime": mr.te_ms[echo] / 1000, "FlipAngle": 10})
    put("derivatives/manual/sub-A1/anat/sub-A1_desc-liver_mask.nii.gz", liver)


def test_echoes_are_one_examination(megre, put, root, prepare_own, assert_is, mr):
    # No scans of the liver, though on its grid.
    for name in ("A1_PDFFmap", "A1_phasediff", "A1_pet"):
        put(f"sub-A1/anat/sub-{name}.nii.gz", mr.image)
    put("sourcedata/sub-A1/anat/sub-A1_T1w.nii.gz", mr.image)
    put("sub-A1/anat/._sub-A1_T1w.nii.gz", "Mac OS X")
    exams, left_out = prepare_own(bids.read, root)
    assert list(exams) == ["own-sub-A1_MEGRE"] and not left_out
    exam = exams["own-sub-A1_MEGRE"]
    assert_is(exam, mr, echoes=mr.echoes[:3])
    assert (exam.subject_id, exam.session, exam.cohort) == ("own-sub-A1", "", "own")
    assert (exam.modality, exam.technique, exam.liver_labels) == ("MR", "megre", (1,))
    assert exam.te_ms == mr.te_ms[:3]
    # From the sidecar at the top; the nearer one has the last word.
    assert (exam.tr_ms, exam.field_strength_t, exam.flip_angle_deg) == (148.5, 3, 10)


def test_echo_times_at_the_top_or_nowhere(put, root, liver, prepare_own, assert_is, mr):
    for number, echo in ((2, 0), (10, 1)):
        for ses in (1, 2):
            put(f"sub-1/ses-{ses}/sub-1_ses-{ses}_echo-{number}_MEGRE.nii", mr.echoes[echo] + ses)
            put(f"sub-1/ses-{ses}/sub-1_ses-{ses}_echo-2_desc-liver_mask.nii", liver)
        put(f"ses-2_echo-{number}_MEGRE.json", {"EchoTime": mr.te_ms[echo] / 1000})
    exams, _ = prepare_own(bids.read, root)
    for ses, exam in enumerate(exams.values(), 1):
        assert_is(exam, mr, echoes=[echo + ses for echo in mr.echoes[:2]])
    assert [exam.te_ms for exam in exams.values()] == [(), mr.te_ms[:2]]


@pytest.mark.parametrize("times", [(1.15, 2.3), (0.00115, 0.00115)])
def test_echo_times_that_cannot_be(megre, put, root, liver, prepare_own, mr, times):
    for number, time in enumerate(times, 1):
        put(f"sub-2/anat/sub-2_echo-{number}_MEGRE.nii.gz", mr.echoes[number] + 1)
        put(f"sub-2/anat/sub-2_echo-{number}_MEGRE.json", {"EchoTime": time})
    put("derivatives/manual/sub-2/anat/sub-2_desc-liver_mask.nii.gz", liver)
    exams, left_out = prepare_own(bids.read, root)
    assert list(exams) == ["own-sub-A1_MEGRE"]
    assert "it should be seconds, and another for each echo" in left_out["sub-2_MEGRE"]


def test_sessions_and_participants(put, root, liver, prepare_own, assert_is, mr):
    scans = [("P2", "1"), ("P2", "2b"), ("P10", "1")]
    for number, (who, when) in enumerate(scans):
        stem = f"sub-{who}/ses-{when}/anat/sub-{who}_ses-{when}"
        put(f"{stem}_T1w.nii.gz", mr.image + number)
        put(f"derivatives/m/{stem}_desc-liver_mask.nii.gz", liver)
    head = "participant_id\tAge (y)\tsite\tsubject_id\tnote\n"
    put("participants.tsv", f"{head}sub-P10\t61\tA\tx\tn/a\nsub-P2\t48\tB\tx\tthin\n")
    put("derivatives/m/participants.tsv", f"{head}sub-P2\t99\tC\tx\t\n")
    exams, left_out = prepare_own(bids.read, root)
    assert list(exams) == [f"own-sub-{who}_ses-{when}_T1w" for who, when in scans] and not left_out
    for number, (exam, (who, when)) in enumerate(zip(exams.values(), scans, strict=True)):
        assert_is(exam, mr, echoes=[mr.image + number])
        assert (exam.subject_id, exam.session) == (f"own-sub-{who}", when)
        told = {key: value for key, value in exam.extra.items() if value}
        assert told == ({"age_y": "48", "note": "thin"} if who == "P2" else {"age_y": "61"})
        assert (exam.technique, exam.site) == ("t1w", "B" if who == "P2" else "A")


def test_ct_and_contrast(put, root, ct, mr, liver, prepare_own, assert_is):
    names = ("sub-1_ct", "sub-1_ce-iohexol_ct", "sub-2_CT")
    for number, name in enumerate(names):
        put(f"{name[:5]}/ct/{name}.NII.GZ", ct.image + number, ct.affine)
        mask = f"derivatives/m/{name[:5]}/{name[:5]}_desc-Liver_seg.NII"
        put(mask, ct.labels(liver=1, tumour=2), ct.affine)
    put("sub-3/anat/sub-3_ce-gadoxetate_T1w.nii", mr.image)
    put("sub-3/anat/sub-3_desc-liver_mask.nii", liver)
    exams, left_out = prepare_own(bids.read, root, liver_labels=(1, 2))
    assert len(exams) == 4 and not left_out
    for number, name in enumerate(names):
        exam = exams[f"own-{name}"]
        assert_is(exam, ct, echoes=[ct.image + number])
        assert (exam.modality, exam.technique) == ("CT", "ct")
    exam = exams["own-sub-3_ce-gadoxetate_T1w"]
    assert_is(exam, mr)
    assert (exam.modality, exam.technique) == ("MR", "ce_t1w")


_DSEG = "index\tname\tabbreviation\n0\tbackground\tBG\n3\tSpleen\tS\n04\tLiver\tL\n"


@pytest.mark.parametrize(
    ("mask", "table"),
    [
        ("desc-liver_mask.nii.gz", ""),
        ("label-liver_mask.nii", ""),
        ("label-Liver_desc-manual_msk.nii.gz", ""),
        ("space-orig_mod-T1w_desc-liver_mask.nii.gz", ""),
        ("acq-dixon_desc-liver_seg.nii.gz", ""),
        ("desc-liver_dseg.nii.gz", ""),
        ("dseg.nii.gz", "sub-1_dseg.tsv"),
        ("T1w_dseg.nii.gz", "sub-1_T1w_dseg.tsv"),
        ("T1w_dseg.nii.gz", "../../dseg.tsv"),
        ("desc-organs_dseg.nii.gz", "../../desc-organs_dseg.tsv"),
    ],
)
def test_names_of_masks(put, root, mr, prepare_own, assert_is, mask, table):
    put("sub-1/anat/sub-1_acq-dixon_T1w.nii.gz", mr.image)
    folder = "derivatives/manual/sub-1/anat"
    put(f"{folder}/sub-1_{mask}", mr.labels(**{"liver": 4, "spleen": 3} if table else {"liver": 1}))
    put("derivatives/brain/dseg.tsv", "index\tname\n1\tCortex\n")
    if table:
        put(f"{folder}/{table}", _DSEG)
    exams, left_out = prepare_own(bids.read, root)
    exam = exams["own-sub-1_acq-dixon_T1w"]
    assert_is(exam, mr)
    assert exam.liver_labels == ((4,) if table else (1,)) and not left_out


def test_which_labels_are_liver(put, root, mr, prepare_own, assert_is):
    put("sub-1/anat/sub-1_T1w.nii.gz", mr.image)
    put("derivatives/m/sub-1/anat/sub-1_T1w_dseg.nii.gz", mr.labels(liver=4, tumour=2))
    exams, _ = prepare_own(bids.read, root, liver_labels=(2, 4))
    assert_is(exams["own-sub-1_T1w"], mr)
    put("derivatives/m/dseg.tsv", "index\tname\n0\tbackground\n4\tliver\n2\ttumour\n")
    assert_is(prepare_own(bids.read, root)[0]["own-sub-1_T1w"], mr)


@pytest.mark.parametrize(
    "mask",
    [
        *("1_label-L_mask", "1_desc-liverTumour_mask", "1_desc-liverVessels_mask", "1_dseg"),
        *("1_T2w_desc-liver_mask", "1_liver mask", "1_mod-T2w_desc-liver_mask"),
        *("1_run-2_desc-liver_mask", "1_ses-1_desc-liver_mask", "10_desc-liver_mask"),
    ],
)
def test_what_is_no_mask_of_its_liver(megre, put, root, mr, liver, prepare_own, mask):
    put("sub-1/anat/sub-1_T1w.nii.gz", mr.image)
    name = f"sub-{mask}.nii.gz"
    put(f"derivatives/manual/sub-1/anat/{name}", liver)
    exams, left_out = prepare_own(bids.read, root)
    assert list(exams) == ["own-sub-A1_MEGRE"]
    assert left_out.pop("sub-1_T1w") == "there is no mask of the liver for it"
    for reason in left_out.values():
        assert reason in ("there is no image for its mask", "its name is not in BIDS's form")
    of_liver = "desc-liver_" in mask or " " in mask
    assert [pathlib.Path(case).name for case in left_out] == ([name] if of_liver else [])


def test_the_mask_that_repeats_most_is_meant(put, root, mr, liver, prepare_own, assert_is):
    for run in (1, 2):
        put(f"sub-1/anat/sub-1_run-{run}_T1w.nii.gz", mr.image + run)
    folder = "derivatives/m/sub-1/anat"
    put(f"{folder}/sub-1_desc-liver_mask.nii.gz", mr.labels(liver=1, tumour=2))
    put(f"{folder}/sub-1_space-MNI_run-2_desc-liver_mask.nii.gz", liver * 0)
    put(f"{folder}/sub-1_run-2_desc-liver_mask.nii.gz", liver)
    put(f"{folder}/sub-1_run-2_desc-liver_mask.nii", liver)
    exams, left_out = prepare_own(bids.read, root)
    assert_is(exams["own-sub-1_run-1_T1w"], mr, echoes=[mr.image + 1], liver=mr.organs == 1)
    assert_is(exams["own-sub-1_run-2_T1w"], mr, echoes=[mr.image + 2])
    assert not left_out


def test_two_masks_and_masks_elsewhere(megre, put, root, mr, liver, prepare_own):
    for who in (1, 2, 3):
        put(f"sub-{who}/anat/sub-{who}_T1w.nii.gz", mr.image + who)
    for reader in "ab":
        put(f"derivatives/{reader}/sub-1/anat/sub-1_desc-liver_mask.nii.gz", liver)
    put("derivatives/a/sub-2/anat/sub-2_desc-liver_mask.nii.gz", liver[..., 1:])
    put("derivatives/a/sub-3/anat/sub-3_desc-liver_mask.nii.gz", liver)
    put("sub-3/extra/sub-3_T1w.nii.gz", mr.image)
    exams, left_out = prepare_own(bids.read, root)
    assert list(exams) == ["own-sub-A1_MEGRE"]
    for reader in "ab":
        name = f"derivatives/{reader}/sub-1/anat/sub-1_desc-liver_mask.nii.gz"
        assert name in left_out["sub-1_T1w"]
    assert "voxels, while the image" in left_out["sub-2_T1w"]
    assert left_out["sub-3_T1w"].startswith("is there 2 times")


def test_a_folder_without_subjects_is_refused(put, root, mr, prepare_own):
    put("scan.nii.gz", mr.image)
    with pytest.raises(InputError, match="holds no sub-"):
        prepare_own(bids.read, root)
