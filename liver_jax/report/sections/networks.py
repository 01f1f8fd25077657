"""The section of experiment 2: the initial against the multimodal network."""

from liver_jax.report import wording
from liver_jax.report.markup import Markup, table
from liver_jax.report.sections import cells


def show(metrics: dict) -> Markup:
    """Experiment 2: paired comparison of both networks."""
    found = metrics["experiments"].get("networks") or {}
    groups = found.get("groups") or []
    if not groups:
        return cells.nothing(found)
    rows = []
    for group in groups:
        paired = group["paired"]
        rows.append(
            [
                cells.population(group),
                paired["n"],
                group["n_undefined"],
                wording.mean_sd(group["initial"]["mean"], group["initial"]["sd"], 3),
                wording.mean_sd(group["multimodal"]["mean"], group["multimodal"]["sd"], 3),
                cells.estimate(paired["difference"], 3),
                cells.p(group["p_bonferroni"]),
                cells.p_of_test(paired["wilcoxon"]),
                cells.estimate(paired["cohens_d_z"], 2),
            ]
        )
    heads = ["Cases", "n", "Undefined", "Initial", "Multimodal", "Difference (95 % interval)"]
    heads += ["P (t, Bonferroni)", "P (Wilcoxon)", "d_z (95 % interval)"]
    return table(heads, rows, 1, "Dice, first echo")
