"""Voxels read from a file block by block, so that a scan is never held twice."""

import math
import pathlib
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

import numpy as np

from liver_jax.errors import InputError
from liver_jax.volume import limits

_BLOCK_BYTES = 2**22


class Readable(Protocol):
    """Whatever gives bytes one after the other."""

    def read(self, size: int) -> bytes:
        """The next bytes: as many as asked for, fewer at the end."""


class Inflated:
    """What a zlib stream in a file unpacks to; it never unpacks more than is asked for."""

    def __init__(self, file: BinaryIO):
        """Begins where the file stands."""
        self._file, self._inflate = file, zlib.decompressobj()

    def read(self, size: int) -> bytes:
        """The next bytes.

        Raises:
            zlib.error: The stream is damaged.
            EOFError: It ends before its checksum.
        """
        parts = []
        while size > 0 and not self._inflate.eof:
            block = self._inflate.unconsumed_tail or self._file.read(2**16)
            part = self._inflate.decompress(block, size)
            if not (block or part):
                raise EOFError("its compressed voxels end too early")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def read_voxels(
    path: pathlib.Path,
    file: Readable,
    shape: tuple[int, ...],
    stored: np.dtype,
    wanted: type,
    convert: Callable[[pathlib.Path, np.ndarray, int], np.ndarray],
) -> np.ndarray:
    """Reads voxels whose first axis runs fastest, and what follows to the end.

    Args:
        path: The file, for messages.
        file: Stands where the voxels begin.
        shape: Of the result; its size was checked.
        stored: The type in the file.
        wanted: The type of the result.
        convert: Makes values of some slices (the last axis), given the first one's index.

    Raises:
        InputError: The file has fewer voxels, goes on long after them, or as `convert`.
    """
    data = np.empty(shape, wanted, order="F")
    plane, count = shape[:-1], shape[-1]
    plane_bytes = math.prod(plane) * stored.itemsize
    at_once = max(1, _BLOCK_BYTES // plane_bytes)
    for start in range(0, count, at_once):
        length = min(at_once, count - start)
        block = file.read(length * plane_bytes)
        if len(block) != length * plane_bytes:
            found = start * plane_bytes + len(block)
            fault = f"is cut short: {count * plane_bytes} bytes of voxels promised, {found} found"
            raise InputError(path, fault, "Copy or convert the file again")
        part = np.ndarray((*plane, length), stored, block, order="F")
        data[..., start : start + length] = convert(path, part, start)
    beside = 0
    # At the end a checksum is compared.
    while block := file.read(2**20):
        beside += len(block)
        if beside > limits.MOST_BYTES_BESIDE:
            fault = f"goes on for more than {beside} bytes after its voxels"
            raise InputError(path, fault, "Copy or convert the file again")
    return data
