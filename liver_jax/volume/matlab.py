"""ISMRM fat-water files: complex echoes in the MATLAB struct `imDataParams`.

The layout is that of the ISMRM Fat-Water Toolbox and of the 2012 challenge. The first index of
`images` is x, the second y (MATLAB shows them as rows and columns); they are kept in this order.
The struct has no place for orientation or position.
"""

import dataclasses
import os
import pathlib

import numpy as np
import scipy.io

from liver_jax.errors import InputError
from liver_jax.volume.geometry import Volume

SUFFIX = ".mat"
_STRUCT = "imDataParams"
_LAYOUT = "[x, y, z, coil, echo]"


@dataclasses.dataclass(frozen=True, eq=False)
class ComplexEchoes:
    """What an ISMRM fat-water file holds.

    Attributes:
        volume: complex64 `[x, y, z, echo]`, its coils combined. The affine has the voxels' sizes
            and nothing else: axis x is called right, y front and z head, whatever they are.
        te_ms: One echo time for each echo.
        field_strength_t: B0 in tesla.
        precession: `clockwise` (fat's phase falls behind water's) or `counterclockwise`.
        mask: bool `[x, y, z]`, the body; None where the file has none.
        spacing_known: Whether the file tells the voxels' size; if not, 1 mm is written.
    """

    volume: Volume
    te_ms: tuple[float, ...]
    field_strength_t: float
    precession: str
    mask: np.ndarray | None
    spacing_known: bool


def is_matlab_name(path: str | os.PathLike) -> bool:
    """Whether a file's name ends as a MATLAB file's does."""
    return pathlib.Path(path).suffix.lower() == SUFFIX


def read(path: str | os.PathLike) -> ComplexEchoes:
    """Reads an ISMRM fat-water file.

    Args:
        path: A `.mat` file of version 7 or below, with the struct `imDataParams`: `images`
            (complex `[x, y, z, coil, echo]`), `TE` (seconds), `FieldStrength` (tesla),
            `PrecessionIsClockwise` (1, or -1 or 0); `voxelSize` (mm) and `mask` where it has them.

    Raises:
        InputError: The file cannot be read, is of version 7.3, a field is missing, has another
            shape or unit, or is not finite.
    """
    path = pathlib.Path(path)
    fields = _fields(path)
    images = _array(path, fields, "images", "complex")
    if images.ndim != 5 or 0 in images.shape:
        found = " x ".join(map(str, images.shape))
        remedy = f"Save it as {_LAYOUT}, with a length of 1 for one slice or one coil"
        raise InputError(path, f"has images of {found}, while they are {_LAYOUT}", remedy)
    te_s = _array(path, fields, "te", "real").ravel()
    if te_s.size != images.shape[4]:
        fault = f"has {images.shape[4]} echoes and {te_s.size} echo times (TE)"
        raise InputError(path, fault, "Give one echo time for each echo, in the same order")
    if te_s.max() > 1:
        fault = f"has echo times up to {te_s.max():g}, while TE is in seconds"
        raise InputError(path, fault, "Divide TE by 1000 if it is in milliseconds")
    direction = _number(path, fields, "precessionisclockwise")
    if direction not in (1, 0, -1):
        fault = f"has PrecessionIsClockwise {direction:g}"
        raise InputError(path, fault, "Write 1, or -1 for counterclockwise")
    spacing_known = "voxelsize" in fields
    spacing_mm = np.ones(3)
    if spacing_known:
        spacing_mm = _array(path, fields, "voxelsize", "real").ravel()
        if spacing_mm.size != 3 or not (spacing_mm > 0).all():
            fault = f"has a voxelSize of {spacing_mm.tolist()}"
            raise InputError(path, fault, "Give three sizes in mm, or leave the field out")
    return ComplexEchoes(
        volume=Volume(_combine_coils(images), np.diag([*spacing_mm, 1.0])),
        te_ms=tuple(round(float(te) * 1000, 6) for te in te_s),
        field_strength_t=_number(path, fields, "fieldstrength"),
        precession="clockwise" if direction > 0 else "counterclockwise",
        mask=_mask(path, fields, images.shape[:3]),
        spacing_known=spacing_known,
    )


def _fields(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The struct's fields by their names in small letters (files differ in their capitals)."""
    try:
        with open(path, "rb") as file:
            newest = file.read(10) == b"MATLAB 7.3"
        if newest:
            fault = "is a MATLAB 7.3 (HDF5) file, which is not read"
            raise InputError(path, fault, f"Save it again: save('new.mat', '{_STRUCT}', '-v7')")
        found = scipy.io.loadmat(path, variable_names=[_STRUCT], appendmat=False)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(path, "no such file", "Correct the name, or put the file there") from error
    except Exception as error:  # SciPy's parser raises anything on a damaged file
        fault = f"cannot be read as a MATLAB file ({error or type(error).__name__})"
        raise InputError(path, fault, "Copy or save the file again") from error
    struct = found.get(_STRUCT)
    if struct is None or struct.dtype.names is None or struct.size != 1:
        fault = f"has no struct {_STRUCT}"
        raise InputError(path, fault, "Give a file in the layout of the ISMRM Fat-Water Toolbox")
    return {name.lower(): struct.ravel()[0][name] for name in struct.dtype.names}


_NAMES = {
    "images": "images",
    "te": "TE",
    "fieldstrength": "FieldStrength",
    "precessionisclockwise": "PrecessionIsClockwise",
    "voxelsize": "voxelSize",
    "mask": "mask",
}


def _array(path: pathlib.Path, fields: dict, name: str, kind: str) -> np.ndarray:
    """A field as complex64, or as float64: present, not empty, finite."""
    if name not in fields:
        fault = f"has no {_STRUCT}.{_NAMES[name]}"
        raise InputError(path, fault, "Add the field; see the ISMRM Fat-Water Toolbox")
    values = np.asarray(fields[name])
    wanted = "c" if kind == "complex" else "biuf"
    if values.dtype.kind not in wanted or values.size == 0:
        what = "is empty" if values.size == 0 else f"holds {values.dtype} values"
        remedy = "Save what the scanner gave" + (
            ": magnitude alone is read from NIfTI" if kind == "complex" else " as numbers"
        )
        raise InputError(path, f"{_STRUCT}.{_NAMES[name]} {what}, not {kind} ones", remedy)
    with np.errstate(over="ignore"):
        values = values.astype(np.complex64 if kind == "complex" else np.float64)
    if not np.isfinite(values).all():
        fault = f"{_STRUCT}.{_NAMES[name]} holds NaN, infinite or huge values"
        raise InputError(path, fault, "Replace them by true values, or leave the scan out")
    return values


def _number(path: pathlib.Path, fields: dict, name: str) -> float:
    values = _array(path, fields, name, "real")
    if values.size != 1:
        fault = f"{_STRUCT}.{_NAMES[name]} has {values.size} values"
        raise InputError(path, fault, "Give one")
    return float(values.item())


def _mask(path: pathlib.Path, fields: dict, shape: tuple[int, ...]) -> np.ndarray | None:
    if "mask" not in fields:
        return None
    mask = _array(path, fields, "mask", "real") != 0
    # MATLAB drops trailing axes of length 1: the mask of one slice is [x, y].
    mask = mask.reshape(*mask.shape, 1) if mask.ndim == 2 else mask
    if mask.shape != shape:
        found, wanted = (" x ".join(map(str, lengths)) for lengths in (mask.shape, shape))
        fault = f"has a mask of {found} voxels, while its images have {wanted}"
        raise InputError(path, fault, "Correct the mask, or leave it out")
    return mask


def _combine_coils(images: np.ndarray) -> np.ndarray:
    """One image for each echo, from `[x, y, z, coil, echo]`; phase between echoes is kept.

    Each voxel's coils are projected on the profile that explains most of its signal over all
    echoes: the first eigenvector of their covariance (Walsh et al., Magn Reson Med 2000;43:682,
    with the single voxel as its neighbourhood). The profile has the phase of the strongest coil.
    """
    if images.shape[3] == 1:
        return np.ascontiguousarray(images[:, :, :, 0])
    covariance = np.einsum("...ce,...de->...cd", images, images.conj())
    profile = np.linalg.eigh(covariance)[1][..., -1]
    strongest = np.argmax(np.linalg.norm(images.reshape(-1, *images.shape[3:]), axis=(0, 2)))
    reference = profile[..., strongest]
    size = np.abs(reference)
    turn = np.divide(reference.conj(), size, out=np.ones_like(reference), where=size > 0)
    profile = profile * turn[..., None]
    return np.einsum("...c,...ce->...e", profile.conj(), images)
