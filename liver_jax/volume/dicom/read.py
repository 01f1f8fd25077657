"""A DICOM series read into a volume."""

import dataclasses
import hashlib
import os
import pathlib

import numpy as np

from liver_jax.errors import InputError
from liver_jax.volume import geometry
from liver_jax.volume.dicom import choice, collect, frame, header, pixels, series, stack
from liver_jax.volume.dicom.origin import Origin
from liver_jax.volume.dicom.series import Found, Series
from liver_jax.volume.dicom.stack import Stack
from liver_jax.volume.geometry import Volume
from liver_jax.volume.source import Source

# Phase is told in radians, in thousandths of them (GE, Philips), or with 4096 for pi (Siemens).
_TURN = np.pi * 1.001
_MILLI = 1000.0


@dataclasses.dataclass(frozen=True, eq=False)
class Header:
    """What a series tells before any pixel is decoded.

    Attributes:
        shape: Columns, rows, slices, and echoes where there are several.
        affine: `[4, 4]` float64, voxel to RAS+ mm.
        modality: `CT` or `MR`.
        te_ms: One echo time for each echo; empty where unknown.
        tr_ms: Repetition time; None where unknown, as the rest.
        flip_angle_deg: Flip angle.
        field_strength_t: Field strength.
        has_phase: Whether phase images belong to it.
        notes: What was mended or left out, without identifiers.
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    modality: str
    te_ms: tuple[float, ...]
    tr_ms: float | None
    flip_angle_deg: float | None
    field_strength_t: float | None
    has_phase: bool
    notes: tuple[str, ...]

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


def read(path: str | os.PathLike, wanted: str | None = None) -> Source:
    """Reads a series.

    Args:
        path: A DICOM file, a folder or a zip.
        wanted: Which series, where there are several: see `choice.choose`.

    Returns:
        The volume: x along the columns, y along the rows, z from slice to slice along the normal of
        the images; HU on CT, the rescaled signal on MR. Several echoes along a fourth axis, echo
        times rising.

    Raises:
        InputError: None or several series could be meant; its geometry is not that of a volume; its
            pixels cannot be decoded. See `choice.choose`, `stack.arrange`, `pixels.check`.
    """
    path = pathlib.Path(path)
    held = _Held(path, wanted)
    data, origin = _decode(held.stack, path, held.name)
    notes = held.header.notes
    phase = unit = None
    if held.phase is not None:
        phase, _ = _decode(held.phase, path, held.name)
        unit = _phase_unit(phase)
        if unit is None:
            notes = (*notes, "phase images were left out, as their unit is not known")
            phase = None
    told = held.header
    return Source(
        volume=Volume(data, told.affine),
        modality=told.modality,
        phase=None if phase is None else Volume(phase, told.affine),
        phase_unit=unit,
        te_ms=told.te_ms,
        tr_ms=told.tr_ms,
        flip_angle_deg=told.flip_angle_deg,
        field_strength_t=told.field_strength_t,
        origin=origin,
        notes=notes,
    )


def read_header(path: str | os.PathLike, wanted: str | None = None) -> Header:
    """Reads and checks what a series tells before any pixel is decoded.

    Args:
        path: As for `read`.
        wanted: As for `read`.

    Raises:
        InputError: As `read`, as far as headers tell.
    """
    return _Held(pathlib.Path(path), wanted).header


def slice_files(path: str | os.PathLike, wanted: str | None = None) -> list[list[pathlib.Path]]:
    """The file of each slice, `[echo][z]`, in the order of `read`'s data.

    Args:
        path: A folder of single images.
        wanted: As for `read`.

    Raises:
        InputError: As `read_header`.
    """
    held = _Held(pathlib.Path(path), wanted)
    return [[item.image.member.path for item in echo] for echo in held.stack.frames]


def stored_values(path: str | os.PathLike) -> np.ndarray:
    """The pixels of one image as they are stored, without rescaling: of a mask saved as DICOM.

    Args:
        path: A file with a single image.

    Returns:
        float32 `[row, column]`.

    Raises:
        InputError: It is not a single DICOM image, or cannot be decoded.
    """
    path = pathlib.Path(path)
    plain = dataclasses.replace(_single(path), rescale=(1.0, 0.0), unit="")
    pixels.check(plain, str(path), "it")
    dataset = pixels.load(plain.image, str(path))
    ((_, values),) = pixels.decode(dataset, plain.image, {0: plain}, str(path), "it")
    return values


def position_mm(path: str | os.PathLike) -> np.ndarray | None:
    """The place of the first pixel's centre of a single image, RAS+ mm `[3]`; None if not told.

    Raises:
        InputError: It is not a single DICOM image.
    """
    told = _single(pathlib.Path(path)).position_mm
    return np.array(told) * (-1, -1, 1) if told else None


def _single(path: pathlib.Path) -> frame.Frame:
    members = collect.members(path)
    try:
        found = collect.head(members[0], frame.KEYWORDS) if len(members) == 1 else None
    except header.Damaged:
        found = None
    frames = frame.read(members[0], found[0]) if found is not None and found[1] else []
    if len(frames) != 1:
        raise InputError(path, "is not a single DICOM image", "Get it again")
    return frames[0]


def sha256(path: str | os.PathLike, wanted: str | None = None) -> str:
    """The SHA-256 of the content of a series' files, in hexadecimal.

    It does not depend on their names, their order, on exact copies, or on whether they lie in a
    folder or a zip. The same image under another compression has another one.

    Args:
        path: As for `read`.
        wanted: As for `read`.

    Raises:
        InputError: As `read_header`; or a file cannot be read.
    """
    path = pathlib.Path(path)
    chosen = choice.choose(series.find(path), wanted, path)
    frames = (*chosen.frames, *(chosen.phase.frames if chosen.phase else ()))
    members = {item.image.member for item in frames}
    hashes = {hashlib.sha256(member.read_all()).hexdigest() for member in members}
    return hashlib.sha256(" ".join(sorted(hashes)).encode()).hexdigest()


class _Held:
    """A series chosen, arranged and checked."""

    def __init__(self, path: pathlib.Path, wanted: str | None):
        found = series.find(path)
        chosen = choice.choose(found, wanted, path)
        self.name = choice.name_of(chosen)
        self.stack = stack.arrange(chosen, str(path), self.name)
        self.phase = _arranged_phase(chosen, self.stack, path)
        for echo in self.stack.frames:
            for item in echo:
                pixels.check(item, f"{path}", self.name)
        image = chosen.first.image
        count = len(self.stack.frames)
        self.header = Header(
            shape=(*self.stack.grid_shape, *((count,) if count > 1 else ())),
            affine=self.stack.affine,
            modality=image.modality,
            te_ms=self.stack.te_ms,
            tr_ms=image.tr_ms,
            flip_angle_deg=image.flip_angle_deg,
            field_strength_t=image.field_strength_t,
            has_phase=self.phase is not None,
            notes=(*self.stack.notes, *_notes(found, chosen)),
        )


def _arranged_phase(chosen: Series, magnitude: Stack, path: pathlib.Path) -> Stack | None:
    """The phase images, where they lie on the grid of the magnitude and can be decoded."""
    if chosen.phase is None:
        return None
    try:
        phase = stack.arrange(chosen.phase, str(path), choice.name_of(chosen.phase))
        for echo in phase.frames:
            for item in echo:
                pixels.check(item, str(path), choice.name_of(chosen.phase))
    except InputError:
        return None
    same = phase.grid_shape == magnitude.grid_shape and phase.te_ms == magnitude.te_ms
    near = np.abs(phase.affine - magnitude.affine).max() <= 1e-3
    return phase if same and near else None


def _decode(held: Stack, path: pathlib.Path, name: str) -> tuple[np.ndarray, Origin]:
    """The values of a stack, image by image, so that no more than one file is held beside them."""
    columns, rows, slices = held.grid_shape
    count = len(held.frames)
    # Fortran order: each image is written in one piece, and each echo is a volume of its own.
    data = np.empty((columns, rows, slices, count), np.float32, order="F")
    where = {
        item: (index, echo)
        for echo, frames in enumerate(held.frames)
        for index, item in enumerate(frames)
    }
    by_image: dict = {}
    for item in where:
        by_image.setdefault(item.image, {})[item.index] = item
    headers = {}
    for image, frames in by_image.items():
        dataset = pixels.load(image, str(path))
        for index, values in pixels.decode(dataset, image, frames, str(path), name):
            place, echo = where[frames[index]]
            data[:, :, place, echo] = values.T
        if any(where[item][1] == 0 for item in frames.values()):
            headers[image] = pixels.bare(dataset)
    first = held.frames[0]
    if first[0].image.group_count:
        origin = Origin((headers[first[0].image],), tuple(item.index + 1 for item in first))
    else:
        origin = Origin(tuple(headers[item.image] for item in first))
    return data if count > 1 else data[..., 0], origin


def _phase_unit(phase: np.ndarray) -> str | None:
    """The unit of phase images by their range; thousandths are brought to radians in place."""
    lowest, highest = float(phase.min()), float(phase.max())
    largest = max(-lowest, highest)
    if lowest >= 0:  # half of the circle: not a phase as any scanner means it
        return None
    if largest <= _TURN:
        return "radian"
    if 0.9 * _MILLI * np.pi <= largest <= _MILLI * _TURN:
        phase /= _MILLI
        return "radian"
    if 0.9 * 4096 <= largest <= 4096:
        return "scanner"
    return None


def _notes(found: Found, chosen: Series) -> tuple[str, ...]:
    notes = []
    if chosen.duplicate_count:
        notes.append(f"{chosen.duplicate_count} exact duplicates were dropped")
    kept = len(chosen.parts or (chosen,)) + (chosen.phase is not None)
    others = len(found.series) - kept - max(0, len(chosen.phase.parts) - 1 if chosen.phase else 0)
    if others > 0:
        notes.append(f"{others} other series were left out")
    if any(item.image.lossy for item in chosen.frames):
        notes.append("the images were compressed with loss")
    if found.other_objects:
        notes.append(f"{found.other_objects} DICOM objects that are no images were left out")
    if found.other_files:
        notes.append(f"{found.other_files} files that are not DICOM were left out")
    return tuple(notes)
