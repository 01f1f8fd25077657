"""Experiments 4 and 5: regression and Bland-Altman plot of automated and manual measurements."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from liver_jax.evaluation.experiments import agreeing, fat, volumes
from liver_jax.report import style, wording


@dataclasses.dataclass(frozen=True)
class Quantity:
    """What is measured.

    Attributes:
        name: As an axis has it.
        unit: Of values.
        difference_unit: Of differences.
        decimals: Of biases and limits.
        pair: The automated and the manual value of a row; None where there are not both.
    """

    name: str
    unit: str
    difference_unit: str
    decimals: int
    pair: Callable[[dict], agreeing.Pair | None]


VOLUME = Quantity("Liver volume", "mL", "mL", 0, volumes.pair)
PDFF = Quantity("PDFF", "%", "percentage points", 2, fat.pair)
PDFF_WITHOUT_VESSELS = Quantity(
    "PDFF without vessels",
    "%",
    "percentage points",
    2,
    functools.partial(fat.pair, region="without_vessels"),
)


@style.settings()
def draw(rows: Sequence[dict], quantity: Quantity, group: dict, title: str) -> Figure | None:
    """Draws both plots side by side.

    Args:
        rows: The rows that `group` is about.
        quantity: What is measured.
        group: One of the experiment's groups, with its `agreement`.
        title: The figure's heading.

    Returns:
        None where no case has both values.
    """
    rows = [row for row in rows if quantity.pair(row) is not None]
    if not rows:
        return None
    automated, manual = np.array([quantity.pair(row) for row in rows], np.float64).T
    agreement = group["agreement"]
    independent = agreement["n"] == agreement["n_subjects"]
    which = (
        "by Student's t for the bias and exact ones (Carkeet) for the limits"
        if independent
        else "by bootstrap over subjects, since some have several cases"
    )
    cohorts = wording.cohorts(rows)
    figure = style.new(
        style.PAGE_INCHES,
        3.5,
        title,
        f"Left: automated against manual {_inner(quantity.name)}, with the line of identity "
        "(dashed) and the ordinary least squares line with its 95 % confidence band. Right "
        "(Bland and Altman): their difference against their mean, with the bias and the 95 % "
        f"limits of agreement; shaded are the 95 % intervals of the three, {which}. "
        f"{agreement['n']} cases of {agreement['n_subjects']} subjects; left out: "
        f"{group['n_undefined']} undefined, {group['n_failed']} failed.",
    )
    left, right = figure.subplots(1, 2)
    colours = style.cohort_colours(cohorts)
    for axes, x, y in ((left, manual, automated), (right, (automated + manual) / 2,
                                                   automated - manual)):  # fmt: skip
        for cohort in cohorts:
            own = np.array([row["cohort"] == cohort for row in rows])
            axes.plot(
                x[own], y[own], "o", markersize=3, markeredgewidth=0, alpha=0.55, zorder=2,
                color=colours[cohort] if len(cohorts) > 1 else style.BLUE,
                label=f"{wording.cohort(cohort)} (n = {own.sum()})",
            )  # fmt: skip
    _regression(left, manual, automated, quantity, agreement, independent)
    _bland_altman(right, quantity, agreement, independent)
    if len(cohorts) > 1:
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=min(len(cohorts), 4))
    return figure


def _regression(
    axes: Axes,
    manual: np.ndarray,
    automated: np.ndarray,
    quantity: Quantity,
    agreement: dict,
    independent: bool,
) -> None:
    low = min(manual.min(), automated.min())
    high = max(manual.max(), automated.max())
    margin = 0.05 * (high - low) or 1.0
    ends = np.array([low - margin, high + margin])
    axes.plot(ends, ends, "--", color=style.GREY, zorder=1)
    slope, intercept = (agreement["ols"][name]["value"] for name in ("slope", "intercept"))
    if slope is not None and intercept is not None:
        x = np.linspace(manual.min(), manual.max(), 60)
        line = intercept + slope * x
        axes.plot(x, line, color="black", zorder=3)
        half = _confidence_band(manual, automated, x)
        if half is not None:
            axes.fill_between(x, line - half, line + half, color="black", alpha=0.15, linewidth=0)
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_aspect("equal")
    axes.set_xlabel(f"Manual {_inner(quantity.name)} ({quantity.unit})")
    axes.set_ylabel(f"Automated {_inner(quantity.name)} ({quantity.unit})")
    decimals = 1 if quantity is VOLUME else 2
    figures = (
        ("r =", agreement["pearson_r"], 3),
        ("R² =", agreement["r_squared"], 3),
        ("slope", agreement["ols"]["slope"], 3),
        ("intercept", agreement["ols"]["intercept"], decimals),
        ("ICC(A,1)", agreement["icc_a1"], 3),
        ("CCC", agreement["ccc"], 3),
    )
    lines = [f"n = {agreement['n']}"] + [
        f"{name} {_with_interval(estimate, places, independent)}"
        for name, estimate, places in figures
        if estimate["value"] is not None
    ]
    axes.text(0.03, 0.98, "\n".join(lines), va="top", fontsize=6.5, transform=axes.transAxes)


def _bland_altman(axes: Axes, quantity: Quantity, agreement: dict, independent: bool) -> None:
    axes.axhline(0, color=style.GREY, linewidth=0.6, linestyle="--", zorder=1)
    lines = (
        ("upper_limit", "upper limit", style.VERMILION, "bottom"),
        ("bias", "bias", "black", "bottom"),
        ("lower_limit", "lower limit", style.VERMILION, "top"),
    )
    reach = []
    for key, name, colour, side in lines:
        estimate = agreement[key]
        value, interval = estimate["value"], _interval(estimate, independent)
        if value is None:
            continue
        reach += [value, *(interval or ())]
        dashes = "-" if key == "bias" else (0, (5, 2))
        axes.axhline(value, color=colour, linestyle=dashes, zorder=3)
        if interval:
            axes.axhspan(*interval, color=colour, alpha=0.12, linewidth=0, zorder=0)
        words = f"{name} {_with_interval(estimate, quantity.decimals, independent)}"
        if key == "bias" and agreement["bias_test"]["p"] is not None:
            words += f", {wording.p_value(agreement['bias_test']['p'])}"
        axes.annotate(
            words, (1, value), (0, 1.5 if side == "bottom" else -1.5),
            xycoords=axes.get_yaxis_transform(), textcoords="offset points", ha="right", va=side,
            fontsize=6.5, zorder=4,
            bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
        )  # fmt: skip
    reach += list(axes.dataLim.intervaly)
    margin = 0.08 * (max(reach) - min(reach)) or 1.0
    axes.set_ylim(min(reach) - margin, max(reach) + margin)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(f"Mean of automated and manual ({quantity.unit})")
    axes.set_ylabel(f"Automated {wording.MINUS} manual ({quantity.difference_unit})")


def _confidence_band(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray | None:
    """Half the width of the 95 % confidence band of a least squares line.

    Draper and Smith, Applied Regression Analysis, 3rd edition, equation 3.1.8.
    """
    if x.size < 3 or np.ptp(x) == 0:
        return None
    fit = stats.linregress(x, y)
    residual_sd = np.sqrt(np.sum((y - fit.intercept - fit.slope * x) ** 2) / (x.size - 2))
    spread = np.sum((x - x.mean()) ** 2)
    standard_error = residual_sd * np.sqrt(1 / x.size + (at - x.mean()) ** 2 / spread)
    return stats.t.ppf(0.975, x.size - 2) * standard_error


def _interval(estimate: dict, independent: bool) -> Sequence[float] | None:
    """The exact interval, or that of the bootstrap where subjects have several cases."""
    return estimate["exact_interval_95"] if independent else estimate["interval_95"]


def _with_interval(estimate: dict, decimals: int, independent: bool) -> str:
    """`-58 (-74, -42)`."""
    ends = _interval(estimate, independent)
    text = wording.number(estimate["value"], decimals)
    return f"{text} ({wording.interval(ends, decimals)})" if ends else text


def _inner(name: str) -> str:
    """A name within a sentence: `liver volume`, but `PDFF`."""
    return name if name[:2].isupper() else name[0].lower() + name[1:]
