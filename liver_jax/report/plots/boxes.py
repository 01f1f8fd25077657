"""Box plots of Dice: one box for each echo time, network or cohort, with its n and mean ± SD."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from liver_jax.evaluation import summary
from liver_jax.report import style, wording

# With fewer cases than this the cases themselves say more than quartiles do.
_EACH_CASE_BELOW = 60
# An outlier farther than this below the lowest whisker would press the boxes flat.
_FAR = 0.1
WHAT_A_BOX_IS = (
    "Box: quartiles and median; whiskers: the farthest case within 1.5 interquartile ranges; "
    f"diamond: mean; dots: all cases where there are fewer than {_EACH_CASE_BELOW}, else those "
    "beyond the whiskers; triangle: cases below the axis. A failed case counts as Dice 0."
)


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """What one box shows.

    Attributes:
        values: [n], the Dice that count.
        colour: Of the box.
        n_undefined: Cases without a Dice: both masks empty.
        n_failed: Cases that failed, which are among the values as 0.
    """

    values: np.ndarray
    colour: str
    n_undefined: int = 0
    n_failed: int = 0

    @property
    def count(self) -> str:
        """`n = 50`, and what is missing or failed."""
        lines = [f"n = {self.values.size}"]
        if self.n_undefined:
            lines.append(f"({self.n_undefined} undef.)")
        if self.n_failed:
            lines.append(f"({self.n_failed} failed)")
        return "\n".join(lines)

    @property
    def mean_sd(self) -> str:
        """`0.93 ± 0.04`."""
        if not self.values.size:
            return wording.DASH
        sd = float(self.values.std(ddof=1)) if self.values.size > 1 else None
        return wording.mean_sd(float(self.values.mean()), sd)


def group(rows: Sequence[dict], colour: str) -> Group:
    """The Dice of some rows."""
    values = [summary.dice_or_zero(row) for row in rows]
    defined = np.array([value for value in values if value is not None], np.float64)
    failed = sum(row["status"] == "failed" for row in rows)
    return Group(defined, colour, len(rows) - defined.size, failed)


def floor(groups: Sequence[Group]) -> float:
    """Where a Dice axis begins that shows every whisker, and far outliers only if they are near."""
    lowest = []
    for item in groups:
        if item.values.size:
            first, third = np.percentile(item.values, (25, 75))
            inside = item.values[item.values >= first - 1.5 * (third - first)]
            lowest.append(float(inside.min()))
    if not lowest:
        return 0.0
    whisker = min(lowest)
    least = min(float(item.values.min()) for item in groups if item.values.size)
    low = least if whisker - least < _FAR else whisker
    return max(0.0, float(np.floor((low - 0.01) * 20) / 20))


def draw(
    axes: Axes, groups: Sequence[Group], positions: Sequence[float], width: float, low: float
) -> None:
    """Draws the boxes and the Dice axis; a group without a value leaves its place empty.

    Args:
        axes: Where.
        groups: The boxes.
        positions: [group], their middles.
        width: Of a box.
        low: Where the axis begins; cases below it become triangles there.
    """
    for item, position in zip(groups, positions, strict=True):
        if item.values.size:
            _draw_one(axes, item, position, width, low)
    margin = 0.02 * (1 - low)
    axes.set_ylim(low - 2 * margin, 1 + margin)
    axes.set_ylabel("Dice")
    axes.grid(axis="y", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)


def _draw_one(axes: Axes, item: Group, position: float, width: float, low: float) -> None:
    each_case = item.values.size < _EACH_CASE_BELOW
    dots = {"markersize": 2.5, "markeredgewidth": 0, "marker": "o", "markerfacecolor": "black"}
    if item.values.size > 2:  # two cases have no quartiles
        axes.boxplot(
            item.values,
            positions=[position],
            widths=width,
            patch_artist=True,
            showfliers=not each_case,
            flierprops=dots | {"alpha": 0.6},
            medianprops={"color": "black", "linewidth": 1.2},
            boxprops={"facecolor": item.colour, "alpha": 0.6, "linewidth": 0.7},
            whiskerprops={"linewidth": 0.7},
            capprops={"linewidth": 0.7},
            manage_ticks=False,
        )
    if each_case:
        places = position + width * 0.7 * _spread(item.values.size)
        axes.plot(places, item.values, linestyle="", **dots | {"alpha": 0.45})
    mean = float(item.values.mean())
    if mean >= low:
        axes.plot(
            position, mean, linestyle="", marker="D", markersize=3.6, markerfacecolor="white",
            markeredgecolor="black", markeredgewidth=0.8, zorder=5,
        )  # fmt: skip
    below = int((item.values < low).sum())
    if below:
        place = low - 0.015 * (1 - low)
        axes.plot(position, place, "v", color=style.VERMILION, markersize=4, clip_on=False)
        axes.annotate(
            f"{below} below", (position, place), (4, 0), textcoords="offset points", va="center",
            fontsize=6.5, color=style.VERMILION,
        )  # fmt: skip


def tick_labels(axes: Axes, positions: Sequence[float], labels: Sequence[str]) -> None:
    """The labels under the boxes."""
    axes.set_xticks(list(positions), list(labels))
    axes.tick_params(axis="x", length=0)
    if len(positions):
        axes.set_xlim(min(positions) - 0.6, max(positions) + 0.6)


def _spread(count: int) -> np.ndarray:
    """Places from -0.5 to 0.5 that look random and are always the same (golden ratio)."""
    return (np.arange(count) * 0.6180339887 + 0.5) % 1 - 0.5
