"""Experiment 6: the cases that went wrong, worst first.

A case is an outlier if it failed, if its Dice is below the threshold, or if its volume or PDFF
differs from the manual one by more than the limits of agreement of its technique and model
(experiments 4 and 5, pooled over cohorts and contrasts). First echoes only, as the paper. A case in
which both masks are empty is undefined, and no outlier.

`run` returns

- `dice_threshold`;
- `groups`: for each technique and model, `n`, `n_subjects`, `n_undefined`, `n_failed`,
  `n_outliers`, and the limits used: `volume_limits_ml`, `pdff_limits_points` ([lower, upper], or
  None);
- `cases`: `exam_id`, `subject_id`, `technique`, `cohort`, `contrast_phase`, `model`, `echo`,
  `status`, `dice` (0 where the case failed), `volume_ml_difference`, `pdff_percent_difference`
  (automated - manual, or None), `why` (of `WHY`), `beyond`: how far outside the limits it lies, as
  a share of half their width (0 within them), `flags`, `mask_file`. In order of Dice; equal ones by
  `beyond`.
"""

from collections.abc import Sequence

from liver_jax.evaluation import summary
from liver_jax.evaluation.experiments import fat, select, volumes
from liver_jax.evaluation.experiments.plain import plain

DICE_THRESHOLD = 0.85
WHY = ("failed", "dice", "volume", "pdff")
_COLUMNS = {"volume": "volume_ml_difference", "pdff": "pdff_percent_difference"}
_KEPT = ("exam_id", "subject_id", "technique", "cohort", "contrast_phase", "model", "echo")

Limits = tuple[float, float]


def run(
    rows: Sequence[dict],
    of_volumes: dict,
    of_fat: dict,
    dice_threshold: float = DICE_THRESHOLD,
) -> dict:
    """Finds the outliers; the module's docstring says what it returns.

    Args:
        rows: The rows of `cases[]`.
        of_volumes: What `volumes.run` returns for them.
        of_fat: What `fat.run` returns for them.
        dice_threshold: A Dice below it is an outlier.
    """
    limits = {
        "volume": _limits(of_volumes["groups"]),
        "pdff": _limits([group for group in of_fat["groups"] if group["region"] == "whole_liver"]),
    }
    rows = select.first_echo(rows)
    groups, cases = [], []
    for technique in summary.techniques(rows):
        for model in summary.models(rows):
            chosen = [row for row in select.of_model(rows, model) if row["technique"] == technique]
            if not chosen:
                continue
            own = {measure: known.get((technique, model)) for measure, known in limits.items()}
            judged = [_judge(row, own, dice_threshold) for row in chosen]
            found = [case for case in judged if case["why"]]
            counted = [row for row in chosen if summary.dice_or_zero(row) is not None]
            groups.append(
                {
                    "technique": technique,
                    "model": model,
                    **select.counts(chosen, counted),
                    "n_outliers": len(found),
                    "volume_limits_ml": own["volume"],
                    "pdff_limits_points": own["pdff"],
                }
            )
            cases += found
    cases.sort(key=lambda case: (2.0 if case["dice"] is None else case["dice"], -case["beyond"]))
    return plain({"dice_threshold": dice_threshold, "groups": groups, "cases": cases})


def _limits(groups: Sequence[dict]) -> dict[tuple[str, str], Limits]:
    """The limits of agreement by technique and model, where there are any."""
    limits = {}
    for group in groups:
        both = tuple(group["agreement"][name]["value"] for name in ("lower_limit", "upper_limit"))
        everything = (group["cohort"], group["contrast"]) == (select.POOLED, select.ALL_CONTRASTS)
        if everything and None not in both:
            limits[group["technique"], group["model"]] = both
    return limits


def _judge(row: dict, limits: dict[str, Limits | None], dice_threshold: float) -> dict:
    dice = summary.dice_or_zero(row)
    pairs = {"volume": volumes.pair(row), "pdff": fat.pair(row)}
    differences = {name: pair[0] - pair[1] if pair else None for name, pair in pairs.items()}
    beyond = {name: _beyond(differences[name], limits[name]) for name in _COLUMNS}
    why = {
        "failed": row["status"] == "failed",
        "dice": row["status"] != "failed" and dice is not None and dice < dice_threshold,
        **{name: share > 0 for name, share in beyond.items()},
    }
    return {
        **{key: row[key] for key in _KEPT},
        "status": row["status"],
        "dice": dice,
        **{column: differences[name] for name, column in _COLUMNS.items()},
        "why": [name for name in WHY if why[name]],
        "beyond": max(beyond.values()),
        "flags": row["flags"],
        "mask_file": row["mask_file"],
    }


def _beyond(difference: float | None, limits: Limits | None) -> float:
    if difference is None or limits is None or limits[0] <= difference <= limits[1]:
        return 0.0
    low, high = limits
    if low == high:  # all differences are equal: what lies outside does so by rounding
        return 0.0
    return max(low - difference, difference - high) / ((high - low) / 2)
