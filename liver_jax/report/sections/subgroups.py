"""The section `Sub-groups`: each level's Dice and biases, and the tests between levels."""

from collections.abc import Mapping

from liver_jax.report import wording
from liver_jax.report.markup import Markup, details, paragraph, table
from liver_jax.report.sections import cells

# The measures as they stand beside each other: head and decimals.
_MEASURES = {
    "dice": ("Dice", 3),
    "volume_ml_difference": ("Δ volume (mL)", 0),
    "pdff_percent_difference": ("Δ PDFF (points)", 2),
}
_NOTE = (
    "First echoes: mean ± SD, below it the 95 % interval of the mean by bootstrap over subjects; "
    "n: cases that have a value. Δ: automated minus manual. P: Welch's test between the levels; "
    "in brackets after Holm's correction over all tests of the table. metrics.json holds the "
    "tests of interaction."
)


def show(metrics: dict) -> Markup:
    """One table for each column that the cases were split by."""
    columns = metrics["experiments"].get("subgroups") or []
    content = "".join(_of_column(column) for column in columns if column["groups"])
    if not content:
        return paragraph(cells.NO_CASES, "quiet")
    return Markup(content + paragraph(_NOTE, "quiet note"))


def _of_column(column: dict) -> Markup:
    groups = {
        (item["technique"], item["model"], item["measure"]): item for item in column["groups"]
    }
    measures = [name for name in _MEASURES if any(name == measure for *_, measure in groups)]
    heads = ["Level", "Technique", "Model"]
    for measure in measures:
        heads += [_MEASURES[measure][0], "n", "P"]
    rows = [
        [
            str(level),
            wording.technique(technique),
            wording.model(model),
            *(
                cell
                for measure in measures
                for cell in _cells(groups.get((technique, model, measure)), level, measure)
            ),
        ]
        for technique, model in dict.fromkeys(key[:2] for key in groups)
        for level in column["levels"]
    ]
    name = str(column["column"]).removesuffix("_t").replace("_", " ")
    levels = ", ".join(map(str, column["levels"]))
    return details(f"{name[0].upper()}{name[1:]}: {levels}", table(heads, rows, 3))


def _cells(group: Mapping | None, level: str, measure: str) -> list[object]:
    """Mean and interval, n, P; the P belongs to all levels and stands beside each."""
    if group is None:
        return [wording.DASH, 0, wording.DASH]
    found = next(item for item in group["levels"] if item["level"] == level)
    decimals = _MEASURES[measure][1]
    return [
        cells.bracketed(
            wording.mean_sd(found["mean"], found["sd"], decimals),
            wording.interval(found["interval_95"], decimals) if found["interval_95"] else None,
        ),
        found["n_counted"],
        cells.bracketed(
            cells.p_of_test(group["tests"]["welch"]),
            None if group["p_holm"] is None else cells.p(group["p_holm"]),
        ),
    ]
