"""Failure prediction: risk-coverage curve, calibration, and how each signal ranks Dice."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from liver_jax.report import style, wording


@style.settings()
def draw(experiment: dict, group: dict, whose: str) -> Figure | None:
    """Draws one group of cases.

    Args:
        experiment: `experiments["failure"]`.
        group: One of its groups.
        whose: The masks' maker or makers, for the heading.

    Returns:
        None where no case has both a predicted Dice and a Dice.
    """
    curve = group["risk_coverage"]["curve"]
    if not curve:
        return None
    figure = style.new(
        style.PAGE_INCHES,
        3.0,
        f"Failures told without a reference, {whose}",
        "Left: mean of 1 - Dice among the cases kept, when those with the lowest predicted Dice "
        "are set aside; dashed: in the order of the Dice itself, and in no order. Middle: found "
        "against predicted Dice of each case, its line by least squares, and means of groups with "
        "equally many cases. Right: Spearman's correlation of each signal with Dice, with 95 % "
        f"intervals by bootstrap over subjects. {_learnt(experiment, group)}",
    )
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 0.85))
    _risk_coverage(left, group["risk_coverage"])
    cases = [
        case
        for case in experiment["cases"]
        if case["reported"]
        and case["predicted_dice"] is not None
        and group["model"] in (None, case["model"])
    ]
    _calibration(middle, cases, group, experiment["threshold_dice"])
    _signals(right, group)
    return figure


def _risk_coverage(axes: Axes, found: dict) -> None:
    coverage = [point["coverage"] for point in found["curve"]]
    axes.plot(coverage, [point["risk"] for point in found["curve"]], color=style.BLUE,
              label="predicted Dice")  # fmt: skip
    axes.plot(coverage, [point["ideal_risk"] for point in found["curve"]], "--",
              color=style.GREEN, label="ideal order")  # fmt: skip
    axes.axhline(found["random_area"], linestyle=(0, (1, 1.5)), color=style.GREY, label="no order")
    axes.set_xlim(0, 1)
    # Room for the legend above the highest risk, which is that of all cases.
    highest = max(point["risk"] for point in found["curve"])
    axes.set_ylim(0, 1.45 * highest or 1.0)
    axes.set_xlabel("Coverage (share of cases kept)")
    axes.set_ylabel("Risk (mean of 1 − Dice)")
    area = f"area {_with_interval(found['area'], 3)}"
    axes.set_title(f"Risk and coverage\n{area}", fontsize=7.5)
    axes.legend(loc="upper left")


def _calibration(axes: Axes, cases: Sequence[dict], group: dict, threshold: float) -> None:
    found = group["calibration"]
    predicted = [case["predicted_dice"] for case in cases]
    dice = [case["dice"] for case in cases]
    low = min([*predicted, *dice])
    margin = 0.04 * (1 - low) or 0.01
    ends = (low - margin, 1 + margin)
    axes.plot(ends, ends, "--", color=style.GREY, linewidth=0.8, zorder=1)
    axes.plot(predicted, dice, "o", color=style.BLUE, markersize=2.6, markeredgewidth=0, alpha=0.45)
    slope, intercept = found["slope"]["value"], found["intercept"]["value"]
    if slope is not None and intercept is not None:
        reach = (min(predicted), max(predicted))
        axes.plot(reach, [intercept + slope * x for x in reach], color="black", zorder=3)
    axes.plot(
        [part["predicted_mean"] for part in found["bins"]],
        [part["found_mean"] for part in found["bins"]],
        "s", color=style.VERMILION, markersize=4, zorder=4, label="group means",
    )  # fmt: skip
    axes.axhline(threshold, color=style.GREY, linewidth=0.6, linestyle=(0, (1, 1.5)))
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_aspect("equal")
    axes.set_xlabel("Predicted Dice")
    axes.set_ylabel("Dice")
    error = _with_interval(found["mean_absolute_error"], 3)
    axes.set_title(
        f"Calibration, slope {wording.number(slope)}\nmean abs. error {error}", fontsize=7.5
    )
    axes.legend(loc="lower right", handletextpad=0.2)


def _signals(axes: Axes, group: dict) -> None:
    scores = [("predicted Dice", group["n_counted"], group["spearman"], style.BLUE)]
    scores += [
        (signal["name"].replace("_", " "), signal["n"], signal["spearman"], style.BLACK)
        for signal in group["signals"]
        if signal["n"]
    ]
    for place, (_, _, estimate, colour) in enumerate(scores):
        if estimate["value"] is None:
            axes.annotate(wording.DASH, (0, place), va="center", ha="center")
            continue
        if estimate["interval_95"]:
            axes.plot(estimate["interval_95"], (place, place), color=colour)
        axes.plot(estimate["value"], place, "o", color=colour, markersize=3.5)
    axes.axvline(0, color=style.GREY, linewidth=0.7, linestyle="--", zorder=1)
    axes.set_yticks(range(len(scores)), [f"{name}\n(n = {n})" for name, n, _, _ in scores])
    axes.tick_params(axis="y", length=0, labelsize=6)
    axes.set_ylim(len(scores) - 0.5, -0.5)
    axes.set_xlim(right=1.02)
    axes.set_xlabel("Spearman's ρ with Dice")
    auroc = _with_interval(group["auroc"], 2)
    axes.set_title(f"Ranking\nAUROC {auroc}", fontsize=7.5)


def _learnt(experiment: dict, group: dict) -> str:
    learnt, threshold = experiment["learnt_from"], f"{experiment['threshold_dice']:g}"
    source = wording.cohort(learnt["cohort"])
    reported = " and ".join(wording.cohort(name) for name in group["cohorts"])
    if learnt["by_turns"]:
        how = f"Learnt and reported on {source} by turns: each subject is predicted from others."
    else:
        how = f"Learnt on {source} ({learnt['n']} cases), reported on {reported}."
    return (
        f"{how} {group['n_counted']} cases of {group['n_subjects']} subjects, {group['n_bad']} of "
        f"them with a Dice below {threshold} (dotted), for which the AUROC is. Left out: "
        f"{group['n_undefined']} undefined, {group['n_failed']} failed, {group['n_unpredicted']} "
        "without a prediction."
    )


def _with_interval(estimate: dict, decimals: int) -> str:
    text = wording.number(estimate["value"], decimals)
    ends = estimate["interval_95"]
    return f"{text} ({wording.interval(ends, decimals)})" if ends else text
