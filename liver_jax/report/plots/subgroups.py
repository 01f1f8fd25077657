"""Sub-groups as a forest plot: each level's mean with its interval, by technique and model."""

from collections.abc import Sequence

from matplotlib import lines
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from liver_jax.report import style, wording

_MEASURES = {
    "dice": "Dice",
    "volume_ml_difference": f"Volume, automated {wording.MINUS} manual (mL)",
    "pdff_percent_difference": f"PDFF, automated {wording.MINUS} manual (points)",
}
_LINE_INCHES = 0.19


@style.settings()
def draw(column: dict) -> Figure | None:
    """Draws one column of the manifest.

    Args:
        column: One of `experiments["subgroups"]`.

    Returns:
        None where no level has a figure.
    """
    groups = column["groups"]
    measures = [name for name in _MEASURES if any(group["measure"] == name for group in groups)]
    if not measures:
        return None
    models = wording.models(groups)
    places: list[tuple[str, str | None]] = []  # a technique's heading, then its levels
    for technique in wording.techniques(groups):
        places += [(technique, None), *((technique, level) for level in column["levels"])]
    name = column["column"].replace("_", " ")
    figure = style.new(
        style.PAGE_INCHES,
        _LINE_INCHES * len(places) * max(1, len(models) / 2) + 1.4,
        f"Sub-groups: {name}",
        "Mean and 95 % interval by bootstrap over subjects. First echoes, cohorts pooled; failed "
        "cases count as Dice 0. P: Welch's test between the levels, after Holm's correction over "
        f"all tests of the figure. {_cuts(column)}{_interactions(column)}",
    )
    panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    colours = style.model_colours(models)
    for axes, measure in zip(panels, measures, strict=True):
        for group in groups:
            if group["measure"] == measure:
                _draw_group(axes, group, places, models, colours[group["model"]])
        axes.set_xlabel(_MEASURES[measure])
        axes.grid(axis="x", color="#dddddd", linewidth=0.5)
        axes.locator_params(axis="x", nbins=5)
        if measure != "dice":
            axes.axvline(0, color=style.GREY, linewidth=0.7, linestyle="--", zorder=1)
        axes.tick_params(axis="y", length=0)
    labels = [
        wording.technique(technique) if level is None else _label(groups, technique, level)
        for technique, level in places
    ]
    panels[0].set_yticks(range(len(places)), labels)
    for text, (_, level) in zip(panels[0].get_yticklabels(), places, strict=True):
        text.set_fontweight("bold" if level is None else "normal")
    panels[0].set_ylim(len(places) - 0.4, -0.6)
    if len(models) > 1:
        handles = [
            lines.Line2D([], [], color=colours[model], marker="o", markersize=3.5, label=text)
            for model, text in ((model, wording.model(model)) for model in models)
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(models))
    return figure


def _draw_group(
    axes: Axes,
    group: dict,
    places: Sequence[tuple[str, str | None]],
    models: Sequence[str],
    colour: str,
) -> None:
    number = models.index(group["model"])
    shift = (number - (len(models) - 1) / 2) * 0.7 / len(models)
    for level in group["levels"]:
        if level["mean"] is None:
            continue
        place = places.index((group["technique"], level["level"])) + shift
        if level["interval_95"]:
            axes.plot(level["interval_95"], (place, place), color=colour, linewidth=1.1)
        axes.plot(level["mean"], place, "o", color=colour, markersize=3.2)
    if group["p_holm"] is None:
        return
    heading = places.index((group["technique"], None))
    axes.annotate(
        wording.p_value(group["p_holm"]),
        (1, heading), (-46 * (len(models) - 1 - number), 0),
        xycoords=axes.get_yaxis_transform(), textcoords="offset points",
        ha="right", va="center", fontsize=6.5, color=colour if len(models) > 1 else style.BLACK,
    )  # fmt: skip


def _label(groups: Sequence[dict], technique: str, level: str) -> str:
    """A level with the number of its examinations."""
    counts = [
        found["n"]
        for group in groups
        if group["technique"] == technique
        for found in group["levels"]
        if found["level"] == level
    ]
    return f"{wording.shortened(level)}  (n = {max(counts, default=0)})"


def _cuts(column: dict) -> str:
    if not column["cuts"]:
        return ""
    listed = ", ".join(f"{cut:g}" for cut in column["cuts"])
    return f"Levels begin at {listed} ({column['kind']}). "


def _interactions(column: dict) -> str:
    """Whether the difference between the networks depends on the level."""
    found = [
        f"{wording.technique(item['technique'])} {wording.p_value(item['tests']['welch']['p'])}"
        for item in column["interactions"]
        if item["kind"] == "model" and item["measure"] == "dice"
    ]
    if not found:
        return ""
    return f"Does the networks' difference in Dice depend on the level? {'; '.join(found)}."
