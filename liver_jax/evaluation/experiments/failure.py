"""Beyond the paper: can a failure be told without a reference?

Each case's Dice is predicted from its signals (`evaluation.quality`) by one model for all networks
and tools together (`evaluation.expected_dice`), since what is bad shows in the cases of the worst.
It is learnt from one cohort, `internal`, or the largest where that has too few cases, and reported
on the others. With one cohort only, it is learnt and reported on the same by turns: each fifth of
the subjects is predicted from the others. The predictions of the cohort that was learnt from are
made by turns in any case, and so no case's prediction knows its subject.

An empty automated mask needs no model: its predicted Dice is 0. Counted but left out are failed
cases, which have no mask (`n_failed`), those whose Dice is undefined (`n_undefined`), and those
without a prediction (`n_unpredicted`: no signal that enough cases have).

`run` returns

- `threshold_dice`: a mask below it is a failure;
- `signals`: `{name: {direction, meaning}}`, as `quality.SIGNALS` has them;
- `learnt_from`: `cohort` (None: cases without one), `n`, `n_subjects`, `mean_dice` of the cases
  learnt from, `by_turns` (whether there is no other cohort) and `reason` (why nothing could be
  learnt, or None);
- `cases`: of each case that counts `exam_id`, `subject_id`, `echo`, `model`, `technique`,
  `cohort`, `dice`, `predicted_dice` (or None), `reported` (whether it is among those below), the
  lowest prediction first;
- `groups`: of the reported cases, of each model where there are several, and last of all together
  (`model` None). Where several models segmented the same subjects, the latter's figures say how
  well networks are ranked as well as cases, and flatter where one network is much the worse: read
  each model's own. Each has `model`, `cohorts`, `n`, `n_subjects`, `n_undefined`, `n_failed`,
  `n_unpredicted`, `n_counted`, `n_bad` (of those counted, Dice below the threshold); of the counted
  ones
  - `spearman`, `auroc` (of the predicted Dice, for a Dice below the threshold): Estimates;
  - `risk_coverage` (`calibration.risk_coverage`), `calibration` (`calibration.calibration`);
  - `mean_absolute_error_of_mean`: that of a prediction that knows no signal, the mean Dice learnt;
  - `signals`: for each signal by itself `name`, `n` (cases that have it), `spearman` and `auroc`,
    turned so that more is better.
"""

import collections
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from liver_jax.evaluation import calibration, expected_dice, quality, summary
from liver_jax.evaluation.experiments import select
from liver_jax.evaluation.experiments.plain import plain

THRESHOLD_DICE = 0.85
_PREFERRED_COHORT = "internal"
_TURNS = 5
_KEPT = ("exam_id", "subject_id", "echo", "model", "technique", "cohort", "dice")
_DIRECTIONS = [signal.direction for signal in quality.SIGNALS.values()]
_TOO_FEW = f"fewer than {expected_dice.MIN_CASES} cases with a mask, a Dice and a signal"


def run(rows: Sequence[dict], threshold_dice: float = THRESHOLD_DICE) -> dict:
    """Predicts Dice and says how well; the module's docstring has what it returns.

    Args:
        rows: The rows of `cases[]`.
        threshold_dice: A mask with a Dice below it is a failure.
    """
    countable = [row for row in rows if row["status"] != "failed" and row["dice"] is not None]
    cohort = _cohort_to_learn_from(countable)
    by_turns = all(row["cohort"] == cohort for row in countable)
    learnt = [
        row for row in countable if row["cohort"] == cohort and not np.isnan(_signals([row])).all()
    ]
    predicted = dict(zip(map(id, countable), _predict(countable, learnt), strict=True))
    reported = [row for row in rows if by_turns or row["cohort"] != cohort]
    models = summary.models(reported)
    groups: list[tuple[str | None, list[dict]]] = []
    if len(models) > 1:
        groups += [(model, select.of_model(reported, model)) for model in models]
    groups.append((None, reported))
    shown = set(map(id, reported))
    cases = [
        {
            **{key: row[key] for key in _KEPT},
            "predicted_dice": predicted[id(row)],
            "reported": id(row) in shown,
        }
        for row in countable
    ]
    cases.sort(
        key=lambda case: np.inf if case["predicted_dice"] is None else case["predicted_dice"]
    )
    return plain(
        {
            "threshold_dice": threshold_dice,
            "signals": {name: dataclasses.asdict(it) for name, it in quality.SIGNALS.items()},
            "learnt_from": {
                "cohort": cohort or None,
                "n": len(learnt),
                "n_subjects": len({row["subject_id"] for row in learnt}),
                "mean_dice": _mean([row["dice"] for row in learnt]),
                "by_turns": by_turns,
                "reason": _TOO_FEW if len(learnt) < expected_dice.MIN_CASES else None,
            },
            "cases": cases,
            "groups": [
                {"model": model, **_describe(chosen, predicted, learnt, threshold_dice)}
                for model, chosen in groups
            ],
        }
    )


def _cohort_to_learn_from(rows: Sequence[dict]) -> str:
    cohorts = collections.Counter(row["cohort"] for row in rows)
    if cohorts[_PREFERRED_COHORT] >= expected_dice.MIN_CASES or not cohorts:
        return _PREFERRED_COHORT
    return cohorts.most_common(1)[0][0]


def _signals(rows: Sequence[dict]) -> np.ndarray:
    """[row, signal], NaN where a row does not have it."""
    values = [[row["quality"].get(name) for name in quality.SIGNALS] for row in rows]
    return np.reshape(np.asarray(values, np.float64), (len(rows), len(quality.SIGNALS)))


def _predict(rows: Sequence[dict], learnt: Sequence[dict]) -> list[float | None]:
    """Each row's Dice, predicted from cases of other subjects."""
    subjects = dict.fromkeys(row["subject_id"] for row in learnt)
    turn_of = {subject: place % _TURNS for place, subject in enumerate(subjects)}
    predicted = np.full(len(rows), np.nan)
    turns = np.array([turn_of.get(row["subject_id"], _TURNS) for row in rows])
    for turn in range(_TURNS + 1):  # the last one: subjects that were not learnt from
        others = [row for row in learnt if turn_of[row["subject_id"]] != turn]
        places = np.flatnonzero(turns == turn)
        predicted[places] = expected_dice.predict(
            _signals(others),
            np.array([row["dice"] for row in others]),
            _signals([rows[place] for place in places]),
            _DIRECTIONS,
        )
    empty = ["automated_empty" in row["flags"] for row in rows]
    predicted[empty] = 0.0
    return [None if np.isnan(value) else float(value) for value in predicted]


def _describe(
    rows: Sequence[dict],
    predicted: Mapping[int, float | None],
    learnt: Sequence[dict],
    threshold_dice: float,
) -> dict:
    """One group; `predicted` is keyed by the identity of the row."""
    counted = [row for row in rows if predicted.get(id(row)) is not None]
    score = np.array([predicted[id(row)] for row in counted])
    dice = np.array([row["dice"] for row in counted], np.float64)
    subjects = [row["subject_id"] for row in counted]
    mean_learnt = np.mean([row["dice"] for row in learnt]) if learnt else np.nan
    signals = expected_dice.turned(_signals(counted), _signals(learnt), _DIRECTIONS)
    n_unpredicted = sum(id(row) in predicted for row in rows) - len(counted)
    counts = select.counts(rows, counted)
    return {
        "cohorts": list(dict.fromkeys(row["cohort"] for row in rows)),
        **counts,
        "n_undefined": counts["n_undefined"] - n_unpredicted,
        "n_unpredicted": n_unpredicted,
        "n_counted": len(counted),
        "n_bad": int(np.count_nonzero(dice < threshold_dice)),
        "spearman": calibration.spearman(score, dice, subjects),
        "auroc": calibration.auroc(score, dice, subjects, threshold_dice),
        "risk_coverage": calibration.risk_coverage(score, dice, subjects),
        "calibration": calibration.calibration(score, dice, subjects),
        "mean_absolute_error_of_mean": _mean(np.abs(dice - mean_learnt)) if learnt else None,
        "signals": [
            _describe_signal(name, column, dice, subjects, threshold_dice)
            for name, column in zip(quality.SIGNALS, signals.T, strict=True)
        ],
    }


def _describe_signal(
    name: str,
    values: np.ndarray,
    dice: np.ndarray,
    subjects: Sequence[str],
    threshold_dice: float,
) -> dict:
    known = ~np.isnan(values)
    owners = np.asarray(subjects, str)[known].tolist()
    given = values[known], dice[known], owners
    return {
        "name": name,
        "n": int(np.count_nonzero(known)),
        "spearman": calibration.spearman(*given),
        "auroc": calibration.auroc(*given, threshold_dice),
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if len(values) else None
