"""NIfTI files: read strictly, so that what is computed on is what the scanner meant; written whole.

The header is parsed by nibabel without its repairs (it would turn a spacing of -2 into 2, and of 0
into 1), and the voxels are read here to the end of the file, so that a damaged or shortened file
is noticed by its checksum.
"""

import contextlib
import dataclasses
import gzip
import math
import os
import pathlib
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

import nibabel as nib
import numpy as np
from nibabel import filebasedimages, spatialimages

from liver_jax import files
from liver_jax.errors import InputError
from liver_jax.volume import geometry, limits, stream, values
from liver_jax.volume.geometry import Volume

SUFFIXES = (".nii", ".nii.gz")
_UNDAMAGED = "Copy or convert the file again"


@dataclasses.dataclass(frozen=True, eq=False)
class Header:
    """What a file says of itself before any voxel is read.

    Attributes:
        shape: `(x, y, z)` or `(x, y, z, echo)`; an echo axis of length 1 is dropped.
        affine: `[4, 4]` float64, voxel to RAS+ mm: the sform where it is set, else the qform.
        dtype: The type of the stored values, with their byte order.
        slope: Stored values are multiplied by this, ...
        intercept: ... then this is added.
        offset: Where the voxels begin, in bytes.
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    dtype: np.dtype
    slope: float
    intercept: float
    offset: int

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """The number of voxels along each spatial axis."""
        return self.shape[:3]

    @property
    def echo_count(self) -> int:
        """The length of the echo axis; 1 where there is none."""
        return self.shape[3] if len(self.shape) == 4 else 1

    @property
    def spacing_mm(self) -> np.ndarray:
        """The distance between neighbouring voxels along each of the data's axes, `[3]`."""
        return geometry.spacing_mm(self.affine)


def is_nifti_name(path: str | os.PathLike) -> bool:
    """Whether a file's name ends as a NIfTI file's does."""
    return pathlib.Path(path).name.lower().endswith(SUFFIXES)


def read_header(path: str | os.PathLike) -> Header:
    """Reads and checks a header; reads no voxels.

    Args:
        path: A `.nii` or `.nii.gz` file, NIfTI-1 or NIfTI-2.

    Returns:
        The header.

    Raises:
        InputError: The file is missing, unreadable, shorter than its header says, not 3D or 4D,
            complex or colour, without an affine, beyond the bounds of `limits`, or its spacing is
            zero, negative, not finite, not in mm, or given twice with different values.
    """
    path = pathlib.Path(path)
    with _opened(path) as file:
        block = file.read(nib.Nifti2Header.sizeof_hdr)
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        if kind.may_contain_header(block):
            raw = kind(block[: kind.sizeof_hdr], check=False)
            break
    else:
        raise InputError(path, "is not a NIfTI file", "Convert it to .nii or .nii.gz")
    if not raw["magic"].item().startswith((b"n+1", b"n+2")):
        fault = "is one half of an .hdr and .img pair"
        raise InputError(path, fault, "Convert the pair to a single .nii or .nii.gz file")
    # Damaged numbers are refused by their values; NumPy need not warn of them on the terminal.
    with np.errstate(all="ignore"):
        slope, intercept = _scaling(path, raw)
        header = Header(
            _shape(path, raw),
            _affine(path, raw),
            _dtype(path, raw),
            slope,
            intercept,
            _offset(path, raw),
        )
    needed = header.offset + _voxel_bytes(header)
    size = path.stat().st_size
    if needed > size * (limits.LARGEST_RATIO if _packed(path) else 1):
        fault = f"is cut short: its header promises {needed} bytes, and the file has {size}"
        raise InputError(path, fault, _UNDAMAGED)
    limits.check_size(path, header.shape)
    return header


def read_image(path: str | os.PathLike) -> Volume:
    """Reads an image.

    Args:
        path: A `.nii` or `.nii.gz` file.

    Returns:
        float32 values with slope and intercept applied, on the file's own axes.

    Raises:
        InputError: As `read_header`; a voxel is NaN or infinite; or float32 cannot hold a value
            (a whole number that it would round, or a magnitude beyond 3.4e38).
    """
    path = pathlib.Path(path)
    header = read_header(path)
    return Volume(_read_values(path, header, np.float32, values.image_values), header.affine)


def read_labels(path: str | os.PathLike) -> Volume:
    """Reads a mask or a label map.

    Args:
        path: A `.nii` or `.nii.gz` file.

    Returns:
        int32 `[x, y, z]` labels on the file's own axes. A file of floats, or one with a slope, is
        read where its values are whole to within 0.001, which is what float scaling costs.

    Raises:
        InputError: As `read_header`; not 3D; or a value is not a whole number, or beyond int32.
    """
    path = pathlib.Path(path)
    header = read_header(path)
    if len(header.shape) != 3:
        fault = f"has {header.echo_count} volumes, while a label file has one"
        raise InputError(path, fault, "Save the one that belongs to the image as a 3D file")
    return Volume(_read_values(path, header, np.int32, values.label_values), header.affine)


def write(
    path: str | os.PathLike, data: np.ndarray, like: geometry.Placed, dtype: np.dtype | None = None
) -> None:
    """Writes a NIfTI-1 file that is whole or absent, without slope or intercept.

    The affine is stored as float32, which is what the format has: one that was read from a NIfTI-1
    sform comes back bit for bit. A grid with shear is told by the sform alone, as the qform, a
    quaternion, cannot hold it.

    Args:
        path: Ends in `.nii` or `.nii.gz`.
        data: `[x, y, z]` or `[x, y, z, echo]` on the grid of `like`.
        like: Whose affine to write.
        dtype: The type to store; by default that of `data`, with bool as uint8.

    Raises:
        InputError: The name is not a NIfTI name, or the file cannot be written (a full disk).
        ValueError: The data do not fit the grid or the type, or are not finite: a defect.
    """
    path = pathlib.Path(path)
    if not is_nifti_name(path):
        raise InputError(path, "is not a name for a NIfTI file", "End it in .nii or .nii.gz")
    if data.ndim not in (3, 4) or data.shape[:3] != tuple(like.grid_shape):
        raise ValueError(f"{path}: data {data.shape} do not fit the grid {like.grid_shape}")
    dtype = np.dtype(dtype or data.dtype)
    dtype = np.dtype(np.uint8) if dtype == np.bool_ else dtype
    with np.errstate(over="ignore", invalid="ignore"):
        stored = data.astype(dtype)
    if not np.isfinite(stored).all() or (dtype.kind in "iu" and (stored != data).any()):
        raise ValueError(f"{path}: the data have values that {dtype} cannot hold")
    image = nib.Nifti1Image(stored, like.affine, dtype=dtype)
    image.header.set_xyzt_units("mm")
    image.set_sform(like.affine, code="scanner")
    image.set_qform(like.affine, code="scanner")
    straight = geometry.Volume(data, image.header.get_qform())
    apart_mm = np.abs(geometry.corners_mm(straight) - geometry.corners_mm(like)).max()
    if apart_mm > 0.01:
        image.header["qform_code"] = 0
    try:
        with files.replacing(path) as temporary:
            nib.save(image, temporary)
    except OSError as error:
        fault = f"cannot be written: {error.strerror or error}"
        raise InputError(path, fault, "Free some space or choose another folder") from error


def check_written(path: str | os.PathLike, data: np.ndarray, like: geometry.Placed) -> None:
    """Reads a written file back as others do, with nibabel alone, and compares it.

    Args:
        path: What `write` has written, whatever this module makes of it.
        data: What it should hold.
        like: Where that should lie, to the single precision of the format.

    Raises:
        ValueError: It holds something else, or somewhere else: a defect, or a disk that errs.
    """
    try:
        image = nib.load(path)
        found = np.asanyarray(image.dataobj)
    except (OSError, EOFError, zlib.error, filebasedimages.ImageFileError) as error:
        raise ValueError(f"{path}: what was written cannot be read back ({error})") from error
    affine = np.asarray(like.affine, np.float64)
    if not np.allclose(image.affine, affine, rtol=1e-6, atol=1e-6):
        raise ValueError(f"{path}: what was written lies somewhere else when read back")
    if found.shape != data.shape or not np.array_equal(found, data):
        raise ValueError(f"{path}: what was written is something else when read back")


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked; whatever it raises while in use becomes one line about `path`."""
    try:
        if not path.exists():
            raise InputError(path, "no such file", "Correct the name, or put the file there")
        if not path.is_file():  # a pipe, which one could wait for
            raise InputError(path, "is not a regular file", "Name a .nii.gz file")
        if not is_nifti_name(path):
            fault = "is not a .nii or .nii.gz file"
            raise InputError(path, fault, "Convert it to NIfTI, and name that file")
        with gzip.open(path) if _packed(path) else open(path, "rb") as file:
            yield file
    except (OSError, EOFError, zlib.error) as error:
        fault = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise InputError(path, fault, _UNDAMAGED) from error
    except MemoryError as error:
        fault = "does not fit in the memory of this machine"
        raise InputError(path, fault, "Crop the scan, or use a larger machine") from error


def _packed(path: pathlib.Path) -> bool:
    return path.name.lower().endswith(".gz")


def _shape(path: pathlib.Path, raw: nib.Nifti1Header) -> tuple[int, ...]:
    count, *lengths = (int(length) for length in raw["dim"])
    shape = tuple(lengths[:count]) if 1 <= count <= 7 else ()
    if not shape or min(shape) < 1:
        raise InputError(path, f"has a damaged header (dim is {[count, *lengths]})", _UNDAMAGED)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (3, 4):
        fault = f"has {len(shape)} axes ({' x '.join(map(str, shape))})"
        raise InputError(path, fault, "Save it as x, y, z or as x, y, z, echo")
    return shape


def _affine(path: pathlib.Path, raw: nib.Nifti1Header) -> np.ndarray:
    pixdim = raw["pixdim"][1:4].astype(np.float64)
    remedy = "Convert the scan again from its source, so that the header has its true spacing"
    if not (np.isfinite(pixdim).all() and (pixdim > 0).all()):
        fault = f"has a spacing of {_times(pixdim)} mm (pixdim)"
        raise InputError(path, fault, remedy)
    unit = {1: "metre", 3: "micrometre"}.get(int(raw["xyzt_units"]) & 7)
    if unit:
        raise InputError(path, f"gives its spacing in {unit}s (xyzt_units)", "Save it in mm")
    if raw["sform_code"] > 0:
        name, affine = "sform", raw.get_sform()
    elif raw["qform_code"] > 0:
        # The standard reads a qfac of 0 as 1; nibabel refuses it.
        raw["pixdim"][0] = -1 if raw["pixdim"][0] < 0 else 1
        try:
            name, affine = "qform", raw.get_qform()
        except (spatialimages.HeaderDataError, ValueError) as error:
            raise InputError(path, f"has a damaged qform ({error})", remedy) from error
    else:
        fault = "has no affine (sform_code and qform_code are both 0): its sides are unknown"
        raise InputError(path, fault, "Convert the scan again from its source with its orientation")
    affine = np.asarray(affine, np.float64)
    limits.check_affine(path, affine)
    spacing_mm = geometry.spacing_mm(affine)
    if not np.allclose(spacing_mm, pixdim, rtol=0.01, atol=0):
        fault = f"has two spacings: {_times(spacing_mm)} mm ({name}), {_times(pixdim)} mm (pixdim)"
        raise InputError(path, fault, remedy)
    return affine


def _times(values: np.ndarray) -> str:
    return " x ".join(f"{value:.4g}" for value in values)


def _dtype(path: pathlib.Path, raw: nib.Nifti1Header) -> np.dtype:
    try:
        dtype = raw.get_data_dtype()
    except (spatialimages.HeaderDataError, KeyError) as error:
        fault = f"has a damaged header (datatype is {raw['datatype']})"
        raise InputError(path, fault, _UNDAMAGED) from error
    if dtype.kind not in "iuf":
        kind = {"c": "complex", "V": "colour (RGB)"}.get(dtype.kind, str(dtype))
        raise InputError(path, f"holds {kind} values", "Save it as one real number for each voxel")
    return dtype


def _scaling(path: pathlib.Path, raw: nib.Nifti1Header) -> tuple[float, float]:
    try:
        slope, intercept = raw.get_slope_inter()
    except spatialimages.HeaderDataError as error:
        raise InputError(path, f"has a damaged header ({error})", _UNDAMAGED) from error
    return (1.0, 0.0) if slope is None else (slope, intercept)


def _offset(path: pathlib.Path, raw: nib.Nifti1Header) -> int:
    offset = float(raw["vox_offset"])
    if not raw.single_vox_offset <= offset <= limits.MOST_BYTES_BESIDE:  # false of NaN, too
        raise InputError(path, f"has a damaged header (vox_offset is {offset:g})", _UNDAMAGED)
    return int(offset)


def _voxel_bytes(header: Header) -> int:
    return math.prod(header.shape) * header.dtype.itemsize


def _read_values(
    path: pathlib.Path, header: Header, dtype: type, convert: Callable[..., np.ndarray]
) -> np.ndarray:
    """The values, `header.shape`, with slope and intercept applied."""

    def scaled(path: pathlib.Path, stored: np.ndarray, start: int) -> np.ndarray:
        return convert(path, stored, start, header.slope, header.intercept)

    with _opened(path) as file:
        file.seek(header.offset)
        return stream.read_voxels(path, file, header.shape, header.dtype, dtype, scaled)
