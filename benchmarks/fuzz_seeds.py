"""Small sound scans of every format that is read: what the fuzzer damages."""

import pathlib
import zipfile

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

# Small, so that a change of one byte often matters; JPEG 2000 needs 32 pixels for its five levels.
_SHAPE = (36, 33, 5)
_AFFINE = np.array(
    [[-3.0, 0.2, 0.1, 40], [0.2, 3.1, 0.3, -30], [0.1, -0.2, 6, 10], [0, 0, 0, 1]], float
)
_SYNTAXES = {
    "explicit": uid.ExplicitVRLittleEndian,
    "implicit": uid.ImplicitVRLittleEndian,
    "big": uid.ExplicitVRBigEndian,
    "deflated": uid.DeflatedExplicitVRLittleEndian,
    "rle": uid.RLELossless,
    "jpeg2000": uid.JPEG2000Lossless,
    "jpegls": uid.JPEGLSLossless,
}


def write(folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes the scans, the same bytes each time, and returns their paths.

    Args:
        folder: Where to; made here.

    Returns:
        Files, DICOM folders and zips, each a scan that is read without complaint.
    """
    folder.mkdir(parents=True)
    data = np.random.default_rng(0).integers(-1000, 1500, _SHAPE).astype(np.int16)
    paths = [*_nifti(folder, data), *_itk(folder, data), *_dicom(folder, data)]
    for name in ("explicit", "rle"):
        path = folder / f"{name}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted((folder / name).iterdir()):
                archive.write(file, f"study/{file.name}")
        paths.append(path)
    return paths


def _nifti(folder: pathlib.Path, data: np.ndarray) -> list[pathlib.Path]:
    echoes = np.stack([data, data // 2], axis=3)
    made = {
        "int16.nii": nib.Nifti1Image(data, _AFFINE),
        "int16.nii.gz": nib.Nifti1Image(data, _AFFINE),
        "echoes.nii": nib.Nifti1Image(echoes.astype(np.float32), _AFFINE),
        "version2.nii": nib.Nifti2Image(data, _AFFINE),
    }
    for name, image in made.items():
        nib.save(image, folder / name)
    return [folder / name for name in made]


def _itk(folder: pathlib.Path, data: np.ndarray) -> list[pathlib.Path]:
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.T))
    image.SetSpacing((3.0, 3.1, 6.0))
    image.SetOrigin((-40.0, 30.0, 10.0))
    names = {"raw.nrrd": False, "gzip.nrrd": True, "raw.mha": False, "zlib.mha": True}
    for name, packed in names.items():
        SimpleITK.WriteImage(image, folder / name, packed)
    return [folder / name for name in names]


def _dicom(folder: pathlib.Path, data: np.ndarray) -> list[pathlib.Path]:
    paths = []
    for name, syntax in _SYNTAXES.items():
        (folder / name).mkdir()
        for index in range(_SHAPE[2]):
            dataset = _slice(index)
            _save(folder / name / f"{index:03d}", dataset, data[:, :, index].T, syntax)
        paths.append(folder / name)
    path = folder / "enhanced"
    _save(path, _multi_frame(), data.transpose(2, 1, 0), uid.ExplicitVRLittleEndian)
    return [*paths, path]


def _slice(index: int) -> Dataset:
    dataset = _common(f"1.2.3.4.{index + 1}", uid.CTImageStorage)
    dataset.InstanceNumber = index + 1
    dataset.ImagePositionPatient = [-20, -15, 6 * index]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [3, 3]
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    return dataset


def _multi_frame() -> Dataset:
    dataset = _common("1.2.3.5", uid.EnhancedCTImageStorage)
    dataset.NumberOfFrames = _SHAPE[2]
    shared, frames = Dataset(), []
    shared.PixelMeasuresSequence = [_item(PixelSpacing=[3, 3], SliceThickness=6)]
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    rescale = _item(RescaleSlope=1, RescaleIntercept=0, RescaleType="HU")
    shared.PixelValueTransformationSequence = [rescale]
    for index in range(_SHAPE[2]):
        place = _item(ImagePositionPatient=[-20, -15, 6 * index])
        content = _item(StackID="1", InStackPositionNumber=index + 1)
        frames.append(_item(PlanePositionSequence=[place], FrameContentSequence=[content]))
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = frames
    return dataset


def _common(instance: str, kind: str) -> Dataset:
    return _item(
        SOPClassUID=kind,
        SOPInstanceUID=instance,
        StudyInstanceUID="1.2.3",
        SeriesInstanceUID="1.2.3.4",
        FrameOfReferenceUID="1.2.3.9",
        SeriesNumber=1,
        Modality="CT",
        PatientName="Fuzz",
        PatientID="Fuzz",
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        Columns=_SHAPE[0],
        Rows=_SHAPE[1],
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=1,
    )


def _item(**attributes: object) -> Dataset:
    dataset = Dataset()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def _save(path: pathlib.Path, dataset: Dataset, pixels: np.ndarray, syntax: str) -> None:
    dataset.file_meta = FileMetaDataset()
    native = not uid.UID(syntax).is_encapsulated
    dataset.file_meta.TransferSyntaxUID = syntax if native else uid.ExplicitVRLittleEndian
    order = ">" if syntax == uid.ExplicitVRBigEndian else "<"
    dataset.PixelData = np.ascontiguousarray(pixels).astype(f"{order}i2").tobytes()
    dataset["PixelData"].VR = "OW"
    if not native:
        dataset.compress(syntax, generate_instance_uid=False)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
