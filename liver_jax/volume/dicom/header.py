"""The header of a DICOM object, parsed without trusting it."""

import io
import logging
import math
import warnings
import zlib
from collections.abc import Collection

import pydicom
from pydicom import filereader, uid
from pydicom.tag import BaseTag

# pydicom's warnings show values, which may name a patient; and the program has its own lines.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")

_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
# Value representations whose presence tells that an object without a preamble is explicit.
_FIRST_VRS = (b"UL", b"CS", b"UI", b"SH", b"LO", b"DA", b"TM", b"OB")
_LONGEST_FIRST = 256
# Zeros parse as elements, too, and a file may have millions of them.
_MOST_ELEMENTS = 10_000
# An object that names any of these is an image or another object of a hospital.
_TELLING = ("SOPClassUID", "Modality", "SeriesInstanceUID", "SOPInstanceUID")


class Damaged(Exception):
    """The bytes are not those of a DICOM object, or it is cut short or broken."""


def looks_like_dicom(start: bytes) -> bool:
    """Whether a file may be DICOM by its first bytes, 132 or more; the preamble may be missing."""
    if start[128:132] == b"DICM":
        return True
    if len(start) < 16:
        return False
    little = start[0] in (2, 8) and start[1] == 0 and start[3] == 0
    big = start[:2] in (b"\0\2", b"\0\x08") and start[2] == 0
    if start[4:6] in _FIRST_VRS:
        return little or big
    return little and int.from_bytes(start[4:8], "little") <= _LONGEST_FIRST


def parse(
    data: bytes, most_bytes: int, keywords: Collection[str | int] = (), pixels: bool = False
) -> tuple[pydicom.Dataset, bool]:
    """Parses an object.

    Args:
        data: The file's bytes, or its first ones.
        most_bytes: How many bytes a deflated object may unpack to: no more are unpacked.
        keywords: Elements to keep, by keyword or tag; by default all.
        pixels: Whether to read on through the pixels.

    Returns:
        The object, with its `file_meta`; and whether its pixels were reached.

    Raises:
        Damaged: It cannot be parsed, or unpacks to more.
    """
    reached, count = False, 0

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        nonlocal reached, count
        count += 1
        if count > _MOST_ELEMENTS:
            raise Damaged
        found = tag in _PIXELS
        if found:
            reached = True
            return not pixels
        return reached  # nothing is wanted of what follows the pixels: often megabytes of zeros

    # Whatever goes wrong inside, RecursionError for sequences in sequences among it, the fault is
    # that of the bytes: a parser of hostile input has no shorter list of exceptions.
    try:
        tags = [pydicom.tag.Tag(keyword) for keyword in keywords] or None
        stream = io.BytesIO(data)
        filereader.read_preamble(stream, force=True)
        meta = filereader.read_dataset(stream, False, True, stop_when=_after_meta)
        named = meta.get("TransferSyntaxUID")
        implicit, little = _encoding(named, data[stream.tell() :][:8])
        if named == uid.DeflatedExplicitVRLittleEndian:
            # PS3.5, section A.5; here, as pydicom unpacks whatever there is.
            unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
            stream = io.BytesIO(unpacker.decompress(stream.read(), most_bytes))
        dataset = filereader.read_dataset(
            stream, implicit, little, stop_when=stop, specific_tags=tags
        )
        if named is None:
            explicit = uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian
            meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if implicit else explicit
        dataset.file_meta = pydicom.dataset.FileMetaDataset(meta)
    except Exception as error:
        raise Damaged from error
    return dataset, reached


def is_object(dataset: pydicom.Dataset) -> bool:
    """Whether what was parsed is an object of its own, and not other bytes that happen to parse."""
    if text(dataset.file_meta, "MediaStorageSOPClassUID"):
        return True
    return any(text(dataset, name) for name in _TELLING)


def value(dataset: pydicom.Dataset | None, name: str | int):
    """An element's value; None where it is missing, empty or cannot be read."""
    if dataset is None:
        return None
    try:
        if isinstance(name, int):
            return dataset[name].value if name in dataset else None
        return dataset.get(name)
    except Exception:  # as in `parse`: values are converted when they are asked for
        return None


def text(dataset: pydicom.Dataset | None, name: str) -> str:
    """An element as text without padding; empty where it is missing."""
    found = value(dataset, name)
    return "" if found is None else str(found).strip(" \0")


def words(dataset: pydicom.Dataset | None, name: str) -> tuple[str, ...]:
    """A code string's values, in capitals."""
    found = value(dataset, name)
    if found is None:
        return ()
    found = [found] if isinstance(found, str) else found
    try:
        return tuple(str(word).strip(" \0").upper() for word in found)
    except Exception:
        return ()


def numbers(dataset: pydicom.Dataset | None, name: str | int, count: int) -> tuple[float, ...]:
    """Exactly `count` finite numbers; empty where the element holds anything else."""
    found = value(dataset, name)
    try:
        if isinstance(found, (str, bytes)) or not hasattr(found, "__len__"):
            found = [found]
        found = tuple(float(number) for number in found)
    except Exception:
        return ()
    return found if len(found) == count and all(map(math.isfinite, found)) else ()


def number(dataset: pydicom.Dataset | None, name: str | int) -> float | None:
    """One finite number, or None."""
    found = numbers(dataset, name, 1)
    return found[0] if found else None


def whole(dataset: pydicom.Dataset | None, name: str | int) -> int | None:
    """One whole number, or None."""
    found = number(dataset, name)
    return int(found) if found is not None and found == int(found) else None


def items(dataset: pydicom.Dataset | None, name: str) -> list[pydicom.Dataset]:
    """The items of a sequence; none where it is missing or broken."""
    found = value(dataset, name)
    return list(found) if isinstance(found, pydicom.Sequence) else []


def syntax(dataset: pydicom.Dataset) -> uid.UID:
    """The transfer syntax of what `parse` returned."""
    return uid.UID(text(dataset.file_meta, "TransferSyntaxUID"))


def _after_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag.group != 2


def _encoding(named: str | None, start: bytes) -> tuple[bool, bool]:
    """Whether an object has implicit value representations, and whether it is little endian.

    PS3.5, annex A; where no syntax is named, as without file meta, its first element tells.
    """
    if named is not None:
        return named == uid.ImplicitVRLittleEndian, named != uid.ExplicitVRBigEndian
    explicit = start[4:6].isalpha() and start[4:6].isupper()
    return not explicit, not (explicit and start[0] == 0)
