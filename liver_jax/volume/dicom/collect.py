"""The DICOM objects in a file, a folder or a zip: found by content, read with bounds, kept apart.

Nothing is ever unpacked to disk, so the names in a zip cannot lead anywhere; a zip in a zip stays
closed. Lines about what is wrong name what the user gave, as the names below it are often made of
identifiers.
"""

import contextlib
import dataclasses
import io
import os
import pathlib
import struct
import zipfile
from collections.abc import Iterator

import pydicom
from pydicom.uid import DeflatedExplicitVRLittleEndian, MediaStorageDirectoryStorage

from liver_jax.errors import InputError
from liver_jax.volume.dicom import header

# The bounds, each far above what an examination has.
MOST_FILES = 20_000
MOST_FILE_BYTES = 2**31
MOST_ZIP_BYTES = 2**34  # unpacked, all together
MOST_HEADER_BYTES = 2**25  # of what precedes the pixels: that of 2000 frames has a fifth
_ZIP_RATIO = 100  # unpacked to packed; asked beyond 1 GiB, as blank slices alone shrink further
_ZIP_FREE_BYTES = 2**30
_ZIP_STARTS = (b"PK\3\4", b"PK\5\6")
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENTRY_BYTES = 46 + 1024  # of the directory, for each file: a header, and a long name
_PEEK_BYTES = 256
_HEAD_BYTES = 2**18

_COPY_AGAIN = "Copy or export it again"
_SMALLER = "Give a folder or zip with one examination"


@dataclasses.dataclass(frozen=True, eq=False)
class Member:
    """One file of what the user gave.

    Attributes:
        given: What the user gave: the file itself, a folder or a zip.
        path: The file; None in a zip.
        archive: The zip it is in, or None.
        entry: Its entry there.
        number: Its place among all files in the order of their names, from 1.
    """

    given: pathlib.Path
    path: pathlib.Path | None
    archive: zipfile.ZipFile | None
    entry: zipfile.ZipInfo | None
    number: int

    def read(self, most_bytes: int) -> bytes:
        """Its first bytes; all, where it has no more.

        Raises:
            InputError: It cannot be read or unpacked.
        """
        try:
            if self.archive is not None:
                with self.archive.open(self.entry) as file:
                    return file.read(most_bytes)
            with open(self.path, "rb") as file:
                # A buffer of the asked length would be made before anything is read.
                return file.read(min(most_bytes, os.fstat(file.fileno()).st_size + 1))
        except OSError as error:
            fault = f"file {self.number} of it cannot be read: {error.strerror or 'input error'}"
            raise InputError(self.given, fault, _COPY_AGAIN) from error
        # zipfile and zlib raise many kinds for damaged bytes (struct.error, EOFError, ...).
        except Exception as error:
            fault = f"file {self.number} of it cannot be unpacked: the zip is damaged or encrypted"
            raise InputError(self.given, fault, f"{_COPY_AGAIN}, without a password") from error

    def read_all(self) -> bytes:
        """All its bytes.

        Raises:
            InputError: As `read`, or it is larger than any image.
        """
        data = self.read(MOST_FILE_BYTES + 1)
        if len(data) > MOST_FILE_BYTES:
            fault = f"file {self.number} of it has more than {MOST_FILE_BYTES} bytes"
            raise InputError(self.given, fault, _SMALLER)
        return data


def members(path: str | os.PathLike) -> list[Member]:
    """All files in what the user gave, in the order of their names.

    Args:
        path: A file, a folder (with folders in it; links to folders are not followed) or a zip.

    Raises:
        InputError: It is missing or unreadable; has too many files or too many bytes; or it is a
            damaged zip.
    """
    path = pathlib.Path(path)
    try:
        if path.is_dir():
            found = [(file, None, None) for file in _files_below(path)]
        elif not path.is_file():
            raise InputError(path, "no such file or folder", "Correct the name")
        elif _starts_as_zip(path):
            archive = _open_zip(path)
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            entries.sort(key=lambda entry: entry.filename)
            found = [(None, archive, entry) for entry in entries]
        else:
            found = [(path, None, None)]
    except OSError as error:
        fault = f"cannot be read: {error.strerror or error}"
        raise InputError(path, fault, "Check its name and its permissions") from error
    return [Member(path, *held, number) for number, held in enumerate(found, 1)]


def holds_dicom(path: str | os.PathLike) -> bool:
    """Whether a file, a folder or a zip holds any DICOM object, by content; never raises.

    A broken object counts, and so does a zip or folder that is refused, a bomb or a damaged zip,
    say: whoever reads it is told what is wrong.
    """
    path = pathlib.Path(path)
    try:
        return any(head(member) is not None for member in members(path))
    except header.Damaged:
        return True
    except InputError:
        return path.is_dir() or (path.is_file() and os.access(path, os.R_OK))


def first_header(path: str | os.PathLike) -> pydicom.Dataset | None:
    """The header, without pixels, of the first sound DICOM object; None where there is none."""
    try:
        for member in members(path):
            with contextlib.suppress(header.Damaged):
                found = head(member)
                if found is not None:
                    return found[0]
    except InputError:
        pass
    return None


def head(
    member: Member, keywords: tuple[str | int, ...] = ()
) -> tuple[pydicom.Dataset, bool] | None:
    """A file's header.

    Args:
        member: The file.
        keywords: The elements to read, by default all before the pixels.

    Returns:
        The header, and whether pixels follow; None where the file is not DICOM, or a DICOMDIR.

    Raises:
        InputError: The file cannot be read.
        header.Damaged: It is a broken DICOM object.
    """
    data = member.read(_PEEK_BYTES)
    if not header.looks_like_dicom(data):
        return None
    told = data[128:132] == b"DICM"
    for most_bytes in (_HEAD_BYTES, MOST_HEADER_BYTES):
        data = member.read(most_bytes)
        try:
            dataset, pixels = header.parse(data, 4 * most_bytes, keywords)
        except header.Damaged:
            # Cut off inside an element, it may be whole when read further; else a file that
            # begins like an object without a preamble, and is none.
            if len(data) == most_bytes and most_bytes < MOST_HEADER_BYTES:
                continue
            if told:
                raise
            return None
        cut = len(data) == most_bytes or header.syntax(dataset) == DeflatedExplicitVRLittleEndian
        if pixels or not cut:
            break
    if header.text(dataset.file_meta, "MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        return None
    if not header.is_object(dataset):
        if told:
            raise header.Damaged
        return None
    return dataset, pixels


def _files_below(folder: pathlib.Path) -> list[pathlib.Path]:
    found = []
    for file in _walk(folder):
        found.append(file)
        if len(found) > MOST_FILES:
            fault = f"has more than {MOST_FILES} files"
            raise InputError(folder, fault, _SMALLER)
    return sorted(found)


def _walk(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    def refuse(error: OSError) -> None:  # which os.walk would pass over in silence
        raise error

    for base, _, names in os.walk(folder, onerror=refuse):
        for name in names:
            file = pathlib.Path(base) / name
            if file.is_file():  # no pipes, no devices, no broken links
                yield file


def _starts_as_zip(path: pathlib.Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) in _ZIP_STARTS


def _open_zip(path: pathlib.Path) -> zipfile.ZipFile:
    packed_bytes = path.stat().st_size
    if _directory_bytes(path) > MOST_FILES * _ENTRY_BYTES:
        raise InputError(path, f"has more than {MOST_FILES} files", _SMALLER)
    try:
        archive = zipfile.ZipFile(path)
        entries = archive.infolist()
    # As for `Member.read`: a damaged directory raises many kinds.
    except Exception as error:
        raise InputError(path, "is a damaged zip file", _COPY_AGAIN) from error
    if len(entries) > MOST_FILES:
        raise InputError(path, f"has more than {MOST_FILES} files", _SMALLER)
    unpacked_bytes = sum(entry.file_size for entry in entries)
    allowed = max(_ZIP_FREE_BYTES, _ZIP_RATIO * packed_bytes)
    if unpacked_bytes > min(MOST_ZIP_BYTES, allowed):
        fault = f"unpacks from {packed_bytes} to {unpacked_bytes} bytes, which no examination does"
        raise InputError(path, fault, "Unpack it and give the folder, if it is sound")
    if any(entry.flag_bits & 1 for entry in entries):
        raise InputError(path, "is encrypted", "Unpack it, and give the folder")
    if any(entry.compress_type not in _ZIP_METHODS for entry in entries):
        raise InputError(path, "is packed by another method than deflate", "Pack it again as .zip")
    return archive


def _directory_bytes(path: pathlib.Path) -> int:
    """The size that a zip states for its directory, which zipfile reads at once.

    APPNOTE.TXT of PKWARE, sections 4.3.14 to 4.3.16; 0 where there is no directory.
    """
    with open(path, "rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - 2**16 - 22))
        start, tail = file.tell(), file.read()
        end = tail.rfind(b"PK\5\6")
        if end < 0 or len(tail) < end + 20:
            return 0
        (stated,) = struct.unpack_from("<L", tail, end + 12)
        if stated != 0xFFFFFFFF:
            return stated
        locator = tail[max(0, end - 20) : end]
        if locator[:4] != b"PK\6\7":
            return stated
        (offset,) = struct.unpack_from("<Q", locator, 8)
        if offset > start + end:
            return stated
        file.seek(offset)
        record = file.read(56)
        return struct.unpack_from("<Q", record, 40)[0] if len(record) == 56 else stated
