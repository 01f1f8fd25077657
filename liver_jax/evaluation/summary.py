"""What follows from the rows: means, spreads and intervals, with every case accounted for.

Each measure says how many cases were undefined (no value by the policy for empty masks) and how
many failed. For Dice a failed case counts as 0 in the figures named `_all`; those named `_defined`
leave it out. Spreads are sample standard deviations (n - 1), None for fewer than two values.
"""

from collections.abc import Sequence

import numpy as np

from liver_jax.evaluation import paper

RESAMPLES, SEED = 2000, 0
INTERVAL_METHOD = (
    "95 % percentile interval of the mean by bootstrap over subjects (all cases of a drawn subject "
    f"together), {RESAMPLES} resamples, seed {SEED}; null for fewer than two subjects"
)

MEASURES = (
    "dice",
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
)
# Automated minus manual.
_DIFFERENCES = {
    "volume_ml_difference": ("volume_ml_auto", "volume_ml_manual"),
    "pdff_percent_difference": ("pdff_percent_auto", "pdff_percent_manual"),
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
        pair for pair in paired if pair["technique"] == "spgr2d" and pair["echo"] in (1, None)
    ]
    return {
        "interval_method": INTERVAL_METHOD,
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
    return {
        "n": int(values.size),
        "mean": float(values.mean()) if values.size else None,
        "sd": float(values.std(ddof=1)) if values.size > 1 else None,
        "interval_95": _interval_95(values, subjects),
    }


def dice_or_zero(row: dict) -> float | None:
    """The Dice that counts in `_all` figures: 0 for a failed case; None where it is undefined."""
    return 0.0 if row["status"] == "failed" else row["dice"]


def _grouped(rows: Sequence[dict]) -> list[tuple[str, int | None, str, list[dict]]]:
    """The rows by technique (the paper's first), echo and model (`initial`, `multimodal` first)."""
    techniques = list(dict.fromkeys((*paper.TECHNIQUES, *(row["technique"] for row in rows))))
    models = list(dict.fromkeys(("initial", "multimodal", *(row["model"] for row in rows))))
    groups: dict[tuple[str, int, str], list[dict]] = {}
    for row in rows:
        groups.setdefault((row["technique"], row["echo"] or 1, row["model"]), []).append(row)
    result = []
    for technique in techniques:
        echoes = sorted({echo for known, echo, _ in groups if known == technique})
        for echo in echoes:
            # One label for all models, so that their groups can be set side by side.
            several = any(row["technique"] == technique and row["echo"] == echo for row in rows)
            for model in models:
                if selected := groups.get((technique, echo, model)):
                    result.append((technique, echo if several else None, model, selected))
    return result


def _describe(rows: Sequence[dict]) -> dict:
    statuses = [row["status"] for row in rows]
    measures = {}
    for measure in MEASURES:
        values = [_value(row, measure) for row in rows]
        defined = [index for index, value in enumerate(values) if value is not None]
        failed = statuses.count("failed")
        described = describe(
            [values[index] for index in defined], [rows[index]["subject_id"] for index in defined]
        )
        measures[measure] = {
            "n_undefined": len(rows) - len(defined) - failed,
            "n_failed": failed,
            **{f"{key}_defined": value for key, value in described.items()},
        }
        if measure == "dice":
            counted = [row for row in rows if dice_or_zero(row) is not None]
            described = describe(
                [dice_or_zero(row) for row in counted], [row["subject_id"] for row in counted]
            )
            measures[measure] |= {f"{key}_all": value for key, value in described.items()}
    return {
        "n": len(rows),
        "n_subjects": len({row["subject_id"] for row in rows}),
        "status": {status: statuses.count(status) for status in ("ok", "empty", "failed")},
        "measures": measures,
    }


def _value(row: dict, measure: str) -> float | None:
    if measure not in _DIFFERENCES:
        return row[measure]
    automated, manual = (row[name] for name in _DIFFERENCES[measure])
    return None if automated is None or manual is None else automated - manual


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


def _interval_95(values: np.ndarray, subjects: Sequence[str]) -> list[float] | None:
    names, owner = np.unique(np.asarray(subjects, str), return_inverse=True)
    if names.size < 2:
        return None
    sums, counts = np.bincount(owner, values), np.bincount(owner)
    drawn = np.random.default_rng(SEED).integers(names.size, size=(RESAMPLES, names.size))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return [float(bound) for bound in np.percentile(means, (2.5, 97.5))]
