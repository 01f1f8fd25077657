"""What follows from the rows: means, spreads and intervals, with every case accounted for.

Each measure says how many cases were undefined (no value by the policy for empty masks) and how
many failed. The overlaps, Dice and IoU, have three kinds of figures. Those named `_defined` are of
the cases that have a value. In those named `_all` a failed case counts as 0. In those named
`_all_empty_is_1` a case with both masks empty, which is undefined, counts as full agreement, the
other convention in use: a reader sees what the choice is worth. Spreads are sample standard
deviations (n - 1), None for fewer than two values.
"""

from collections.abc import Sequence

import numpy as np

from liver_jax.evaluation import bootstrap, paper

# The paper takes the first echo for everything but experiment 1; None is a single image.
FIRST_ECHO = (None, 1)

OVERLAPS = ("dice", "iou")
MEASURES = (
    *OVERLAPS,
    "rvd_percent",
    "assd_mm",
    "mssd_mm",
    "hd95_mm",
    "nsd_1mm",
    "nsd_2mm",
    "nsd_3mm",
    "volume_ml_auto",
    "volume_ml_manual",
    "volume_ml_difference",
    "pdff_percent_auto",
    "pdff_percent_manual",
    "pdff_percent_difference",
    "pdff_percent_auto_without_vessels",
    "pdff_percent_manual_without_vessels",
    "pdff_percent_without_vessels_difference",
)
# Automated minus manual.
_DIFFERENCES = {
    "volume_ml_difference": ("volume_ml_auto", "volume_ml_manual"),
    "pdff_percent_difference": ("pdff_percent_auto", "pdff_percent_manual"),
    "pdff_percent_without_vessels_difference": (
        "pdff_percent_auto_without_vessels",
        "pdff_percent_manual_without_vessels",
    ),
}


def summarise(rows: Sequence[dict]) -> dict:
    """Summarises the rows of an evaluation.

    Args:
        rows: The rows of `cases[]`.

    Returns:
        `interval_method`; `groups`, one for each technique, echo and model (echo None: only single
        images; 1: the first echo, and single images of the same technique); `paired`, the Dice of
        `multimodal` minus that of `initial` on the same case, for each technique and echo; and
        `forgetting`, the one of these on the first echo of `spgr2d`, or None.
    """
    groups = [
        {"technique": technique, "echo": echo, "model": model, **_describe(selected)}
        for technique, echo, model, selected in _grouped(rows)
    ]
    paired = _paired(rows)
    forgetting = [
        pair for pair in paired if pair["technique"] == "spgr2d" and pair["echo"] in FIRST_ECHO
    ]
    return {
        "interval_method": bootstrap.METHOD,
        "groups": groups,
        "paired": paired,
        "forgetting": forgetting[0] if forgetting else None,
    }


def describe(values: Sequence[float], subjects: Sequence[str]) -> dict:
    """n, mean, standard deviation and 95 % interval of the mean.

    Args:
        values: One for each case.
        subjects: Whose case it is: cases of one subject are not independent.
    """
    values = np.asarray(values, np.float64)
    interval = bootstrap.mean_interval_95(values, subjects)
    return {
        "n": int(values.size),
        "mean": float(values.mean()) if values.size else None,
        "sd": float(values.std(ddof=1)) if values.size > 1 else None,
        "interval_95": None if interval is None else list(interval),
    }


def dice_or_zero(row: dict) -> float | None:
    """The Dice that counts in `_all` figures: 0 for a failed case; None where it is undefined."""
    return 0.0 if row["status"] == "failed" else row["dice"]


def value(row: dict, measure: str) -> float | None:
    """One of `MEASURES`, differences among them; None where it is undefined or the case failed."""
    if measure not in _DIFFERENCES:
        return row[measure]
    automated, manual = (row[name] for name in _DIFFERENCES[measure])
    return None if automated is None or manual is None else automated - manual


def techniques(rows: Sequence[dict]) -> list[str]:
    """The techniques of the rows, the paper's first and in its order."""
    return _ordered([row["technique"] for row in rows], paper.TECHNIQUES)


def models(rows: Sequence[dict]) -> list[str]:
    """The models of the rows, `initial` and `multimodal` first."""
    return _ordered([row["model"] for row in rows], ("initial", "multimodal"))


def _ordered(names: Sequence[str], first: Sequence[str]) -> list[str]:
    present = dict.fromkeys(names)
    return [name for name in dict.fromkeys((*first, *present)) if name in present]


def _grouped(rows: Sequence[dict]) -> list[tuple[str, int | None, str, list[dict]]]:
    """The rows by technique, echo and model."""
    groups: dict[tuple[str, int, str], list[dict]] = {}
    for row in rows:
        groups.setdefault((row["technique"], row["echo"] or 1, row["model"]), []).append(row)
    result = []
    for technique in techniques(rows):
        echoes = sorted({echo for known, echo, _ in groups if known == technique})
        for echo in echoes:
            # One label for all models, so that their groups can be set side by side.
            several = any(row["technique"] == technique and row["echo"] == echo for row in rows)
            for model in models(rows):
                if selected := groups.get((technique, echo, model)):
                    result.append((technique, echo if several else None, model, selected))
    return result


def _describe(rows: Sequence[dict]) -> dict:
    statuses = [row["status"] for row in rows]
    failed = statuses.count("failed")
    measures = {}
    for measure in MEASURES:
        values = [value(row, measure) for row in rows]
        measures[measure] = {
            "n_undefined": values.count(None) - failed,
            "n_failed": failed,
            **_named("_defined", values, rows),
        }
        if measure in OVERLAPS:
            counted = [0.0 if row["status"] == "failed" else row[measure] for row in rows]
            filled = [1.0 if number is None else number for number in counted]
            measures[measure] |= _named("_all", counted, rows)
            measures[measure] |= _named("_all_empty_is_1", filled, rows)
    return {
        "n": len(rows),
        "n_subjects": len({row["subject_id"] for row in rows}),
        "status": {status: statuses.count(status) for status in ("ok", "empty", "failed")},
        "measures": measures,
    }


def _named(suffix: str, values: Sequence[float | None], rows: Sequence[dict]) -> dict:
    defined = [place for place, number in enumerate(values) if number is not None]
    described = describe(
        [values[place] for place in defined], [rows[place]["subject_id"] for place in defined]
    )
    return {f"{key}{suffix}": figure for key, figure in described.items()}


def _paired(rows: Sequence[dict]) -> list[dict]:
    initial = {(row["exam_id"], row["echo"]): row for row in rows if row["model"] == "initial"}
    pairs = []
    for technique, echo, model, selected in _grouped(rows):
        both = [row for row in selected if (row["exam_id"], row["echo"]) in initial]
        if model != "multimodal" or not both:
            continue
        differences, subjects = [], []
        for row in both:
            after, before = dice_or_zero(row), dice_or_zero(initial[row["exam_id"], row["echo"]])
            if after is not None and before is not None:
                differences.append(after - before)
                subjects.append(row["subject_id"])
        pairs.append(
            {
                "technique": technique,
                "echo": echo,
                "measure": "dice",
                "n_undefined": len(both) - len(differences),
                **describe(differences, subjects),
            }
        )
    return pairs
