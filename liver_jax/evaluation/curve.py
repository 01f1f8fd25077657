"""One data-size curve: Dice of networks that were tuned with more and more sets of one technique.

Dice is [seed, case] for each number of sets, NaN where it is undefined. Cases of one subject are
not independent: intervals draw subjects, and tests take one mean for each subject.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from liver_jax.evaluation import bootstrap, hypothesis, paper
from liver_jax.evaluation.estimate import Test

MIN_SEEDS = 3
MARGIN = paper.MARGINS["dice"]
PLATEAU = (
    "the smallest number of sets from which on Dice is shown not to be worse than with the most "
    f"sets by {MARGIN} or more: the one-sided 95 % lower bound of the mean paired difference (t "
    "over subjects; each case's mean over the seeds) lies above "
    f"-{MARGIN}; tested from the most sets downwards until one fails, which needs no correction "
    "for several tests; of the networks that were trained: the spread over seeds is not in it"
)


def describe(dice: np.ndarray, subjects: Sequence[str], one_network: bool = False) -> dict:
    """Mean and spreads of one point.

    Args:
        dice: [seed, case].
        subjects: [case].
        one_network: There are no seeds: `dice` has one row, of a network that all runs share.

    Returns:
        `n_cases` and `n_subjects` (with a Dice from any seed), `n_values` (seeds x cases with a
        Dice), `n_undefined` (without), `n_seeds`, `mean` over all values and its `interval_95`
        (of the bootstrap; about cases, not about seeds), `sd_cases` (in one seed: root of the mean
        of the seeds' variances), `seed_means`, `sd_seeds` (of these), `seeds_reason` (why there is
        no `sd_seeds`, or why it says little).
    """
    has_dice = ~np.isnan(dice)
    values = dice[has_dice]
    owners = np.broadcast_to(np.asarray(subjects, str), dice.shape)[has_dice]
    by_seed = [row[known] for row, known in zip(dice, has_dice, strict=True)]
    variances = [np.var(row, ddof=1) for row in by_seed if row.size > 1]
    seed_means = [] if one_network else [row.mean() if row.size else None for row in by_seed]
    known_means = [mean for mean in seed_means if mean is not None]
    seeds_reason = None
    if one_network:
        seeds_reason = "one network, which all runs start from"
    elif len(known_means) < MIN_SEEDS:
        seeds_reason = f"fewer than {MIN_SEEDS} seeds"
    return {
        "n_cases": int(has_dice.any(axis=0).sum()),
        "n_subjects": len(set(owners)),
        "n_values": int(values.size),
        "n_undefined": int(dice.size - values.size),
        "n_seeds": len(seed_means),
        "mean": float(values.mean()) if values.size else None,
        "interval_95": bootstrap.mean_interval_95(values, owners),
        "sd_cases": float(np.sqrt(np.mean(variances))) if variances else None,
        "seed_means": seed_means,
        "sd_seeds": float(np.std(known_means, ddof=1)) if len(known_means) > 1 else None,
        "seeds_reason": seeds_reason,
    }


def of_subjects(curve: Sequence[np.ndarray], subjects: Sequence[str]) -> np.ndarray:
    """Dice of each subject at each point of a curve.

    Args:
        curve: [seed, case] for each point.
        subjects: [case].

    Returns:
        [subject, point]: mean over the seeds, then over the subject's cases; only cases that have
        a Dice at every point.
    """
    cases = np.stack([_mean_of_seeds(dice) for dice in curve], axis=1)
    known = ~np.isnan(cases).any(axis=1)
    names, owner = np.unique(np.asarray(subjects, str)[known], return_inverse=True)
    return np.reshape(
        [cases[known][owner == place].mean(axis=0) for place in range(names.size)],
        (names.size, len(curve)),
    )


def against(dice: np.ndarray, most: np.ndarray, subjects: Sequence[str]) -> dict:
    """One point against that of the most sets: non-inferiority, by a paired t.

    Walker and Nowacki, Understanding Equivalence and Noninferiority Testing, J Gen Intern Med
    2011;26:192.

    Args:
        dice: [seed, case].
        most: [seed, case] of the same cases.
        subjects: [case].

    Returns:
        `n` subjects, `difference` (`dice` minus `most`), `lower_bound` (one-sided 95 %),
        `interval_95`, `reason` (why these are None).
    """
    both = of_subjects([dice, most], subjects)
    differences = both[:, 0] - both[:, 1]
    n = len(differences)
    mean = float(differences.mean()) if n else None
    found = {"n": n, "difference": mean, "lower_bound": None, "interval_95": None, "reason": None}
    if n > 1 and hypothesis.constant(differences, magnitude=1.0):
        return found | {"lower_bound": mean, "interval_95": (mean, mean)}
    sd = float(differences.std(ddof=1)) if n > 1 else None
    result = hypothesis.equivalence(mean, sd, n, 0.0, None, None, MARGIN)
    if result.interval_90 is None:
        return found | {"reason": result.reason}
    return found | {"lower_bound": result.interval_90[0], "interval_95": result.interval_95}


def plateau(compared: Sequence[tuple[int, dict | None]]) -> dict:
    """Where the curve is flat, as `PLATEAU` defines it.

    Args:
        compared: Number of sets and what `against` returned, by rising number; None for the most.

    Returns:
        `count`, or None with a `reason`.
    """
    most = compared[-1][0]
    reached, reason = None, "only one number of sets was evaluated"
    for count, result in reversed([one for one in compared if one[1] is not None]):
        bound = result["lower_bound"]
        if bound is None or bound <= -MARGIN:
            reason = f"Dice at {count} is not shown to be within {MARGIN} of Dice at {most}"
            if bound is None:
                reason += f" ({result['reason']})"
            break
        reached = count
    return {"count": reached, "reason": reason if reached is None else None}


def mean_trend(subject_dice: np.ndarray) -> Test:
    """Whether Dice rises with the number of sets: Page's L.

    Page, Ordered Hypotheses for Multiple Treatments, J Am Stat Assoc 1963;58:216.

    Args:
        subject_dice: [subject, point], by rising number of sets.
    """
    method = "Page's L (Dice rises with the number of sets), one-sided, normal approximation"
    n, points = subject_dice.shape
    if points < 3 or n < 2:
        reason = "fewer than three numbers of sets, or than two subjects"
        return Test(method, None, (), None, n, reason)
    found = stats.page_trend_test(subject_dice, method="asymptotic")
    return Test(method, float(found.statistic), (), float(found.pvalue), n)


def sd_trend(counts: Sequence[int], sds: Sequence[float | None]) -> Test:
    """Whether the spread over cases falls with the number of sets: Kendall's tau of the points.

    Args:
        counts: Numbers of sets.
        sds: Of each; None is left out.
    """
    method = "Kendall's tau-b of SD over cases and number of sets, two-sided"
    known = [(count, sd) for count, sd in zip(counts, sds, strict=True) if sd is not None]
    n = len(known)
    if n < 4:  # the least P that three can have is 1/3
        return Test(method, None, (), None, n, "fewer than four numbers of sets with an SD")
    if len({sd for _, sd in known}) == 1:
        return Test(method, None, (), None, n, "all SDs are equal")
    found = stats.kendalltau(*zip(*known, strict=True))
    return Test(method, float(found.statistic), (), float(found.pvalue), n)


def _mean_of_seeds(dice: np.ndarray) -> np.ndarray:
    """Each case's mean over the seeds that have a Dice: [case], NaN where none has."""
    count = (~np.isnan(dice)).sum(axis=0)
    return np.divide(
        np.nansum(dice, axis=0), count, out=np.full(count.shape, np.nan), where=count > 0
    )
