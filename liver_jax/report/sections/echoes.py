"""The section of experiment 1: echo time and sequence."""

from liver_jax.report import wording
from liver_jax.report.markup import Markup, table
from liver_jax.report.sections import cells


def show(metrics: dict) -> Markup:
    """Experiment 1: the tests of echo time and sequence."""
    found = metrics["experiments"].get("echoes") or {}
    tests = found.get("te") or []
    if not tests:
        return cells.nothing(found)
    rows = []
    for group in tests:
        if group["cohort"] != "pooled":
            continue
        anova, friedman, best = group["anova"], group["friedman"], group["best"]
        rows.append(
            [
                wording.technique(group["technique"]),
                wording.model(group["model"]),
                group["n_complete"],
                group["n_subjects"],
                cells.statistic(anova["test"]),
                wording.number(anova["epsilon_greenhouse_geisser"], 2),
                cells.p_of_test(anova["greenhouse_geisser"]),
                cells.p_of_test(anova["huynh_feldt"]),
                cells.p_of_test(friedman["test"]),
                _best(best),
            ]
        )
    heads = ["Technique", "Model", "n", "Subjects", "F, uncorrected", "ε (GG)", "P (GG)", "P (HF)"]
    content = table(
        [*heads, "P (Friedman)", "Best echo"],
        rows,
        2,
        "Effect of echo time on Dice: repeated-measures analysis of variance",
    )
    pairs = [pair for pair in found.get("sequence") or [] if pair["cohort"] == "pooled"]
    if pairs:
        rows = [
            [
                " against ".join(wording.technique(name) for name in pair["techniques"]),
                str(pair["over"]).replace("_", " "),
                wording.model(pair["model"]),
                pair["n"],
                cells.estimate(pair["paired"]["difference"], 3),
                cells.statistic(pair["anova"]["test"]),
                cells.p_of_test(pair["paired"]["wilcoxon"]),
            ]
            for pair in pairs
        ]
        heads = ["Sequences", "Over", "Model", "Subjects", "Difference (95 % interval)"]
        content += table([*heads, "F", "P (Wilcoxon)"], rows, 3, "Effect of sequence on Dice")
    return Markup(content)


def _best(best: dict | None) -> str:
    if not best:
        return wording.DASH
    time = f" ({best['te_ms']:g} ms)" if best.get("te_ms") is not None else ""
    share = best.get("resamples_share")
    often = f", best in {100 * share:.0f} % of resamples" if share is not None else ""
    return f"{best['echo']}{time}{often}"
