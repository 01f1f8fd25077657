"""The paper's Figure 3: Dice for each echo time, one panel for each sequence, with examples."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from liver_jax.report import style, wording
from liver_jax.report.plots import boxes, overlay


@style.settings()
def draw(
    rows: Sequence[dict], model: str, tests: Mapping[str, str], key_slices: overlay.FindSlices
) -> Figure | None:
    """Draws the echoes of one model.

    Args:
        rows: The rows of an evaluation.
        model: Whose.
        tests: By technique, what the test of its echo times found, in a few words.
        key_slices: The slices of a row; none where there are none.

    Returns:
        None where no technique of this model has several echoes.
    """
    rows = [row for row in rows if row["model"] == model and row["echo"] is not None]
    by_technique = {}
    for technique in wording.techniques(rows):
        own = [row for row in rows if row["technique"] == technique]
        echoes = sorted({row["echo"] for row in own})
        if len(echoes) > 1:
            by_technique[technique] = {
                echo: [row for row in own if row["echo"] == echo] for echo in echoes
            }
    if not by_technique:
        return None
    columns = max(map(len, by_technique.values()))
    figure = style.new(
        style.PAGE_INCHES,
        3.1 * len(by_technique) + 0.4,
        f"Dice for each echo time, {wording.model(model)}",
        "One panel for each sequence. Above each box the same examination at that echo time, with "
        "the manual outline: the one with the median Dice on the first echo. "
        f"{boxes.WHAT_A_BOX_IS}",
    )
    colour = style.model_colours([model])[model]
    drawn = {
        technique: [boxes.group(own, colour) for own in echoes.values()]
        for technique, echoes in by_technique.items()
    }
    low = boxes.floor([item for groups in drawn.values() for item in groups])
    panels = figure.subfigures(len(by_technique), 1, squeeze=False)[:, 0]
    for panel, (technique, echoes) in zip(panels, by_technique.items(), strict=True):
        grid = panel.add_gridspec(2, columns, height_ratios=(1, 1.7))
        example = _typical(next(iter(echoes.values())), key_slices)
        level = None
        for place, own in enumerate(echoes.values()):
            axes = panel.add_subplot(grid[0, place])
            row = next((row for row in own if row["exam_id"] == example), None)
            slices = key_slices(row) if row else ()
            if level is None and (first := overlay.largest(slices)):
                level = first.index
            shown = next((item for item in slices if item.index == level), overlay.largest(slices))
            overlay.show(axes, shown, venn=False)
        axes = panel.add_subplot(grid[1, : len(echoes)])
        groups = drawn[technique]
        positions = list(range(1, len(groups) + 1))
        boxes.draw(axes, groups, positions, 0.5, low)
        labels = [
            f"{_echo_time(own, echo)}\n{item.mean_sd}\n{item.count}"
            for (echo, own), item in zip(echoes.items(), groups, strict=True)
        ]
        boxes.tick_labels(axes, positions, labels)
        heading = [wording.technique(technique), tests.get(technique, "")]
        panel.suptitle("   ".join(heading), x=0.07, ha="left", fontsize=8)
    return figure


def _typical(first_echo: Sequence[dict], key_slices: overlay.FindSlices) -> str | None:
    """The examination with the median Dice among those that have slices."""
    ranked = sorted(
        (row for row in first_echo if row["dice"] is not None), key=lambda row: row["dice"]
    )
    found = overlay.nearest_pictured(ranked, (len(ranked) - 1) / 2, key_slices)
    return found["exam_id"] if found else None


def _echo_time(rows: Sequence[dict], echo: int) -> str:
    """`TE 1.15 ms`; the range where examinations differ; the echo's number where none is known."""
    times = [row["te_ms"] for row in rows if row["te_ms"] is not None]
    if not times:
        return f"echo {echo}"
    low, high = round(min(times), 2), round(max(times), 2)
    return f"TE {low:g} ms" if low == high else f"TE {low:g}{wording.DASH}{high:g} ms"
