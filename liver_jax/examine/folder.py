"""A folder of scans as examinations: each file, zip or subfolder in it is one."""

import pathlib
import re
from collections.abc import Iterator

from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError
from liver_jax.volume import itk, nifti
from liver_jax.volume.dicom import collect, identifiers


def exams(path: str, modality: str, keep_identifiers: bool) -> list[Exam]:
    """The scans of a folder, in the order of their names.

    A scan is a NIfTI, NRRD or MetaImage file, here or one folder further down; or a DICOM file, a
    zip or a subfolder that holds DICOM. Anything else is left out.

    Args:
        path: The folder.
        modality: Of the files that do not tell; DICOM does.
        keep_identifiers: Whether a name may be kept in which a DICOM header's patient name, id,
            birth date or UID occurs; otherwise a code stands in its place.

    Returns:
        One for each, its id made of its name.

    Raises:
        InputError: There is no such folder, or no scan in it; or it is one scan itself.
    """
    folder = pathlib.Path(path)
    if not folder.is_dir():
        raise InputError(path, "is not a folder", "Name one, or give one scan as --input")
    found: list[Exam] = []
    taken: set[str] = set()
    for place, scan, is_dicom in _scans(folder):
        if not is_dicom and not modality:
            fault = f"{scan.name} does not tell whether it is CT or MR"
            raise InputError("--modality", fault, "Give it, or write a manifest.csv with both")
        if is_dicom and not keep_identifiers and identifiers.occur_in(place, scan):
            place = f"scan_{identifiers.code(scan)}"
        name = _new_name(place, taken)
        exam = Exam(
            exam_id=name,
            subject_id=name,
            modality="" if is_dicom else modality,
            technique="",
            images=(scan,),
        )
        found.append(exam)
    if not found:
        raise InputError(path, "holds no scan", "Name a folder of NIfTI, NRRD, MHA or DICOM")
    return found


def _scans(folder: pathlib.Path) -> Iterator[tuple[str, pathlib.Path, bool]]:
    """What an id is made of, the scan, and whether it is DICOM."""
    loose = 0
    for entry in _entries(folder):
        if entry.is_file():
            if _is_volume(entry):
                yield _stem(entry), entry, False
            elif collect.holds_dicom(entry):
                loose += not _is_zip(entry)
                if loose > 1:
                    fault = "holds loose DICOM files, which are slices of one scan"
                    raise InputError(folder, fault, "Give it as --input, or the folder above it")
                yield _stem(entry), entry, True
        elif entry.is_dir():
            volumes = [file for file in _entries(entry) if _is_volume(file)]
            for file in volumes:
                yield f"{entry.name}_{_stem(file)}", file, False
            if not volumes and collect.holds_dicom(entry):
                yield entry.name, entry, True


def _entries(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _is_volume(path: pathlib.Path) -> bool:
    return nifti.is_nifti_name(path) or itk.is_itk_name(path)


def _is_zip(path: pathlib.Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _stem(path: pathlib.Path) -> str:
    return re.sub(r"(\.nii|\.nrrd|\.mha|\.mhd|\.dcm|\.zip)?(\.gz)?$", "", path.name, flags=re.I)


def _new_name(place: str, taken: set[str]) -> str:
    """Letters, digits, - and _ alone; told apart where two become the same."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", place).strip("_") or "scan"
    number, unique = 2, name
    while unique.casefold() in taken:
        unique, number = f"{name}_{number}", number + 1
    taken.add(unique.casefold())
    return unique
