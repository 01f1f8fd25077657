"""What lies in a download: files and packed files alike, without what operating systems drop there.

Nothing is unpacked to tell what is there. Zips and plain tars are read where they lie, as if each
were the folder that it was made from; what is needed of them is unpacked when it is needed.
"""

import dataclasses
import functools
import lzma
import os
import pathlib
import re
import shutil
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from liver_jax.errors import InputError

_DROPPINGS = ("thumbs.db", "desktop.ini", "__macosx")
_OPENED = (".zip", ".tar")
# What has to be read from the beginning to reach anything in it, or needs programs of its own.
_CLOSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".7z", ".rar", ".zst")
_COPY_BYTES = 2**22
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
# What the two libraries raise for archives that are damaged, cut short or not what their name says.
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError, RuntimeError, KeyError, struct.error),
)


class UnsupportedError(Exception):
    """A zip asks for a password, or is packed by a method that Python does not have."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file of a download.

    Attributes:
        path: Below the download's folder, with `/`; the file that packs it counts as a folder
            without its suffix.
        file: The file itself, or the one that packs it.
        members: Its name in there, after that of the zip in there that it is in, if there is one;
            none of a file by itself.
    """

    path: str
    file: pathlib.Path
    members: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """All but the last part of its path."""
        return self.path.rpartition("/")[0]

    @property
    def stem(self) -> str:
        """Its name up to the first point."""
        return self.name.partition(".")[0]


class Download:
    """The files of a download.

    Attributes:
        source: Where it lies: a folder, or one packed file.
        entries: Its files, `image2` before `image10`.
        unopened: Packed files that cannot be looked into, each with the reason.
    """

    def __init__(self, source: str | os.PathLike, apart: str | os.PathLike | None = None):
        """Looks at what is there.

        Args:
            source: A folder, a zip or a tar.
            apart: A folder that is no part of it, though it may lie within: what is written to.

        Raises:
            InputError: It is missing, unreadable or empty.
        """
        self.source = pathlib.Path(source)
        self.unopened: dict[str, str] = {}
        if not self.source.exists():
            raise InputError(source, "no such file or folder", "Correct the name")
        apart = None if apart is None else pathlib.Path(apart).resolve()
        if apart == self.source.resolve():
            raise InputError("--output", f"is {source} itself", "Name another folder to write to")
        try:
            plain = self._walked(apart)
        except OSError as error:
            fault = f"cannot be read: {error.strerror or error}"
            raise InputError(source, fault, "Check its permissions") from error
        found = {entry.path: entry for entry in plain if not _is_packed(entry.name)}
        for archive in plain:
            if _is_packed(archive.name):
                for entry, beside in self._inside(archive, archive.folder):
                    # What was unpacked beside its zip, or into a folder of its own, is there twice.
                    if beside not in found:
                        found.setdefault(entry.path, entry)
        for path in [path for path in found if not _is_text(path)]:
            del found[path]
            name = path.encode("utf-8", "backslashreplace").decode()
            self.unopened[name] = "has a name that is not UTF-8; rename it, and run again"
        if not found and not self.unopened:
            raise InputError(source, "holds no files", "Name the folder of the download")
        self.entries = sorted(found.values(), key=lambda entry: natural(entry.path))

    def find(self, pattern: str) -> Iterator[tuple[re.Match, Entry]]:
        """The files whose path ends as a regular expression says, whatever the case of letters."""
        ending = re.compile(rf"(?:^|/)(?:{pattern})$", re.IGNORECASE)
        for entry in self.entries:
            match = ending.search(entry.path)
            if match:
                yield match, entry

    @functools.cached_property
    def folders(self) -> dict[str, list[Entry]]:
        """The files of each folder."""
        held: dict[str, list[Entry]] = {}
        for entry in self.entries:
            held.setdefault(entry.folder, []).append(entry)
        return held

    def _walked(self, apart: pathlib.Path | None) -> list[Entry]:
        """The plain files; those behind links to folders after the others, each folder once."""
        if self.source.is_file():
            return [Entry(self.source.name, self.source)]
        found, seen, waiting = [], {apart}, [self.source]
        while waiting:
            start = waiting.pop(0)
            for folder, folders, names in os.walk(start, onerror=self._note):
                here = pathlib.Path(folder)
                real = here.resolve()
                if real in seen:
                    folders.clear()
                    continue
                seen.add(real)
                folders[:] = sorted(name for name in folders if not _is_dropping(name))
                # Cohorts are often put together of links to folders elsewhere.
                waiting += [here / name for name in folders if (here / name).is_symlink()]
                below = here.relative_to(self.source)
                for name in sorted(names):
                    if not _is_dropping(name):
                        found.append(Entry(_composed((below / name).as_posix()), here / name))
        return found

    def _note(self, error: OSError) -> None:
        """Takes note of a folder that cannot be read; of the download itself it is an error."""
        folder = pathlib.Path(error.filename)
        if folder == self.source:
            raise error
        path = folder.relative_to(self.source).as_posix()
        self.unopened[path] = f"cannot be read ({error.strerror})"

    def _inside(self, archive: Entry, beside: str) -> Iterator[tuple[Entry, str]]:
        """The files in a packed one, each with its path if it was unpacked where its archive lies.

        What cannot be looked into is noted, with the reason.
        """
        if archive.name.lower().endswith(_CLOSED) or len(archive.members) > 1:
            self.unopened[archive.path] = "is packed; unpack it, and run again"
            return
        try:
            names = _opened(archive.file, archive.members).names()
        except UnsupportedError as error:
            self.unopened[archive.path] = f"{error}; unpack it, and run again"
            return
        except OSError as error:
            self.unopened[archive.path] = f"cannot be read ({error.strerror or error})"
            return
        except _DAMAGED:
            self.unopened[archive.path] = "is damaged or incomplete; get it again"
            return
        folder = archive.path[: archive.path.rfind(".")]
        for name in names:
            parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
            if any(map(_is_dropping, parts)):
                continue
            path, there = (
                _composed("/".join(filter(None, (top, *parts)))) for top in (folder, beside)
            )
            entry = Entry(path, archive.file, (*archive.members, name))
            if _is_packed(path):
                yield from self._inside(entry, there.rpartition("/")[0])
            else:
                yield entry, there


def natural(text: str) -> list:
    """A key that sorts `image2` before `image10`, and lower case beside upper case."""
    parts = re.split(r"(\d+)", text.lower())
    return [(int(part), part) if part.isdecimal() else (-1, part) for part in parts]


def unpacked(entries: Sequence[Entry], folder: pathlib.Path) -> list[pathlib.Path]:
    """The files themselves; those that are packed are unpacked.

    Args:
        entries: The files wanted.
        folder: Where packed ones go, by numbers: their names in the archive lead nowhere.

    Returns:
        One path for each of them.

    Raises:
        InputError: A packed one is damaged.
        OSError: The disk is full, or a file cannot be read.
    """
    paths = [entry.file for entry in entries]
    packed: dict[tuple, list[int]] = {}
    for place, entry in enumerate(entries):
        if entry.members:
            packed.setdefault((entry.file, entry.members[:-1]), []).append(place)
    for (archive, zips), places in packed.items():
        try:
            held = _opened(archive, zips)
            for place in places:
                entry = entries[place]
                paths[place] = folder / f"{place:06d}{suffixes(entry.name)}"
                with held.open(entry.members[-1]) as member, open(paths[place], "wb") as file:
                    shutil.copyfileobj(member, file, _COPY_BYTES)
        except _DAMAGED as error:
            fault = f"is damaged: {entry.path} cannot be unpacked"
            raise InputError(archive, fault, "Get it again") from error
    return paths


def read_bytes(entry: Entry) -> bytes:
    """The content of a small file, a table say.

    Raises:
        InputError: It cannot be read.
    """
    try:
        if not entry.members:
            return entry.file.read_bytes()
        with _opened(entry.file, entry.members[:-1]).open(entry.members[-1]) as file:
            return file.read()
    except (OSError, *_DAMAGED) as error:
        raise InputError(entry.file, f"{entry.name} cannot be read", "Get it again") from error


def suffixes(name: str) -> str:
    """`.nii.gz`, `.dcm`: what a reader may tell a file by."""
    match = re.search(r"(\.nii)?\.[A-Za-z0-9]+$", name)
    return match[0].lower() if match else ""


class _Zip:
    """A zip, open."""

    def __init__(self, file: pathlib.Path | BinaryIO):
        self._held = zipfile.ZipFile(file)

    def names(self) -> list[str]:
        infos = [info for info in self._held.infolist() if not info.is_dir()]
        if any(info.flag_bits & 1 for info in infos):
            raise UnsupportedError("is encrypted")
        if any(info.compress_type not in _METHODS for info in infos):
            raise UnsupportedError("is packed by a method that is not read here")
        return [info.filename for info in infos]

    def open(self, name: str) -> BinaryIO:
        return self._held.open(name)


class _Tar:
    """A plain tar, open."""

    def __init__(self, file: pathlib.Path | BinaryIO):
        named = isinstance(file, pathlib.Path)
        self._held = tarfile.TarFile(file if named else None, fileobj=None if named else file)

    def names(self) -> list[str]:
        return [info.name for info in self._held if info.isfile() or info.islnk()]

    def open(self, name: str) -> BinaryIO:
        return self._held.extractfile(name)


def _opened(archive: pathlib.Path, zips: Sequence[str]) -> _Zip | _Tar:
    """An archive, or the archive in it that `zips` leads to, open."""
    stat = archive.stat()
    return _kept_open(archive, tuple(zips), stat.st_size, stat.st_mtime_ns)


# To open a zip reads its whole directory, which takes seconds where it has 100 000 files.
@functools.lru_cache(maxsize=4)
def _kept_open(
    archive: pathlib.Path, zips: tuple[str, ...], size: int, time_ns: int
) -> _Zip | _Tar:
    del size, time_ns  # other ones, another archive
    with open(archive, "rb") as file:
        held = _kind(file)(archive)
    for name in zips:
        file = held.open(name)
        kind = _kind(file)
        file.seek(0)
        held = kind(file)
    return held


def _kind(file: BinaryIO) -> type[_Zip] | type[_Tar]:
    return _Zip if file.read(2) == b"PK" else _Tar


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _composed(path: str) -> str:
    """A path whose umlauts are one letter each: a Mac writes two."""
    return unicodedata.normalize("NFC", path)


def _is_dropping(name: str) -> bool:
    return name.startswith(".") or name.lower() in _DROPPINGS


def _is_packed(name: str) -> bool:
    return name.lower().endswith((*_OPENED, *_CLOSED))
