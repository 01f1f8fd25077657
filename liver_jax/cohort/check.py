"""The checker: opens every file that a manifest names, and lists all that is wrong, not the first.

Geometry, echo counts and names are told from the headers of all files before any voxel is read, so
a fault of that kind shows early; then the voxels of each file are read once, in several processes
where there are many.
"""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tqdm

from liver_jax import side_by_side
from liver_jax.cohort import manifest, parse
from liver_jax.cohort.exam import MASKS, Exam, Fault
from liver_jax.errors import InputError
from liver_jax.volume import geometry, phase, reader
from liver_jax.volume.geometry import Volume
from liver_jax.volume.reader import Header

# To start processes takes a second or two.
_WORTH_A_PROCESS_BYTES = 2**27
_SLICES_AT_ONCE = 16


@dataclasses.dataclass(frozen=True)
class Report:
    """What the checker found.

    Attributes:
        exam_count: The rows that could be read, which is how many examinations were looked at.
        faults: All faults, in the order of the rows.
    """

    exam_count: int
    faults: tuple[Fault, ...]

    def left_out(self) -> dict[str, str]:
        """For each faulty examination (or `row 7`, where it has no id), its first fault."""
        reasons: dict[str, str] = {}
        for fault in self.faults:
            column = f"{fault.column}: " if fault.column else ""
            reasons.setdefault(fault.exam_id or f"row {fault.row}", f"{column}{fault.message}")
        return reasons


def check(path: str | os.PathLike, progress: bool = False, workers: int = 1) -> Report:
    """Checks a manifest and every file that it names.

    Args:
        path: The manifest, or several joined by commas, which are then checked against each other.
        progress: Whether to show a bar.
        workers: Processes for the voxels; few are read in this one.

    Returns:
        All faults, and the number of examinations.

    Raises:
        InputError: The manifest itself is missing or is not CSV.
    """
    given = os.fspath(path)
    # The name of a folder may have a comma, too.
    names = [given] if os.path.exists(given) else [name.strip() for name in given.split(",")]
    read = [parse.read(name) for name in names]
    exams = [exam for of_one, _ in read for exam in of_one]
    faults = [fault for _, of_one in read for fault in of_one]
    if len(names) > 1:
        faults += [fault for fault in parse.faults_between_rows(exams) if fault not in faults]
    bar = tqdm.tqdm(total=2 * len(exams), disable=not progress, unit="exam", desc="checking")
    with bar:
        sound = []
        for exam in exams:
            sound.append(_check_headers(exam, faults))
            bar.update()
        tasks = list(enumerate(zip(exams, sound, strict=True)))
        digests: list[dict[pathlib.Path, str]] = [{} for _ in exams]
        many = _bytes_of(sound) > _WORTH_A_PROCESS_BYTES
        for number, found, of_voxels in side_by_side.done(
            _check_voxels, tasks, workers if many else 1
        ):
            faults += found
            digests[number] = of_voxels
            bar.update()
    _check_copies(exams, digests, faults)
    order = {str(pathlib.Path(name).absolute()): place for place, name in enumerate(names)}
    faults.sort(key=lambda fault: (order[fault.manifest], fault.row))
    return Report(len(exams), tuple(faults))


def check_headers(exam: Exam) -> list[Fault]:
    """What the headers of an examination's files show to be wrong; reads no voxel."""
    faults: list[Fault] = []
    _check_headers(exam, faults)
    return faults


def format_faults(report: Report) -> str:
    """One line for each fault, under a line that counts them."""
    faulty = len(report.left_out())
    several = len({fault.manifest for fault in report.faults}) > 1
    lines = [f"{report.exam_count} examinations read, {len(report.faults)} faults in {faulty} rows"]
    for fault in report.faults:
        row = f"{fault.manifest}, row {fault.row}" if several else f"row {fault.row}"
        where = ", ".join(filter(None, (row, fault.exam_id, fault.column)))
        what = ": ".join(filter(None, (where, fault.file, fault.message)))
        lines.append(f"{what}. {fault.remedy}")
    return "\n".join(lines)


def _attempt(faults: list[Fault], exam: Exam, column: str, call: Callable, *arguments: Any) -> Any:
    """What the call returns; None if it refuses, which is then noted as a fault of the row."""
    try:
        return call(*arguments)
    except InputError as error:
        file = os.path.relpath(error.subject, exam.manifest.parent)
        faults.append(_fault(exam, column, file, error.fault, error.remedy))
        return None


def _fault(exam: Exam, column: str, file: str, message: str, remedy: str) -> Fault:
    return Fault(exam.row, exam.exam_id, column, file, message, remedy, str(exam.manifest))


def _check_headers(exam: Exam, faults: list[Fault]) -> dict[pathlib.Path, Header]:
    """Returns the headers that are sound in themselves; where they lie is noted, too."""
    headers: dict[pathlib.Path, Header] = {}

    def read(column: str, path: pathlib.Path) -> Header | None:
        header = _attempt(faults, exam, column, manifest.read_header, path)
        if header is not None:
            headers[path] = header
        return header

    def read_echoes(column: str, paths: tuple[pathlib.Path, ...]) -> int | None:
        found = [read(column, path) for path in paths]
        if None in found or not found:
            return None
        before = len(faults)
        if len(found) > 1:
            for path, header in zip(paths, found, strict=True):
                attempt = (reader.check_echo, paths[0], found[0], path, header)
                _attempt(faults, exam, column, *attempt)
        if column == "images" and len(faults) == before:
            joined = _attempt(faults, exam, column, reader.join_headers, paths, found)
            if joined is not None:
                _attempt(faults, exam, column, manifest.completed, exam, joined)
        return sum(header.echo_count for header in found)

    echo_count = read_echoes("images", exam.images)
    if echo_count is not None:
        column = "te_ms" if exam.te_ms else "images"
        _attempt(faults, exam, column, manifest.check_echo_count, exam, echo_count)
    phase_count = read_echoes("phase_images", exam.phase_images)
    if None not in (echo_count, phase_count) and echo_count != phase_count:
        message = f"{phase_count} phase images for {echo_count} magnitude images"
        remedy = "Give one for each echo"
        faults.append(_fault(exam, "phase_images", "", message, remedy))

    beside = [("phase_images", path) for path in exam.phase_images[:1] if path in headers]
    for column in (*MASKS, "pdff_map"):
        path = getattr(exam, column)
        header = read(column, path) if path else None
        if header is not None:
            _attempt(faults, exam, column, manifest.check_one_volume, path, header.echo_count)
            beside.append((column, path))
    if exam.images[0] in headers:
        image, name = headers[exam.images[0]], f"the image {exam.images[0].name}"
        for column, path in beside:
            attempt = (geometry.check_same_grid, image, headers[path], path, name)
            _attempt(faults, exam, column, *attempt)
    return headers


def _bytes_of(headers: Iterable[Iterable[pathlib.Path]]) -> int:
    return sum(path.stat().st_size for of_exam in headers for path in of_exam if path.is_file())


def _check_voxels(
    number: int, task: tuple[Exam, dict[pathlib.Path, Header]]
) -> tuple[int, list[Fault], dict[pathlib.Path, str]]:
    """The number given, the faults of an examination's voxels, and a digest of each image."""
    exam, headers = task
    faults: list[Fault] = []
    digests = {}
    for column in ("images", "phase_images"):
        for path in getattr(exam, column):
            held = path in headers and _attempt(faults, exam, column, reader.read, [path])
            if held and column == "images":
                digests[path] = _digest(held.volume)
            elif held:
                attempt = (phase.check_range, held.volume, exam.phase_unit, path)
                _attempt(faults, exam, "phase_unit", *attempt)
    mask = None
    for column in MASKS:
        path = getattr(exam, column)
        if path in headers and headers[path].echo_count == 1:
            labels = _attempt(faults, exam, column, reader.read_labels, path)
            if column == "mask" and labels is not None:
                mask = manifest.liver_of(labels.data, exam.liver_labels)
                _attempt(faults, exam, column, _check_labels, exam, labels, mask)
    if exam.pdff_map in headers and headers[exam.pdff_map].echo_count == 1:
        held = _attempt(faults, exam, "pdff_map", reader.read, [exam.pdff_map])
        if held is not None:
            _attempt(faults, exam, "pdff_unit", manifest.check_unit, exam, held.volume, mask)
    return number, faults, digests


def _digest(volume: Volume) -> str:
    """Of the voxels alone: a copy is one however it is packed, named, turned or placed."""
    data = geometry.canonical_view(volume).data
    digest = hashlib.sha256(repr(data.shape).encode())
    for start in range(0, data.shape[2], _SLICES_AT_ONCE):
        digest.update(np.ascontiguousarray(data[:, :, start : start + _SLICES_AT_ONCE].T))
    return digest.hexdigest()


def _check_labels(exam: Exam, labels: Volume, mask: np.ndarray) -> None:
    """A mask without liver is right only where nothing is drawn and nothing is trained on."""
    if mask.any():
        return
    present = ";".join(map(str, np.unique(labels.data[labels.data != 0])[:20]))
    if present or exam.split in ("", "train"):
        wanted = ";".join(map(str, exam.liver_labels))
        fault = f"has no voxel of the liver labels {wanted}; it holds {present or 'only 0'}"
        raise InputError(exam.mask, fault, "Correct liver_labels, or name the mask that has liver")


def _check_copies(
    exams: list[Exam], digests: list[dict[pathlib.Path, str]], faults: list[Fault]
) -> None:
    """Notes the same image under two subjects or in two splits: training would see a test case."""
    first: dict[str, tuple[Exam, pathlib.Path]] = {}
    for exam, of_voxels in zip(exams, digests, strict=True):
        for path, digest in of_voxels.items():
            other, other_path = first.setdefault(digest, (exam, path))
            if (other.subject_id, other.split) != (exam.subject_id, exam.split):
                where = parse.row_of(other, exam)
                message = (
                    f"is the same image as {other_path.name} of {other.exam_id} in {where} "
                    f"(subject {other.subject_id}, split {other.split or 'none'})"
                )
                file = os.path.relpath(path, exam.manifest.parent)
                remedy = "Keep one of the two, or name the true file"
                faults.append(_fault(exam, "images", file, message, remedy))
