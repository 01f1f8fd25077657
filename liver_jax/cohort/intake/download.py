"""What lies in a download: files and packed files alike, without what operating systems drop there.

Nothing is unpacked to tell what is there. Zips and plain tars are read where they lie, as if each
were the folder that it was made from; what is needed of them is unpacked when it is needed.
"""

import contextlib
import dataclasses
import functools
import lzma
import os
import pathlib
import re
import shutil
import struct
import tarfile
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
# What the two libraries raise for archives that are damaged, cut short or not what their name says.
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError, RuntimeError, KeyError, struct.error),
)


class EncryptedError(Exception):
    """A zip asks for a password."""


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
        try:
            plain = list(_walk(self.source, apart))
        except OSError as error:
            fault = f"cannot be read: {error.strerror or error}"
            raise InputError(error.filename or source, fault, "Check its permissions") from error
        found = {entry.path: entry for entry in plain if not _is_packed(entry.name)}
        for archive in plain:
            if _is_packed(archive.name):
                for entry in self._inside(archive):
                    # What was unpacked beside its zip, into its folder or one of its own, is there
                    # twice.
                    beside = "/".join(filter(None, (archive.folder, *entry.members)))
                    if beside not in found:
                        found.setdefault(entry.path, entry)
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

    def _inside(self, archive: Entry) -> Iterator[Entry]:
        """The files in a packed one; why not, where it cannot be looked into."""
        if archive.name.lower().endswith(_CLOSED) or len(archive.members) > 1:
            self.unopened[archive.path] = "is packed; unpack it, and run again"
            return
        try:
            with _opened(archive.file, archive.members) as held:
                names = held.names()
        except _DAMAGED:
            self.unopened[archive.path] = "is damaged or incomplete; get it again"
            return
        except EncryptedError:
            self.unopened[archive.path] = "is encrypted; unpack it, and run again"
            return
        folder = archive.path[: archive.path.rfind(".")]
        for name in names:
            parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
            if any(map(_is_dropping, parts)):
                continue
            path = "/".join(filter(None, (folder, *parts)))
            entry = Entry(path, archive.file, (*archive.members, name))
            if _is_packed(path):
                yield from self._inside(entry)
            else:
                yield entry


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
        InputError: A packed one is damaged, or the disk refuses.
    """
    paths = [entry.file for entry in entries]
    packed: dict[tuple, list[int]] = {}
    for place, entry in enumerate(entries):
        if entry.members:
            packed.setdefault((entry.file, entry.members[:-1]), []).append(place)
    for (archive, zips), places in packed.items():
        try:
            with _opened(archive, zips) as held:
                for place in places:
                    entry = entries[place]
                    paths[place] = folder / f"{place:06d}{suffixes(entry.name)}"
                    with held.open(entry.members[-1]) as member, open(paths[place], "wb") as file:
                        shutil.copyfileobj(member, file, _COPY_BYTES)
        except _DAMAGED as error:
            fault = f"is damaged: {entries[places[0]].path} cannot be unpacked"
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
        with _opened(entry.file, entry.members[:-1]) as held, held.open(entry.members[-1]) as file:
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
            raise EncryptedError
        return [info.filename for info in infos]

    def open(self, name: str) -> BinaryIO:
        return self._held.open(name)

    def close(self) -> None:
        self._held.close()


class _Tar:
    """A plain tar, open."""

    def __init__(self, file: pathlib.Path | BinaryIO):
        self._held = (
            tarfile.TarFile(file)
            if isinstance(file, pathlib.Path)
            else tarfile.TarFile(fileobj=file)
        )

    def names(self) -> list[str]:
        return [info.name for info in self._held if info.isfile()]

    def open(self, name: str) -> BinaryIO:
        return self._held.extractfile(name)

    def close(self) -> None:
        self._held.close()


@contextlib.contextmanager
def _opened(archive: pathlib.Path, zips: Sequence[str]) -> Iterator[_Zip | _Tar]:
    """An archive, or the archive in it that `zips` leads to, open."""
    with contextlib.ExitStack() as stack:
        with open(archive, "rb") as file:
            kind = _kind(file)
        held = stack.enter_context(contextlib.closing(kind(archive)))
        for name in zips:
            file = stack.enter_context(held.open(name))
            kind = _kind(file)
            file.seek(0)
            held = stack.enter_context(contextlib.closing(kind(file)))
        yield held


def _kind(file: BinaryIO) -> type[_Zip] | type[_Tar]:
    return _Zip if file.read(2) == b"PK" else _Tar


def _walk(source: pathlib.Path, apart: pathlib.Path | None) -> Iterator[Entry]:
    if source.is_file():
        yield Entry(source.name, source)
        return
    seen = set()
    # Cohorts are often put together of links to folders elsewhere.
    for folder, folders, names in os.walk(source, followlinks=True, onerror=_raise):
        here = pathlib.Path(folder)
        real = here.resolve()
        if real in seen or real == apart:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not _is_dropping(name)]
        below = here.relative_to(source)
        for name in names:
            if not _is_dropping(name):
                yield Entry((below / name).as_posix(), here / name)


def _raise(error: OSError) -> None:
    raise error


def _is_dropping(name: str) -> bool:
    return name.startswith(".") or name.lower() in _DROPPINGS


def _is_packed(name: str) -> bool:
    return name.lower().endswith((*_OPENED, *_CLOSED))
