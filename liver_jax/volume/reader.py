"""Any scan that a user names: NIfTI, NRRD, MetaImage, a DICOM file, folder or zip.

What a file is is told by its name for the first three, as they are written, and by its content for
DICOM, whose files are called anything.
"""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from liver_jax import files
from liver_jax.errors import InputError
from liver_jax.volume import geometry, itk, nifti
from liver_jax.volume.dicom import collect
from liver_jax.volume.dicom import read as dicom
from liver_jax.volume.geometry import Volume
from liver_jax.volume.source import Source

_NIFTI, _ITK, _DICOM = "NIfTI", "NRRD or MetaImage", "DICOM"
_NAME_ONE = "Name a .nii.gz, .nrrd or .mha file, or a DICOM folder or zip"
# What files of one examination tell alike, or not at all.
_TOLD = ("modality", "tr_ms", "flip_angle_deg", "field_strength_t")


@dataclasses.dataclass(frozen=True, eq=False)
class Header:
    """What the files of a scan tell before any voxel is read.

    Attributes:
        grid_shape: The number of voxels along each spatial axis.
        affine: `[4, 4]` float64, voxel to RAS+ mm.
        echo_count: The length of the echo axis; 1 where there is none.
        te_ms: One echo time for each echo; empty where the files do not tell.
        modality: `CT` or `MR`; None, as all below, where the files do not tell.
        tr_ms: Repetition time.
        flip_angle_deg: Flip angle.
        field_strength_t: Field strength.
    """

    grid_shape: tuple[int, int, int]
    affine: np.ndarray
    echo_count: int = 1
    te_ms: tuple[float, ...] = ()
    modality: str | None = None
    tr_ms: float | None = None
    flip_angle_deg: float | None = None
    field_strength_t: float | None = None

    @property
    def spacing_mm(self) -> np.ndarray:
        """The distance between neighbouring voxels along each of the data's axes, `[3]`."""
        return geometry.spacing_mm(self.affine)


def read(paths: Sequence[str | os.PathLike], series: str | None = None) -> Source:
    """Reads a scan.

    Args:
        paths: One file, DICOM folder or zip with one image or all echoes; or several, each with
            one echo, in the order of their echo times (DICOM tells these, and is sorted by them).
        series: Which DICOM series, where there are several: its number, UID or place in the list.

    Returns:
        The scan, float32, and what its files tell of it.

    Raises:
        InputError: As `nifti.read_image`, `itk.read_image` and the DICOM reader's `read`; the
            echoes lie on different grids, contradict each other or are of different formats.
    """
    paths = [pathlib.Path(path) for path in paths]
    kinds = [_kind(path) for path in paths]
    if series is not None and _DICOM not in kinds:
        fault = f"is for DICOM, while {paths[0].name} is {kinds[0]}"
        raise InputError("--series", fault, "Leave it out")
    if _DICOM in kinds and len(set(kinds)) > 1:
        fault = "is DICOM, while other echoes are not"
        raise InputError(paths[kinds.index(_DICOM)], fault, "Give all echoes in one format")
    if _DICOM not in kinds:
        return Source(_read_echoes(paths, kinds))
    if len(paths) == 1:
        return dicom.read(paths[0], series)
    return _join(paths, [dicom.read(path, series) for path in paths])


def read_header(path: str | os.PathLike, series: str | None = None) -> Header:
    """Reads and checks what a scan's files tell of it; decodes no voxel.

    Args:
        path: As one of those for `read`.
        series: As for `read`.

    Raises:
        InputError: As `read`, as far as headers tell.
    """
    path = pathlib.Path(path)
    kind = _kind(path)
    if kind == _DICOM:
        held = dicom.read_header(path, series)
        told = {name: getattr(held, name) for name in _TOLD}
        return Header(held.grid_shape, held.affine, held.echo_count, tuple(held.te_ms), **told)
    held = (nifti if kind == _NIFTI else itk).read_header(path)
    return Header(held.grid_shape, held.affine, held.echo_count)


def read_headers(paths: Sequence[str | os.PathLike], series: str | None = None) -> Header:
    """As `read_header`, for all that `read` takes: as many echoes as all its files hold.

    Raises:
        InputError: As `read`, as far as headers tell.
    """
    paths = [pathlib.Path(path) for path in paths]
    return join_headers(paths, [read_header(path, series) for path in paths])


def join_headers(paths: Sequence[pathlib.Path], headers: Sequence[Header]) -> Header:
    """One header of several echoes, for `read_headers`, from one of each; of one header itself."""
    if len(headers) == 1:
        return headers[0]
    for path, header in zip(paths, headers, strict=True):
        check_echo(paths[0], headers[0], path, header)
        _check_alike(paths[0], headers[0], path, header)
    times = [header.te_ms[0] if header.te_ms else None for header in headers]
    te_ms = () if None in times else tuple(sorted(times))
    return dataclasses.replace(headers[0], echo_count=len(headers), te_ms=te_ms)


def slice_files(path: str | os.PathLike) -> list[list[pathlib.Path]]:
    """The file of each slice of a DICOM folder, `[echo][z]`, in the order of `read`'s data.

    Raises:
        InputError: As `read_header`.
    """
    return dicom.slice_files(path)


def read_position(path: str | os.PathLike) -> np.ndarray | None:
    """Where the first pixel of a single DICOM image lies, RAS+ mm `[3]`; None where it tells none.

    Raises:
        InputError: It is not a single DICOM image.
    """
    return dicom.position_mm(path)


def read_picture(path: str | os.PathLike) -> np.ndarray:
    """One slice of a mask that was saved as a picture: PNG, or a DICOM image.

    Returns:
        float32 `[row, column]`: grey levels as they are stored.

    Raises:
        InputError: It is neither, is damaged, or has colours.
    """
    path = pathlib.Path(path)
    try:
        with open(path, "rb") as file:
            is_png = file.read(8) == b"\x89PNG\r\n\x1a\n"
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}", "Get it again") from error
    return _read_png(path) if is_png else dicom.stored_values(path)


def read_labels(path: str | os.PathLike) -> Volume:
    """Reads a mask or a label map from NIfTI, NRRD or MetaImage.

    Returns:
        int32 `[x, y, z]` labels on the file's own axes.

    Raises:
        InputError: As `nifti.read_labels` and `itk.read_labels`; or it is DICOM.
    """
    path = pathlib.Path(path)
    kind = _kind(path)
    if kind == _DICOM:
        fault = "is DICOM, while masks are read from NIfTI, NRRD or MetaImage"
        raise InputError(path, fault, "Convert it to NIfTI, on the grid of its image")
    return (nifti if kind == _NIFTI else itk).read_labels(path)


def sha256(path: str | os.PathLike, series: str | None = None) -> str:
    """The SHA-256 of a scan's content, in hexadecimal.

    Args:
        path: As one of those for `read`. Of DICOM neither names nor order matter, nor whether the
            images are in a folder or a zip.
        series: As for `read`.

    Raises:
        InputError: It is missing or unreadable.
    """
    path = pathlib.Path(path)
    if _kind(path) == _DICOM:
        return dicom.sha256(path, series)
    try:
        hashes = [files.sha256(part) for part in files_of(path)]
    except OSError as error:
        fault = f"cannot be read: {error.strerror or error}"
        raise InputError(path, fault, "Correct the name, or put the file there") from error
    return hashes[0] if len(hashes) == 1 else hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def files_of(path: str | os.PathLike) -> list[pathlib.Path]:
    """The files that a scan lies in: itself; those of a folder; the voxels of a `.mhd`, too.

    Raises:
        InputError: A NRRD or MetaImage header is refused.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        return sorted(
            pathlib.Path(folder, name) for folder, _, names in os.walk(path) for name in names
        )
    voxels = itk.read_header(path).voxels if itk.is_itk_name(path) else path
    return [path] if voxels == path else [path, voxels]


def check_echo(
    first_path: pathlib.Path, first: Volume | Header, path: pathlib.Path, echo: Volume | Header
) -> None:
    """Refuses one of several echo files that holds several or lies on another grid than the first.

    Args:
        first_path: The file of the first echo.
        first: What it holds, or its header.
        path: The file of another one.
        echo: What that holds, or its header.

    Raises:
        InputError: It does.
    """
    if echo.echo_count != 1:
        fault = f"has {echo.echo_count} volumes, while it is one of several echo files"
        raise InputError(path, fault, "Name one 4D file, or one 3D file for each echo")
    geometry.check_same_grid(first, echo, path, f"the first echo {first_path.name}")


def _read_png(path: pathlib.Path) -> np.ndarray:
    try:
        picture = Image.open(path)
        picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(path, "is damaged or cut short", "Get it again") from error
    if picture.mode in ("RGB", "RGBA", "P", "LA"):
        colours = np.asarray(picture.convert("RGB"))
        if (colours != colours[..., :1]).any():
            raise InputError(path, "has colours, while a mask has grey levels", "Get it again")
        return colours[..., 0].astype(np.float32)
    # One bit for each pixel: black and white.
    values = np.asarray(picture.convert("L") if picture.mode == "1" else picture)
    return values.astype(np.float32)


def _kind(path: pathlib.Path) -> str:
    """What a path holds: one of the three words above."""
    if not path.exists():
        raise InputError(path, "no such file", "Correct the name, or put the file there")
    if path.is_file() and nifti.is_nifti_name(path):
        return _NIFTI
    if path.is_file() and itk.is_itk_name(path):
        return _ITK
    # Of a folder or zip the DICOM reader tells what is amiss: empty, damaged, too large.
    if path.is_dir() or (path.is_file() and (_is_zip(path) or collect.holds_dicom(path))):
        return _DICOM
    raise InputError(path, "is not a scan that can be read", _NAME_ONE)


def _is_zip(path: pathlib.Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4) in (b"PK\3\4", b"PK\5\6")
    except OSError:
        return False


def _read_echoes(paths: Sequence[pathlib.Path], kinds: Sequence[str]) -> Volume:
    """Several files in the order given; of one, whatever it holds."""
    data = first = None
    for index, (path, kind) in enumerate(zip(paths, kinds, strict=True)):
        echo = (nifti if kind == _NIFTI else itk).read_image(path)
        if len(paths) == 1:
            return echo
        first = first or echo
        check_echo(paths[0], first, path, echo)
        if data is None:
            data = np.empty((*echo.grid_shape, len(paths)), np.float32, order="F")
            first = Volume(data[..., 0], echo.affine)
        data[..., index] = echo.data
    return Volume(data, first.affine)


def _check_alike(
    first_path: pathlib.Path, first: Source | Header, path: pathlib.Path, echo: Source | Header
) -> None:
    for name in _TOLD:
        one, other = getattr(first, name), getattr(echo, name)
        if one != other:
            fault = f"has {name} {other}, while the first echo {first_path.name} has {one}"
            raise InputError(path, fault, "Give echoes of one examination")


def _join(paths: Sequence[pathlib.Path], sources: Sequence[Source]) -> Source:
    """One examination from DICOM series of one echo each."""
    first = sources[0]
    for path, source in zip(paths, sources, strict=True):
        check_echo(paths[0], first.volume, path, source.volume)
        _check_alike(paths[0], first, path, source)
        if (source.phase is None) != (first.phase is None):
            fault = "has phase images or has none, unlike the first echo"
            raise InputError(path, fault, "Give magnitude and phase of every echo, or magnitude")
    times = [source.te_ms[0] if source.te_ms else None for source in sources]
    if None in times or len(set(times)) < len(times):
        told = ", ".join("none" if time is None else f"{time:g}" for time in times)
        fault = f"the echo times of the {len(times)} series are {told} ms"
        raise InputError(paths[0], fault, "Give one series for each echo")
    sources = [sources[index] for index in np.argsort(times)]
    first, volumes = sources[0], [source.volume.data for source in sources]
    phase = None
    if first.phase is not None:
        phase = np.stack([source.phase.data for source in sources], axis=3)
        phase = Volume(phase, first.phase.affine)
    return dataclasses.replace(
        first,
        volume=Volume(np.stack(volumes, axis=3), first.volume.affine),
        phase=phase,
        te_ms=tuple(sorted(times)),
        notes=tuple(dict.fromkeys(note for source in sources for note in source.notes)),
    )
