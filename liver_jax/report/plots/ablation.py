"""Experiment 3: Dice against the number of sets of a technique that the second stage was given."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from liver_jax.report import style, wording
from liver_jax.report.plots import boxes


@style.settings()
def draw(arm: dict, points: Sequence[dict]) -> Figure | None:
    """Draws the curve of one arm, with the published points beside it.

    Args:
        arm: One of the `arms` of `ablation.merge`.
        points: Its points.

    Returns:
        None where no point has a Dice.
    """
    points = [point for point in points if point["arm"] == arm["arm"] and point["mean"] is not None]
    if not points:
        return None
    groups = [_group(point) for point in points]
    low = boxes.floor(groups)
    published = [
        (place, point["published"]) for place, point in enumerate(points, 1) if point["published"]
    ]
    if published:
        low = max(0.0, min(low, min(figure["mean"] - figure["sd"] for _, figure in published)))
    technique = wording.technique(arm["technique"])
    seeds = sorted({point["n_seeds"] for point in points if point["n_seeds"]})
    figure = style.new(
        min(style.PAGE_INCHES, 2.2 + 0.8 * len(points)),
        3.4,
        f"Dice against the number of {technique} sets",
        f"Dice on {technique} of the network tuned on so many sets, over all cases and seeds "
        f"({_listed(seeds)} seeds for each number); 0 is the initial network. The line joins the "
        f"means. Grey: the published mean ± SD. {_plateau(arm)} {boxes.WHAT_A_BOX_IS}",
    )
    axes = figure.add_subplot()
    positions = list(range(1, len(points) + 1))
    boxes.draw(axes, groups, [position - 0.08 for position in positions], 0.45, low)
    means = [point["mean"] for point in points]
    axes.plot(
        [position - 0.08 for position in positions], means, color=style.BLUE, zorder=4, label="mean"
    )
    if published:
        axes.errorbar(
            [place + 0.28 for place, _ in published],
            [item["mean"] for _, item in published],
            [item["sd"] for _, item in published],
            fmt="s", color=style.GREY, markersize=3.5, capsize=2, linewidth=0.8,
            label="published, mean ± SD",
        )  # fmt: skip
    plateau = arm["plateau"]["count"]
    if plateau is not None:
        place = next(place for place, point in enumerate(points, 1) if point["count"] == plateau)
        axes.axvspan(
            place - 0.5, len(points) + 0.5, color=style.GREEN, alpha=0.1, linewidth=0, zorder=0,
            label=f"plateau from {plateau}",
        )  # fmt: skip
    labels = [
        f"{_count(point, points)}\n{item.mean_sd}\nn = {point['n_cases']}"
        + (f"\n{point['n_seeds']} seeds" if point["n_seeds"] > 1 else "")
        + (f"\n({point['n_undefined']} undef.)" if point["n_undefined"] else "")
        + (f"\n({point['n_failed']} failed)" if point["n_failed"] else "")
        for point, item in zip(points, groups, strict=True)
    ]
    boxes.tick_labels(axes, positions, labels)
    axes.set_xlabel(f"{technique} sets in stage 2")
    axes.legend(loc="lower right")
    return figure


def _group(point: dict) -> boxes.Group:
    colour = style.MODEL_COLOURS[point["model"]]
    values = [value for seed in point["dice"] for value in seed if value is not None]
    return boxes.Group(
        np.array(values, np.float64), colour, point["n_undefined"], point["n_failed"]
    )


def _count(point: dict, points: Sequence[dict]) -> str:
    """The number of sets, with its model where both networks have none."""
    twice = sum(other["count"] == point["count"] for other in points) > 1
    return f"{point['count']} ({point['model']})" if twice else str(point["count"])


def _plateau(arm: dict) -> str:
    count, reason = arm["plateau"]["count"], arm["plateau"]["reason"]
    if count is None:
        return f"No plateau was found: {reason}."
    return f"Shaded: from {count} sets on, Dice is not lower than with {arm['most']}."


def _listed(numbers: Sequence[int]) -> str:
    ends = dict.fromkeys((min(numbers, default=0), max(numbers, default=0)))
    return wording.DASH.join(map(str, ends))
