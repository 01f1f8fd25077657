"""From what a reader finds to manifest.csv, and to left_out.csv beside it, which says why."""

import collections
import csv
import dataclasses
import hashlib
import io
import pathlib
import re
import shlex
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

import tqdm

from liver_jax import files, side_by_side
from liver_jax.cohort import check, manifest
from liver_jax.cohort.exam import Exam
from liver_jax.cohort.intake import convert
from liver_jax.cohort.intake.case import Case, Found, LeftOut, Series
from liver_jax.errors import InputError
from liver_jax.volume import reader

_RECORD = "cohort.json"
_WORTH_A_PROCESS = 20  # cases of which more than headers is read
_GONE = "was a row before, and is not in the download any more"
_LONGEST = 120  # letters of a name, which is a folder's, too


def write(
    cohort: str,
    found: Found,
    output: pathlib.Path,
    split: str | None = None,
    workers: int = 1,
    progress: bool = False,
) -> tuple[list[Exam], list[LeftOut]]:
    """Converts what needs it, checks the headers of every case, and writes the two tables.

    What is there already is not converted again; more of a download, and the same command adds it.

    Args:
        cohort: The cohort's name, with which every `exam_id` begins.
        found: What a reader found.
        output: The folder to write to.
        split: Of all rows: `train`, `validation`, `test`, or empty; None: as before, or empty.
        workers: Processes for what has to be converted.
        progress: Whether to show a bar.

    Returns:
        The rows, in the order of the cases, and all that was left out.

    Raises:
        InputError: The folder holds something else, or its manifest was edited since it was
            written; no case is left; or the disk refuses.
    """
    output = pathlib.Path(output).absolute()
    path = output / "manifest.csv"
    try:
        output.mkdir(parents=True, exist_ok=True)
        with files.locked(output / ".lock"):
            record = _refuse_other(cohort, output, path)
            split = record["split"] if split is None else split
            files.sweep(output)
            files.sweep(output / "exams")
            found = _told_apart(cohort, found)
            exams, left_out = _made(cohort, found, output, split, workers, progress)
            told = {item.case for item in left_out}
            named = {exam_id(cohort, case) for case in told} | {exam.exam_id for exam in exams}
            left_out += [LeftOut(name, _GONE) for name in record["exams"] if name not in named]
            files.write_text(output / "left_out.csv", _table(left_out))
            if not exams:
                why = f": {left_out[0].case}: {left_out[0].reason}" if left_out else ""
                fault = f"has no case that can be used{why}"
                raise InputError(f"cohort {cohort}", fault, f"See {output / 'left_out.csv'}")
            # Before the manifest: whoever is stopped between the two may go on.
            content = hashlib.sha256(manifest.text(path, exams).encode()).hexdigest()
            known = {
                "cohort": cohort,
                "split": split,
                "exams": [exam.exam_id for exam in exams],
                "manifests": [*record["manifests"], content],
            }
            files.write_json(output / _RECORD, known)
            manifest.write(path, exams)
            _remove_unused(found, exams, cohort, output)
    except OSError as error:
        if error.errno in files.DISK_FULL:
            raise
        fault = f"cannot be written: {error.strerror or error}"
        raise InputError(output, fault, "Choose another folder") from error
    return exams, left_out


def _made(
    cohort: str, found: Found, output: pathlib.Path, split: str, workers: int, progress: bool
) -> tuple[list[Exam], list[LeftOut]]:
    """The rows and all that is left out, each in the order of the cases."""
    results: dict[int, Exam | LeftOut] = {}
    tasks = [(number, cohort, case, output, split) for number, case in enumerate(found.cases)]
    # To start processes takes longer than to read a few headers.
    heavy = any(isinstance(image, Series) for case in found.cases for image in case.images)
    heavy |= sum(not case.is_plain for case in found.cases) > _WORTH_A_PROCESS
    with tqdm.tqdm(total=len(tasks), desc=cohort, unit="exam", disable=not progress) as bar:
        for number, result in side_by_side.done(_done, tasks, workers if heavy else 1):
            results[number] = result
            bar.update()
    made = [results[number] for number in range(len(tasks))]
    left_out = [result for result in made if isinstance(result, LeftOut)] + found.left_out
    return [result for result in made if isinstance(result, Exam)], left_out


def _remove_unused(found: Found, exams: Sequence[Exam], cohort: str, output: pathlib.Path) -> None:
    """Removes what was converted of cases that are used without it now, or not used any more.

    What was converted of a download that is gone stays: it may be all that is left of it.
    """
    used = {path.parent for exam in exams for path in (*exam.images, exam.mask)}
    for case in found.cases:
        folder = output / "exams" / exam_id(cohort, case.case_id)
        if folder not in used:
            shutil.rmtree(folder, ignore_errors=True)


def describe(
    output: pathlib.Path, exams: Sequence[Exam], left_out: Sequence[LeftOut], expected: int
) -> str:
    """What was written, and all that was left out, in words."""
    subjects = len({exam.subject_id for exam in exams})
    kinds = collections.Counter(f"{exam.modality} {exam.technique}" for exam in exams)
    whole = f" (the whole download has {expected})" if expected else ""
    path = output / "manifest.csv"
    counts = f"{_count(len(exams), 'examination')} of {_count(subjects, 'subject')}"
    lines = [f"{path}: {counts}{whole}"]
    lines.append("  " + ", ".join(f"{kind}: {number}" for kind, number in kinds.items()))
    if left_out:
        lines.append(f"left out: {len(left_out)} ({output / 'left_out.csv'})")
        reasons: dict[str, list[str]] = {}
        for item in left_out:
            reasons.setdefault(item.reason, []).append(item.case)
        for reason, cases in reasons.items():
            text = f"{len(cases)}: {reason}: {', '.join(cases)}"
            lines += textwrap.wrap(text, 100, initial_indent="  ", subsequent_indent="    ")
    command = f"python -m liver_jax.prepare --check={shlex.quote(str(path))}"
    lines.append(f"Headers are sound. Every voxel: {command}")
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def exam_id(cohort: str, case_id: str) -> str:
    """A case's name as manifests allow it."""
    return plain(f"{cohort}-{case_id}")


def plain(text: str) -> str:
    """A name with nothing but letters, digits, `-` and `_`, another one for every other text."""
    kept = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")
    if kept == text and len(text) <= _LONGEST:
        return text
    return f"{kept[:_LONGEST]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _told_apart(cohort: str, found: Found) -> Found:
    """Leaves out cases whose ids cannot be told apart; spells each subject in one way."""
    first: dict[str, Case] = {}
    spelled: dict[str, str] = {}
    kept = Found(left_out=list(found.left_out))
    for case in found.cases:
        other = first.setdefault(exam_id(cohort, case.case_id).casefold(), case)
        if other is not case:
            kept.leave_out(case.case_id, f"has the name of {other.case_id}, as a manifest has it")
            continue
        subject = spelled.setdefault(case.subject_id.casefold(), case.subject_id)
        kept.cases.append(dataclasses.replace(case, subject_id=subject))
    return kept


def _refuse_other(cohort: str, output: pathlib.Path, path: pathlib.Path) -> dict[str, Any]:
    """Never writes over another cohort's manifest, or over what somebody has put into this one.

    Returns:
        What is known of the manifest that is there: the split given to all its rows, its
        examinations, and its hash as the only one of `manifests`.
    """
    if not path.exists():
        return {"split": "", "exams": [], "manifests": []}
    try:
        record = files.read_json(output / _RECORD)
        before, written = record["cohort"], record["manifests"]
        known = {"split": record["split"], "exams": record["exams"]}
    except (OSError, ValueError, KeyError, TypeError):
        fault = "holds a manifest.csv that was not written from a download"
        raise InputError(output, fault, "Choose another folder") from None
    if before != cohort:
        fault = f"holds the cohort {before}, not {cohort}"
        raise InputError(output, fault, "Choose another folder")
    there = files.sha256(path)
    if there not in written:
        fault = "was edited since it was written, and would be written over"
        raise InputError(path, fault, "Save it under another name, remove it, and run again")
    return {**known, "manifests": [there]}


def _done(
    number: int, cohort: str, case: Case, output: pathlib.Path, split: str
) -> tuple[int, Exam | LeftOut]:
    """The row of a case, or why it has none; in a process of its own."""
    name = exam_id(cohort, case.case_id)
    try:
        made = convert.make(case, output / "exams" / name)
        exam = _row(cohort, name, case, made, output, split)
        manifest.check_row(exam)
        faults = check.check_headers(exam)
        distrusted = case.distrust and case.distrust(reader.read_header(exam.images[0]))
    except InputError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in files.DISK_FULL:
            raise cause from error  # no fault of the case
        where = "" if error.subject == case.case_id else f"{pathlib.Path(error.subject).name}: "
        return number, LeftOut(case.case_id, f"{where}{error.fault}")
    if faults:
        first = faults[0]
        parts = (first.column, pathlib.Path(first.file).name, first.message)
        return number, LeftOut(case.case_id, ": ".join(filter(None, parts)))
    return number, LeftOut(case.case_id, distrusted) if distrusted else exam


def _row(
    cohort: str, name: str, case: Case, made: convert.Made, output: pathlib.Path, split: str
) -> Exam:
    told = {
        field: getattr(case, field)
        for field in ("te_ms", "tr_ms", "flip_angle_deg", "field_strength_t")
    }
    for field, value in made.facts.items():
        told[field] = tuple(value) if isinstance(value, list) else value
    extra = {"published_split": case.published_split, **case.extra}
    if made.changed:
        extra["mask_changed"] = ", ".join(made.changed)
    return Exam(
        exam_id=name,
        subject_id=plain(case.subject_id),
        session=plain(case.session),
        modality=case.modality,
        technique=case.technique,
        contrast_phase=case.contrast_phase,
        cohort=cohort,
        site=case.site,
        split=split,
        images=made.images,
        liver_labels=case.liver_labels,
        extra={column: value for column, value in extra.items() if value},
        manifest=output / "manifest.csv",
        **made.masks,
        **told,
    )


def _table(left_out: Sequence[LeftOut]) -> str:
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(["case", "reason"])
    table.writerows(dataclasses.astuple(item) for item in left_out)
    return buffer.getvalue()
