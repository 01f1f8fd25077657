import datetime
import logging
import shutil
import subprocess
import warnings

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from scipy import spatial

from liver_jax.errors import InputError
from liver_jax.volume import nifti
from liver_jax.volume.dicom import derived, read, segmentation
from liver_jax.volume.dicom.derived import Algorithm
from liver_jax.volume.dicom.origin import Origin
from liver_jax.volume.geometry import Volume

ALGORITHM = Algorithm("0.1.0", "0123456789abcdef" * 4)
CREATED = datetime.datetime(2026, 1, 2, 3, 4, 5)
SHAPE = 13, 11, 6  # 143 pixels: frames that do not end at a byte


def turned(degrees, spacing_mm=(1.5, 2.0, 5.0), order=(0, 1, 2)):
    """An affine of voxels along the patient's axes in some order, turned about two of them."""
    a, b = np.deg2rad(degrees), np.deg2rad(degrees / 2)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = (about_z @ about_x @ np.diag([-1.0, -1.0, 1.0]))[:, order] * spacing_mm
    affine[:3, 3] = 31.25, -17.5, -203.125
    return affine


def tilted():
    affine = turned(0)
    affine[1, 2] = 1.75  # a gantry tilted by about 19 degrees
    return affine


AFFINES = {
    "axial": turned(0),
    "downwards": turned(0, (1.5, 2.0, -5.0)),
    "oblique": turned(30),
    "sagittal": turned(0, order=(1, 2, 0)),
    "coronal, oblique": turned(-20, order=(0, 2, 1)),
    "tilted": tilted(),
}


def origin_of(paths, echoes=1):
    """The images of the first echo, read without pixels."""
    datasets = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    if "NumberOfFrames" in datasets[0]:
        return Origin((datasets[0],), tuple(range(1, datasets[0].NumberOfFrames + 1, echoes)))
    return Origin(tuple(datasets[::echoes]))


def some_mask(shape=SHAPE):
    """No two planes alike, an empty one in the middle, empty ones at both ends."""
    mask = np.random.default_rng(0).random(shape) < 0.3
    mask[:, :, [0, 3, -1]] = False
    return mask


def located(path):
    """Where the voxels of a segmentation lie, frame by frame: `[n, 3]`, RAS+ mm."""
    dataset = pydicom.dcmread(path)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    along, down = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3))
    row_mm, column_mm = shared.PixelMeasuresSequence[0].PixelSpacing
    found = []
    for frame, group in zip(
        dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence, strict=True
    ):
        rows, columns = np.nonzero(frame)
        corner = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        found.append(corner + np.outer(columns * column_mm, along) + np.outer(rows * row_mm, down))
    return np.concatenate(found) * [-1, -1, 1]


def located_by_highdicom(path):
    """As `located`, by another reading: as one regular volume."""
    array = hd.seg.segread(path).get_volume(segment_numbers=[1], combine_segments=True)
    lps = np.argwhere(array.array) @ array.affine[:3, :3].T + array.affine[:3, 3]
    return lps * [-1, -1, 1]


def farthest_mm(found, expected):
    """How far any of some points lies from its place; infinite where their number differs."""
    if len(found) != len(expected):
        return np.inf
    return max(
        spatial.KDTree(one).query(other)[0].max()
        for one, other in ((found, expected), (expected, found))
    )


def verified(*command):
    """Runs a validator; returns its lines of errors and warnings."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, errors="replace")
    text = done.stdout + done.stderr
    return [line for line in text.splitlines() if line.startswith(("Error", "Warning"))]


@pytest.fixture
def source(write_series, tmp_path):
    """Makes (origin, mask as a Volume, files) of a synthetic series."""

    def make(affine=None, echoes=1, **options):
        affine = AFFINES["axial"] if affine is None else affine
        data = np.random.default_rng(1).integers(0, 900, (*SHAPE, echoes)).astype(np.float32)
        te_ms = [1.5 * (echo + 1) for echo in range(echoes)] if echoes > 1 else ()
        paths = write_series(tmp_path / "images", data, affine, te_ms=te_ms, **options)
        return origin_of(paths, echoes), Volume(some_mask(), affine), paths

    return make


@pytest.mark.parametrize("name", AFFINES)
@pytest.mark.parametrize("enhanced", [False, True], ids=["classic", "enhanced"])
def test_every_voxel_is_where_it_was_and_the_object_is_valid(source, tmp_path, name, enhanced):
    modality = "MR" if "oblique" in name else "CT"
    origin, mask, paths = source(AFFINES[name], modality=modality, enhanced=enhanced)
    path = tmp_path / "segmentation.dcm"
    segmentation.write(path, mask, origin, ALGORITHM, CREATED)

    np.testing.assert_array_equal(segmentation.read(path, origin), mask.data)
    expected = np.argwhere(mask.data) @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    assert farthest_mm(located(path), expected) < 1e-3
    if name != "tilted":  # highdicom knows no sheared volumes
        assert farthest_mm(located_by_highdicom(path), expected) < 1e-3
    assert verified("dciodvfy", "-new", path) == []
    assert verified("dcentvfy", *paths, path) == []


def test_frames_refer_to_their_images_and_measure_true(source, tmp_path):
    origin, mask, _ = source(AFFINES["oblique"])
    segmentation.write(tmp_path / "s.dcm", mask, origin, ALGORITHM, CREATED)
    dataset = pydicom.dcmread(tmp_path / "s.dcm")
    # Slices 1 to 4: the empty one between is kept, those at the ends are not.
    named = {
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID: list(
            group.PlanePositionSequence[0].ImagePositionPatient
        )
        for group in dataset.PerFrameFunctionalGroupsSequence
    }
    assert named == {
        header.SOPInstanceUID: list(header.ImagePositionPatient) for header in origin.datasets[1:5]
    }
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert origin.datasets[0].SliceThickness == 7.5
    assert (measures.SliceThickness, measures.SpacingBetweenSlices) == pytest.approx((5, 5))
    assert list(measures.PixelSpacing) == [2.0, 1.5]
    (segment,) = dataset.SegmentSequence
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "10200004"
    assert segment.SegmentAlgorithmType == "AUTOMATIC"
    assert dataset.ContentDate == "20260102"
    assert dataset.SeriesNumber == 301
    assert dataset.DeviceSerialNumber == ALGORITHM.checkpoint_sha256


def test_spacing_of_a_tilted_stack_is_along_the_normal(source, tmp_path):
    origin, mask, _ = source(AFFINES["tilted"])
    segmentation.write(tmp_path / "s.dcm", mask, origin, ALGORITHM)
    dataset = pydicom.dcmread(tmp_path / "s.dcm")
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    # Not the 5.3 mm from corner to corner: 1.5 x 2 x 5 is a voxel's volume.
    assert measures.SpacingBetweenSlices == pytest.approx(5.0)


def test_frames_of_the_first_echo_are_named_in_a_multi_frame_object(source, tmp_path):
    origin, mask, _ = source(echoes=3, modality="MR", enhanced=True)
    assert origin.frame_numbers == (1, 4, 7, 10, 13, 16)
    segmentation.write(tmp_path / "s.dcm", mask, origin, ALGORITHM)
    dataset = pydicom.dcmread(tmp_path / "s.dcm")
    numbers = sorted(
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        for group in dataset.PerFrameFunctionalGroupsSequence
    )
    assert numbers == [4, 7, 10, 13]
    assert len(dataset.SourceImageSequence) == 1
    np.testing.assert_array_equal(segmentation.read(tmp_path / "s.dcm", origin), mask.data)
    assert verified("dciodvfy", "-new", tmp_path / "s.dcm") == []


def test_an_empty_mask_has_every_frame(source, tmp_path):
    origin, mask, _ = source()
    empty = Volume(np.zeros_like(mask.data), mask.affine)
    segmentation.write(tmp_path / "s.dcm", empty, origin, ALGORITHM)
    assert pydicom.dcmread(tmp_path / "s.dcm").NumberOfFrames == SHAPE[2]
    assert not segmentation.read(tmp_path / "s.dcm", origin).any()
    assert verified("dciodvfy", "-new", tmp_path / "s.dcm") == []


@pytest.mark.parametrize("plane", [0, 5])
def test_one_slice_alone(source, tmp_path, plane):
    origin, mask, _ = source(AFFINES["oblique"])
    mask.data[:] = False
    mask.data[2:5, 3, plane] = True
    segmentation.write(tmp_path / "s.dcm", mask, origin, ALGORITHM)
    np.testing.assert_array_equal(segmentation.read(tmp_path / "s.dcm", origin), mask.data)
    one = Origin(origin.datasets[plane : plane + 1])
    affine = mask.affine.copy()
    affine[:3, 3] += plane * affine[:3, 2]
    segmentation.write(
        tmp_path / "one.dcm", Volume(mask.data[:, :, [plane]], affine), one, ALGORITHM
    )
    assert verified("dciodvfy", "-new", tmp_path / "one.dcm") == []


def test_the_same_gives_the_same_bytes_and_what_differs_another_uid(source, tmp_path):
    origin, mask, _ = source()

    def written(name, data=mask.data, algorithm=ALGORITHM, created=CREATED):
        segmentation.write(tmp_path / name, Volume(data, mask.affine), origin, algorithm, created)
        dataset = pydicom.dcmread(tmp_path / name)
        return dataset.SOPInstanceUID, dataset.SeriesInstanceUID

    first = written("a")
    assert written("b") == first
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    shifted = written("c", np.roll(mask.data, 1, axis=2))
    later = written("d", created=CREATED + datetime.timedelta(seconds=1))
    other = written("e", algorithm=Algorithm("0.1.0", "f" * 64))
    assert len({first[0], shifted[0], later[0], other[0]}) == 4
    assert first[1] == shifted[1] == later[1] != other[1]


def test_patient_and_study_are_copied_and_nothing_else(source, tmp_path):
    extra = {
        "InstitutionName": "LEAK hospital",
        "InstitutionAddress": "LEAK street",
        "OperatorsName": "LEAK^operator",
        "PerformingPhysicianName": "LEAK^doctor",
        "PatientComments": "LEAK comment",
        "PatientAddress": "LEAK home",
        "OtherPatientIDs": "LEAK id",
        "PatientAge": "077Y",
        "StudyDescription": "LEAK study",
        "SeriesDescription": "LEAK series",
        "ProtocolName": "LEAK protocol",
        "StationName": "LEAK station",
        "ImageComments": "LEAK image",
        "RequestingPhysician": "LEAK^other",
    }
    origin, mask, _ = source(series=extra)
    for header in origin.datasets:
        header.private_block(0x0011, "LEAK block", create=True).add_new(1, "LO", "LEAK private")
    segmentation.write(tmp_path / "s.dcm", mask, origin, ALGORITHM)
    assert b"LEAK" not in (tmp_path / "s.dcm").read_bytes()
    dataset = pydicom.dcmread(tmp_path / "s.dcm")
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID"):
        assert dataset[keyword].value == origin.datasets[0][keyword].value != ""
    for keyword in ("StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber"):
        assert dataset[keyword].value == origin.datasets[0][keyword].value != ""
    assert dataset.FrameOfReferenceUID == origin.datasets[0].FrameOfReferenceUID
    assert "PatientAge" not in dataset


def test_values_out_of_form_neither_stop_the_file_nor_are_quoted(source, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    wrong = {
        "PatientName": "WRONG",  # one part only: highdicom warns, and quotes it
        "PatientID": "WRONG" * 20,
        "PatientBirthDate": "WRONG",
        "PatientSex": "WRONG",
        "StudyDate": "2020.01.02",
        "StudyTime": "WRONG",
        "AccessionNumber": None,
        "StudyID": "WRONG" * 9,
    }
    with pydicom.config.disable_value_validation():
        origin, mask, _ = source(series=wrong)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        segmentation.write(tmp_path / "s.dcm", mask, origin, ALGORITHM)
    said = caplog.text + "".join(map(str, capfd.readouterr())) + "".join(str(w) for w in caught)
    assert "WRONG" not in said
    with pydicom.config.disable_value_validation():
        dataset = pydicom.dcmread(tmp_path / "s.dcm")
        # An archive files by these as they are; what has a form is left empty without it.
        assert dataset.PatientID == "WRONG" * 20
        for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "AccessionNumber"):
            assert dataset[keyword].value == ""


def test_names_in_other_scripts_keep_their_bytes(source, tmp_path):
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    sets = ["", "ISO 2022 IR 87"]
    origin, mask, _ = source(series={"SpecificCharacterSet": sets, "PatientName": name})
    segmentation.write(tmp_path / "s.dcm", mask, origin, ALGORITHM)
    dataset = pydicom.dcmread(tmp_path / "s.dcm")
    assert str(dataset.PatientName) == name
    assert list(dataset.SpecificCharacterSet) == sets
    assert b"\x1b$B" in (tmp_path / "s.dcm").read_bytes()
    assert verified("dciodvfy", "-new", tmp_path / "s.dcm") == []


def test_lossy_images_are_said_to_be_lossy(source, tmp_path):
    lossy = {"LossyImageCompression": "01", "LossyImageCompressionRatio": 12.5}
    origin, mask, _ = source(series=lossy | {"LossyImageCompressionMethod": "ISO_10918_1"})
    segmentation.write(tmp_path / "s.dcm", mask, origin, ALGORITHM)
    dataset = pydicom.dcmread(tmp_path / "s.dcm")
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionRatio) == ("01", 12.5)
    assert verified("dciodvfy", "-new", tmp_path / "s.dcm") == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"StudyInstanceUID": ""}, "has no StudyInstanceUID"),
        ({"SeriesInstanceUID": None}, "has no SeriesInstanceUID"),
        ({"FrameOfReferenceUID": None}, "has no FrameOfReferenceUID"),
        ({"StudyInstanceUID": "ANON-12"}, "has a malformed StudyInstanceUID"),
        ({"SOPInstanceUID": "1.2.3"}, "has one SOPInstanceUID for several images"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "has images of another kind"),
    ],
)
def test_images_that_cannot_be_referred_to(source, tmp_path, change, reason):
    origin, mask, _ = source()
    assert derived.obstacle(origin) is None
    with pydicom.config.disable_value_validation():
        for header in origin.datasets:
            for keyword, value in change.items():
                setattr(header, keyword, value)
    assert derived.obstacle(origin).startswith(reason)
    with pytest.raises(ValueError, match=reason):
        segmentation.write(tmp_path / "s.dcm", mask, origin, ALGORITHM)
    assert not (tmp_path / "s.dcm").exists()


def test_images_of_two_series(source):
    origin, _, _ = source()
    origin.datasets[2].SeriesInstanceUID = "1.2.3.4"
    assert derived.obstacle(origin) == "has 2 different SeriesInstanceUIDs"


@pytest.mark.parametrize("wrong", ["shape", "mirrored", "shifted", "reversed"])
def test_a_mask_that_does_not_lie_on_the_images(source, tmp_path, wrong):
    origin, mask, _ = source()
    affine, data = mask.affine.copy(), mask.data
    if wrong == "shape":
        data = data[:-1]
    elif wrong == "mirrored":
        affine[:3, 3] += affine[:3, 0] * (SHAPE[0] - 1)
        affine[:3, 0] *= -1
    elif wrong == "shifted":
        affine[0, 3] += 0.75
    else:
        origin = Origin(origin.datasets[::-1])
    with pytest.raises(ValueError, match="mask"):
        segmentation.write(tmp_path / "s.dcm", Volume(data, affine), origin, ALGORITHM)


def _moved(dataset: Dataset):
    for group in dataset.PerFrameFunctionalGroupsSequence:
        group.PlanePositionSequence[0].ImagePositionPatient[1] += 1.0


def _swapped(dataset: Dataset):
    one, two = dataset.PerFrameFunctionalGroupsSequence[:2]
    one.PlanePositionSequence, two.PlanePositionSequence = (
        two.PlanePositionSequence,
        one.PlanePositionSequence,
    )


def _mirrored(dataset: Dataset):
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]


def _elsewhere(dataset: Dataset):
    dataset.FrameOfReferenceUID = "1.2.3"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_moved, "on no slice"),
        (_swapped, "lies on one image and names another"),
        (_mirrored, "another grid"),
        (_elsewhere, "another grid"),
    ],
)
def test_a_segmentation_of_other_images_is_refused(source, tmp_path, change, fault):
    origin, mask, _ = source()
    path = tmp_path / "s.dcm"
    segmentation.write(path, mask, origin, ALGORITHM)
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    with pytest.raises(InputError, match=fault):
        segmentation.read(path, origin)


def test_what_is_no_segmentation_is_refused(source, tmp_path):
    origin, _, paths = source()
    (tmp_path / "text").write_text("no DICOM")
    for path in (paths[0], tmp_path / "text", tmp_path / "missing"):
        with pytest.raises(InputError, match="DICOM segmentation"):
            segmentation.read(path, origin)


def test_a_plane_that_differs_once_read_leaves_no_file(source, tmp_path, monkeypatch):
    origin, mask, _ = source()
    true_build = segmentation._build

    def damaged(*arguments):
        result = true_build(*arguments)
        result.PixelData = bytes([result.PixelData[0] ^ 1]) + result.PixelData[1:]
        return result

    monkeypatch.setattr(segmentation, "_build", damaged)
    with pytest.raises(ValueError, match="differs from the mask in slice"):
        segmentation.write(tmp_path / "s.dcm", mask, origin, ALGORITHM)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_read_as_a_scan_then_written(write_series, tmp_path):
    """From the reader's grid and headers: few digits, slices not quite even, other scripts."""

    def rough(dataset, index, _):
        turn = [round(float(value), 4) for value in dataset.ImageOrientationPatient]
        dataset.ImageOrientationPatient = turn
        dataset.ImagePositionPatient[0] += 0.04 * (-1) ** index

    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    patient = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": name}
    data = np.random.default_rng(2).integers(0, 900, SHAPE).astype(np.float32)
    for number, syntax in enumerate(
        (uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.RLELossless)
    ):
        folder = tmp_path / str(number)
        write_series(folder, data, turned(33), syntax=syntax, edit=rough, series=patient)
        source = read.read(folder)
        values = source.volume.data
        mask = Volume(values > 450, source.volume.affine)
        path = tmp_path / f"{number}.dcm"
        segmentation.write(path, mask, source.origin, ALGORITHM)
        np.testing.assert_array_equal(segmentation.read(path, source.origin), mask.data)
        expected = np.argwhere(mask.data) @ mask.affine[:3, :3].T + mask.affine[:3, 3]
        assert farthest_mm(located(path), expected) < 0.1
        assert pydicom.dcmread(path).PatientName == name
        assert verified("dciodvfy", "-new", path) == []


@pytest.mark.real
def test_a_real_scan(real_data, tmp_path):
    headers = [
        pydicom.dcmread(path, stop_before_pixels=True)
        for path in (real_data / "ct_dicom").iterdir()
    ]
    headers.sort(key=lambda header: header.ImagePositionPatient[2])
    origin = Origin(tuple(headers))
    # Whoever published it blanked its UIDs: nothing can refer to it as it is.
    assert derived.obstacle(origin).startswith("has no StudyInstanceUID")
    for header in headers:
        header.StudyInstanceUID, header.SeriesInstanceUID = "1.2.3.4", "1.2.3.4.5"
        header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID

    labels = nifti.read_labels(real_data / "ct_dicom_labels.nii.gz")
    # From the labels' axes (left, front, head) to the images' (left, back, head).
    data = (labels.data == 5)[:, ::-1]
    affine = labels.affine.copy()
    affine[:3, 3] += affine[:3, 1] * (labels.grid_shape[1] - 1)
    affine[:3, 1] *= -1
    mask = Volume(data, affine)
    path = tmp_path / "segmentation.dcm"
    segmentation.write(path, mask, origin, ALGORITHM)
    found = segmentation.read(path, origin)
    assert found.sum() * mask.voxel_volume_ml == pytest.approx(699.44, abs=0.01)
    expected = np.argwhere(labels.data == 5) @ labels.affine[:3, :3].T + labels.affine[:3, 3]
    assert farthest_mm(located(path), expected) < 0.01
    faults = verified("dciodvfy", "-new", path)
    # The patient's id and the study's are blank in the images, too.
    assert all("needed to build DICOMDIR" in line for line in faults)
