"""3D-IRCADb-01 in miniature: zips in zips, a folder of masks for each structure."""

import shutil
import zipfile

import numpy as np
import pytest

from liver_jax.volume import reader


def zipped(folder):
    """Packs a folder as its authors do, with itself at the top, and removes it."""
    with zipfile.ZipFile(folder.with_name(f"{folder.name}.zip"), "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent))
    shutil.rmtree(folder)


@pytest.fixture
def write_patient(ct, write_dicom):
    """Writes a patient; the masks' geometry is that of no patient."""

    def write(folder, packed=True, tumour="livertumor01"):
        number = int(folder.name.rpartition(".")[2])
        names = [f"image_{z}" for z in range(ct.image.shape[2])]
        write_dicom(folder / "PATIENT_DICOM", ct.image + number, ct.affine, names)
        parts = {
            "liver": ct.labels(liver=1, tumour=0),  # the tumour is drawn beside it
            tumour: ct.labels(tumour=1),
            "leftsurretumor": ct.labels(spleen=1),  # of the adrenal gland: no liver
            "portalvein": ct.vessels,
            "bone": ct.labels(spleen=1),
        }
        for part, mask in parts.items():
            place = folder / "MASKS_DICOM" / part
            affine = np.diag([-1.0, 1.0, 1.0, 1.0])
            write_dicom(place, 255 * mask, affine, names, modality="MR")
        if packed:
            zipped(folder / "PATIENT_DICOM")
            zipped(folder / "MASKS_DICOM")

    return write


def test_the_liver_holds_its_tumours(write_patient, prepare, assert_is, ct, tmp_path):
    root = tmp_path / "source" / "3Dircadb1"
    write_patient(root / "3Dircadb1.1")
    write_patient(root / "3Dircadb1.17", packed=False, tumour="livertumor")
    exams, left_out = prepare("ircadb", tmp_path / "source")
    assert not left_out
    # LiTS volume-28 and volume-44.
    assert {name: exam.subject_id for name, exam in exams.items()} == {
        "ircadb-01": "lits-28",
        "ircadb-17": "lits-44",
    }
    for exam in exams.values():
        assert_is(exam, ct, echoes=[ct.image + int(exam.exam_id[-2:])])
        assert exam.liver_labels == (1, 2)
        labels = reader.read_labels(exam.mask).data
        assert (labels == 2).sum() == (ct.labels(tumour=1) == 1).sum() > 0
        vessels = reader.read_labels(exam.vessel_mask).data
        assert vessels.sum() == ct.vessels.sum() > 0


def test_everything_left_in_one_zip(write_patient, prepare, assert_is, ct, tmp_path):
    write_patient(tmp_path / "source" / "3Dircadb1" / "3Dircadb1.2")
    zipped(tmp_path / "source" / "3Dircadb1")
    exams, _ = prepare("ircadb", tmp_path / "source")
    assert_is(exams["ircadb-02"], ct, echoes=[ct.image + 2])


def test_what_is_missing_is_named(write_patient, prepare, tmp_path):
    root = tmp_path / "source"
    for number in (1, 2, 3):
        write_patient(root / f"3Dircadb1.{number}", packed=False)
    shutil.rmtree(root / "3Dircadb1.2" / "MASKS_DICOM" / "liver")
    shutil.rmtree(root / "3Dircadb1.3" / "PATIENT_DICOM")
    exams, left_out = prepare("ircadb", root)
    assert list(exams) == ["ircadb-01"]
    assert left_out == {
        "2": "the mask of the liver is not there",
        "3": "PATIENT_DICOM is not there",
    }
