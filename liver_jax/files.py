"""Files that are whole or absent: atomic writes, content hashes, and a lock between processes."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

from liver_jax.errors import InputError

# The errors of a write for which the user, not the program, must find room.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary name beside `path`: on success it becomes `path`, else it is removed.

    The temporary file keeps the suffixes of `path` (nibabel chooses its format by them) and lies in
    the same folder, so that the final rename is atomic.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as folder:
        temporary = pathlib.Path(folder) / path.name
        yield temporary
        # Some libraries make files that only their owner may read.
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)


@contextlib.contextmanager
def replacing_folder(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """As `replacing`, for a folder that does not exist yet."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = pathlib.Path(tempfile.mkdtemp(prefix=f".partial-{path.name}-", dir=path.parent))
    try:
        yield temporary
        # mkdtemp makes folders that only their owner may enter.
        temporary.chmod(0o777 & ~_umask())
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sweep(folder: str | os.PathLike) -> None:
    """Removes what a killed `replacing` left in a folder; nobody may be writing there now."""
    for left in pathlib.Path(folder).glob(".partial-*"):
        shutil.rmtree(left, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes UTF-8 text atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes strict JSON (no NaN, no Infinity: those raise ValueError) atomically."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not JSON.
    """
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def claimed(path: str | os.PathLike, what: str) -> Iterator[None]:
    """Holds an exclusive lock on `path`, or refuses; the system frees it if the process dies.

    Args:
        path: The file to lock; made where missing.
        what: What has been claimed, for the message.

    Raises:
        InputError: Another process holds it.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            fault = f"another process is at work in this {what}"
            raise InputError(path.parent, fault, "Wait for it, or name another one") from error
        yield


@contextlib.contextmanager
def locked(path: str | os.PathLike) -> Iterator[None]:
    """Waits for an exclusive lock on `path`; the system frees it if the process dies."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
