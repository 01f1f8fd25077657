"""From DICOM to every file that `predict` writes: nothing tells who the patient is unasked.

The network is a stand-in: bright voxels are liver.
"""

import gzip
import json
import pathlib
import types
import zipfile

import numpy as np
import pydicom
import pytest
from absl import flags

from liver_jax import predict
from liver_jax.errors import InputError
from liver_jax.inference.predictor import Segmentation
from liver_jax.volume import reader
from liver_jax.volume.dicom import derived


class Network:
    checkpoint, step, record = "runs/fake/best", 10, types.MappingProxyType({})
    record_sha256 = None
    config = types.MappingProxyType({})

    def segment(self, volume, modality, subject, augmented=False, contrasts=False):
        if volume.data.max() > 2000:
            raise RuntimeError(f"broke on {subject}")
        found = (volume.data > 40).astype(np.float32)
        return Segmentation(found, 0.99, 0.1, 0.99, seconds={"network": 0.1})


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    """A folder of its own to work in, where a log would be written; and the stand-in."""
    monkeypatch.setattr(predict.Predictor, "from_checkpoint", lambda folder: Network())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def body():
    x, y, z = np.mgrid[:44, :36, :6]
    inside = ((x - 22) / 20) ** 2 + ((y - 18) / 15) ** 2 < 1
    liver = ((x - 14) / 8) ** 2 + ((y - 18) / 9) ** 2 + ((z - 2.5) / 2.2) ** 2 < 1
    return np.where(liver, 60.0, np.where(inside, 0.0, -1000.0))


@pytest.fixture
def series(write_series, here):
    """Writes a CT whose file names tell of the patient as much as its headers do."""

    def make(folder, data=None, **options):
        written = write_series(here / folder, body() if data is None else data, **options)
        names = []
        for number, path in enumerate(written):
            names.append(path.rename(path.with_name(f"SECRET_NAME.1.2.826.{number}.dcm")))
        return names

    return make


@pytest.fixture
def needles(secrets):
    """Bytes of what tells: names and ids (all hold one word), dates, the root of all UIDs."""
    dates = {secret.encode() for secret in secrets if len(secret) == 8 and secret.isdigit()}
    assert len(dates) == 2
    return dates | {b"SECRET", b"1.2.826"}


def run(*arguments):
    values = flags.FlagValues()
    predict.define_flags(values)
    values(["predict", "--checkpoint=run", "--output=out", *map(str, arguments)])
    return predict.main(values)


def contents(folder, but=()):
    """The bytes of every file, unpacked, and every name."""
    for path in sorted(pathlib.Path(folder).rglob("*")):
        yield path, str(path.relative_to(folder)).encode()
        if path.is_file() and path.suffix not in but:
            content = path.read_bytes()
            yield path, gzip.decompress(content) if path.suffix == ".gz" else content


def check(needles, capfd, but=(".dcm",)):
    told = capfd.readouterr()
    for where, content in (
        ("stdout", told.out.encode()),
        ("stderr", told.err.encode()),
        *contents("out", but),
    ):
        found = {needle for needle in needles if needle.lower() in content.lower()}
        assert not found, f"{where} tells {found}"


ALL = ("--probability", "--strict")


def test_a_folder_with_everything_that_is_written(series, needles, capfd):
    series("study")
    run("--input=study", *ALL)
    names = {path.name for path in pathlib.Path("out").iterdir()}
    assert {"mask.nii.gz", "probability.nii.gz", "measurements.json", "preview.png"} <= names
    assert {"report.html", "segmentation.dcm", "measurements.dcm"} <= names
    check(needles, capfd)


def test_a_zip(series, needles, capfd):
    with zipfile.ZipFile("study.zip", "w") as archive:
        for path in series("study"):
            archive.write(path, f"SECRET/{path.name}")
    run("--input=study.zip", *ALL)
    check(needles, capfd)


def test_many_scans_one_of_them_named_after_the_patient(series, needles, capfd):
    series("scans/first")
    series("scans/Secret_Name_CT")
    for name in ("refused", "Secret_Name_refused"):  # a slice is missing
        series(f"scans/{name}", edit=lambda dataset, index, echo: index != 3)
    for name in ("broken", "Secret_Name_broken"):
        series(f"scans/{name}", data=np.where(body() == 60, 2500.0, body()))
    assert run("--folder=scans", *ALL) == 1
    folders = sorted(path.name for path in pathlib.Path("out").iterdir() if path.is_dir())
    assert {"broken", "first", "refused"} < set(folders)
    assert sum(name.startswith("scan_") for name in folders) == len(folders) - 3 == 3
    check(needles, capfd)
    for log in pathlib.Path().glob("*.log"):
        assert not any(needle in log.read_bytes() for needle in needles)


def test_a_manifest(series, needles, capfd):
    series("study")
    pathlib.Path("manifest.csv").write_text(
        "exam_id,subject_id,modality,technique,images\nE1,S1,CT,ct,study\n"
    )
    run("--manifest=manifest.csv", *ALL)
    assert (pathlib.Path("out/E1/measurements.json")).exists()
    check(needles, capfd)


def test_what_is_refused_is_named_without_the_patient(series, needles, secrets):
    series("study", edit=lambda dataset, index, echo: index != 3)
    series("other", modality="MR", data=body() + 1000, series={"SeriesNumber": 4})
    for name in ("study", "other"):
        for path in pathlib.Path(name).iterdir():
            path.rename(pathlib.Path("study") / f"{name}{path.name}")
    for arguments in (("--input=study",), ("--input=study", "--series=3")):
        with pytest.raises(InputError) as refused:
            run(*arguments)
        line = str(refused.value).encode()
        assert not any(needle in line for needle in needles), line


def test_identifiers_are_kept_where_they_are_asked_for(series):
    series("study")
    run("--input=study", "--keep_identifiers")
    told = json.loads(pathlib.Path("out/measurements.json").read_text())["input"]
    assert told["dicom"]["PatientID"] == "SECRET-ID" and told["names"] == ["study"]
    assert "SECRET-ID" in pathlib.Path("out/report.html").read_text()


def test_dicom_objects_have_the_patient_and_study_and_no_more(series):
    # Of the patient and the study only what the standard's modules ask for (type 1 and 2), so that
    # an archive files them; DICOM PS3.3, C.7.1.1 and C.7.2.1.
    allowed = {"PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID"}
    allowed |= {"StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"}

    def spoil(dataset, index, echo):
        dataset.PatientAddress = "SECRET STREET"
        dataset.PatientComments = dataset.StudyDescription = "SECRET WORDS"
        dataset.OperatorsName, dataset.InstitutionName = "SECRET^OPERATOR", "SECRET HOUSE"
        dataset.SeriesDescription = dataset.ProtocolName = "SECRET PROTOCOL"
        dataset.DeviceSerialNumber = dataset.StationName = "SECRET-9"
        block = dataset.private_block(0x0011, "SECRET MAKER", create=True)
        block.add_new(1, "LO", "SECRET PRIVATE")

    series("study", edit=spoil)
    run("--input=study")
    for name in ("segmentation.dcm", "measurements.dcm"):
        dataset = pydicom.dcmread(pathlib.Path("out") / name)
        telling = {
            element.keyword or str(element.tag)
            for element in dataset.iterall()
            if "SECRET" in str(element.value)
            if element.VR != "SQ"
        }
        assert telling <= allowed, name


def test_a_source_does_not_show_its_headers(series, secrets):
    series("study")
    source = reader.read([pathlib.Path("study")])
    for shown in (repr(source), repr(source.origin)):
        assert not any(secret in shown for secret in secrets)


@pytest.mark.parametrize("name", ["StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"])
def test_images_without_their_uids_get_no_dicom_objects_and_are_told_why(series, name):
    series("study", series={name: ""})
    pathlib.Path("out").mkdir()
    pathlib.Path("out/segmentation.dcm").write_text("of an earlier scan")
    run("--input=study")
    told = json.loads(pathlib.Path("out/measurements.json").read_text())
    assert told["dicom_reason"].startswith(f"has no {name} (removed with the patient")
    assert told["volume_ml"] > 0
    assert not list(pathlib.Path("out").glob("*.dcm"))


def test_a_defect_whose_message_holds_the_header_tells_nothing_of_it(
    series, needles, capfd, monkeypatch
):
    def fail(origin):
        raise ValueError(f"cannot refer to {origin.datasets[0]}")

    monkeypatch.setattr(derived, "obstacle", fail)
    series("scans/first")
    assert run("--folder=scans") == 1
    check(needles, capfd)
