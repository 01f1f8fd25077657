"""Tables for the terminal: ours, with the published figure beside each."""

import textwrap
from collections.abc import Sequence

from liver_jax.evaluation import paper as publication
from liver_jax.evaluation.experiments import select

_NOTHING = "-"
_WIDTH = 120
_VERDICTS = ("equivalent", "inconclusive", "different")
_HEADER = ["figure", "paper", "ours (n)", "difference [95 % interval]", "verdict"]
_EXPERIMENTS = {
    1: f"Dice over echoes and sequences; margin {publication.MARGINS['dice']}",
    2: f"Dice of both networks; margin {publication.MARGINS['dice']}",
    3: f"Dice against the number of sets; margin {publication.MARGINS['dice']}",
    4: "volume, mL; bias and limits differ by % of the mean manual volume, "
    f"margin {publication.MARGINS['volume_percent']:g} %",
    5: f"PDFF, percentage points; margin {publication.MARGINS['pdff_points']}",
}
_MEASURES = {
    "lowest_mean_dice_of_echoes": "lowest mean of echoes",
    "highest_mean_dice_of_echoes": "highest mean of echoes",
    "dice": "Dice",
    "dice_difference": "multimodal - initial",
    "dice_difference_p": "P of multimodal - initial",
    "te_f": "TE F",
    "te_p": "TE P",
    "sequence_f": "2D against 3D F",
    "sequence_p": "2D against 3D P",
    "r": "R",
    "r_squared": "R2",
    "bias_p": "P of the bias",
}
# How many digits a difference has, by its unit; Dice and ratios three.
_DIGITS = {"mL": 1, "percentage points": 2, "% of the mean manual value": 2, "sets": 0}


def dice(groups: Sequence[dict]) -> str:
    """Techniques and echoes down, models across, the paper's figure beside each model it has.

    Args:
        groups: The groups of `summary.summarise`.

    Returns:
        Lines without a final newline; failed cases count as Dice 0.
    """
    models = list(dict.fromkeys(group["model"] for group in groups))
    models.sort(key=lambda model: {"initial": 0, "multimodal": 1}.get(model, 2))
    cells = {(group["technique"], group["echo"], group["model"]): group for group in groups}
    published = {model for _, model in publication.DICE}
    header = ["Dice: mean +/- SD (n)"]
    for model in models:
        header += [model, "paper"] if model in published else [model]
    lines = [header]
    for technique, echo in dict.fromkeys((group["technique"], group["echo"]) for group in groups):
        line = [technique if echo is None else f"{technique}, echo {echo}"]
        for model in models:
            group = cells.get((technique, echo, model))
            line.append(_ours(group["measures"]["dice"]) if group else _NOTHING)
            if model in published:
                figure = publication.DICE.get((technique, model)) if echo in (None, 1) else None
                line.append(f"{figure.mean:.2f} +/- {figure.sd:.2f}" if figure else _NOTHING)
        lines.append(line)
    return _aligned(lines)


def forgetting(pair: dict) -> str:
    """One line: what the second stage cost on the first stage's own technique."""
    figure = publication.DICE_DIFFERENCE["spgr2d"]
    return (
        f"Forgetting on spgr2d (Dice, multimodal - initial): {_mean_sd(pair['mean'], pair['sd'])} "
        f"({pair['n']}); paper {figure.mean:.2f} +/- {figure.sd:.2f}"
    )


def ablation(points: Sequence[dict]) -> str:
    """The data-size curves, with counts that only one of us or the paper has.

    Args:
        points: The points of `ablation.merge`.
    """
    ours = {(point["arm"], point["count"], point["model"]): point for point in points}
    arms = list(dict.fromkeys(point["arm"] for point in points))
    published = {
        (arm, count, "multimodal" if count else "initial"): figure
        for arm in arms
        for count, figure in publication.ABLATION[arm].items()
    }
    lines = [["sets", "Dice: mean +/- SD (cases)", "95 % interval", "SD (seeds)", "paper"]]
    for arm, count, model in sorted({*ours, *published}):
        point, figure = ours.get((arm, count, model)), published.get((arm, count, model))
        name = f"{arm}={count}" + ("" if count else f" ({model})")
        line = [name, *[_NOTHING] * 4]
        if point:
            line[1] = f"{_mean_sd(point['mean'], point['sd_cases'])} ({point['n_cases']})"
            line[2] = _interval(point["interval_95"], 3)
            if point["n_seeds"]:  # the initial network has none
                line[3] = f"{_number(point['sd_seeds'])} ({point['n_seeds']})"
        if figure:
            line[4] = f"{figure.mean:.2f} +/- {figure.sd:.2f}"
        lines.append(line)
    return _aligned(lines)


def plateaus(arms: Sequence[dict], points: Sequence[dict]) -> str:
    """One line for each arm: from how many sets on its curve is flat; and what to know about it.

    Args:
        arms: The arms of `ablation.merge`.
        points: Its points.
    """
    lines = []
    for arm in arms:
        plateau = arm["plateau"]
        found = f"no plateau: {plateau['reason']}"
        if plateau["count"] is not None:
            within = f"Dice within {publication.MARGINS['dice']} of that at {arm['most']}"
            found = f"plateau from {plateau['count']} on ({within})"
        lines.append(f"{arm['arm']}: {found}; paper {plateau['published']}")
        few = [
            point
            for point in points
            if point["arm"] == arm["arm"] and point["n_seeds"] and point["seeds_reason"]
        ]
        if few:
            counts = ", ".join(str(point["count"]) for point in few)
            lines.append(f"{arm['arm']}={counts}: {few[0]['seeds_reason']}")
    return "\n".join(lines)


def paper(comparison: dict) -> str:
    """Every published figure that this evaluation has, ours beside it, at most 120 characters wide.

    Args:
        comparison: As `comparison.compare` returns it.
    """
    present = [figure for figure in comparison["figures"] if figure["ours"]]
    rows = [_HEADER, *(_compared(figure) for figure in present)]
    others = sum(max(map(len, column)) + 2 for column in list(zip(*rows, strict=True))[1:])
    rows = [[_clipped(row[0], _WIDTH - others), *row[1:]] for row in rows]
    header, *body = _aligned(rows).splitlines()
    lines = []
    for experiment, title in _EXPERIMENTS.items():
        own = [
            line
            for figure, line in zip(present, body, strict=True)
            if figure["experiment"] == experiment
        ]
        if own:
            lines += ["", f"Experiment {experiment}: {title}", header, *own]
    counts = comparison["verdicts"]
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _VERDICTS)
    lines += ["", f"{told}; {counts['none']} without a margin."]
    absent = [figure for figure in comparison["figures"] if not figure["ours"]]
    for reason in dict.fromkeys(figure["reason"] for figure in absent):
        count = sum(figure["reason"] == reason for figure in absent)
        lines += _wrapped(f"{count} published without ours: {reason}.")
    lines += _wrapped(f"Verdicts: {comparison['method']}. Paper: {comparison['source']}.")
    return "\n".join(lines).lstrip("\n")


def _compared(figure: dict) -> list[str]:
    """One line of the comparison."""
    ours = figure["ours"]
    count = "" if ours["n"] is None else f" ({ours['n']})"
    difference = _NOTHING
    # The cohorts differ, and that is no result.
    if figure["difference"] is not None and not _is_of_cohort(figure):
        digits = _DIGITS.get(figure["unit"], 3)
        difference = f"{figure['difference']:.{digits}f}"
        if figure["interval_95"]:
            difference += f" {_interval(figure['interval_95'], digits)}"
        difference += " %" if figure["unit"].startswith("%") else ""
    verdict = figure["verdict"] or _NOTHING
    if verdict == "different" and figure["is_better"] is not None:
        verdict += ", better" if figure["is_better"] else ", worse"
    return [
        _what(figure),
        figure["published"]["printed"],
        ours["printed"] + count,
        difference,
        verdict,
    ]


def _is_of_cohort(figure: dict) -> bool:
    return "_manual_" in figure["measure"] or "_automated_" in figure["measure"]


def _what(figure: dict) -> str:
    measure = figure["measure"]
    for prefix in ("volume_", "pdff_"):
        measure = measure.removeprefix(prefix)
    where = [figure["technique"], figure["model"]]
    if figure["cohort"] != select.POOLED:
        where.append(figure["cohort"])
    if figure["sets"] is not None:
        where.append(f"{figure['sets']} set" + ("" if figure["sets"] == 1 else "s"))
    named = _MEASURES.get(measure, measure.replace("_", " "))
    return f"{named}, {' '.join(part for part in where if part)}"


def _clipped(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH)


def _interval(interval: Sequence[float] | None, digits: int) -> str:
    if not interval:
        return _NOTHING
    return f"[{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def _ours(measure: dict) -> str:
    if not measure["n_all"]:
        return f"{_NOTHING} (0)"
    return f"{_mean_sd(measure['mean_all'], measure['sd_all'])} ({measure['n_all']})"


def _mean_sd(mean: float | None, sd: float | None) -> str:
    return f"{_number(mean)} +/- {_number(sd)}"


def _number(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.3f}"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
    return "\n".join(padded)
