"""manifest.csv: one row for each examination; read strictly, written so that it can be read."""

import csv
import dataclasses
import io
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from liver_jax import files
from liver_jax.cohort import parse
from liver_jax.cohort.exam import COLUMNS, PERCENT, Exam, shared_subjects
from liver_jax.errors import InputError
from liver_jax.volume import geometry, phase, reader
from liver_jax.volume.geometry import Volume
from liver_jax.volume.source import Source

# How far a row may be from what its files tell: a share, and a least amount in the unit of the
# name. Scanners round, and call 2.89 T what everybody calls 3 T.
_MAY_DIFFER = {
    "te_ms": (0.01, 0.05),
    "tr_ms": (0.02, 0.1),
    "flip_angle_deg": (0.02, 0.6),
    "field_strength_t": (0.1, 0.0),
}


def read(path: str | os.PathLike) -> list[Exam]:
    """Reads a manifest; the files that it names are not opened.

    Args:
        path: The CSV file: UTF-8, separated by commas, or by semicolons with quoted lists.

    Returns:
        Its examinations, in the order of the rows; at least one.

    Raises:
        InputError: The first fault, with its row and column.
    """
    exams, faults = parse.read(path)
    if faults:
        first = min(faults, key=lambda fault: fault.row)
        where = f"{path}, row {first.row}" + (f", column {first.column}" if first.column else "")
        raise InputError(where, first.message, first.remedy)
    return exams


def read_many(paths: str) -> list[Exam]:
    """Reads several manifests as one.

    Args:
        paths: File names separated by commas.

    Returns:
        The examinations of all of them, in this order.

    Raises:
        InputError: As `read`; an exam_id occurs in two of them; or a subject is in two splits.
    """
    names = [name.strip() for name in paths.split(",")]
    if not all(names):
        raise InputError(f"manifests {paths!r}", "an empty file name", "Write a.csv,b.csv")
    exams = [exam for name in names for exam in read(name)]
    first: dict[str, Exam] = {}
    for exam in exams:
        other = first.setdefault(exam.exam_id.casefold(), exam)
        if other is not exam:
            fault = f"exam_id {exam.exam_id} is used already in {other.manifest}, row {other.row}"
            raise InputError(f"{exam.manifest}, row {exam.row}", fault, "Give it an id of its own")
    for subject, splits in shared_subjects(exams).items():
        fault = f"subject {subject} is in the splits {' and '.join(splits)}"
        raise InputError(paths, fault, "Keep a subject in one split; rename it if it is another's")
    return exams


def write(path: str | os.PathLike, exams: Sequence[Exam]) -> None:
    """Writes a manifest atomically: all columns in their fixed order, then the extra ones.

    Args:
        path: The CSV file; the paths of the examinations are written relative to its folder.
        exams: The rows, in order.

    Raises:
        InputError: What would be written could not be read again, or the disk refuses.
    """
    path = pathlib.Path(path)
    content = text(path, exams)
    try:
        files.write_text(path, content)
    except OSError as error:
        fault = f"cannot be written: {error.strerror or error}"
        raise InputError(path, fault, "Free some space or choose another folder") from error


def check_row(exam: Exam) -> None:
    """Refuses an examination that could not be read again from a row of `exam.manifest`.

    Raises:
        InputError: As `write`.
    """
    text(exam.manifest, [exam])


def text(path: str | os.PathLike, exams: Sequence[Exam]) -> str:
    """The content of a manifest.

    Args:
        path: Where it will lie; the paths of the examinations are relative to its folder.
        exams: The rows, in order.

    Raises:
        InputError: It could not be read again.
    """
    path = pathlib.Path(path)
    # Relative paths are followed by the system, for which `..` of a link is not where it stands.
    folder = path.absolute().parent.resolve()
    extra = list(dict.fromkeys(name for exam in exams for name in exam.extra))
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow([*COLUMNS, *extra])
    for exam in exams:
        cells = [_cell(getattr(exam, column), folder) for column in COLUMNS]
        table.writerow([*cells, *(exam.extra.get(name, "") for name in extra)])
    content = buffer.getvalue()
    _, faults = parse.parse(content, path.absolute())
    if faults:
        first = faults[0]
        where = f"{path}, {first.exam_id}, column {first.column}"
        raise InputError(where, f"cannot be written: {first.message}", first.remedy)
    return content


def load(exam: Exam) -> tuple[Exam, Source]:
    """Reads all echoes of an examination, and what their files tell of it.

    Returns:
        The examination, `completed`, and the images.

    Raises:
        InputError: As `reader.read` and `completed`; or the number of echoes is not that of the
            echo times.
    """
    source = _of_files(reader.read, exam.images)
    exam = completed(exam, source)
    check_echo_count(exam, source.volume.echo_count)
    return exam, source


def load_header(exam: Exam) -> tuple[Exam, reader.Header]:
    """As `load`, from the headers of the files alone; echoes are not counted."""
    header = _of_files(reader.read_headers, exam.images)
    return completed(exam, header), header


def read_header(path: pathlib.Path) -> reader.Header:
    """The header of one file, or DICOM folder or zip, that a row names; as `reader.read_header`."""
    return _of_files(reader.read_header, path)


def load_image(exam: Exam) -> Volume:
    """Reads all echoes of an examination.

    Returns:
        float32 `[x, y, z, echo]`, or `[x, y, z]` for one image.

    Raises:
        InputError: As `load`.
    """
    return load(exam)[1].volume


def completed(exam: Exam, told: Source | reader.Header) -> Exam:
    """Fills what a row leaves empty with what its DICOM files tell.

    Args:
        exam: The examination.
        told: Its images or their headers; NIfTI, NRRD and MetaImage tell nothing.

    Returns:
        The examination with modality, echo times, repetition time, flip angle and field strength
        where the row or the files have them.

    Raises:
        InputError: The row contradicts the files.
    """
    if exam.modality and told.modality not in (None, exam.modality):
        _contradicted(exam, "modality", exam.modality, told.modality)
    found = {"modality": exam.modality or told.modality or ""}
    for name, (share, least) in _MAY_DIFFER.items():
        row, file = getattr(exam, name), getattr(told, name)
        if row in (None, ()):
            found[name] = file
        elif file not in (None, ()):
            one, other = np.atleast_1d(row), np.atleast_1d(file)
            if len(one) != len(other):
                continue  # it is the number of echoes that is wrong, which is checked by itself
            if (np.abs(one - other) > np.maximum(share * np.abs(other), least)).any():
                _contradicted(exam, name, row, file)
    return dataclasses.replace(exam, **found)


def load_complex(exam: Exam) -> Volume | None:
    """Reads all echoes of an examination as complex values.

    Returns:
        complex64 `[x, y, z, echo]`, or None where the examination has no phase images: neither
        its row names any, nor has it a precession and DICOM files with phase.

    Raises:
        InputError: As `load_image` and `check_phase`; or as `phase.combine`.
    """
    if not exam.phase_images:
        source = load(exam)[1] if exam.precession else None
        if source is None or source.phase is None:
            return None
        names = (exam.images[0].name, str(exam.images[0]))
        return phase.combine(source.volume, source.phase, source.phase_unit, *names)
    check_phase(exam)
    magnitude, angle = load_image(exam), _of_files(reader.read, exam.phase_images)
    names = (exam.images[0].name, str(exam.phase_images[0]))
    return phase.combine(magnitude, angle.volume, exam.phase_unit, *names)


def load_mask(exam: Exam) -> Volume:
    """Reads the manual mask.

    Returns:
        bool `[x, y, z]`: where the label file has one of `liver_labels`; it may be nowhere.

    Raises:
        InputError: There is none, it cannot be read, or it lies on another grid than the image.
    """
    if exam.mask is None:
        remedy = "Fill in mask and liver_labels, or leave the row out"
        raise InputError(f"{exam.manifest}, row {exam.row}", f"{exam.exam_id} has no mask", remedy)
    labels = reader.read_labels(exam.mask)
    _check_on_image(exam, labels, exam.mask)
    return Volume(liver_of(labels.data, exam.liver_labels), labels.affine)


def liver_of(labels: np.ndarray, liver_labels: Sequence[int]) -> np.ndarray:
    """Where labels are those of the liver: bool, in their shape."""
    # Many times faster than np.isin, which sorts or copies, for the few labels that a liver has.
    liver = np.zeros_like(labels, bool)
    for label in liver_labels:
        liver |= labels == label
    return liver


def load_pdff_percent(exam: Exam) -> Volume | None:
    """Reads the PDFF map, converted to percent.

    Returns:
        float32 `[x, y, z]` in percent, or None where the examination has no map.

    Raises:
        InputError: It cannot be read, is not 3D, lies on another grid than the image, or its
            values contradict its unit.
    """
    if exam.pdff_map is None:
        return None
    volume = reader.read([exam.pdff_map]).volume
    check_one_volume(exam.pdff_map, volume.echo_count)
    _check_on_image(exam, volume, exam.pdff_map)
    check_unit(exam, volume, load_mask(exam).data if exam.mask else None)
    return Volume(volume.data * np.float32(PERCENT[exam.pdff_unit]), volume.affine)


def image_hashes(exam: Exam) -> tuple[str, ...]:
    """The SHA-256 of each image, in hexadecimal; InputError where one is unreadable."""
    return tuple(image_hash(path) for path in exam.images)


def image_hash(path: pathlib.Path) -> str:
    """The SHA-256 of one file or DICOM folder, in hexadecimal; InputError if it is unreadable."""
    return _of_files(reader.sha256, path)


def check_echo_count(exam: Exam, echo_count: int) -> None:
    """Refuses an examination whose files hold another number of echoes than its row says."""
    where = exam.images[0]
    if exam.modality == "CT" and echo_count != 1:
        fault = f"{exam.exam_id} is CT and has {echo_count} volumes"
        raise InputError(where, fault, "Give each phase of a CT a row of its own")
    if exam.te_ms and len(exam.te_ms) != echo_count:
        fault = f"{exam.exam_id} has {echo_count} echoes and {len(exam.te_ms)} echo times (te_ms)"
        raise InputError(where, fault, "Give one echo time for each echo, in the same order")


def check_phase(exam: Exam) -> None:
    """Refuses phase images whose unit or direction the row does not tell; opens no file.

    Read in the wrong direction, fat turns into something between fat and water.
    """
    for column, choices in (("phase_unit", phase.RADIANS), ("precession", phase.PRECESSIONS)):
        if getattr(exam, column) not in choices:
            fault = f"{exam.exam_id} has phase images and no {column}"
            raise InputError(exam.phase_images[0], fault, f"Write {' or '.join(choices)}")


def check_one_volume(path: pathlib.Path, echo_count: int) -> None:
    """Refuses a mask or map that is 4D."""
    if echo_count != 1:
        fault = f"has {echo_count} volumes, while a mask or map has one"
        raise InputError(path, fault, "Save the one that belongs to the image as a 3D file")


def check_unit(exam: Exam, pdff: Volume, mask: np.ndarray | None) -> None:
    """Compares the range of a PDFF map with the unit that its row names; the unit is not changed.

    A map of the body reaches near 100 % in its fat. One that was cut out around the liver need not,
    so only what no liver can be is refused there: a map at or below 1 %. A fit has values a
    little below 0 and above 100 %, and where there is only noise it has any: hence percentiles.

    Args:
        exam: Names the unit and the file.
        pdff: The map, as it is in the file.
        mask: bool [x, y, z], the liver, which tells a map of the body from one cut out; or None.
    """
    filled = pdff.data[pdff.data > 0]
    typical = float(np.percentile(filled, 99)) if filled.size else 0.0
    highest = float(np.percentile(filled, 99.9)) if filled.size else 0.0
    unit = exam.pdff_unit
    full = 100.0 / PERCENT[unit]
    body = mask is None or mask.shape != pdff.data.shape or filled.size > 2 * mask.sum()
    if not filled.size:
        likely = "empty: no value is above 0"
    elif typical > 2 * full:
        larger = [name for name, one in PERCENT.items() if one < PERCENT[unit]]
        likely = " or ".join(larger) if larger else "something else than PDFF"
    elif unit != "fraction" and typical <= (1.5 if body or unit == "permille" else 1):
        likely = "fraction"
    elif unit == "permille" and body and highest <= 110:
        likely = "percent"
    else:
        return
    fault = f"has values up to {highest:.4g}, named {unit} in the manifest: looks like {likely}"
    raise InputError(exam.pdff_map, fault, f"Name its true unit: {', '.join(PERCENT)}")


def _check_on_image(exam: Exam, volume: Volume, path: pathlib.Path) -> None:
    image = read_header(exam.images[0])
    geometry.check_same_grid(image, volume, path, f"the image {exam.images[0].name}")


def _contradicted(exam: Exam, name: str, row: object, file: object) -> None:
    words = [";".join(f"{v:g}" for v in x) if isinstance(x, tuple) else str(x) for x in (row, file)]
    fault = f"tells {name} {words[1]}, while the row of {exam.exam_id} has {words[0]}"
    raise InputError(exam.images[0], fault, "Correct the row, or empty that cell")


def _of_files(call: Callable[..., Any], named: Any) -> Any:
    """What `call` makes of files that a row names; a row cannot choose one of several series."""
    try:
        return call(named)
    except InputError as error:
        if "--series" not in error.remedy:
            raise
        remedy = "Put the one that is meant into a folder of its own, and name that"
        raise InputError(error.subject, error.fault, remedy) from error


def _cell(value: object, folder: pathlib.Path) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ";".join(_cell(item, folder) for item in value)
    if isinstance(value, pathlib.Path):
        path = pathlib.Path(os.path.relpath(value.absolute(), folder)).as_posix()
        if ";" in path:
            raise InputError(value, "has a semicolon, which separates lists", "Rename it")
        return path
    return repr(float(value)).removesuffix(".0") if isinstance(value, float) else str(value)
