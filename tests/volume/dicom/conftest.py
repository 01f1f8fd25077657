"""Fixtures: synthetic DICOM series, written as scanners write them."""

import pathlib
from collections.abc import Callable, Sequence

import gdcm
import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset

# Nothing of these may ever be seen outside of a DICOM object.
SECRETS = {
    "PatientName": "SECRET^NAME",
    "PatientID": "SECRET-ID",
    "PatientBirthDate": "19330303",
    "PatientSex": "O",
    "StudyDate": "20200102",
    "StudyTime": "030405",
    "AccessionNumber": "SECRET-ACC",
    "ReferringPhysicianName": "SECRET^DOCTOR",
    "StudyID": "SECRET-S",
}
_CLASSES = {
    ("CT", False): uid.CTImageStorage,
    ("MR", False): uid.MRImageStorage,
    ("CT", True): uid.EnhancedCTImageStorage,
    ("MR", True): uid.EnhancedMRImageStorage,
}
Edit = Callable[[Dataset, int, int], bool | None]


def _write_series(
    folder: pathlib.Path,
    data: np.ndarray,
    affine: np.ndarray | None = None,
    *,
    modality: str = "CT",
    te_ms: Sequence[float] = (),
    enhanced: bool = False,
    syntax: str = uid.ExplicitVRLittleEndian,
    slope: float = 1.0,
    intercept: float | None = None,
    signed: bool = False,
    bits_stored: int = 16,
    image_type: Sequence[str] | None = None,
    series: dict | None = None,
    edit: Edit | None = None,
) -> list[pathlib.Path]:
    """Writes a series: a file for each slice and echo, or one enhanced multi-frame file.

    Args:
        folder: Where to; made where missing. Several calls into one folder add up.
        data: `[x, y, z]` or `[x, y, z, echo]` as the reader should return it (HU on CT), x along
            the columns, y along the rows of each image. The places of the slices decide which way
            z runs when read: along the cross product of x and y in LPS.
        affine: To RAS+ mm; its third column may be oblique or sheared. By default 1.5 x 2 x 5 mm,
            axial, as a patient lies on their back.
        modality: `CT` or `MR`.
        te_ms: One for each echo.
        enhanced: One multi-frame file, with functional groups.
        syntax: The transfer syntax, written as it is or compressed.
        slope: Stored values are (data - intercept) / slope.
        intercept: By default -1024 on CT, 0 on MR.
        signed: Whether stored values are signed.
        bits_stored: Of 16 allocated.
        image_type: By default ORIGINAL, PRIMARY, AXIAL (CT) or M (MR).
        series: Attributes of all images that replace the defaults, `SeriesNumber` say; None as a
            value removes one.
        edit: Called for each image with its slice and echo; may change it, and drops the image
            where it returns False. For an enhanced object it is called once, with 0 and 0.

    Returns:
        The files, in the order slice by slice, echo by echo.
    """
    data = data[..., None] if data.ndim == 3 else data
    affine = np.diag([-1.5, -2.0, 5.0, 1.0]) if affine is None else np.asarray(affine, float)
    intercept = (-1024.0 if modality == "CT" else 0.0) if intercept is None else intercept
    stored = np.rint((data - intercept) / slope)
    stored = stored.astype(np.int16 if signed else np.uint16)
    folder.mkdir(parents=True, exist_ok=True)
    common = _common(modality, enhanced, data.shape, signed, bits_stored, series or {})
    last = "AXIAL" if modality == "CT" else "M"
    common.ImageType = list(image_type or ("ORIGINAL", "PRIMARY", last))
    places = [(index, echo) for index in range(data.shape[2]) for echo in range(data.shape[3])]
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    frames = [
        _frame(lps, index, te_ms[echo] if te_ms else None, slope, intercept)
        for index, echo in places
    ]
    paths = []
    if enhanced:
        pixels = np.stack([stored[:, :, index, echo].T for index, echo in places])
        dataset = _multi_frame(common, frames, places, modality)
        if edit is None or edit(dataset, 0, 0) is not False:
            paths.append(_save(folder, dataset, pixels, syntax))
        return paths
    for (index, echo), frame in zip(places, frames, strict=True):
        dataset = _single_frame(common, frame, modality, len(paths) + 1)
        if te_ms:
            dataset.EchoNumbers = echo + 1
        if edit is not None and edit(dataset, index, echo) is False:
            continue
        paths.append(_save(folder, dataset, stored[:, :, index, echo].T, syntax))
    return paths


def _common(modality, enhanced, shape, signed, bits_stored, series) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = _CLASSES[modality, enhanced]
    dataset.Modality = modality
    dataset.Manufacturer = "Liver Phantoms"
    dataset.ManufacturerModelName = "One"
    dataset.DeviceSerialNumber = "1"
    dataset.SoftwareVersions = "1"
    dataset.SpecificCharacterSet = "ISO_IR 100"
    for name, value in SECRETS.items():
        setattr(dataset, name, value)
    dataset.StudyInstanceUID = "1.2.826.0.1.3680043.10.511.1"
    dataset.SeriesInstanceUID = uid.generate_uid()
    dataset.FrameOfReferenceUID = "1.2.826.0.1.3680043.10.511.2"
    dataset.PositionReferenceIndicator = ""
    dataset.SeriesNumber = 3
    dataset.SeriesDescription = "abdomen"
    dataset.SeriesDate = dataset.ContentDate = dataset.AcquisitionDate = "20200102"
    dataset.SeriesTime = dataset.ContentTime = dataset.AcquisitionTime = "030500"
    dataset.AcquisitionNumber = 1
    dataset.PatientPosition = "HFS"
    dataset.BodyPartExamined = "ABDOMEN"
    dataset.Columns, dataset.Rows = shape[:2]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits_stored, bits_stored - 1
    dataset.PixelRepresentation = int(signed)
    if modality == "MR":
        dataset.MagneticFieldStrength = 1.5
        dataset.ScanningSequence, dataset.SequenceVariant = "GR", "SP"
        dataset.ScanOptions, dataset.MRAcquisitionType = "", "2D"
        dataset.RepetitionTime, dataset.FlipAngle, dataset.EchoTrainLength = 150.0, 10.0, 1
        dataset.EchoTime = None
    else:
        dataset.KVP = 120.0
    for name, value in series.items():
        if value is None:
            dataset.pop(name, None)
        else:
            setattr(dataset, name, value)
    return dataset


def _frame(lps, index, te_ms, slope, intercept) -> dict:
    across, down = (lps[:3, axis] / np.linalg.norm(lps[:3, axis]) for axis in (0, 1))
    spacing = np.linalg.norm(lps[:3, :2], axis=0)
    return {
        "position": [float(value) for value in lps[:3, 3] + index * lps[:3, 2]],
        "orientation": [float(value) for value in (*across, *down)],
        "spacing": [float(spacing[1]), float(spacing[0])],  # between rows, between columns
        "te_ms": te_ms,
        "rescale": (slope, intercept),
    }


def _single_frame(common, frame, modality, number) -> Dataset:
    dataset = Dataset()
    dataset.update(common)
    dataset.SOPInstanceUID = uid.generate_uid()
    dataset.InstanceNumber = number
    dataset.ImagePositionPatient = [f"{value:.12g}" for value in frame["position"]]
    dataset.ImageOrientationPatient = [f"{value:.12g}" for value in frame["orientation"]]
    dataset.PixelSpacing = [f"{value:.12g}" for value in frame["spacing"]]
    dataset.SliceThickness = 7.5  # not the distance of slices: nobody is to take it for that
    if modality == "CT" or frame["rescale"] != (1.0, 0.0):
        dataset.RescaleSlope, dataset.RescaleIntercept = frame["rescale"]
        dataset.RescaleType = "HU" if modality == "CT" else "US"
    if frame["te_ms"] is not None:
        dataset.EchoTime = frame["te_ms"]
    return dataset


def _item(**attributes) -> list[Dataset]:
    dataset = Dataset()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return [dataset]


def _multi_frame(common, frames, places, modality) -> Dataset:
    dataset = Dataset()
    dataset.update(common)
    dataset.SOPInstanceUID = uid.generate_uid()
    dataset.InstanceNumber = 1
    dataset.NumberOfFrames = len(frames)
    dataset.AcquisitionDateTime = "20200102030500"
    dataset.AcquisitionDuration = 10.0
    dataset.ContentQualification = "RESEARCH"
    dataset.BurnedInAnnotation, dataset.LossyImageCompression = "NO", "00"
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.PixelPresentation = "MONOCHROME"
    dataset.VolumetricProperties, dataset.VolumeBasedCalculationTechnique = "VOLUME", "NONE"
    dataset.AcquisitionContextSequence = []
    dataset.ImageType = [*dataset.ImageType[:3], "NONE"]
    for name in ("EchoTime", "RepetitionTime", "FlipAngle", "EchoNumbers", "EchoTrainLength"):
        dataset.pop(name, None)
    kind = _item(
        FrameType=list(dataset.ImageType),
        PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
    )
    shared = Dataset()
    shared.PixelMeasuresSequence = _item(PixelSpacing=frames[0]["spacing"], SliceThickness=7.5)
    shared.PlaneOrientationSequence = _item(ImageOrientationPatient=frames[0]["orientation"])
    if modality == "MR":
        dataset.ComplexImageComponent, dataset.AcquisitionContrast = "MAGNITUDE", "UNKNOWN"
        kind[0].ComplexImageComponent, kind[0].AcquisitionContrast = "MAGNITUDE", "UNKNOWN"
        shared.MRImageFrameTypeSequence = kind
        shared.MRTimingAndRelatedParametersSequence = _item(
            RepetitionTime=150.0, FlipAngle=10.0, EchoTrainLength=1
        )
    else:
        shared.CTImageFrameTypeSequence = kind
    dataset.SharedFunctionalGroupsSequence = [shared]
    index = uid.generate_uid()
    dataset.DimensionOrganizationSequence = _item(DimensionOrganizationUID=index)
    dataset.DimensionIndexSequence = [
        *_item(
            DimensionOrganizationUID=index,
            DimensionIndexPointer=0x00209057,  # InStackPositionNumber
            FunctionalGroupPointer=0x00209111,
        ),
        *_item(
            DimensionOrganizationUID=index,
            DimensionIndexPointer=0x00189082,  # EffectiveEchoTime
            FunctionalGroupPointer=0x00189114,
        ),
    ]
    groups = []
    for frame, (place, echo) in zip(frames, places, strict=True):
        group = Dataset()
        group.PlanePositionSequence = _item(ImagePositionPatient=frame["position"])
        group.FrameContentSequence = _item(
            DimensionIndexValues=[place + 1, echo + 1],
            StackID="1",
            InStackPositionNumber=place + 1,
            FrameAcquisitionDateTime="20200102030500",
            FrameReferenceDateTime="20200102030500",
            FrameAcquisitionDuration=10.0,
        )
        group.PixelValueTransformationSequence = _item(
            RescaleSlope=frame["rescale"][0],
            RescaleIntercept=frame["rescale"][1],
            RescaleType="HU" if modality == "CT" else "US",
        )
        if frame["te_ms"] is not None:
            group.MREchoSequence = _item(EffectiveEchoTime=float(frame["te_ms"]))
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    return dataset


def _save(folder, dataset, pixels, syntax) -> pathlib.Path:
    pixels = np.ascontiguousarray(pixels)
    big = syntax == uid.ExplicitVRBigEndian
    if "PixelData" not in dataset:
        dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).tobytes()
        dataset["PixelData"].VR = "OW"
    path = folder / f"{len(list(folder.iterdir())):05d}"  # no .dcm: names say nothing
    native = not uid.UID(syntax).is_encapsulated
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax if native else uid.ExplicitVRLittleEndian
    if not native and syntax not in (uid.JPEGLosslessSV1, uid.JPEGExtended12Bit):
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)
    if syntax in (uid.JPEGLosslessSV1, uid.JPEGExtended12Bit):
        _compress_with_gdcm(path, syntax)
    return path


def _compress_with_gdcm(path, syntax) -> None:
    """JPEG of 1992, for which pydicom has no encoder."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    names = {
        uid.JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
        uid.JPEGExtended12Bit: gdcm.TransferSyntax.JPEGExtendedProcess2_4,
    }
    change.SetTransferSyntax(gdcm.TransferSyntax(names[syntax]))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


@pytest.fixture(scope="session")
def write_series() -> Callable[..., list[pathlib.Path]]:
    """`_write_series` above: writes a synthetic series into a folder."""
    return _write_series


@pytest.fixture(scope="session")
def secrets() -> tuple[str, ...]:
    """What the series of `write_series` hold that must not leave them."""
    return tuple(value for name, value in SECRETS.items() if name != "PatientSex")


@pytest.fixture
def ct_values() -> np.ndarray:
    """float32 `[7, 5, 4]`, whole HU, every value different and no axis like another."""
    return np.arange(7 * 5 * 4, dtype=np.float32).reshape(7, 5, 4) * 9 - 500
