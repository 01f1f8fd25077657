"""The sections of experiments 4 and 5: agreement of volumes and of fat fractions."""

from liver_jax.report import wording
from liver_jax.report.markup import Markup, details, paragraph, table
from liver_jax.report.sections import cells


def show(metrics: dict, experiment: str) -> Markup:
    """Experiments 4 and 5: agreement of volumes or fat fractions."""
    found = metrics["experiments"].get(experiment) or {}
    groups = found.get("groups") or []
    if not groups:
        return cells.nothing(found)
    decimals = 0 if experiment == "volumes" else 2
    unit = found.get("unit", "")
    rows, small = [], []
    for group in groups:
        agreed = group["agreement"]
        if agreed is None:
            continue
        # The exact intervals take cases as independent, which those of one subject are not.
        independent = agreed["n"] == agreed["n_subjects"]
        row = [
            cells.population(group),
            wording.model(group["model"]),
            agreed["n"],
            cells.estimate(agreed["r_squared"], 3, independent),
            cells.estimate(agreed["ols"]["slope"], 3, independent),
            cells.estimate(agreed["ols"]["intercept"], decimals + 1, independent),
            cells.estimate(agreed["bias"], decimals + 1, independent),
            cells.p_of_test(agreed["bias_test"]),
            cells.estimate(agreed["lower_limit"], decimals, exact=independent),
            cells.estimate(agreed["upper_limit"], decimals, exact=independent),
            wording.number(agreed["icc_a1"]["value"], 3),
            wording.number(agreed["ccc"]["value"], 3),
            _with_percent(agreed, decimals + 1, experiment == "volumes"),
        ]
        pooled = group["cohort"] == "pooled" and group["contrast"] == "all"
        (rows if pooled else small).append(row)
    heads = ["Cases", "Model", "n", "R²", "Slope", "Intercept", "Bias", "P"]
    heads += ["Lower limit", "Upper limit", "ICC(A,1)", "CCC", "Mean abs. error"]
    content = table(heads, rows, 2)
    if small:
        content += details(
            "By cohort and contrast",
            table(heads, small, 2),
        )
    note = (
        f"Automated minus manual, in {unit}. In brackets 95 % intervals: by Student's t, Fisher's "
        "z and, for the limits of agreement, Carkeet's where every subject has one case, as in the "
        "figures; else by bootstrap over subjects. P takes cases as independent. metrics.json has "
        "Deming regression, proportional bias, and both kinds of interval for every figure."
    )
    return Markup(content + paragraph(note, "quiet note"))


def _with_percent(agreed: dict, decimals: int, percent: bool) -> str:
    words = wording.number(agreed["mean_absolute_error"]["value"], decimals)
    share = agreed["mean_absolute_error_percent"]["value"]
    return f"{words} ({share:.1f} %)" if percent and share is not None else words
