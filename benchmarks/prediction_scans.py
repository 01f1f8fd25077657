"""Scans of stated sizes for timing: simulated examinations, interpolated to so many sections."""

import pathlib

import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset

from liver_jax import files
from liver_jax.phantom import design, examination
from liver_jax.volume import geometry, nifti
from liver_jax.volume.geometry import Volume

# By name: what is simulated, and the shape [x, y, section].
_NIFTI = {
    "ct_100": ("ct", (512, 512, 100)),
    "ct_458": ("ct", (512, 512, 458)),
    "mr_24": ("spgr2d", (256, 256, 24)),
}
_DICOM = "ct_458_dicom"


def write(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Writes the scans, those that are not there yet.

    Args:
        folder: Where to.

    Returns:
        By name: NIfTI files (`ct_100`, `ct_458`, `mr_24` with six echoes) and a folder of
        uncompressed DICOM (`ct_458_dicom`, the same CT).
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.nii.gz" for name in _NIFTI} | {_DICOM: folder / _DICOM}
    for name, (technique, shape) in _NIFTI.items():
        if paths[name].exists():
            continue
        plan = design.plans("paper", 3, f"{technique}/test=1")[0]
        if not (folder / technique).exists():
            examination.write(folder / technique, plan, threads=2)
        simulated = geometry.canonical_view(nifti.read_image(folder / technique / "image.nii.gz"))
        nifti.write(paths[name], *_reshaped(simulated, shape))
    if not paths[_DICOM].exists():
        with files.replacing_folder(paths[_DICOM]) as partial:
            _write_dicom(partial, nifti.read_image(paths["ct_458"]))
    return paths


def _reshaped(volume: Volume, shape: tuple[int, int, int]) -> tuple[np.ndarray, Volume]:
    """int16 of that shape: linear interpolation between voxels, air around, noise of one unit."""
    data = volume.data if volume.data.ndim == 4 else volume.data[..., None]
    zoom = np.array([data.shape[0] / shape[0], data.shape[1] / shape[1], data.shape[2] / shape[2]])
    data = np.asarray(data, np.float32)
    for axis in range(3):
        places = np.clip((np.arange(shape[axis]) + 0.5) * zoom[axis] - 0.5, 0, data.shape[axis] - 1)
        below = np.minimum(places.astype(int), data.shape[axis] - 2)
        weight = np.expand_dims((places - below).astype(np.float32), [1, 2, 3])
        data = np.moveaxis(data, axis, 0)
        data = data[below] * (1 - weight) + data[below + 1] * weight
        data = np.moveaxis(data, 0, axis)
    # Interpolated numbers compress better than a scanner's: the noise of the last digit returns.
    data += np.random.default_rng(0).normal(0, 1, data.shape[:3]).astype(np.float32)[..., None]
    affine = volume.affine @ np.diag([*zoom, 1.0])
    data = np.round(data).astype(np.int16)
    data = data if volume.data.ndim == 4 else data[..., 0]
    return data, Volume(data, affine)


def _write_dicom(folder: pathlib.Path, volume: Volume) -> None:
    """One file for each section, as a CT scanner writes them."""
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine
    step = np.linalg.norm(lps[:3, :3], axis=0)
    study, series, frame = (uid.generate_uid(entropy_srcs=[name]) for name in "abc")
    for place in range(volume.data.shape[2]):
        dataset = Dataset()
        dataset.SOPClassUID = uid.CTImageStorage
        dataset.SOPInstanceUID = uid.generate_uid(entropy_srcs=[str(place)])
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.FrameOfReferenceUID = frame
        dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "CT", 1, place + 1
        dataset.PatientName = dataset.PatientID = "Phantom"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.ImagePositionPatient = np.round(lps[:3] @ [0, 0, place, 1], 5).tolist()
        axes = [*(lps[:3, 0] / step[0]), *(lps[:3, 1] / step[1])]
        dataset.ImageOrientationPatient = np.round(axes, 6).tolist()
        dataset.PixelSpacing = np.round(step[[1, 0]], 6).tolist()
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
        dataset.Columns, dataset.Rows = volume.data.shape[:2]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation = 1
        dataset.PixelData = volume.data[:, :, place].T.astype("<i2").tobytes()
        dataset["PixelData"].VR = "OW"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        pydicom.dcmwrite(folder / f"{place:04d}", dataset, enforce_file_format=True)
