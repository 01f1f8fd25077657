"""Many examinations, one after the other: the next is read while the device computes.

Each has a folder of its own, and what is done is skipped when run again. Nothing depends on how
the examinations are shared out: `measurements.csv` is gathered from the folders.
"""

import collections
import csv
import dataclasses
import io
import json
import pathlib
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures

import tqdm
from absl import logging

from liver_jax import files
from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError, without_header_values
from liver_jax.examine import examination, writing
from liver_jax.examine import scan as scans
from liver_jax.examine.examination import Clock
from liver_jax.examine.options import DONE, Options, forget_other, is_done, request
from liver_jax.examine.share import Share
from liver_jax.inference.predictor import Predictor

TABLE = "measurements.csv"
# Outcomes, the gravest first.
FAILED, REFUSED, EMPTY, FLAGGED = "failed", "refused", "with an empty mask", "flagged"
FINISHED, BEFORE = "finished", "finished before"

_COLUMNS: Mapping[str, Callable[[dict], object]] = {
    "exam_id": lambda record: record["exam_id"],
    "status": lambda record: record["status"],
    "reason": lambda record: record.get("reason") or record.get("volume_ml_reason"),
    "flags": lambda record: ";".join(flag["flag"] for flag in record.get("flags", ())),
    "modality": lambda record: record.get("modality"),
    "volume_ml": lambda record: record.get("volume_ml"),
    "volume_low_ml": lambda record: _within(record, "volume_interval_ml", "low"),
    "volume_high_ml": lambda record: _within(record, "volume_interval_ml", "high"),
    "pdff_percent": lambda record: _within(record, "pdff", "mean", "value"),
    "pdff_without_vessels_percent": lambda record: _within(
        record, "pdff", "mean_without_vessels", "value"
    ),
    "pdff_source": lambda record: _within(record, "pdff", "source"),
    "r2star_per_s": lambda record: _within(record, "r2star", "mean", "value"),
    "attenuation_mean_hu": lambda record: _within(record, "attenuation", "mean_hu"),
    "craniocaudal_mm": lambda record: _within(record, "dimensions_mm", "craniocaudal"),
    "anteroposterior_mm": lambda record: _within(record, "dimensions_mm", "anteroposterior"),
    "quality_score": lambda record: _within(record, "quality", "score"),
    "checkpoint": lambda record: record.get("checkpoint"),
    "mask_sha256": lambda record: record.get("mask_sha256"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class _Prepared:
    """What the reading thread hands over: a scan, or why there is none."""

    exam: Exam
    wanted: dict | None = None
    scan: scans.Scan | None = None
    clock: Clock = dataclasses.field(default_factory=Clock)
    error: Exception | None = None


def run(
    exams: Sequence[Exam],
    predictor: Predictor | None,
    options: Options,
    output: pathlib.Path,
    share: Share,
    check: Callable[[], None] = lambda: None,
) -> collections.Counter:
    """Does a share of the examinations; what is refused or fails does not stop the rest.

    Args:
        exams: All of them, those of other shares too.
        predictor: Segments; None for no masks.
        options: What to do with each.
        output: Gets a folder for each examination, and `measurements.csv` of all that are there.
        share: Which of them.
        check: Called before each; ends the work by raising.

    Returns:
        How many had each outcome.

    Raises:
        OSError: Something cannot be written (a full disk stops everything).
    """
    outcomes: collections.Counter = collections.Counter()
    todo = share.of(exams)
    try:
        for prepared in tqdm.tqdm(
            _read_ahead(todo, predictor, options, output),
            "predicting",
            total=len(todo),
            unit="exam",
            delay=2,
        ):
            check()
            outcomes[_do(prepared, predictor, options, output)] += 1
    finally:
        gather(exams, output, options)
    return outcomes


def gather(exams: Sequence[Exam], output: pathlib.Path, options: Options) -> None:
    """Writes `measurements.csv`: a row for each examination that has been tried, in their order."""
    if not output.is_dir():
        return
    with files.locked(output / ".measurements.lock"):
        files.sweep(output)
        buffer = io.StringIO()
        table = csv.writer(buffer, lineterminator="\n")
        table.writerow(_COLUMNS)
        for exam in exams:
            try:
                text = (output / exam.exam_id / DONE).read_text(encoding="utf-8")
                record = json.loads(text)
                row = [_cell(value(record)) for value in _COLUMNS.values()]
            except (OSError, ValueError, KeyError, TypeError):
                continue  # not tried yet
            table.writerow(row)
        files.write_text(output / TABLE, buffer.getvalue())


def _read_ahead(
    exams: Sequence[Exam], predictor: Predictor | None, options: Options, output: pathlib.Path
) -> Iterator[_Prepared]:
    """Yields each examination read; one is being read while the one before is worked on."""
    with futures.ThreadPoolExecutor(1, "reading") as thread:
        coming: futures.Future | None = None
        for exam in exams:
            following = thread.submit(_prepare, exam, predictor, options, output / exam.exam_id)
            if coming is not None:
                yield coming.result()
            coming = following
        if coming is not None:
            yield coming.result()


def _prepare(
    exam: Exam, predictor: Predictor | None, options: Options, folder: pathlib.Path
) -> _Prepared:
    wanted = None
    try:
        wanted = request(exam, predictor, options)
        if is_done(folder, wanted):
            return _Prepared(exam, wanted)
        forget_other(folder, wanted)
        clock = Clock()
        clock.begin("reading")
        held = scans.read(exam, series=options.series)
        clock.end()
        return _Prepared(exam, wanted, held, clock)
    except Exception as error:
        return _Prepared(exam, wanted, error=error)


def _do(
    prepared: _Prepared, predictor: Predictor | None, options: Options, output: pathlib.Path
) -> str:
    exam, folder = prepared.exam, output / prepared.exam.exam_id
    try:
        if prepared.error is not None:
            raise prepared.error
        if prepared.scan is None:
            return BEFORE
        found = examination.find(prepared.scan, predictor, options, prepared.wanted, prepared.clock)
        writing.write(found, options, folder, prepared.clock)
    except InputError as error:
        _say(exam, str(error), options)
        _put_down(exam, REFUSED, _without_names(f"{error.fault}. {error.remedy}", exam), folder)
        return REFUSED
    except OSError as error:
        if error.errno in files.DISK_FULL:
            raise
        return _failed(exam, error, options, folder)
    except Exception as error:
        return _failed(exam, error, options, folder)
    return EMPTY if found.empty else FLAGGED if found.flagged else FINISHED


def _failed(exam: Exam, error: Exception, options: Options, folder: pathlib.Path) -> str:
    told = without_header_values("".join(traceback.format_exception(error)))
    logging.error("%s failed\n%s", exam.exam_id, _as_typed(told, exam, options))
    line = " ".join(without_header_values(f"{type(error).__name__}: {error}").split())
    _say(exam, f"failed: {line}", options)
    _put_down(exam, FAILED, type(error).__name__, folder)
    return FAILED


def _say(exam: Exam, line: str, options: Options) -> None:
    line = _as_typed(line, exam, options).removeprefix(f"{exam.exam_id}: ")
    tqdm.tqdm.write(f"{exam.exam_id}: {line}", file=sys.stderr)


def _as_typed(text: str, exam: Exam, options: Options) -> str:
    """Text with an examination's id for its path, which may tell the patient, in a folder of many.

    Nobody typed that path, unlike those of a manifest.
    """
    if exam.manifest is None and not options.keep_identifiers:
        for path in exam.images:
            text = text.replace(str(path), exam.exam_id)
    return text


def _without_names(text: str, exam: Exam) -> str:
    """A fault for a file: some name the image that another one was compared with."""
    for path in exam.images:
        text = re.sub(f"(the first echo|the image) {re.escape(path.name)}", r"\1", text)
    return text


def _put_down(exam: Exam, status: str, reason: str, folder: pathlib.Path) -> None:
    """Keeps why there is no result; of an earlier one, of another request, nothing may stay."""
    writing.clear(folder)
    files.write_json(folder / DONE, examination.placeholder(exam, status, reason))


def _within(record: Mapping, *names: str) -> object:
    value: object = record
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _cell(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value
