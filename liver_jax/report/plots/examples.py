"""The paper's Figure 2 and the outliers: slices with their masks coloured as a Venn diagram."""

import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from liver_jax.evaluation.experiments import select
from liver_jax.report import style, wording
from liver_jax.report.plots import overlay
from liver_jax.report.slices import KeySlice

_PANEL_INCHES = 1.7
_TALLEST = 1.3
_MOST_OUTLIERS = 12
_COLUMNS = 4
_LONGEST = 18  # letters of a technique above a panel


@style.settings()
def low_and_high(rows: Sequence[dict], model: str, key_slices: overlay.FindSlices) -> Figure | None:
    """A case with a low and one with a high Dice for each technique.

    They are the cases nearest to the 5th and the 95th percentile of those that have a Dice and
    slices: the very worst are among the outliers.

    Args:
        rows: The rows of an evaluation.
        model: Whose masks.
        key_slices: The slices of a row; none where there are none.

    Returns:
        None where no case has slices.
    """
    own = select.first_echo(select.of_model(rows, model))
    chosen = {}
    for technique in wording.techniques(own):
        ranked = sorted(
            (row for row in own if row["technique"] == technique and row["dice"] is not None),
            key=lambda row: (row["dice"], row["exam_id"]),
        )
        cases = [
            overlay.nearest_pictured(ranked, share * (len(ranked) - 1), key_slices)
            for share in (0.05, 0.95)
        ]
        if None not in cases:
            chosen[technique] = cases
    if not chosen:
        return None
    pictures = {
        technique: [overlay.largest(key_slices(row)) for row in cases]
        for technique, cases in chosen.items()
    }
    height = _height_inches([shown for pair in pictures.values() for shown in pair])
    figure = style.new(
        max(_PANEL_INCHES * len(chosen), style.ONE_COLUMN_INCHES),
        2 * height + 1.2,
        f"A low and a high Dice of each technique, {wording.model(model)}",
        "The cases nearest to the 5th (above) and the 95th percentile (below) of Dice on the first "
        "echo, each in the slice with the most liver. The patient's right is on the left.",
    )
    panels = figure.subplots(2, len(chosen), squeeze=False)
    for column, (technique, cases) in enumerate(chosen.items()):
        for place, row in enumerate(cases):
            axes = panels[place, column]
            overlay.show(axes, pictures[technique][place])
            name = f"{_technique(technique)}\n" if place == 0 else ""
            axes.set_title(f"{name}Dice {wording.number(row['dice'])}", loc="center")
    overlay.legend(figure)
    return figure


@style.settings()
def outliers(
    cases: Sequence[tuple[dict, str]], model: str, key_slices: overlay.FindSlices
) -> Figure | None:
    """The worst cases, each in the slice where its masks differ most.

    Args:
        cases: Rows and why each is an outlier, worst first.
        model: Whose masks.
        key_slices: The slices of a row; none where there are none.

    Returns:
        None where there is no case.
    """
    if not cases:
        return None
    shown = cases[:_MOST_OUTLIERS]
    columns = min(_COLUMNS, len(shown))
    lines = -(-len(shown) // columns)
    which = f"the {len(shown)} worst of {len(cases)}" if len(cases) > len(shown) else "worst first"
    pictures = [overlay.most_different(key_slices(row)) for row, _ in shown]
    figure = style.new(
        max(_PANEL_INCHES * 1.05 * columns, style.ONE_COLUMN_INCHES),
        (_height_inches(pictures) + 0.75) * lines + 0.6,
        f"Outliers, {wording.model(model)}: {which}",
        "Each in the slice where the two masks differ most. The patient's right is on the left. "
        "Under each case: why it is an outlier, and its flags.",
    )
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    for axes, (row, why), picture in zip(panels, shown, pictures, strict=False):
        _outlier(axes, row, why, picture)
    overlay.legend(figure)
    return figure


def _height_inches(pictures: Sequence[KeySlice | None]) -> float:
    """The height of a panel that holds the tallest of the slices."""
    sizes = [(*item.grey.shape, *item.pixel_mm) for item in pictures if item is not None]
    tallest = max(
        (rows * row_mm / (columns * column_mm) for rows, columns, row_mm, column_mm in sizes),
        default=0.5,
    )
    return _PANEL_INCHES * min(tallest, _TALLEST)


def _outlier(axes: Axes, row: dict, why: str, shown: KeySlice | None) -> None:
    overlay.show(axes, shown)
    dice = "failed" if row["status"] == "failed" else f"Dice {wording.number(row['dice'])}"
    axes.set_title(
        f"{wording.shortened(row['exam_id'])}\n{_technique(row['technique'])}, {dice}",
        loc="center", fontsize=7,
    )  # fmt: skip
    words = "; ".join([why, *(flag.replace("_", " ") for flag in row["flags"])]).strip("; ")
    axes.text(
        0.5, -0.03, textwrap.fill(words, 36), ha="center", va="top", fontsize=6,
        transform=axes.transAxes,
    )  # fmt: skip


def _technique(name: str) -> str:
    """A technique above one panel."""
    return wording.shortened(wording.technique(name), _LONGEST)
