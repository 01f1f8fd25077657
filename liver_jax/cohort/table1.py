"""Table 1 of a paper, for any manifest: who was examined, how, and who was left out."""

import collections
import math
import statistics
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from liver_jax.cohort import manifest
from liver_jax.cohort.exam import SPLITS, Exam
from liver_jax.errors import InputError
from liver_jax.volume import geometry
from liver_jax.volume.reader import Header

_WIDTH = 100
_MOST_CATEGORIES = 10


def describe(exams: Sequence[Exam], left_out: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Counts a cohort by technique, cohort and split.

    The header of each image is read, and DICOM fills the echo times and field strengths that a row
    leaves empty; an examination whose header is refused is left out as well.
    Axes are those of the canonical orientation: left-right, back-front, foot-head.

    Args:
        exams: The examinations of the manifest.
        left_out: exam_id -> reason for those that are not to be counted; the checker's
            `Report.left_out()` gives one.

    Returns:
        Strict JSON: `subjects`, `exams`, `groups` (a list, one for each technique x cohort x
        split) and `left_out` (`exams`, and `reasons` with their exam_ids). In a group,
        `field_strength_t` and `te_ms` count examinations (null: not given); `spacing_mm` and
        `matrix` are `[lowest, highest]` for each axis; `columns` has contrast phase, site and the
        manifest's own columns, which count each different value of a subject once: numbers as
        `mean`, `sd` (null for n = 1) and `n`, words as counts.
    """
    left_out = dict(left_out or {})
    headers: dict[str, Header] = {}
    counted = []
    for exam in exams:
        if exam.exam_id not in left_out:
            try:
                exam, headers[exam.exam_id] = manifest.load_header(exam)
                counted.append(exam)
            except InputError as error:
                left_out[exam.exam_id] = f"images: {error.fault}"
    numeric = {name for name in _column_names(counted) if _is_numeric(_pairs(counted, name))}
    groups = collections.defaultdict(list)
    for exam in counted:
        groups[exam.technique, exam.cohort, exam.split].append(exam)
    reasons = collections.defaultdict(list)
    for exam_id, reason in left_out.items():
        reasons[reason].append(exam_id)
    return {
        "subjects": len({exam.subject_id for exam in counted}),
        "exams": len(counted),
        "groups": [_group(groups[key], headers, numeric) for key in sorted(groups, key=_order)],
        "left_out": {
            "exams": len(left_out),
            "reasons": [{"reason": why, "exam_ids": ids} for why, ids in reasons.items()],
        },
    }


def format_table(table: Mapping[str, Any]) -> str:
    """The table as text, at most 100 columns wide."""
    lines = [f"{table['subjects']} subjects, {table['exams']} examinations"]
    for group in table["groups"]:
        names = (group["technique"], group["cohort"] or "no cohort", group["split"] or "no split")
        lines += ["", " / ".join(names)]
        lines += _row("subjects", str(group["subjects"]))
        lines += _row("examinations", str(group["exams"]))
        lines += _row("field strength (T)", _counts(group["field_strength_t"]))
        lines += _row("echo times (ms)", _counts(group["te_ms"]))
        lines += _row("spacing (mm)", _ranges(group["spacing_mm"], "{:.2f}"))
        lines += _row("matrix", _ranges(group["matrix"], "{:d}"))
        for name, column in group["columns"].items():
            lines += _row(name, _column(column))
    left_out = table["left_out"]
    lines += ["", f"left out: {left_out['exams']} examinations"]
    for reason in left_out["reasons"]:
        text = f"{len(reason['exam_ids'])}: {reason['reason']} ({', '.join(reason['exam_ids'])})"
        lines += textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines)


def _order(key: tuple[str, str, str]) -> tuple[str, str, int]:
    technique, cohort, split = key
    return technique, cohort, (*SPLITS, "").index(split)


def _group(exams: list[Exam], headers: Mapping[str, Header], numeric: set[str]) -> dict[str, Any]:
    first = exams[0]
    canonical = [_canonical(headers[exam.exam_id]) for exam in exams]
    spacing_mm = np.array([spacing for spacing, _ in canonical])
    matrix = np.array([shape for _, shape in canonical])
    columns = {}
    for name in _column_names(exams):
        values = [value for _, value in _pairs(exams, name)]
        columns[name] = _numbers(values) if name in numeric else {"counts": _count(values)}
    return {
        "technique": first.technique,
        "cohort": first.cohort,
        "split": first.split,
        "subjects": len({exam.subject_id for exam in exams}),
        "exams": len(exams),
        "field_strength_t": _tally(exam.field_strength_t for exam in exams),
        "te_ms": _tally(exam.te_ms or None for exam in exams),
        "spacing_mm": [[float(axis.min()), float(axis.max())] for axis in spacing_mm.T],
        "matrix": [[int(axis.min()), int(axis.max())] for axis in matrix.T],
        "columns": columns,
    }


def _canonical(header: Header) -> tuple[np.ndarray, np.ndarray]:
    """Spacing and shape in the order left-right, back-front, foot-head."""
    grid = geometry.canonical_grid(header)
    return geometry.spacing_mm(grid.affine), np.array(grid.grid_shape)


def _tally(values: Iterable[Any]) -> list[dict[str, Any]]:
    counts = collections.Counter(values)
    known = sorted(value for value in counts if value is not None)
    ordered = known + [None] * (None in counts)
    return [
        {"value": list(value) if isinstance(value, tuple) else value, "exams": counts[value]}
        for value in ordered
    ]


def _column_names(exams: Iterable[Exam]) -> list[str]:
    """The columns beyond the fixed rows of the table that have a value in some examination."""
    names = dict.fromkeys(
        name for exam in exams for name, value in _own_columns(exam).items() if value
    )
    return list(names)


def _own_columns(exam: Exam) -> dict[str, str]:
    return {"contrast_phase": exam.contrast_phase, "site": exam.site, **exam.extra}


def _pairs(exams: Iterable[Exam], name: str) -> list[tuple[str, str]]:
    """(subject, value), each once: an age that two rows of a subject repeat is one age."""
    pairs = ((exam.subject_id, _own_columns(exam).get(name, "")) for exam in exams)
    return [pair for pair in dict.fromkeys(pairs) if pair[1]]


def _is_numeric(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether values are quantities; a few whole numbers that recur are a code, a grade say."""
    try:
        numbers = [float(value) for _, value in pairs]
    except ValueError:
        return False
    if not all(map(math.isfinite, numbers)):
        return False
    different = set(numbers)
    code = all(number.is_integer() for number in different) and len(different) <= 6
    return not (code and len(numbers) >= 2 * len(different))


def _numbers(values: Sequence[str]) -> dict[str, Any]:
    numbers = [float(value) for value in values]
    sd = statistics.stdev(numbers) if len(numbers) > 1 else None
    return {"mean": statistics.fmean(numbers), "sd": sd, "n": len(numbers)}


def _count(values: Sequence[str]) -> dict[str, int]:
    return dict(sorted(collections.Counter(values).items()))


def _row(name: str, text: str) -> list[str]:
    label = textwrap.shorten(name, 22, placeholder="...") if len(name) > 22 else name
    return textwrap.wrap(text, _WIDTH, initial_indent=f"  {label:<24}", subsequent_indent=" " * 26)


def _counts(tally: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for entry in tally:
        value = entry["value"]
        values = value if isinstance(value, list) else [value]
        text = "not given" if value is None else " ".join(f"{number:g}" for number in values)
        parts.append(f"{text} (n = {entry['exams']})")
    return "; ".join(parts)


def _ranges(ranges: Sequence[Sequence[float]], style: str) -> str:
    ends = [[style.format(end) for end in axis] for axis in ranges]
    return " x ".join(low if low == high else f"{low} to {high}" for low, high in ends)


def _column(column: Mapping[str, Any]) -> str:
    if "counts" in column:
        counts = column["counts"]
        if len(counts) > _MOST_CATEGORIES:
            return f"{len(counts)} different values"
        return "; ".join(f"{value}: {count}" for value, count in counts.items())
    spread = "" if column["sd"] is None else f" +/- {column['sd']:.4g}"
    return f"{column['mean']:.4g}{spread} (n = {column['n']})"
