"""Experiment 1: does Dice depend on the echo time, or on the sequence?

A multiecho examination has one manual mask and one automated mask for each echo. Failed cases count
as Dice 0. The tests take one row for each subject, the mean over its examinations, since they take
their rows as independent; bootstrap intervals draw subjects.

`run` returns

- `reason`: why `te` is empty, or None;
- `te`: for each technique with several echoes, model and cohort (`technique`, `model`, `cohort`)
  - `n` examinations of `n_subjects`. The echoes compared are those that most examinations with
    several echoes have (of two such sets the larger). `n_complete` examinations have a Dice for
    each of these; left out of what compares echoes are `n_other_echoes`, which have another set of
    echoes, and `n_undefined`, which lack a Dice. `n_failed` have a failed echo;
  - `levels`, one for each echo compared, of all cases of it: `echo`, `te_ms` (median), `te_ms_min`,
    `te_ms_max` (None where unknown), the figures of `select.described`, and of the complete
    examinations `best_share`, in which this echo's Dice is the highest (ties shared), None where
    there are none;
  - `anova` (`hypothesis.repeated_measures_anova`) and `friedman` (`hypothesis.friedman`);
  - `best`: the echo with the highest mean of the complete examinations: `echo`, `te_ms`, `mean`,
    `next_echo`, `difference` to the next one (Estimate), `resamples_share`, in which of the
    bootstrap's resamples it is the best too. None without complete examinations;
- `sequence`: for each pair of techniques with echoes, model and cohort, `over` `all_echoes` (the
  mean over them; only where both techniques have a later echo than the first) or `first_echo`, on
  the subjects that have both: `techniques` [a, b], `n` subjects, `n_undefined` (more subjects,
  without a Dice for one of them), `paired` (`hypothesis.paired`; before is a, after is b), `anova`.
"""

import collections
import itertools
import statistics
from collections.abc import Sequence

import numpy as np

from liver_jax.evaluation import bootstrap, hypothesis, summary
from liver_jax.evaluation.estimate import Estimate
from liver_jax.evaluation.experiments import select
from liver_jax.evaluation.experiments.plain import plain

_ONE_ECHO = "no technique has cases of several echoes"


def run(rows: Sequence[dict]) -> dict:
    """Compares echoes and sequences; the module's docstring says what it returns.

    Args:
        rows: The rows of `cases[]`, of all echoes.
    """
    rows = [row for row in rows if row["echo"] is not None]
    te, sequence = [], []
    for model in summary.models(rows):
        for cohort, chosen in select.cohorts(select.of_model(rows, model)):
            label = {"model": model, "cohort": cohort}
            techniques = summary.techniques(chosen)
            of = {name: [row for row in chosen if row["technique"] == name] for name in techniques}
            for technique in techniques:
                if len({row["echo"] for row in of[technique]}) > 1:
                    te.append({"technique": technique, **label, **_compare_echoes(of[technique])})
            for a, b in itertools.combinations(techniques, 2):
                # Without later echoes it would be the first one under another name.
                has_later = all(any(row["echo"] > 1 for row in of[name]) for name in (a, b))
                for over in ("all_echoes", "first_echo") if has_later else ("first_echo",):
                    pair = _compare_sequences(of[a], of[b], over)
                    if pair["n"] + pair["n_undefined"]:
                        sequence.append({"techniques": [a, b], "over": over, **label, **pair})
    order = summary.techniques(rows)
    te.sort(key=lambda group: order.index(group["technique"]))
    return plain({"reason": None if te else _ONE_ECHO, "te": te, "sequence": sequence})


def _compare_echoes(rows: Sequence[dict]) -> dict:
    by_exam: dict[str, dict[int, dict]] = {}
    for row in rows:
        by_exam.setdefault(row["exam_id"], {})[row["echo"]] = row
    echoes = _usual_echoes([frozenset(of_exam) for of_exam in by_exam.values()])
    complete, subjects, n_other_echoes = [], [], 0
    for of_exam in by_exam.values():
        if set(of_exam) != set(echoes):
            n_other_echoes += 1
            continue
        dice = [summary.dice_or_zero(of_exam[echo]) for echo in echoes]
        if None not in dice:
            complete.append(dice)
            subjects.append(next(iter(of_exam.values()))["subject_id"])
    dice = np.reshape(np.asarray(complete, np.float64), (len(complete), len(echoes)))
    levels = [_level(echo, [row for row in rows if row["echo"] == echo]) for echo in echoes]
    highest = dice == dice.max(axis=1, keepdims=True, initial=0.0)
    for level, wins in zip(levels, (highest / highest.sum(axis=1, keepdims=True)).T, strict=True):
        level["best_share"] = float(wins.mean()) if wins.size else None
    by_subject = _mean_by_subject(dice, subjects)
    return {
        "n": len(by_exam),
        "n_subjects": len({row["subject_id"] for row in rows}),
        "n_complete": len(complete),
        "n_other_echoes": n_other_echoes,
        "n_undefined": len(by_exam) - n_other_echoes - len(complete),
        "n_failed": sum(
            any(row["status"] == "failed" for row in of_exam.values())
            for of_exam in by_exam.values()
        ),
        "levels": levels,
        "anova": hypothesis.repeated_measures_anova(by_subject),
        "friedman": hypothesis.friedman(by_subject),
        "best": _best(levels, dice, subjects),
    }


def _usual_echoes(sets: Sequence[frozenset[int]]) -> list[int]:
    """The set of several echoes that most examinations have; all echoes where none has several."""
    counted = collections.Counter(echoes for echoes in sets if len(echoes) > 1)
    if not counted:
        return sorted(frozenset().union(*sets))
    return sorted(max(counted, key=lambda echoes: (counted[echoes], len(echoes), sorted(echoes))))


def _level(echo: int, rows: Sequence[dict]) -> dict:
    te_ms = [row["te_ms"] for row in rows if row["te_ms"] is not None]
    return {
        "echo": echo,
        "te_ms": statistics.median(te_ms) if te_ms else None,
        "te_ms_min": min(te_ms, default=None),
        "te_ms_max": max(te_ms, default=None),
        **select.described(rows, summary.dice_or_zero),
    }


def _best(levels: Sequence[dict], dice: np.ndarray, subjects: Sequence[str]) -> dict | None:
    """The echo with the highest mean Dice of [examination, echo], against the next one."""
    if not len(dice):
        return None
    means = dice.mean(axis=0)
    best, following = (int(place) for place in np.argsort(-means, kind="stable")[:2])
    difference = dice[:, best] - dice[:, following]
    interval = bootstrap.mean_interval_95(difference, subjects)
    share = None
    if interval is not None:  # else there is nothing to resample
        winners = bootstrap.resampled_sums(dice, subjects).argmax(axis=1)
        share = float(np.mean(winners == best))
    return {
        "echo": levels[best]["echo"],
        "te_ms": levels[best]["te_ms"],
        "mean": float(means[best]),
        "next_echo": levels[following]["echo"],
        "difference": Estimate(
            value=float(difference.mean()),
            interval_95=interval,
            reason=bootstrap.FEW_SUBJECTS if interval is None else None,
        ),
        "resamples_share": share,
    }


def _compare_sequences(first: Sequence[dict], second: Sequence[dict], over: str) -> dict:
    """The second technique minus the first, on the subjects that have both."""
    shared = {row["subject_id"] for row in first} & {row["subject_id"] for row in second}
    values = []
    for subject in sorted(shared):
        pair = [_mean_dice(rows, subject, over) for rows in (first, second)]
        if None not in pair:
            values.append(pair)
    both = np.reshape(np.asarray(values, np.float64), (len(values), 2))
    return {
        "n": len(both),
        "n_undefined": len(shared) - len(both),
        "paired": hypothesis.paired(after=both[:, 1], before=both[:, 0]),
        "anova": hypothesis.repeated_measures_anova(both),
    }


def _mean_dice(rows: Sequence[dict], subject: str, over: str) -> float | None:
    """The subject's mean Dice over its examinations and, unless `first_echo`, their echoes."""
    own = [row for row in rows if row["subject_id"] == subject]
    if over == "first_echo":
        own = select.first_echo(own)
    dice = [value for row in own if (value := summary.dice_or_zero(row)) is not None]
    return statistics.fmean(dice) if dice else None


def _mean_by_subject(values: np.ndarray, subjects: Sequence[str]) -> np.ndarray:
    """One row for each subject, of [examination, echo]."""
    names = np.asarray(subjects, str)
    means = [values[names == name].mean(axis=0) for name in dict.fromkeys(subjects)]
    return np.reshape(np.asarray(means, np.float64), (len(means), values.shape[1]))
