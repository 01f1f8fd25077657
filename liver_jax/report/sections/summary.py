"""The section `Summary`: Dice of each technique and model."""

from liver_jax.report import wording
from liver_jax.report.markup import Markup, paragraph, table


def show(metrics: dict) -> Markup:
    """Dice on the first echo for each technique and model, the paper's beside it."""
    groups = [group for group in metrics["summary"]["groups"] if group["echo"] in (None, 1)]
    rows = []
    for group in groups:
        found = group["measures"]["dice"]
        published = _published(metrics, group["technique"], group["model"])
        rows.append(
            [
                wording.technique(group["technique"]),
                wording.model(group["model"]),
                Markup(
                    f"<strong>{wording.mean_sd(found['mean_all'], found['sd_all'], 3)}</strong>"
                ),
                wording.interval(found["interval_95_all"], 3),
                found["n_all"],
                found["n_undefined"],
                found["n_failed"],
                published or wording.DASH,
            ]
        )
    heads = ["Technique", "Model", "Dice, mean ± SD", "95 % interval", "n", "Undefined", "Failed"]
    note = (
        "First echo of multiecho examinations. A failed case counts as Dice 0; a case whose masks "
        "are both empty has no Dice and is counted as undefined. Intervals: "
        f"{metrics['summary']['interval_method']}."
    )
    return Markup(table([*heads, "Paper"], rows, 2) + paragraph(note, "quiet note"))


def _published(metrics: dict, technique: str, model: str) -> str | None:
    """The published mean and SD of Dice of a technique and model, as the paper prints it."""
    for figure in (metrics.get("paper") or {}).get("figures", []):
        key = (figure["experiment"], figure["measure"], figure["technique"], figure["model"])
        if key == (2, "dice", technique, model):
            return figure["published"]["printed"].replace("+/-", "±")
    return None
