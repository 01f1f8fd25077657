"""The section `Failure prediction`: which masks are bad, told without a manual one."""

from liver_jax.report import wording
from liver_jax.report.markup import Markup, details, paragraph, table, text
from liver_jax.report.sections import cells


def show(metrics: dict) -> Markup:
    """How well signals without a reference tell which masks are bad."""
    found = metrics["experiments"].get("failure") or {}
    groups = [group for group in found.get("groups") or [] if group["n_counted"]]
    if not groups:
        return cells.nothing(found.get("learnt_from") or {})
    learnt = found["learnt_from"]
    where = f"the cohort {learnt['cohort']}" if learnt["cohort"] else "all cases"
    how = (
        "There is no other cohort: each fifth of the subjects is predicted from the others."
        if learnt["by_turns"]
        else "The figures below are of the other cohorts."
    )
    threshold = found["threshold_dice"]
    words = (
        "Each case's Dice is predicted from signals that need no manual mask. Learnt from "
        f"{where} ({learnt['n']} cases of {learnt['n_subjects']} subjects). {how}"
    )
    rows = []
    for group in groups:
        calibrated, covered = group["calibration"], group["risk_coverage"]
        rows.append(
            [
                "all models" if group["model"] is None else wording.model(group["model"]),
                group["n_counted"],
                group["n_bad"],
                cells.estimate(group["spearman"], 2),
                cells.estimate(group["auroc"], 3),
                cells.estimate(covered["area"], 3),
                wording.number(covered["ideal_area"], 3),
                wording.number(covered["random_area"], 3),
                cells.estimate(calibrated["slope"], 2),
                cells.estimate(calibrated["mean_absolute_error"], 3),
                wording.number(group["mean_absolute_error_of_mean"], 3),
            ]
        )
    heads = ["Cases of", "n", f"Dice < {threshold:g}", "Spearman", "AUROC", "Risk-coverage area"]
    heads += ["Ideal", "Random", "Calibration slope", "Mean error", "Of the mean"]
    content = paragraph(words) + table(heads, rows, 1)
    signals = [
        [
            Markup(f"<span>{text(item['name'].replace('_', ' '))}</span>"),
            found["signals"][item["name"]]["meaning"],
            item["n"],
            cells.estimate(item["spearman"], 2),
            cells.estimate(item["auroc"], 3),
        ]
        for item in groups[-1]["signals"]  # of all models together
    ]
    heads = ["Signal", "What it is", "n", "Spearman", "AUROC"]
    content += details("Each signal by itself", table(heads, signals, 2))
    note = (
        "Spearman: rank correlation of predicted and found Dice. AUROC: for a Dice below "
        f"{threshold:g}. Risk-coverage area: mean of 1 - Dice when the cases with the worst "
        "predictions are set aside one after the other; lower is better. Mean error: absolute, "
        "beside that of predicting the mean for every case."
    )
    return Markup(content + paragraph(note, "quiet note"))
