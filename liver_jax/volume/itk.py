"""NRRD and MetaImage files (.nrrd, .mha, .mhd), the formats of ITK and of the programs around it.

A header is plain text, the voxels are raw or deflated. Both are read here: ITK itself would repair
what is wrong, write to the terminal, and hold the scan twice. The tests compare with it.
"""

import contextlib
import dataclasses
import gzip
import math
import os
import pathlib
import re
import zlib
from collections.abc import Callable, Iterator

import numpy as np

from liver_jax.errors import InputError
from liver_jax.volume import geometry, limits, stream, values
from liver_jax.volume.geometry import Volume

SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
_MOST_HEADER_BYTES = 2**20
_LARGEST = 1e9  # of any number of a header that tells of places
_MISTAKE = "Save it again as .nrrd, .mha or .nii.gz with 3D Slicer, ITK-SNAP or SimpleITK"
_UNDAMAGED = "Copy or convert the file again"
# What NRRD (its format definition, "type") and MetaImage ("ElementType") call the same numbers.
_NRRD_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int"), "i2"),
    **dict.fromkeys(("int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int"), "u2"),
    **dict.fromkeys(("uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    "float": "f4",
    "double": "f8",
}
_METAIMAGE_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
# From the axes of an NRRD space to RAS+; ITK reads these three.
_NRRD_SPACES = {
    **dict.fromkeys(("left-posterior-superior", "lps"), (-1.0, -1.0, 1.0)),
    **dict.fromkeys(("right-anterior-superior", "ras"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "las"), (-1.0, 1.0, 1.0)),
}
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclasses.dataclass(frozen=True, eq=False)
class Header:
    """What a file says of itself before any voxel is read.

    Attributes:
        grid_shape: The number of voxels along each axis.
        affine: `[4, 4]` float64, voxel to RAS+ mm.
        dtype: The type of the stored values, with their byte order.
        voxels: The file that holds the voxels: the same, or of a `.mhd` the one that it names.
        offset: Where they begin there, in bytes.
        packing: `raw`, `gzip` or `zlib`.
    """

    grid_shape: tuple[int, int, int]
    affine: np.ndarray
    dtype: np.dtype
    voxels: pathlib.Path
    offset: int
    packing: str

    @property
    def echo_count(self) -> int:
        """One: a file of several is refused."""
        return 1

    @property
    def spacing_mm(self) -> np.ndarray:
        """The distance between neighbouring voxels along each of the data's axes, `[3]`."""
        return geometry.spacing_mm(self.affine)


def is_itk_name(path: str | os.PathLike) -> bool:
    """Whether a file's name ends as one of NRRD or MetaImage does."""
    return pathlib.Path(path).name.lower().endswith(SUFFIXES)


def read_header(path: str | os.PathLike) -> Header:
    """Reads and checks a header; reads no voxels.

    Args:
        path: A `.nrrd`, `.mha` or `.mhd` file with 3D real numbers in a known orientation.

    Returns:
        The header.

    Raises:
        InputError: The file is missing, unreadable, shorter than its header says; not 3D, or with
            several values for each voxel; without orientation; beyond the bounds of `limits`; or
            its voxels are stored in a way that is not read (text, many files, another folder).
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise InputError(path, "no such file", "Correct the name, or put the file there")
    if not path.is_file():
        raise InputError(path, "is not a file", "Name the .nrrd or .mha file")
    with _readable(path):
        with open(path, "rb") as file:
            start = file.read(_MOST_HEADER_BYTES)
        if start.startswith(b"NRRD"):
            return _nrrd_header(path, start)
        return _metaimage_header(path, start)


def read_image(path: str | os.PathLike) -> Volume:
    """Reads an image.

    Args:
        path: As for `read_header`.

    Returns:
        float32 `[x, y, z]` on the file's own axes.

    Raises:
        InputError: As `read_header` and `values.image_values`; or the voxels are damaged.
    """
    return _read(pathlib.Path(path), np.float32, values.image_values)


def read_labels(path: str | os.PathLike) -> Volume:
    """Reads a mask or a label map.

    Args:
        path: As for `read_header`.

    Returns:
        int32 `[x, y, z]` on the file's own axes.

    Raises:
        InputError: As `read_header` and `values.label_values`; or the voxels are damaged.
    """
    return _read(pathlib.Path(path), np.int32, values.label_values)


def _read(path: pathlib.Path, dtype: type, convert: Callable[..., np.ndarray]) -> Volume:
    header = read_header(path)
    with _readable(path), open(header.voxels, "rb") as file:
        file.seek(header.offset)
        held = file
        if header.packing == "gzip":
            held = gzip.GzipFile(fileobj=file)
        elif header.packing == "zlib":
            held = stream.Inflated(file)
        shape = header.grid_shape
        data = stream.read_voxels(path, held, shape, header.dtype, dtype, convert)
    return Volume(data, header.affine)


@contextlib.contextmanager
def _readable(path: pathlib.Path) -> Iterator[None]:
    """Whatever reading raises becomes one line about `path`."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        fault = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise InputError(path, fault, _UNDAMAGED) from error
    except MemoryError as error:
        fault = "does not fit in the memory of this machine"
        raise InputError(path, fault, "Crop the scan, or use a larger machine") from error


def _nrrd_header(path: pathlib.Path, start: bytes) -> Header:
    """The header of an NRRD file (teem.sourceforge.net/nrrd/format.html)."""
    end = re.search(rb"\r?\n\r?\n", start)
    if end is None:
        raise InputError(path, "has no end of its header", _UNDAMAGED)
    fields = {}
    for line in start[: end.start()].decode("utf-8", "replace").splitlines()[1:]:
        name, separator, value = line.partition(": ")
        if line.startswith("#") or ":=" in line:  # a comment, or a note that says nothing to us
            continue
        name = name.strip().lower()
        if not separator or name in fields:
            raise InputError(path, f"has a damaged header ({line[:40]!r})", _UNDAMAGED)
        fields[name] = value.strip()
    for name in ("data file", "datafile"):
        if name in fields:
            fault = "keeps its voxels in another file"
            raise InputError(path, fault, "Save it as one .nrrd or .nii.gz file")
    for name in ("line skip", "lineskip", "byte skip", "byteskip"):
        if fields.get(name, "0") != "0":
            raise InputError(path, f"has a {name}, which is not read", _MISTAKE)
    if (count := _count(path, "dimension", fields.get("dimension", ""))) != 3:
        fault = f"has {count} dimensions by its header, while 3 are read"
        raise InputError(path, fault, "Save each image as a file of its own")
    dtype = _type(path, fields.get("type", "").lower(), _NRRD_TYPES)
    encoding = fields.get("encoding", "").lower()
    if encoding not in ("raw", "gzip", "gz"):
        fault = f"has the encoding {encoding[:20]!r}, while raw and gzip are read"
        raise InputError(path, fault, _MISTAKE)
    endian = fields.get("endian", "").lower()
    if dtype.itemsize > 1 and endian not in ("little", "big"):
        raise InputError(path, "has no endian, little or big, in its header", _MISTAKE)
    dtype = dtype.newbyteorder(">" if endian == "big" else "<")
    shape = _shape(path, fields.get("sizes", ""))
    signs = _NRRD_SPACES.get(fields.get("space", "").lower())
    vectors = re.findall(r"\(([^()]*)\)|(none)", fields.get("space directions", ""))
    vectors = [_numbers(path, "space directions", vector) for vector, _ in vectors]
    if signs is None or [len(vector) for vector in vectors] != [3, 3, 3]:
        raise _no_sides(path, "space and space directions")
    units = set(re.findall(r'"([^"]*)"', fields.get("space units", ""))) - {"mm", ""}
    if units:
        fault = f"gives its spacing in {sorted(units)[0][:20]!r} (space units)"
        raise InputError(path, fault, "Save it in mm")
    origin = _numbers(path, "space origin", fields.get("space origin", "").strip("() "))
    if len(origin) != 3:
        raise _no_sides(path, "space origin")
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = np.transpose(vectors), origin
    affine = np.diag([*signs, 1.0]) @ affine
    packing = "raw" if encoding == "raw" else "gzip"
    return _checked(path, Header(shape, affine, dtype, path, end.end(), packing))


def _metaimage_header(path: pathlib.Path, start: bytes) -> Header:
    """The header of a MetaImage (itk.org/Wiki/MetaIO/Documentation)."""
    end = re.search(rb"(^|\n)ElementDataFile *=([^\n]*)\n", start)
    if end is None:
        raise InputError(path, "is not an NRRD or MetaImage file", _MISTAKE)
    fields = {}
    for line in start[: end.start()].decode("utf-8", "replace").splitlines():
        name, separator, value = line.partition("=")
        name = name.strip()
        if not separator or name in fields:
            raise InputError(path, f"has a damaged header ({line[:40]!r})", _UNDAMAGED)
        fields[name] = value.strip()
    count = _count(path, "NDims", fields.get("NDims", ""))
    channels = _count(path, "channels", fields.get("ElementNumberOfChannels", "1"))
    if (count, channels) != (3, 1):
        fault = f"has {count} dimensions, {channels} values in each voxel by its header"
        remedy = "Save each image as a file of its own"
        raise InputError(path, f"{fault}, while 3 and 1 are read", remedy)
    if fields.get("BinaryData", "True").lower() != "true":
        raise InputError(path, "keeps its voxels as text", _MISTAKE)
    if fields.get("HeaderSize", "0") != "0":
        raise InputError(path, "has a HeaderSize, which is not read", _MISTAKE)
    dtype = _type(path, fields.get("ElementType", ""), _METAIMAGE_TYPES)
    shape = _shape(path, fields.get("DimSize", ""))
    matrix = _first(fields, "TransformMatrix", "Rotation", "Orientation")
    directions = _numbers(path, "TransformMatrix", matrix)
    origin = _numbers(path, "Offset", _first(fields, "Offset", "Position", "Origin"))
    if (len(directions), len(origin)) != (9, 3):
        raise _no_sides(path, "TransformMatrix and Offset")
    spacing = _numbers(path, "ElementSpacing", fields.get("ElementSpacing", ""))
    if len(spacing) != 3 or not min(spacing) > 0:
        fault = f"has the ElementSpacing {fields.get('ElementSpacing', '')[:40]!r}"
        raise InputError(path, fault, "Convert the scan again, so that it has its true spacing")
    affine = np.eye(4)
    # Each row of the text is the direction of one axis.
    affine[:3, :3] = np.reshape(directions, (3, 3)).T * spacing
    affine[:3, 3] = origin
    big = _first(fields, "BinaryDataByteOrderMSB", "ElementByteOrderMSB").lower() == "true"
    dtype = dtype.newbyteorder(">" if big else "<")
    packing = "zlib" if fields.get("CompressedData", "False").lower() == "true" else "raw"
    voxels, offset = _metaimage_voxels(path, end)
    return _checked(path, Header(shape, _LPS_TO_RAS @ affine, dtype, voxels, offset, packing))


def _metaimage_voxels(path: pathlib.Path, end: re.Match) -> tuple[pathlib.Path, int]:
    """The file with the voxels, and where they begin in it."""
    name = end.group(2).decode("utf-8", "replace").strip()
    if name.upper() == "LOCAL":
        return path, end.end()
    # A name alone: a path could lead anywhere, a pattern or LIST to any number of files.
    if not re.fullmatch(r"[\w.+-][\w.+ -]*", name) or name.upper().startswith("LIST"):
        fault = f"keeps its voxels in {name[:40]!r}, not in one file beside it"
        raise InputError(path, fault, "Save it as one .mha or .nii.gz file")
    voxels = path.parent / name
    if not voxels.is_file():
        fault = f"keeps its voxels in {name[:40]!r}, and there is no such file"
        raise InputError(path, fault, "Put the file beside it")
    return voxels, 0


def _checked(path: pathlib.Path, header: Header) -> Header:
    limits.check_affine(path, header.affine)
    needed = math.prod(header.grid_shape) * header.dtype.itemsize
    held = header.voxels.stat().st_size - header.offset
    if needed > held * (1 if header.packing == "raw" else limits.LARGEST_RATIO):
        fault = f"is cut short: its header promises {needed} bytes, and the file has {held}"
        raise InputError(path, fault, _UNDAMAGED)
    limits.check_size(path, header.grid_shape)
    return header


def _type(path: pathlib.Path, name: str, known: dict[str, str]) -> np.dtype:
    if name not in known:
        fault = f"holds values of the type {name[:40]!r}"
        raise InputError(path, fault, "Save it as one real number for each voxel")
    return np.dtype(known[name])


def _shape(path: pathlib.Path, text: str) -> tuple[int, int, int]:
    parts = text.split()
    if len(parts) != 3 or not all(re.fullmatch(r"[1-9]\d{0,8}", part, re.ASCII) for part in parts):
        raise InputError(path, f"has a damaged header (sizes are {text[:40]!r})", _UNDAMAGED)
    return tuple(map(int, parts))


def _count(path: pathlib.Path, field: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise InputError(path, f"has a damaged header ({field} is {text[:40]!r})", _UNDAMAGED)
    return int(text)


def _numbers(path: pathlib.Path, field: str, text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        numbers = [math.inf]
    if not all(abs(number) < _LARGEST for number in numbers):  # false of NaN, too
        fault = f"has a damaged header ({field} is {text[:40]!r})"
        raise InputError(path, fault, _UNDAMAGED)
    return numbers


def _first(fields: dict[str, str], *names: str) -> str:
    return next((fields[name] for name in names if name in fields), "")


def _no_sides(path: pathlib.Path, fields: str) -> InputError:
    fault = f"does not tell in its header how the patient lies ({fields})"
    return InputError(path, fault, "Convert the scan again from its source with its orientation")
