"""The section `Sub-groups`."""

from liver_jax.report import wording
from liver_jax.report.markup import Markup, details, paragraph, table
from liver_jax.report.sections import cells


def show(metrics: dict) -> Markup:
    """Sub-groups: each level's Dice, and the tests between levels and of interaction."""
    found = metrics["experiments"].get("subgroups") or []
    if not found:
        return paragraph(cells.NO_CASES, "quiet")
    content = ""
    for group in found:
        rows = []
        for item in group["groups"]:
            if item["measure"] != "dice":
                continue
            for level in item["levels"]:
                rows.append(
                    [
                        str(level["level"]),
                        wording.technique(item["technique"]),
                        wording.model(item["model"]),
                        level["n"],
                        wording.mean_sd(level["mean"], level["sd"], 3),
                        wording.interval(level["interval_95"], 3),
                        cells.p_of_test(item["tests"]["welch"]),
                        cells.p(item.get("p_holm")),
                    ]
                )
        if not rows:
            continue
        heads = ["Level", "Technique", "Model", "n", "Dice, mean ± SD", "95 % interval"]
        name = str(group["column"]).removesuffix("_t").replace("_", " ")
        content += details(
            f"{name[0].upper()}{name[1:]}: {', '.join(map(str, group['levels']))}",
            table([*heads, "P (Welch)", "P (Holm)"], rows, 3),
        )
    return Markup(content) or paragraph(cells.NO_CASES, "quiet")
