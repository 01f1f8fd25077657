"""Experiments 4 and 5: volume and fat fraction by the automated against the manual mask."""

import dataclasses
import math
from collections.abc import Iterator, Sequence

from liver_jax.evaluation import hypothesis, paper
from liver_jax.evaluation.against_paper import figure

_OF_COHORT = "describes the cohort, not the method"


@dataclasses.dataclass(frozen=True)
class _Kind:
    """What was measured, and how a verdict is reached on its bias and limits.

    `is_share`: they are compared as percent of the mean manual value.
    """

    name: str
    experiment: int
    unit: str
    digits: int
    margin: float
    is_share: bool


_VOLUME = _Kind("volume", 4, "mL", 1, paper.MARGINS["volume_percent"], is_share=True)
_PDFF = _Kind("pdff", 5, "percentage points", 2, paper.MARGINS["pdff_points"], is_share=False)


def volumes(groups: Sequence[dict], tools: Sequence[str]) -> Iterator[dict]:
    """Experiment 4.

    Args:
        groups: Of `experiments.volumes`.
        tools: The models that stand beside the paper's multimodal network.
    """
    for model in tools:
        for technique, published in paper.VOLUME_ML.items():
            yield from _agreement(_VOLUME, technique, model, published, groups)


def fat(groups: Sequence[dict], tools: Sequence[str]) -> Iterator[dict]:
    """Experiment 5: the mean over the whole liver, vessels included, as the paper has it.

    Args:
        groups: Of `experiments.fat`.
        tools: As `volumes`.
    """
    whole_liver = [group for group in groups if group["region"] == "whole_liver"]
    for model in tools:
        for technique, published in paper.PDFF_PERCENT.items():
            yield from _agreement(_PDFF, technique, model, published, whole_liver)


def limit_spread(sd: float | None, n: int) -> float | None:
    """The spread of which a limit of agreement has the standard error as a mean has that of `sd`.

    A limit is the mean -/+ 1.96 SD, and the SD has an error too: the variance of the limit is
    sd^2 (1 / n + 1.96^2 / (2 (n - 1))) (Bland and Altman, Stat Methods Med Res 1999;8:135).

    Args:
        sd: Of the differences; None where undefined.
        n: Cases.

    Returns:
        The root of n times that variance; None for fewer than two cases.
    """
    if sd is None or n < 2:
        return None
    return sd * math.sqrt(1 + 1.96**2 * n / (2 * (n - 1)))


def _agreement(
    kind: _Kind,
    technique: str,
    model: str,
    published: paper.PublishedAgreement,
    groups: Sequence[dict],
) -> Iterator[dict]:
    """All figures of one technique by one model."""
    found = [
        group["agreement"]
        for group in groups
        if (group["technique"], group["model"]) == (technique, model) and figure.is_whole(group)
    ]
    ours = found[0] if found else None
    absent = f"no {kind.name} of {technique} from both masks by {model}"
    what = {"experiment": kind.experiment, "technique": technique, "model": model}
    for name, unit, digits, value, own in _plain_figures(kind, published, ours):
        if own is not None:
            printed = None if own["value"] is None else f"{own['value']:.{digits}f}"
            counts = {"n": ours["n"], "n_subjects": ours["n_subjects"]}
            own = counts | own | {"printed": printed}
        is_of_cohort = name.startswith(("manual", "automated"))
        yield figure.without_verdict(
            what | {"measure": f"{kind.name}_{name}", "unit": unit},
            {"value": value, "n": published.n, "printed": f"{value:g}"},
            own,
            _OF_COHORT if is_of_cohort else figure.NO_MARGIN,
            absent,
        )
    for name in ("bias", "lower_limit", "upper_limit"):
        yield _with_verdict(kind, name, what, published, ours, absent)
    of_test = what | {"measure": f"{kind.name}_bias_p"}
    yield figure.p_value(of_test, published.bias_test, ours and ours["bias_test"], absent)


def _plain_figures(
    kind: _Kind, published: paper.PublishedAgreement, ours: dict | None
) -> Iterator[tuple[str, str, int, float, dict | None]]:
    """Name, unit, digits, published value and ours, of the figures without a margin."""
    for mask in ("manual", "automated"):
        spread: paper.PublishedRange | None = getattr(published, mask)
        values = dataclasses.asdict(spread) if spread else {}
        for name, value in values.items():
            if value is not None:
                own = ours and {"value": ours[mask][name]}
                yield f"{mask}_{name}", kind.unit, kind.digits, value, own
    lines = (
        ("r", "", 3, published.r, ours and ours["pearson_r"]),
        ("r_squared", "", 3, published.r_squared, ours and ours["r_squared"]),
        ("slope", "", 3, published.slope, ours and ours["ols"]["slope"]),
        (
            "intercept",
            kind.unit,
            kind.digits,
            published.intercept,
            ours and ours["ols"]["intercept"],
        ),
    )
    for name, unit, digits, value, estimate in lines:
        if value is not None:
            fields = ("value", "interval_95", "reason")
            own = estimate and {field: estimate[field] for field in fields}
            yield name, unit, digits, value, own


def _with_verdict(
    kind: _Kind,
    name: str,
    what: dict,
    published: paper.PublishedAgreement,
    ours: dict | None,
    absent: str,
) -> dict:
    """The bias or a limit of agreement: the nearer to 0 the better."""
    what = what | {"measure": f"{kind.name}_{name}", "unit": kind.unit}
    scale, their_scale = 1.0, 1.0
    if kind.is_share:
        what["unit"] = "% of the mean manual value"
        their_scale = 100 / published.manual.mean
        mean = ours and ours["manual"]["mean"]
        scale = 100 / mean if mean else None
    value, n = getattr(published, name), published.n or published.n_taken
    theirs = {
        "value": value * their_scale,
        "sd": published.sd_difference * their_scale,
        "n": published.n,
        "n_taken": n,
        "printed": f"{value:g}",
    }
    estimate = ours and ours[name]
    if estimate is None or estimate["value"] is None or scale is None:
        reason = absent if estimate is None else estimate["reason"] or "the mean is 0"
        return figure.beside(what, theirs, None, reason=reason)
    interval, sd = estimate["interval_95"], ours["sd_difference"]
    own = {
        "value": estimate["value"] * scale,
        "sd": None if sd is None else sd * scale,
        "n": ours["n"],
        "n_subjects": ours["n_subjects"],
        "interval_95": interval and [bound * scale for bound in interval],
        "printed": f"{estimate['value']:.{kind.digits}f}",
    }
    independent = min(own["n"], own["n_subjects"])
    sd, their_sd = own["sd"], theirs["sd"]
    if name != "bias":
        sd, their_sd = limit_spread(sd, independent), limit_spread(their_sd, n)
    test = hypothesis.equivalence(
        own["value"], sd, independent, theirs["value"], their_sd, n, kind.margin
    )
    is_better = abs(own["value"]) < abs(theirs["value"])
    return figure.beside(what, theirs, own, test, is_better=is_better)
