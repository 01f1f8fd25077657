import datetime
import pathlib
import shutil
import subprocess

import numpy as np
import pydicom
import pytest

from liver_jax.errors import InputError
from liver_jax.volume.dicom import segmentation, structured_report
from liver_jax.volume.dicom.derived import Algorithm
from liver_jax.volume.dicom.origin import Origin
from liver_jax.volume.dicom.structured_report import Measurements
from liver_jax.volume.geometry import Volume

ALGORITHM = Algorithm("0.1.0", "0123456789abcdef" * 4)
CREATED = datetime.datetime(2026, 1, 2, 3, 4, 5)
# The first has more digits than a decimal string of 16 characters.
ALL = Measurements(1653.0482916503784, 12.25, 41.7, None)


def lines(*command):
    """What a command says, line by line; the test is skipped where it is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, errors="replace")
    return (done.stdout + done.stderr).splitlines()


def faults(*command):
    return [line for line in lines(*command) if line.startswith(("Error", "Warning"))]


@pytest.fixture
def segmented(write_series, tmp_path):
    """Makes (origin, files of the images, segmentation)."""

    def make(modality="MR", enhanced=False, **options):
        affine = np.diag([-1.5, -2.0, 5.0, 1.0])
        data = np.ones((9, 8, 4), np.float32)
        paths = write_series(
            tmp_path / "images", data, affine, modality=modality, enhanced=enhanced, **options
        )
        headers = tuple(pydicom.dcmread(path, stop_before_pixels=True) for path in paths)
        origin = Origin(headers, (1, 2, 3, 4) if enhanced else None)
        mask = np.zeros(data.shape, bool)
        mask[2:5, 3:6, 1:3] = True
        path = tmp_path / "segmentation.dcm"
        segmentation.write(path, Volume(mask, affine), origin, ALGORITHM, CREATED)
        return origin, paths, path

    return make


@pytest.mark.parametrize("enhanced", [False, True], ids=["classic", "enhanced"])
@pytest.mark.parametrize(
    ("modality", "measurements"),
    [
        ("MR", ALL),
        ("CT", Measurements(volume_ml=1653.05, attenuation_hu=-3.25)),
        ("MR", Measurements(pdff_percent=0.0)),
    ],
)
def test_values_come_back_and_the_object_is_valid(
    segmented, tmp_path, modality, enhanced, measurements
):
    origin, paths, segment = segmented(modality, enhanced)
    path = tmp_path / "measurements.dcm"
    structured_report.write(path, measurements, segment, origin, ALGORITHM, CREATED)
    assert structured_report.read(path) == measurements
    assert faults("dciodvfy", "-new", path) == []
    # Its table has the accession number in two places, and says so of any report.
    mixed = faults("dcentvfy", *paths, segment, path)
    assert [line for line in mixed if "Element=<AccessionNumber> IE" not in line] == []


def test_codes_units_and_references(segmented, tmp_path):
    origin, _, segment = segmented("MR")
    path = tmp_path / "measurements.dcm"
    measurements = Measurements(1653.5, 12.25, 41.7, 55.0)
    structured_report.write(path, measurements, segment, origin, ALGORITHM, CREATED)
    # dcmtk checks the tree against the rules of the object while it prints it.
    printed = [line.strip(" <>") for line in lines("dsrdump", "+Pc", path)]
    assert not [line for line in printed if line.startswith(("W:", "E:", "F:"))]
    for expected in (
        'contains NUM:(118565006,SCT,"Volume")="1653.5" (mL,UCUM,"milliliter")',
        'contains NUM:(129100,DCM,"Fat fraction")="12.25" (%,UCUM,"Percent")',
        'contains NUM:(126395,DCM,"R2*")="41.7" (/s,UCUM,"per second")',
        'contains NUM:(112031,DCM,"Attenuation Coefficient")="55.0" '
        '([hnsf\'U],UCUM,"Hounsfield unit")',
        'contains CODE:(121071,DCM,"Finding")=(10200004,SCT,"Liver")',
        'has obs context CODE:(121005,DCM,"Observer Type")=(121007,DCM,"Device")',
        'contains IMAGE:(121191,DCM,"Referenced Segment")=(SG image,,1)',
    ):
        assert expected in printed
    assert sum('=(373098007,SCT,"Mean")' in line for line in printed) == 3

    dataset = pydicom.dcmread(path)
    segmented_object = pydicom.dcmread(segment)
    assert dataset.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    (study,) = dataset.CurrentRequestedProcedureEvidenceSequence
    named = {
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    images = {header.SOPInstanceUID for header in origin.datasets}
    assert named == images | {segmented_object.SOPInstanceUID}
    assert (dataset.CompletionFlag, dataset.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    assert dataset.SeriesNumber == 302


def test_nothing_but_patient_and_study_is_copied(segmented, tmp_path):
    extra = {"InstitutionName": "LEAK", "OperatorsName": "LEAK", "StudyDescription": "LEAK"}
    origin, _, segment = segmented(series=extra | {"PatientWeight": 77.77})
    path = tmp_path / "measurements.dcm"
    structured_report.write(path, ALL, segment, origin, ALGORITHM)
    content = path.read_bytes()
    assert b"LEAK" not in content and b"77.77" not in content
    dataset = pydicom.dcmread(path)
    assert dataset.PatientName == origin.datasets[0].PatientName != ""
    assert dataset.StudyInstanceUID == origin.datasets[0].StudyInstanceUID


def test_the_same_gives_the_same_bytes_and_what_differs_another_uid(segmented, tmp_path):
    origin, _, segment = segmented()

    def written(name, measurements=ALL):
        path = tmp_path / name
        structured_report.write(path, measurements, segment, origin, ALGORITHM, CREATED)
        return path.read_bytes(), pydicom.dcmread(path).SOPInstanceUID

    assert written("a") == written("b")
    assert written("c", Measurements(volume_ml=1.0))[1] != written("a")[1]


@pytest.mark.parametrize(
    "measurements", [Measurements(), Measurements(volume_ml=float("nan")), Measurements(1, np.inf)]
)
def test_nothing_to_report(segmented, tmp_path, measurements):
    origin, _, segment = segmented()
    with pytest.raises(ValueError, match="finite"):
        structured_report.write(tmp_path / "m.dcm", measurements, segment, origin, ALGORITHM)
    assert not (tmp_path / "m.dcm").exists()


def test_what_is_no_report_is_refused(segmented, tmp_path):
    _, _, segment = segmented()
    text: pathlib.Path = tmp_path / "text"
    text.write_text("no DICOM")
    for path in (segment, text, tmp_path / "missing"):
        with pytest.raises(InputError, match="structured report"):
            structured_report.read(path)
