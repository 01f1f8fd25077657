"""Experiment 2: box plots of Dice for each technique and network."""

import dataclasses
from collections.abc import Callable, Sequence

from matplotlib import patches
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from liver_jax.evaluation.experiments import select
from liver_jax.report import style, wording
from liver_jax.report.plots import boxes

Place = tuple[str, str, str]  # technique, cohort, contrast
_BOX_SHARE = 0.72  # of the room of one technique
_LINE_LETTERS = 84  # that names can have in a line, all together
_FEWEST_LETTERS = 18


@style.settings()
def draw(
    rows: Sequence[dict],
    cohorts: Sequence[str],
    title: str,
    words: Callable[[Place], str],
) -> Figure | None:
    """Draws the first echoes and single images of every model, one panel for each cohort.

    Args:
        rows: The rows of an evaluation.
        cohorts: `pooled` for all cases, or names of cohorts; in the latter unenhanced and enhanced
            CT have places of their own where the manifest tells them apart.
        title: The figure's heading.
        words: What the paired test says of a place, above its boxes; may be empty.

    Returns:
        None where there is no row.
    """
    rows = select.first_echo(rows)
    models = wording.models(rows)
    labelled = [(label, own) for label, own in select.labelled(rows) if label.cohort in cohorts]
    if not labelled:
        return None
    split = {
        (label.technique, label.cohort)
        for label, _ in labelled
        if label.contrast != select.ALL_CONTRASTS and label.cohort != select.POOLED
    }
    panels = {
        cohort: [
            (label, own)
            for label, own in labelled
            if label.cohort == cohort
            and ((label.technique, cohort) in split) == (label.contrast != select.ALL_CONTRASTS)
        ]
        for cohort in cohorts
    }
    panels = {cohort: places for cohort, places in panels.items() if places}
    colours = style.model_colours(models)
    groups = {
        (label, model): boxes.group(select.of_model(own, model), colours[model])
        for places in panels.values()
        for label, own in places
        for model in models
    }
    low = boxes.floor(list(groups.values()))
    most = max(map(len, panels.values()))
    narrow = max(style.ONE_COLUMN_INCHES, min(style.PAGE_INCHES, 1 + 1.2 * most))
    figure = style.new(
        style.PAGE_INCHES if len(models) > 1 else narrow,
        2.9 * len(panels) + 0.4,
        title,
        f"First echo where there are several. {boxes.WHAT_A_BOX_IS} Above the boxes: the second "
        "network minus the first on the same cases, and the paired t test after Bonferroni's "
        "correction.",
    )
    for place, (cohort, places) in enumerate(panels.items()):
        axes = figure.add_subplot(len(panels), 1, place + 1)
        width = _BOX_SHARE / len(models)
        positions, labels = [], []
        for middle, (label, _) in enumerate(places, 1):
            for number, model in enumerate(models):
                item = groups[label, model]
                position = middle + (number - (len(models) - 1) / 2) * width
                boxes.draw(axes, [item], [position], 0.8 * width, low)
                if item.values.size or item.n_undefined:
                    positions.append(position)
                    labels.append(f"{item.mean_sd.replace(' ', chr(10), 1)}\n{item.count}")
            name = _name(label, max(_LINE_LETTERS // len(places), _FEWEST_LETTERS))
            _heading(axes, middle, name, words(dataclasses.astuple(label)))
        boxes.tick_labels(axes, positions, labels)
        axes.set_xlim(0.5, len(places) + 0.5)
        if cohort != select.POOLED:
            axes.set_title(f"{cohort} cohort", pad=37, fontweight="bold")
    if len(models) > 1:
        handles = [
            patches.Patch(facecolor=colours[model], alpha=0.6, label=wording.model(model))
            for model in models
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(models))
    return figure


def _heading(axes: Axes, middle: float, name: str, words: str) -> None:
    """The name of a place, and under it what the test says, above its boxes."""
    above = {
        "xycoords": axes.get_xaxis_transform(),
        "textcoords": "offset points",
        "ha": "center",
        "va": "bottom",
    }
    axes.annotate(words, (middle, 1), (0, 4), fontsize=6.5, **above)
    axes.annotate(name, (middle, 1), (0, 22 if words else 4), fontsize=8, **above)


def _name(label: select.Label, longest: int) -> str:
    contrast = "" if label.contrast == select.ALL_CONTRASTS else f", {label.contrast}"
    return wording.shortened(wording.technique(label.technique), longest - len(contrast)) + contrast
