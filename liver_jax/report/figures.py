"""All figures of an evaluation, as in the paper and beyond it, and their files.

Each is a matplotlib figure; its heading and its caption are `style.title_of` and
`style.caption_of`. A figure that has nothing to show is not there.
"""

import pathlib
import re
import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from liver_jax.evaluation import results
from liver_jax.evaluation.experiments import select
from liver_jax.report import style, wording
from liver_jax.report.plots import (
    ablation,
    agreement,
    echoes,
    examples,
    failure,
    networks,
    overlay,
    subgroups,
)

# Axes around fewer predicted cases show nothing.
_FEWEST_PREDICTED = 4
PHANTOMS = "All cases are simulated phantoms, not patients."


def all(metrics: dict, key_slices: overlay.FindSlices) -> dict[str, Figure]:
    """Draws every figure that an evaluation can give.

    Args:
        metrics: As metrics.json holds them: `cases`, `experiments`, `provenance`.
        key_slices: The slices of a row, as `slices.loader` finds them; none where there are none.

    Returns:
        Figures by name (letters, digits and `_`), in the order of the experiments.
    """
    rows, experiments = metrics["cases"], metrics["experiments"]
    drawn = {
        **_networks(rows, experiments["networks"]["groups"]),
        **_echoes(rows, experiments["echoes"], key_slices),
        **_agreement(rows, experiments),
        **_examples(rows, experiments["outliers"], key_slices),
        **_failure(experiments["failure"]),
        **{
            f"subgroups_{_word(column['column'])}": subgroups.draw(column)
            for column in experiments["subgroups"]
        },
    }
    drawn = {name: figure for name, figure in drawn.items() if figure is not None}
    for figure in drawn.values():
        if results.are_phantoms(metrics):
            style.add_note(figure, PHANTOMS)
        style.settle(figure)
    return drawn


def of_ablation(merged: dict) -> dict[str, Figure]:
    """Draws the data-size curves.

    Args:
        merged: What `ablation.merge` returns.

    Returns:
        `ablation_ct` and `ablation_hbp`, as far as there are runs.
    """
    drawn = {
        f"ablation_{_word(arm['arm'])}": ablation.draw(arm, merged["points"])
        for arm in merged["arms"]
    }
    drawn = {name: figure for name, figure in drawn.items() if figure is not None}
    for figure in drawn.values():
        if merged["phantoms"]:
            style.add_note(figure, PHANTOMS)
        style.settle(figure)
    return drawn


def svgs(figures: Mapping[str, Figure]) -> dict[str, str]:
    """Each figure as an SVG element for a page; see `style.svg`."""
    return {name: style.svg(name, figure) for name, figure in figures.items()}


def write(figures: Mapping[str, Figure], folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes each figure as `name.svg` and `name.pdf`; returns the files."""
    return [path for name, figure in figures.items() for path in style.write(name, figure, folder)]


def _networks(rows: Sequence[dict], groups: Sequence[dict]) -> dict[str, Figure | None]:
    by_place = {(group["technique"], group["cohort"], group["contrast"]): group for group in groups}

    def words(place: networks.Place) -> str:
        group = by_place.get(place)
        if group is None:
            return ""
        difference = group["paired"]["difference"]
        text = wording.number(difference["value"])
        if difference["interval_95"]:
            text += f" ({wording.interval(difference['interval_95'])})"
        p = group["p_bonferroni"]
        return text if p is None else f"{text}\n{wording.p_value(p)}"

    models = wording.models(rows)
    if {"initial", "multimodal"} <= set(models):
        title = "Dice of the initial and the multimodal CNN"
    else:
        title = "Dice for each technique"
        if len(models) == 1:
            title += f", {wording.model(models[0])}"
    found = {"networks": networks.draw(rows, [select.POOLED], title, words)}
    cohorts = [cohort for cohort in wording.cohorts(rows) if cohort]
    parts = {
        (label.cohort, label.contrast) for label, _ in select.labelled(select.first_echo(rows))
    }
    if len(cohorts) > 1 or any(contrast != select.ALL_CONTRASTS for _, contrast in parts):
        found["networks_cohorts"] = networks.draw(rows, cohorts, f"{title}, by cohort", words)
    return found


def _echoes(
    rows: Sequence[dict], experiment: dict, key_slices: overlay.FindSlices
) -> dict[str, Figure | None]:
    found = {}
    for model in wording.models(rows):
        tests = {
            group["technique"]: _echo_test(group)
            for group in experiment["te"]
            if (group["model"], group["cohort"]) == (model, select.POOLED)
        }
        name = _new_name(found, f"echoes_{_word(model)}")
        found[name] = echoes.draw(rows, model, tests, key_slices)
    return found


def _echo_test(group: dict) -> str:
    """`echo time: F(5, 95) = 1.29, P = .23; Greenhouse-Geisser P = .25; Friedman P = .20`."""
    test, corrected = group["anova"]["test"], group["anova"]["greenhouse_geisser"]
    if test["statistic"] is None:
        return ""
    degrees = ", ".join(f"{value:g}" for value in test["df"])
    words = [
        f"echo time: F({degrees}) = {wording.number(test['statistic'])}, "
        f"{wording.p_value(test['p'])}",
        f"Greenhouse-Geisser {wording.p_value(corrected['p'])}",
        f"Friedman {wording.p_value(group['friedman']['test']['p'])}",
    ]
    return "; ".join(words)


def _agreement(rows: Sequence[dict], experiments: dict) -> dict[str, Figure | None]:
    """Volumes and fat fractions of each technique, pooled over cohorts and contrasts."""
    fat = experiments["fat"]["groups"]
    kinds = (
        ("volume", agreement.VOLUME, experiments["volumes"]["groups"]),
        ("pdff", agreement.PDFF, [item for item in fat if item["region"] == "whole_liver"]),
        (
            "pdff_without_vessels",
            agreement.PDFF_WITHOUT_VESSELS,
            [item for item in fat if item["region"] == "without_vessels"],
        ),
    )
    rows = select.first_echo(rows)
    found = {}
    for kind, quantity, groups in kinds:
        for group in groups:
            model, technique = group["model"], group["technique"]
            everything = (group["cohort"], group["contrast"]) == (
                select.POOLED,
                select.ALL_CONTRASTS,
            )
            if not everything or model not in wording.final_models(rows):
                continue
            own = [row for row in select.of_model(rows, model) if row["technique"] == technique]
            title = f"{quantity.name} on {wording.technique(technique)}, {wording.model(model)}"
            name = _new_name(found, f"{kind}_{_word(technique)}_{_word(model)}")
            found[name] = agreement.draw(own, quantity, group, title)
    return found


def _examples(
    rows: Sequence[dict], outliers: dict, key_slices: overlay.FindSlices
) -> dict[str, Figure | None]:
    found = {}
    by_case = {(row["exam_id"], row["echo"], row["model"]): row for row in rows}
    for model in wording.final_models(rows):
        name = _new_name(found, f"examples_{_word(model)}")
        found[name] = examples.low_and_high(rows, model, key_slices)
        chosen = [
            (case, by_case[case["exam_id"], case["echo"], model])
            for case in outliers["cases"]
            if case["model"] == model
        ]
        cases = [(row, _why(case, row["reason"], outliers)) for case, row in chosen]
        name = _new_name(found, f"outliers_{_word(model)}")
        found[name] = examples.outliers(cases, model, key_slices)
    return found


def _why(case: dict, reason: str | None, outliers: dict) -> str:
    """Why a case is an outlier, in words."""
    words = {
        "failed": textwrap.shorten(reason or "failed", 90, placeholder="…"),
        "dice": f"Dice below {outliers['dice_threshold']:g}",
        "volume": "volume beyond the limits of agreement "
        f"({wording.number(case['volume_ml_difference'], 0)} mL)",
        "pdff": "PDFF beyond the limits of agreement "
        f"({wording.number(case['pdff_percent_difference'], 1)} points)",
    }
    return "; ".join(words[why] for why in case["why"])


def _failure(experiment: dict) -> dict[str, Figure | None]:
    """One for all models together and, where there are several, one for each."""
    models = wording.models(group for group in experiment["groups"] if group["model"] is not None)
    found = {}
    for group in experiment["groups"]:
        if group["n_counted"] < _FEWEST_PREDICTED:
            continue
        if group["model"] is not None and len(models) > 1:
            name, whose = f"failure_{_word(group['model'])}", wording.model(group["model"])
        elif group["model"] is None:
            name, whose = "failure", wording.model(models[0]) if len(models) == 1 else "all models"
        else:
            continue
        found[_new_name(found, name)] = failure.draw(experiment, group, whose)
    return found


def _word(name: str) -> str:
    """A user's name as a part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "unnamed"


def _new_name(taken: Mapping[str, Figure | None], name: str) -> str:
    """The name, with a number where two users' names became one."""
    number, new = 1, name
    while new in taken:
        number += 1
        new = f"{name}_{number}"
    return new
