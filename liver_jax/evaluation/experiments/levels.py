"""The levels of a manifest's column: what splits the cases into sub-groups.

A column is one of the manifest's own (`columns` of a row), one of `KNOWN`, or `steatosis_grade`.
Text columns have their words as levels. A column of numbers with more than `MOST_NUMBERS` different
ones is cut at its tertiles, over examinations. The steatosis grade is derived from the PDFF of the
manual mask (Tang et al., Radiology 2013, 267:422): 0 below 6.4 %, 1 from 6.4 %, 2 from 17.4 %, 3
from 22.1 %; an examination without a PDFF has none.
"""

import bisect
import dataclasses
from collections.abc import Sequence

import numpy as np

from liver_jax.errors import InputError
from liver_jax.evaluation.experiments import select

KNOWN = ("site", "cohort", "contrast_phase", "session", "modality", "field_strength_t")
STEATOSIS_GRADE = "steatosis_grade"
STEATOSIS_PERCENT = (6.4, 17.4, 22.1)  # the least PDFF of grades 1, 2 and 3
MOST_NUMBERS = 6
# What readers ask for first; compared within where the cohort has it and nothing else is asked.
USUAL = ("sex", "scanner", "site", "field_strength_t", STEATOSIS_GRADE)


@dataclasses.dataclass(frozen=True)
class Levels:
    """A column's levels.

    Attributes:
        kind: `categories`, `tertiles` or `grades`.
        names: The levels, in order.
        cuts: What separates them: the least value of the second and each later one; empty for
            categories.
        of_exam: exam_id -> level; examinations without a value are not in it.
    """

    kind: str
    names: tuple[str, ...]
    cuts: tuple[float, ...]
    of_exam: dict[str, str]


def check(rows: Sequence[dict], columns: Sequence[str]) -> None:
    """Refuses columns that the rows do not have.

    Raises:
        InputError: A name that is none of them, with those that are.
    """
    own = dict.fromkeys(name for row in rows for name in row["columns"])
    known = [*KNOWN, STEATOSIS_GRADE, *own]
    for column in columns:
        if column not in known:
            fault = f"{column} is no column; there are {', '.join(known)}"
            raise InputError("--subgroups", fault, "Name one of these, or add it to the manifest")


def usual(rows: Sequence[dict]) -> list[str]:
    """Those of `USUAL` that have several levels in an evaluation."""
    own = {name for row in rows for name in row["columns"]} | {*KNOWN, STEATOSIS_GRADE}
    return [name for name in USUAL if name in own and len(of_column(rows, name).names) > 1]


def of_column(rows: Sequence[dict], column: str) -> Levels:
    """The levels of one column, which `check` has passed.

    Args:
        rows: The rows of `cases[]`.
        column: Its name.
    """
    if column == STEATOSIS_GRADE:
        percent = {
            row["exam_id"]: row["pdff_percent_manual"]
            for row in select.first_echo(rows)
            if row["pdff_percent_manual"] is not None
        }
        names = tuple(f"grade {grade}" for grade in range(len(STEATOSIS_PERCENT) + 1))
        return _cut("grades", names, STEATOSIS_PERCENT, percent)
    texts = {row["exam_id"]: _text(row, column) for row in rows}
    texts = {exam: text for exam, text in texts.items() if text}
    numbers = {exam: _number(text) for exam, text in texts.items()}
    values = [number for number in numbers.values() if number is not None]
    if len(values) == len(texts) and len(set(values)) > MOST_NUMBERS:
        cuts = tuple(float(cut) for cut in np.quantile(values, (1 / 3, 2 / 3)))
        if cuts[0] < cuts[1]:  # else one value fills more than a third
            low, high = (f"{cut:.4g}" for cut in cuts)
            names = (f"below {low}", f"{low} to {high}", f"from {high}")
            return _cut("tertiles", names, cuts, numbers)
    names = sorted(set(texts.values()), key=float if len(values) == len(texts) else None)
    return Levels("categories", tuple(names), (), texts)


def _cut(
    kind: str, names: tuple[str, ...], cuts: tuple[float, ...], values: dict[str, float]
) -> Levels:
    of_exam = {exam: names[bisect.bisect_right(cuts, value)] for exam, value in values.items()}
    present = tuple(name for name in names if name in of_exam.values())
    return Levels(kind, present, cuts, of_exam)


def _text(row: dict, column: str) -> str:
    value = row[column] if column in KNOWN else row["columns"].get(column, "")
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value).strip()


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None
