"""From the text of a manifest to its examinations, and to every fault that the text shows."""

import csv
import io
import itertools
import math
import os
import pathlib
import re

from liver_jax.cohort.exam import (
    COLUMNS,
    MASKS,
    PERCENT,
    REQUIRED,
    SPLITS,
    Exam,
    Fault,
    shared_subjects,
)
from liver_jax.errors import InputError
from liver_jax.volume import itk, nifti

WORD = re.compile(r"[A-Za-z0-9_-]+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def read(path: str | os.PathLike) -> tuple[list[Exam], list[Fault]]:
    """Reads a manifest with all its faults; the files that it names are not opened.

    Returns:
        The rows that could be read, and every fault of the others and of the table as a whole.

    Raises:
        InputError: The file as a whole is missing or is not CSV in UTF-8.
    """
    path = pathlib.Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")  # Excel begins its UTF-8 with a mark
    except UnicodeDecodeError as error:
        fault = f"is not UTF-8 text (byte {error.start})"
        raise InputError(path, fault, "Save it as 'CSV UTF-8'") from error
    except OSError as error:
        fault = f"cannot be read: {error.strerror or error}"
        remedy = "Name a manifest.csv; python -m liver_jax.prepare writes one"
        raise InputError(path, fault, remedy) from error
    return parse(text, path.absolute())


def parse(text: str, path: pathlib.Path) -> tuple[list[Exam], list[Fault]]:
    """As `read`, for the text itself; paths in it are relative to the folder of `path`."""
    rows = _table(text, path)
    if not rows:
        raise InputError(path, "is empty", "The first line names the columns; see the README")
    names = [cell.strip() for cell in rows[0][1]]
    faults = _header_faults(names, path)
    exams: list[Exam] = []
    for line, cells in [] if faults else rows[1:]:
        # A cell may hold a line break; the csv writer does not quote a lone carriage return.
        cells = [cell.strip().replace("\r\n", "\n").replace("\r", "\n") for cell in cells]
        row = _Row(dict(zip(names, cells, strict=False)), line, path, faults)
        before = len(faults)
        if len(cells) != len(names):
            message = f"has {len(cells)} cells, while the header has {len(names)}"
            row.fault("", message, "Quote cells that hold a comma, and fill up with empty ones")
        elif any(cell for name, cell in zip(names, cells, strict=True) if not name):
            row.fault("", "has a value in a column without a name", "Name the column, or empty it")
        else:
            exam = row.exam()
            if len(faults) == before:
                exams.append(exam)
    if not faults and not exams:
        raise InputError(path, "has no examinations", "Add a row for each examination")
    return exams, faults + faults_between_rows(exams)


def _table(text: str, path: pathlib.Path) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line on which it begins."""
    first = text.lstrip("\r\n").splitlines()[:1]
    # Excel separates by semicolons where the comma is the decimal sign; lists are then quoted.
    delimiter = ";" if first and ";" in first[0] and "," not in first[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, line = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        fault = f"is not CSV ({error})"
        raise InputError(
            f"{path}, row {line}", fault, "Close the quotes; save as CSV UTF-8"
        ) from error
    return rows


def _header_faults(names: list[str], path: pathlib.Path) -> list[Fault]:
    faults = []

    def add(column, message, remedy):
        faults.append(Fault(1, "", column, "", message, remedy, str(path)))

    for name in dict.fromkeys(names):
        plain = re.sub(r"[\s-]+", "_", name.casefold())
        if name and names.count(name) > 1:
            add(name, "occurs twice in the header", "Rename or remove one of the two columns")
        if plain in COLUMNS and name != plain:
            add(name, "is not how the column is spelled", f"Write {plain}")
    for name in REQUIRED:
        if name not in names:
            remedy = "Add the column; the first line names the columns, separated by commas"
            add(name, "is missing from the header", remedy)
    return faults


def row_of(exam: Exam, seen_from: Exam) -> str:
    """Which row an examination is in, with its manifest where that is another one."""
    elsewhere = "" if exam.manifest == seen_from.manifest else f" of {exam.manifest}"
    return f"row {exam.row}{elsewhere}"


def faults_between_rows(exams: list[Exam]) -> list[Fault]:
    """What rows that are sound by themselves show to be wrong together: of one manifest or many."""
    faults = []
    first: dict[str, Exam] = {}
    for exam in exams:
        # Masks are named after the id, and some file systems do not tell A from a.
        other = first.setdefault(exam.exam_id.casefold(), exam)
        if other is not exam:
            message = f"{exam.exam_id} is used already in {row_of(other, exam)}"
            remedy = "Give each examination an id of its own"
            faults.append(
                Fault(exam.row, exam.exam_id, "exam_id", "", message, remedy, str(exam.manifest))
            )
    shared = shared_subjects(exams)
    for exam in exams:
        if exam.subject_id in shared and exam.split:
            splits = " and ".join(shared[exam.subject_id])
            message = f"subject {exam.subject_id} is in the splits {splits}"
            remedy = "Keep all examinations of a subject in one split"
            faults.append(
                Fault(exam.row, exam.exam_id, "split", "", message, remedy, str(exam.manifest))
            )
    return faults


class _Row:
    """One row while it is parsed: each method reads one column and notes what is wrong with it."""

    def __init__(self, cells: dict[str, str], line: int, path: pathlib.Path, faults: list[Fault]):
        self.cells, self.line, self.path, self.faults = cells, line, path, faults
        self.folder = path.parent.resolve()  # for the system `..` of a link is not where it stands

    def fault(self, column: str, message: str, remedy: str) -> None:
        exam_id = self.cells.get("exam_id", "")
        self.faults.append(Fault(self.line, exam_id, column, "", message, remedy, str(self.path)))

    def text(self, column: str) -> str:
        value = self.cells.get(column, "")
        if not value and column in REQUIRED:
            self.fault(column, "is empty", "Fill it in")
        return value

    def word(self, column: str) -> str:
        value = self.text(column)
        if value and not WORD.fullmatch(value):
            self.fault(column, f"{value!r} is not safe", "Use letters, digits, '-' and '_' only")
        return value

    def choice(self, column: str, allowed: tuple[str, ...]) -> str:
        value = self.text(column)
        if value and value not in allowed:
            self.fault(column, f"{value!r} is unknown", f"Write {', '.join(allowed)}")
        return value

    def items(self, column: str) -> list[str]:
        value = self.text(column)
        items = [item.strip() for item in value.split(";")] if value else []
        if not all(items):
            self.fault(column, f"{value!r} has an empty place", "Write one ';' between two values")
        elif len(set(items)) < len(items):
            self.fault(column, f"{value!r} has a value twice", "Name each once")
        return [item for item in items if item]

    def numbers(self, column: str, lowest: float, highest: float) -> tuple[float, ...]:
        values = []
        for item in self.items(column):
            value = float(item) if _NUMBER.fullmatch(item) else math.nan
            if math.isnan(value):
                self.fault(column, f"{item!r} is not a number", "Use a point for decimals")
            elif not lowest <= value <= highest:
                remedy = f"Give it in the unit of the column's name, from {lowest:g} to {highest:g}"
                self.fault(column, f"{item} cannot be", remedy)
            values.append(value)
        return tuple(values)

    def number(self, column: str, lowest: float, highest: float) -> float | None:
        values = self.numbers(column, lowest, highest)
        if len(values) > 1:
            self.fault(column, f"has {len(values)} values", "Give one")
        return values[0] if values else None

    def labels(self, column: str) -> tuple[int, ...]:
        items = self.items(column)
        for item in items:
            if not re.fullmatch(r"0*[1-9]\d{0,8}", item, re.ASCII):
                self.fault(column, f"{item!r} is not a label", "Use whole numbers from 1 on: 1;2")
                return ()
        return tuple(int(item) for item in items)

    def paths(self, column: str) -> tuple[pathlib.Path, ...]:
        paths = []
        for item in self.items(column):
            path = pathlib.Path(os.path.normpath(self.folder / item))
            # DICOM, which may be an image, is told by its content: any name can be right.
            known = nifti.is_nifti_name(path) or itk.is_itk_name(path)
            if column not in ("images", "phase_images") and not known:
                message = f"{item}: is not .nii, .nii.gz, .nrrd, .mha or .mhd"
                self.fault(column, message, "Convert it to NIfTI, and name the .nii.gz file")
            paths.append(path)
        return tuple(paths)

    def path_or_none(self, column: str) -> pathlib.Path | None:
        paths = self.paths(column)
        if len(paths) > 1:
            self.fault(column, f"has {len(paths)} files", "Name one")
        return paths[0] if paths else None

    def exam(self) -> Exam:
        """The examination; only to be used if no fault was noted."""
        exam = Exam(
            exam_id=self.word("exam_id"),
            subject_id=self.word("subject_id"),
            session=self.word("session"),
            modality=self.choice("modality", ("CT", "MR")),
            technique=self.word("technique"),
            contrast_phase=self.text("contrast_phase"),
            cohort=self.text("cohort"),
            site=self.text("site"),
            split=self.choice("split", SPLITS),
            images=self.paths("images"),
            phase_images=self.paths("phase_images"),
            phase_unit=self.choice("phase_unit", ("radian", "scanner")) or None,
            precession=self.choice("precession", ("clockwise", "counterclockwise")) or None,
            te_ms=self.numbers("te_ms", 0.02, 1000),  # 1.15 ms given in seconds would be .00115
            tr_ms=self.number("tr_ms", 0.5, 100000),
            flip_angle_deg=self.number("flip_angle_deg", 0.1, 180),
            field_strength_t=self.number("field_strength_t", 0.01, 20),
            liver_labels=self.labels("liver_labels"),
            pdff_map=self.path_or_none("pdff_map"),
            pdff_unit=self.choice("pdff_unit", tuple(PERCENT)) or None,
            extra={n: v for n, v in self.cells.items() if n and n not in COLUMNS},
            manifest=self.path,
            row=self.line,
            **{column: self.path_or_none(column) for column in MASKS},
        )
        self._check_together(exam)
        return exam

    def _check_together(self, exam: Exam) -> None:
        echoes, times = len(exam.images), exam.te_ms
        if (exam.mask or exam.reader2_mask) and not self.cells.get("liver_labels"):
            self.fault(
                "liver_labels", "is empty, while there is a mask", "Say which labels are liver"
            )
        if exam.pdff_map and not self.cells.get("pdff_unit"):
            remedy = f"Say which of {', '.join(PERCENT)} it is in: it is never guessed"
            self.fault("pdff_unit", "is empty, while there is a pdff_map", remedy)
        if exam.modality == "CT" and echoes > 1:
            self.fault("images", f"CT with {echoes} files", "Give each phase a row of its own")
        if exam.modality == "CT" and (times or exam.phase_images):
            column = "te_ms" if times else "phase_images"
            self.fault(column, "CT has no echoes and no phase", "Empty it, or correct the modality")
        if echoes > 1 and times and len(times) != echoes:
            message = f"{len(times)} echo times for {echoes} images"
            self.fault("te_ms", message, "Give one echo time for each echo, in the same order")
        if any(later <= earlier for earlier, later in itertools.pairwise(times)):
            # The first echo is the one that the paper evaluates on: it must be the shortest.
            self.fault("te_ms", "echo times do not rise", "Put images and te_ms in their order")
        if exam.phase_images and len(exam.phase_images) != echoes:
            message = f"{len(exam.phase_images)} files for {echoes} images"
            self.fault("phase_images", message, "Give one for each image")
        if exam.phase_images and not self.cells.get("phase_unit"):
            remedy = "Write radian, or scanner for -4096 to 4095"
            self.fault("phase_unit", "is empty, while there are phase_images", remedy)
