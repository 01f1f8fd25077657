"""Reproducibility: the same liver measured again, in another session or on another echo.

`run` returns

- `between_sessions`: scan and rescan. The first echoes of one subject, technique and contrast phase
  in different sessions (of several examinations in one session, the mean). Its scatter holds the
  subject's own change, the scanner's and the masks'; that of the manual masks stands beside it.
- `between_echoes`: the automated masks of one examination's echoes, which should measure the same.
  Its scatter holds the differences between echoes that experiment 1 tests.

Each is a list, for each technique, model, cohort (`select.cohorts`), `mask` (`automated`,
`manual`) and `measure` (`volume_ml`, `pdff_percent`, `pdff_percent_without_vessels`) that has
anything measured twice: these labels, `unit`, `n_undefined` and `n_failed` (cases among the repeats
that have no such measurement), and what `repeats.scatter` returns. `reason` says why both lists are
empty, or is None.
"""

import statistics
from collections.abc import Callable, Sequence

from liver_jax.evaluation import repeats, summary
from liver_jax.evaluation.experiments import select
from liver_jax.evaluation.experiments.plain import plain

_COLUMNS = {
    ("volume_ml", "automated"): "volume_ml_auto",
    ("volume_ml", "manual"): "volume_ml_manual",
    ("pdff_percent", "automated"): "pdff_percent_auto",
    ("pdff_percent", "manual"): "pdff_percent_manual",
    ("pdff_percent_without_vessels", "automated"): "pdff_percent_auto_without_vessels",
    ("pdff_percent_without_vessels", "manual"): "pdff_percent_manual_without_vessels",
}
_UNITS = {"volume_ml": "mL"}
_NOTHING_TWICE = "no subject has two sessions, and no examination two echoes"


def run(rows: Sequence[dict]) -> dict:
    """Describes what repeats scatter; the module's docstring says what it returns.

    Args:
        rows: The rows of `cases[]`, of all echoes.
    """
    sessions = _groups(
        _several(select.first_echo(rows), _patient, lambda row: row["session"]),
        lambda row: "/".join(_patient(row)),
        lambda row: row["session"],
        ("automated", "manual"),
    )
    echoes = _groups(
        _several(rows, lambda row: (row["exam_id"], row["model"]), lambda row: row["echo"]),
        lambda row: row["exam_id"],
        lambda row: row["echo"],
        ("automated",),  # one manual mask is the truth for all echoes
    )
    reason = None if sessions or echoes else _NOTHING_TWICE
    return plain({"reason": reason, "between_sessions": sessions, "between_echoes": echoes})


def _patient(row: dict) -> tuple[str, ...]:
    return row["subject_id"], row["technique"], row["contrast_phase"], row["model"]


def _several(rows: Sequence[dict], unit: Callable, repeat: Callable) -> list[dict]:
    """The rows of units that have more than one repeat."""
    repeated: dict[object, set] = {}
    for row in rows:
        repeated.setdefault(unit(row), set()).add(repeat(row))
    return [row for row in rows if len(repeated[unit(row)]) > 1]


def _groups(
    rows: Sequence[dict],
    unit: Callable[[dict], str],
    repeat: Callable[[dict], object],
    masks: Sequence[str],
) -> list[dict]:
    found = []
    for technique in summary.techniques(rows):
        of_technique = [row for row in rows if row["technique"] == technique]
        for model in summary.models(of_technique):
            for cohort, chosen in select.cohorts(select.of_model(of_technique, model)):
                label = {"technique": technique, "model": model, "cohort": cohort}
                for (measure, mask), column in _COLUMNS.items():
                    if mask not in masks:
                        continue
                    scatter, counts = _scatter(chosen, column, unit, repeat)
                    if scatter.n:
                        of = {
                            "measure": measure,
                            "mask": mask,
                            "unit": _UNITS.get(measure, "percentage points"),
                        }
                        found.append({**label, **of, **counts, **plain(scatter)})
    return found


def _scatter(
    rows: Sequence[dict], column: str, unit: Callable, repeat: Callable
) -> tuple[repeats.Repeats, dict]:
    measured: dict[tuple, list[float]] = {}
    for row in rows:
        if row[column] is not None:
            measured.setdefault((row["subject_id"], unit(row), repeat(row)), []).append(row[column])
    scatter = repeats.scatter(
        [statistics.fmean(values) for values in measured.values()],
        [unit for _, unit, _ in measured],
        [subject for subject, _, _ in measured],
    )
    missing = [row["status"] for row in rows if row[column] is None]
    failed = missing.count("failed")
    return scatter, {"n_undefined": len(missing) - failed, "n_failed": failed}
