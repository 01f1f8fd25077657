"""One published figure with ours beside it; `comparison.compare` says what is in it."""

from liver_jax.evaluation import hypothesis, paper
from liver_jax.evaluation.experiments import select

NO_MARGIN = "no margin was set"


def beside(
    what: dict,
    published: dict,
    ours: dict | None,
    test: hypothesis.Equivalence | None = None,
    reason: str = NO_MARGIN,
    is_better: bool | None = None,
) -> dict:
    """A figure of the comparison, with all its fields.

    Args:
        what: `experiment` and `measure`, and where they apply `technique`, `model`, `sets`, `unit`;
            `cohort` where ours is not of all cases.
        published: `value` and `printed`, and where they apply `sd`, `n`, `n_taken`, `is_bound`.
        ours: `value` and `printed`, and where they apply `sd`, `n`, `n_subjects`, `interval_95`;
            None where this evaluation has none.
        test: Its verdict and the difference; None where there is no margin.
        reason: Why `ours`, or else `test`, is None.
        is_better: Whether ours is the better one; None where no direction is better.
    """
    compared: dict = {"reason": reason}
    if ours and test:
        fields = ("difference", "interval_95", "interval_90", "margin", "p", "verdict", "reason")
        compared = {field: getattr(test, field) for field in fields} | {"is_better": is_better}
    fields = ("value", "sd", "n", "n_subjects", "interval_95", "printed")
    theirs = dict.fromkeys(("sd", "n", "n_taken")) | {"is_bound": False}
    return {
        **dict.fromkeys(("technique", "model", "sets")),
        "cohort": select.POOLED,
        "unit": "",
        **what,
        "published": theirs | published,
        "ours": ours and dict.fromkeys(fields) | ours,
        **dict.fromkeys(("difference", "interval_95", "interval_90", "margin", "p", "verdict")),
        "is_better": None,
        **compared,
    }


def without_verdict(
    what: dict, published: dict, ours: dict | None, reason: str, absent: str
) -> dict:
    """A figure that is set beside ours, with the difference but without a test.

    Args:
        what: As `beside`.
        published: As `beside`; taken as exact, since the paper gives no error of it.
        ours: As `beside`; `value` is None, with a `reason`, where it is undefined.
        reason: Why there is no verdict.
        absent: Why `ours` is None.
    """
    if ours is None or ours["value"] is None:
        return beside(what, published, None, reason=(ours and ours.get("reason")) or absent)
    ours = {field: value for field, value in ours.items() if field != "reason"}
    result = beside(what, published, ours, reason=reason)
    result["difference"] = ours["value"] - published["value"]
    if ours.get("interval_95"):
        result["interval_95"] = [bound - published["value"] for bound in ours["interval_95"]]
    return result


def mean_dice(
    what: dict,
    published: paper.Published,
    ours: dict | None,
    absent: str,
    more_is_better: bool = True,
) -> dict:
    """A mean Dice, or a mean difference of Dice.

    Args:
        what: As `beside`.
        published: With an n, stated or taken.
        ours: As `beside`, without `printed`; `value` is None where there is no case.
        absent: Why `ours` is None.
        more_is_better: Else no direction is.
    """
    n = published.n or published.n_taken
    theirs = {
        "value": published.mean,
        "sd": published.sd,
        "n": published.n,
        "n_taken": n,
        "printed": _mean_sd(published.mean, published.sd, 2),
    }
    if ours is None or ours["value"] is None:
        return beside(what, theirs, None, reason=absent if ours is None else hypothesis.NO_CASES)
    test = hypothesis.equivalence(
        *(ours["value"], ours["sd"], min(ours["n"], ours["n_subjects"])),
        *(published.mean, published.sd, n, paper.MARGINS["dice"]),
    )
    ours = ours | {"printed": _mean_sd(ours["value"], ours["sd"], 3)}
    is_better = ours["value"] > published.mean if more_is_better else None
    return beside(what, theirs, ours, test, is_better=is_better)


def p_value(what: dict, published: paper.PublishedTest, test: dict | None, absent: str) -> dict:
    """A P beside ours; their difference means nothing, as P depends on the number of cases.

    Args:
        what: As `beside`.
        published: Its P, or the bound that P is below.
        test: `estimate.Test` of ours; None where there is none.
        absent: Why `test` is None.
    """
    printed = ("< " if published.is_bound else "") + f"{published.p:g}"
    theirs = {"value": published.p, "is_bound": published.is_bound, "printed": printed}
    if test is None or test["p"] is None:
        return beside(what, theirs, None, reason=test["reason"] if test else absent)
    printed = "< 0.001" if test["p"] < 0.001 else f"{test['p']:.3f}"
    return beside(what, theirs, {"value": test["p"], "n": test["n"], "printed": printed})


def f_value(what: dict, published: paper.PublishedTest, test: dict | None, absent: str) -> dict:
    """An F beside ours; as `p_value`."""
    theirs = {"value": published.f, "printed": f"{published.f:g}"}
    if test is None or test["statistic"] is None:
        return beside(what, theirs, None, reason=test["reason"] if test else absent)
    statistic = test["statistic"]
    return beside(what, theirs, {"value": statistic, "n": test["n"], "printed": f"{statistic:.3f}"})


def is_whole(group: dict) -> bool:
    """Whether an experiment's group is of all cohorts and contrasts, as the published figures."""
    contrast = group.get("contrast", select.ALL_CONTRASTS)
    return (group["cohort"], contrast) == (select.POOLED, select.ALL_CONTRASTS)


def _mean_sd(mean: float, sd: float | None, digits: int) -> str:
    return f"{mean:.{digits}f} +/- " + ("-" if sd is None else f"{sd:.{digits}f}")
