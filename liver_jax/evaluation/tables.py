"""Tables for the terminal: ours, with the published figure beside each."""

from collections.abc import Sequence

from liver_jax.evaluation import paper

_NOTHING = "-"


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
    published = {model for _, model in paper.DICE}
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
                figure = paper.DICE.get((technique, model)) if echo in (None, 1) else None
                line.append(f"{figure.mean:.2f} +/- {figure.sd:.2f}" if figure else _NOTHING)
        lines.append(line)
    return _aligned(lines)


def forgetting(pair: dict) -> str:
    """One line: what the second stage cost on the first stage's own technique."""
    figure = paper.DICE_DIFFERENCE["spgr2d"]
    return (
        f"Forgetting on spgr2d (Dice, multimodal - initial): {_mean_sd(pair['mean'], pair['sd'])} "
        f"({pair['n']}); paper {figure.mean:.2f} +/- {figure.sd:.2f}"
    )


def ablation(points: Sequence[dict]) -> str:
    """The data-size curves, with counts that only one of us or the paper has.

    Args:
        points: The points of `ablation.merge`.
    """
    ours = {(point["arm"], point["count"]): point for point in points}
    arms = list(dict.fromkeys(point["arm"] for point in points))
    published = {(arm, count) for arm in arms for count in paper.ABLATION[arm]}
    lines = [["sets", "Dice: mean +/- SD (cases)", "SD (seeds)", "paper"]]
    for arm, count in sorted({*ours, *published}):
        point, figure = ours.get((arm, count)), paper.ABLATION[arm].get(count)
        line = [f"{arm}={count}", _NOTHING, _NOTHING, _NOTHING]
        if point:
            line[1] = f"{_mean_sd(point['mean'], point['sd_cases'])} ({point['n_cases']})"
            line[2] = f"{_number(point['sd_seeds'])} ({point['n_seeds']})"
        if figure:
            line[3] = f"{figure.mean:.2f} +/- {figure.sd:.2f}"
        lines.append(line)
    return _aligned(lines)


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
