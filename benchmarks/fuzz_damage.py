"""Damages sound scans as bad copies, bad programs and bad people do."""

import gzip
import io
import pathlib
import re
import shutil
import struct
import warnings
import zipfile
from collections.abc import Callable

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import Dataset

Generator = np.random.Generator

_WHOLE = (0, 1, 2, -1, 255, 32767, -32768, 65535, 2**31 - 1, -(2**31), 2**32 - 1, 2**40, 2**63 - 1)
_REAL = (0.0, -1.0, -3.5, 1e-30, 1e30, 3e38, float("nan"), float("inf"), -float("inf"), 0.5)
_TEXT = (
    "0",
    "-1",
    "-2.5",
    "nan",
    "inf",
    "1e30",
    "1e-30",
    "99999999999999999999",
    "",
    "x",
    "1 2",
    "/",
)
_BOMB_BYTES = 2**27
_ENTRIES = 25_000  # in a zip, more than is read


def damage(sound: pathlib.Path, folder: pathlib.Path, rng: Generator) -> tuple[pathlib.Path, str]:
    """Makes one damaged copy of a scan.

    Args:
        sound: A file, a DICOM folder or a zip.
        folder: Where the copy goes; made here.
        rng: Decides what happens to it.

    Returns:
        The copy, and what was done to it in a word or two.
    """
    folder.mkdir(parents=True)
    copy = folder / sound.name
    kind = _kind(sound)
    ways = _WAYS[kind]
    way = ways[rng.integers(len(ways))]
    if kind == "folder":
        shutil.copytree(sound, copy)
    else:
        copy.write_bytes(sound.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries, about what is done here on purpose
        way(copy, rng)
    return copy, f"{kind}: {way.__name__.strip('_').replace('_', ' ')}"


def _kind(path: pathlib.Path) -> str:
    if path.is_dir():
        return "folder"
    kinds = {".nii": "nifti", ".gz": "packed nifti", ".zip": "zip", ".nrrd": "nrrd", ".mha": "mha"}
    return kinds.get(path.suffix, "object")


def _one_of(values: tuple, rng: Generator) -> object:
    return values[rng.integers(len(values))]


def _bytes(content: bytes, rng: Generator) -> bytes:
    """A few of the changes that every format can suffer."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        if not content:
            break
        # Headers come first: half of the changes go there.
        reach = min(len(content), 512) if rng.random() < 0.5 else len(content)
        place = int(rng.integers(reach))
        length = int(rng.integers(1, 64))
        match rng.integers(7):
            case 0:
                content[place] ^= 1 << rng.integers(8)
            case 1:
                content[place] = _one_of((0, 1, 127, 128, 255), rng)
            case 2:
                size = _one_of((2, 4, 8), rng)
                value = _one_of(_WHOLE, rng) & (256**size - 1)
                content[place : place + size] = value.to_bytes(size, "little")
            case 3:
                del content[place : place + length]
            case 4:
                content[place:place] = rng.bytes(length)
            case 5:
                content[place:place] = content[place : place + length] * 3
            case 6:
                content[place : place + length] = bytes(length)
    return bytes(content)


def _flip_bytes(path: pathlib.Path, rng: Generator) -> None:
    path.write_bytes(_bytes(path.read_bytes(), rng))


def _truncate(path: pathlib.Path, rng: Generator) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(len(content))])


def _nifti_bytes(path: pathlib.Path, rng: Generator) -> None:
    """Inside the compression, where there is one."""
    packed = path.name.endswith(".gz")
    content = path.read_bytes()
    content = _bytes(gzip.decompress(content) if packed else content, rng)
    path.write_bytes(gzip.compress(content, 1) if packed else content)


def _nifti_fields(path: pathlib.Path, rng: Generator) -> None:
    packed = path.name.endswith(".gz")
    content = path.read_bytes()
    content = bytearray(gzip.decompress(content) if packed else content)
    version2 = struct.unpack("<i", content[:4])[0] == 540
    kind = nib.Nifti2Header if version2 else nib.Nifti1Header
    header = kind(bytes(content[: kind.sizeof_hdr]), check=False)
    raw = header.structarr
    names = ("dim", "pixdim", "datatype", "bitpix", "vox_offset", "scl_slope", "scl_inter")
    names += ("sform_code", "qform_code", "srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c")
    names += ("qoffset_x", "xyzt_units", "magic", "sizeof_hdr", "intent_code")
    for _ in range(rng.integers(1, 4)):
        name = _one_of(names, rng)
        place = int(rng.integers(max(raw[name].size, 1)))
        values = raw[name].reshape(-1) if raw[name].ndim else raw[name].reshape(1)
        if values.dtype.kind == "S":
            values[0] = _one_of((b"ni1", b"n+1", b"n+2", b"", b"xxx"), rng)
            raw[name] = values[0]
            continue
        if values.dtype.kind == "f":
            value = _one_of(_REAL, rng)
        else:
            bounds = np.iinfo(values.dtype)
            value = int(np.clip(_one_of(_WHOLE, rng), bounds.min, bounds.max))
        values = values.copy()
        with np.errstate(over="ignore"):
            values[place] = value
        raw[name] = values.reshape(raw[name].shape)
    content[: kind.sizeof_hdr] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(content), 1) if packed else bytes(content))


def _nifti_bomb(path: pathlib.Path, rng: Generator) -> None:
    """A header that promises little or much, before far more zeros than any file of its size."""
    header = nib.Nifti1Header()
    side = int(_one_of((10, 2000, 20000, 32767), rng))
    header["dim"][:4] = [3, side, side, int(_one_of((1, 2, 30000), rng))]
    header["datatype"], header["bitpix"], header["vox_offset"] = 2, 8, 352
    header["sform_code"], header["pixdim"][1:4] = 1, 1
    header["srow_x"][0] = header["srow_y"][1] = header["srow_z"][2] = 1
    with gzip.open(path, "wb", 6) as file:
        file.write(header.binaryblock + bytes(4))
        for _ in range(_BOMB_BYTES // 2**24):
            file.write(bytes(2**24))


def _text_tokens(path: pathlib.Path, rng: Generator) -> None:
    content = path.read_bytes()
    end = re.search(rb"\n\n|LOCAL\n", content).end()
    head = content[:end]
    for _ in range(rng.integers(1, 4)):
        tokens = list(re.finditer(rb"[-\w.+]+", head))
        token = tokens[rng.integers(len(tokens))]
        new = str(_one_of((*_TEXT, "raw", "gzip", "hex", "MET_DOUBLE", "double", "LIST"), rng))
        head = head[: token.start()] + new.encode() + head[token.end() :]
    path.write_bytes(head + content[end:])


def _text_lines(path: pathlib.Path, rng: Generator) -> None:
    content = path.read_bytes()
    end = re.search(rb"\n\n|ElementDataFile", content).start()
    lines = content[:end].split(b"\n")
    place = int(rng.integers(len(lines)))
    match rng.integers(4):
        case 0:
            del lines[place]
        case 1:
            lines.insert(place, lines[rng.integers(len(lines))])
        case 2:
            rng.shuffle(lines)
        case 3:
            extra = (b"data file: /dev/zero", b"byte skip: -1", b"HeaderSize = -1", b"NDims = 2")
            extra += (b"ElementNumberOfChannels = 9999999", b"CompressedDataSize = 9999999999")
            lines.insert(place, _one_of((*extra, b"x" * 2**20, b"=" * 9999), rng))
    path.write_bytes(b"\n".join(lines) + content[end:])


def _some_object(path: pathlib.Path, rng: Generator) -> pathlib.Path:
    if not path.is_dir():
        return path
    files = sorted(path.iterdir())
    return files[rng.integers(len(files))]


def _object_bytes(path: pathlib.Path, rng: Generator) -> None:
    _flip_bytes(_some_object(path, rng), rng)


def _object_truncated(path: pathlib.Path, rng: Generator) -> None:
    _truncate(_some_object(path, rng), rng)


def _object_values(path: pathlib.Path, rng: Generator) -> None:
    """Attributes that the reader needs, set to what they cannot be, in one file or in all."""
    files = sorted(path.iterdir()) if path.is_dir() and rng.random() < 0.5 else None
    seed = rng.integers(2**32)
    for file in files or [_some_object(path, rng)]:
        dataset = pydicom.dcmread(file)
        _set_values(dataset, np.random.default_rng(seed))
        _write(file, dataset)


def _set_values(dataset: Dataset, rng: Generator) -> None:
    whole = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    whole += ("SamplesPerPixel", "NumberOfFrames", "InstanceNumber", "PlanarConfiguration")
    lists = {"PixelSpacing": 2, "ImagePositionPatient": 3, "ImageOrientationPatient": 6}
    one = ("RescaleSlope", "RescaleIntercept", "EchoTime", "SliceThickness", "GantryDetectorTilt")
    words = (
        "Modality",
        "PhotometricInterpretation",
        "SOPClassUID",
        "ImageType",
        "TransferSyntaxUID",
    )
    words += ("SeriesInstanceUID", "SpecificCharacterSet", "SOPInstanceUID", "FrameOfReferenceUID")
    holders = [dataset, *(item for items in _sequences(dataset) for item in items)]
    for _ in range(rng.integers(1, 4)):
        holder = holders[rng.integers(len(holders))] if rng.random() < 0.5 else dataset
        name = str(_one_of((*whole, *lists, *one, *words), rng))
        if rng.random() < 0.2:
            holder.pop(name, None)
        elif name in whole:
            value = int(np.clip(_one_of(_WHOLE, rng), 0, 65535))
            setattr(holder, name, str(value) if name == "NumberOfFrames" else value)
        elif name == "TransferSyntaxUID":
            syntaxes = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5")
            syntaxes += ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.100", "1.2.3", "")
            dataset.file_meta.TransferSyntaxUID = str(_one_of(syntaxes, rng))
        elif name in words:
            setattr(holder, name, str(_one_of((*_TEXT, "MR", "PT", "RGB", "MONOCHROME1"), rng)))
        else:
            length = lists.get(name, 1) + int(rng.integers(-1, 2)) * (rng.random() < 0.3)
            texts = [str(_one_of((*_TEXT[:8], "1", "6"), rng)) for _ in range(length)]
            # As text, past pydicom's own checks: what is on disk was written by another program.
            element = pydicom.DataElement(_tag(name), "DS", "", validation_mode=0)
            element._value = pydicom.multival.MultiValue(str, texts)
            holder[name] = element


def _tag(name: str) -> int:
    return pydicom.datadict.tag_for_keyword(name)


def _sequences(dataset: Dataset) -> list:
    return [element.value for element in dataset.iterall() if element.VR == "SQ"]


def _nested_sequences(path: pathlib.Path, rng: Generator) -> None:
    """Sequences within sequences, by hand: pydicom cannot write what it cannot read."""
    file = _some_object(path, rng)
    content = file.read_bytes()
    depth = int(_one_of((50, 500, 5000, 50000), rng))
    explicit = rng.random() < 0.5
    start = b"\x40\x00\x75\x02" + (b"SQ\0\0" if explicit else b"") + b"\xff\xff\xff\xff"
    start += b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    nested = start * depth + (end * depth if rng.random() < 0.5 else b"")
    place = content.find(b"\x28\x00\x02\x00")  # SamplesPerPixel, the first of its group
    place = len(content) if place < 0 else place
    file.write_bytes(content[:place] + nested + content[place:])


def _huge_length(path: pathlib.Path, rng: Generator) -> None:
    """Some element says that it is longer than the file."""
    file = _some_object(path, rng)
    content = bytearray(file.read_bytes())
    places = [
        match.start() for match in re.finditer(rb"[\x08\x10\x18\x20\x28]\0..[A-Z]{2}", content)
    ]
    if places:
        place = places[rng.integers(len(places))] + 6
        content[place : place + 2] = b"\xff\xff"
        if rng.random() < 0.5:
            content[place - 2 : place + 6] = b"UN\0\0\xff\xff\xff" + bytes([rng.integers(256)])
    file.write_bytes(bytes(content))


def _other_files(path: pathlib.Path, rng: Generator) -> None:
    """A folder with more or less in it than the series."""
    files = sorted(path.iterdir())
    file = files[rng.integers(len(files))]
    match rng.integers(7):
        case 0:
            file.unlink()
        case 1:
            (path / "copy").write_bytes(file.read_bytes())
        case 2:
            (path / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + rng.bytes(200))
        case 3:
            (path / "notes.txt").write_bytes(rng.bytes(1000))
        case 4:
            (path / "loop").symlink_to(path, target_is_directory=True)
            (path / "gone").symlink_to(path / "nothing")
        case 5:
            content = file.read_bytes()
            file.write_bytes(content[132:])  # no preamble
        case 6:
            dataset = pydicom.dcmread(file)
            dataset.ImagePositionPatient = [0, 0, 1000]
            _write(path / "elsewhere", dataset)


def _zip_entries(path: pathlib.Path, rng: Generator) -> None:
    """Names that lead elsewhere, bombs, zips in zips, links, many entries."""
    with zipfile.ZipFile(path) as archive:
        held = [(info.filename, archive.read(info)) for info in archive.infolist()]
    way = rng.integers(8)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, content) in enumerate(held):
            if way == 0:
                name = str(_one_of(("../../evil", "/tmp/evil", "C:\\evil", "a/../../b"), rng))
                name += str(number)
            archive.writestr(name, content)
        match way:
            case 1:
                first = held[0][1] if rng.random() < 0.5 else b""
                with archive.open("bomb", "w") as file:
                    file.write(first)
                    for _ in range(_BOMB_BYTES // 2**24):
                        file.write(bytes(2**24))
            case 2:
                inner = io.BytesIO()
                with zipfile.ZipFile(inner, "w") as other:
                    other.writestr("a", held[0][1])
                archive.writestr("inner.zip", inner.getvalue())
            case 3:
                link = zipfile.ZipInfo("link")
                link.external_attr = 0o120777 << 16
                archive.writestr(link, "/etc/passwd")
            case 4:
                for number in range(_ENTRIES):
                    archive.writestr(f"e{number}", b"")
            case 5:
                archive.writestr(held[0][0], held[1][1])
            case 6:
                archive.writestr("x\0y\n" + "n" * 60000, b"")


def _zip_directory(path: pathlib.Path, rng: Generator) -> None:
    """Sizes, methods and flags in the directory at its end that are not those of the entries."""
    content = bytearray(path.read_bytes())
    places = [match.start() for match in re.finditer(b"PK\1\2", content)]
    for _ in range(rng.integers(1, 4)):
        place = places[rng.integers(len(places))] + int(_one_of((8, 10, 16, 20, 24, 28, 42), rng))
        content[place : place + 4] = (_one_of(_WHOLE, rng) & 0xFFFFFFFF).to_bytes(4, "little")
    path.write_bytes(bytes(content))


def _write(path: pathlib.Path, dataset: Dataset) -> None:
    """As well as it can be written; where it cannot, the file stays as it was."""
    target = io.BytesIO()
    try:
        pydicom.dcmwrite(target, dataset)
    except Exception:
        return
    path.write_bytes(target.getvalue())


_NIFTI = (_flip_bytes, _truncate, _nifti_bytes, _nifti_fields, _nifti_fields)
_TEXT_HEADER = (_flip_bytes, _truncate, _text_tokens, _text_tokens, _text_lines)
_OBJECT = (_object_bytes, _object_truncated, _object_values, _object_values, _nested_sequences)
_OBJECT += (_huge_length,)
_WAYS: dict[str, tuple[Callable[[pathlib.Path, Generator], None], ...]] = {
    "nifti": _NIFTI,
    "packed nifti": (*_NIFTI, _nifti_bomb),
    "nrrd": _TEXT_HEADER,
    "mha": _TEXT_HEADER,
    "object": _OBJECT,
    "folder": (*_OBJECT, _object_values, _other_files),
    "zip": (_flip_bytes, _truncate, _zip_entries, _zip_entries, _zip_directory),
}
