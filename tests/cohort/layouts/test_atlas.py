"""ATLAS in miniature: a folder in a folder of its name, numbers without zeros, a table in JSON."""

import json

import pytest

# The spelling of the last one is the authors'.
TOLD = {
    0: ("arterial", "ce_t1w", "arterial"),
    1: ("portal", "ce_t1w", "portal_venous"),
    2: ("delayed", "ce_t1w", "delayed"),
    10: ("no contrast agent", "t1w", "unenhanced"),
    20: ("unkown", "ce_t1w", ""),
}


@pytest.fixture
def download(mr, write_nifti, tmp_path):
    """The zip of the training set, unpacked."""
    name = "atlas-train-dataset-1.0.1"
    root = tmp_path / name / name / "train"
    for number in TOLD:
        labels = mr.labels(liver=1, tumour=2)
        write_nifti(root / "imagesTr" / f"im{number}.nii.gz", mr.image + number, mr.affine)
        write_nifti(root / "labelsTr" / f"lb{number}.nii.gz", labels, mr.affine)
    write_nifti(root / "imagesTr" / "im3.nii.gz", mr.image, mr.affine)
    people = {
        str(number): {"machine": "Aera", "sequence": "VIBE", "contrast_phase": phase, "date": "A"}
        for number, (phase, _, _) in TOLD.items()
    }
    people["20"]["machine"] = None
    (root / "patient_info_train.json").write_text(json.dumps(people))
    (root / "dataset.json").write_text("{}")
    return tmp_path / name


def test_every_voxel_is_where_it_belongs(download, prepare, assert_is, mr):
    exams, left_out = prepare("atlas", download)
    assert list(exams) == [f"atlas-{number}" for number in TOLD]
    for number, exam in zip(TOLD, exams.values(), strict=True):
        assert_is(exam, mr, echoes=[mr.image + number])
        assert (exam.modality, exam.technique, exam.contrast_phase) == ("MR", *TOLD[number][1:])
        assert (exam.subject_id, exam.liver_labels) == (f"atlas-{number}", (1, 2))
        assert exam.extra == {"scanner": "" if number == 20 else "Aera"}
    assert left_out == {"3": "there is no mask for its image"}


def test_nothing_is_copied(download, prepare):
    exams, _ = prepare("atlas", download)
    root = download / download.name / "train"
    for number, exam in zip(TOLD, exams.values(), strict=True):
        assert exam.images == (root / "imagesTr" / f"im{number}.nii.gz",)
        assert exam.mask == root / "labelsTr" / f"lb{number}.nii.gz"


@pytest.mark.parametrize("text", ["", "[]", '{"0": 1, "1": {"contrast_phase": null}}', "{"])
def test_a_damaged_table_costs_its_columns_alone(download, prepare, text):
    (download / download.name / "train" / "patient_info_train.json").write_text(text)
    exams, _ = prepare("atlas", download)
    assert list(exams) == [f"atlas-{number}" for number in TOLD]
    for exam in exams.values():
        assert (exam.technique, exam.contrast_phase, exam.extra) == ("ce_t1w", "", {})
