"""The section `Repeatability`: from session to session and from echo to echo."""

from liver_jax.report import wording
from liver_jax.report.markup import Markup, table
from liver_jax.report.sections import cells


def show(metrics: dict) -> Markup:
    """Scan and rescan, and from echo to echo."""
    found = metrics["experiments"].get("repeatability") or {}
    content = ""
    titles = (
        ("between_sessions", "Between sessions"),
        ("between_echoes", "Between the echoes of an examination"),
    )
    for key, title in titles:
        groups = [
            group
            for group in found.get(key) or []
            if group["cohort"] == "pooled" and group.get("mask") != "manual"
        ]
        if not groups:
            continue
        rows = []
        for group in groups:
            decimals = 1 if group["unit"] == "mL" else 2
            rows.append(
                [
                    wording.technique(group["technique"]),
                    wording.model(group["model"]),
                    _repeated(group),
                    group["n_units"],
                    group["n"],
                    cells.estimate(group["within_subject_sd"], decimals),
                    cells.estimate(group["repeatability_coefficient"], decimals, exact=True),
                    wording.number((group["within_subject_cv_percent"] or {}).get("value"), 1),
                    wording.number((group["icc_1"] or {}).get("value"), 3),
                ]
            )
        heads = ["Technique", "Model", "Measure", "Units", "n", "Within-subject SD"]
        heads += ["Repeatability coefficient", "CV (%)", "ICC(1)"]
        content += table(heads, rows, 3, title)
    return Markup(content) or cells.nothing(found)


def _repeated(group: dict) -> str:
    name = "Volume" if group["measure"].startswith("volume") else "PDFF"
    if group["measure"].endswith("without_vessels"):
        name += " without vessels"
    return f"{name} ({group['unit']})"
