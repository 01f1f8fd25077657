"""Experiments 1 to 3: Dice."""

from collections.abc import Iterator, Sequence

from liver_jax.evaluation import paper, summary
from liver_jax.evaluation.against_paper import figure
from liver_jax.evaluation.experiments import select

_SEQUENCES = ("spgr2d", "spgr3d")
_PAPERS_COHORT = "internal"  # the only one of the paper's experiment 1


def echoes(experiment: dict) -> Iterator[dict]:
    """Experiment 1: the lowest and the highest mean over TE and sequence, and both tests.

    The paper's are of its internal cohort, and so are ours where there is a cohort of that name
    with several echoes; else they are of all cases. `cohort` says which. The paper has one test for
    TE over both sequences; ours has one for each.

    Args:
        experiment: `experiments.echoes`.
    """
    of_echoes = [
        group
        for group in experiment["te"]
        if group["model"] == "initial" and group["technique"] in _SEQUENCES
    ]
    has_internal = any(group["cohort"] == _PAPERS_COHORT for group in of_echoes)
    cohort = _PAPERS_COHORT if has_internal else select.POOLED
    of_echoes = [group for group in of_echoes if group["cohort"] == cohort]
    what = {"experiment": 1, "model": "initial", "cohort": cohort}
    absent = "needs the initial network on all echoes of spgr2d or spgr3d"
    levels = [level for group in of_echoes for level in group["levels"] if level["n_counted"]]
    means = sorted(map(_of_level, levels), key=lambda mean: mean["value"])
    for place, (which, published) in zip((0, -1), paper.ECHO_DICE.items(), strict=True):
        ours = means[place] if means else None
        measure = {"measure": f"{which}_mean_dice_of_echoes"}
        yield figure.mean_dice(what | measure, published, ours, absent)
    te = {group["technique"]: group["anova"] for group in of_echoes}
    sequence = [
        group["anova"]
        for group in experiment["sequence"]
        if (group["model"], group["over"], group["cohort"]) == ("initial", "all_echoes", cohort)
        and set(group["techniques"]) == set(_SEQUENCES)
    ]
    tests = [("te", technique, te.get(technique)) for technique in _SEQUENCES]
    tests.append(("sequence", None, sequence[0] if sequence else None))
    for name, technique, anova in tests:
        published, of_test = paper.ECHO_TESTS[name], what | {"technique": technique}
        test, corrected = anova and anova["test"], anova and anova["greenhouse_geisser"]
        yield figure.f_value(of_test | {"measure": f"{name}_f"}, published, test, absent)
        yield figure.p_value(of_test | {"measure": f"{name}_p"}, published, corrected, absent)


def networks(groups: Sequence[dict], tools: Sequence[str]) -> Iterator[dict]:
    """Experiment 2: Dice of each network on each technique, on the first echo.

    Args:
        groups: Of `summary.summarise`.
        tools: The models that stand beside the paper's multimodal network.
    """
    ours = {
        (group["technique"], group["model"]): _of_group(group)
        for group in groups
        if group["echo"] in summary.FIRST_ECHO
    }
    for (technique, network), published in paper.DICE.items():
        for model in [network] if network == "initial" else tools:
            what = {"experiment": 2, "measure": "dice", "technique": technique, "model": model}
            absent = f"no case of {technique} by {model}"
            yield figure.mean_dice(what, published, ours.get((technique, model)), absent)


def differences(groups: Sequence[dict]) -> Iterator[dict]:
    """Experiment 2: the multimodal minus the initial network, and the paired t test.

    A larger difference is not better: a worse initial network makes one, too.

    Args:
        groups: Of `experiments.networks`.
    """
    whole = {group["technique"]: group for group in groups if figure.is_whole(group)}
    for technique, published in paper.DICE_DIFFERENCE.items():
        what = {"experiment": 2, "technique": technique}
        absent = f"no case of {technique} by both networks"
        ours, test = None, None
        if technique in whole:
            paired = whole[technique]["paired"]
            ours = {key: paired["difference"][key] for key in ("value", "interval_95")}
            ours |= {"sd": paired["sd_difference"], "n": paired["n"]}
            ours |= {"n_subjects": paired["n_subjects"]}
            test = paired["t_test"] | {"p": whole[technique]["p_bonferroni"]}
        difference = what | {"measure": "dice_difference"}
        yield figure.mean_dice(difference, published, ours, absent, more_is_better=False)
        bound = paper.DICE_DIFFERENCE_TEST[technique]
        yield figure.p_value(what | {"measure": "dice_difference_p"}, bound, test, absent)


def ablation(merged: dict | None) -> Iterator[dict]:
    """Experiment 3: Dice at each published number of sets, and where the curve is flat.

    Args:
        merged: `arms` and `points` of `ablation.merge`; None where there are no such runs.
    """
    points = {
        (point["arm"], point["count"], point["model"]): point
        for point in (merged["points"] if merged else [])
    }
    arms = {arm["arm"]: arm for arm in merged["arms"]} if merged else {}
    for arm, published_points in paper.ABLATION.items():
        what = {"experiment": 3, "technique": paper.ABLATION_TECHNIQUE[arm]}
        no_run = f"no run with {arm}=" + "{}" if merged else "it comes from --ablation"
        for count, published in published_points.items():
            model = "multimodal" if count else "initial"
            ours = None
            if point := points.get((arm, count, model)):
                ours = {"value": point["mean"], "n": point["n_cases"], "sd": point["sd_cases"]}
                ours |= {key: point[key] for key in ("n_subjects", "interval_95")}
            of_point = what | {"measure": "dice", "model": model, "sets": count}
            yield figure.mean_dice(of_point, published, ours, no_run.format(count))
        plateau = arms[arm]["plateau"] if arm in arms else None
        count = plateau and plateau["count"]
        ours = plateau and {"value": count, "printed": str(count), "reason": plateau["reason"]}
        yield figure.without_verdict(
            what | {"measure": "plateau", "model": "multimodal", "unit": "sets"},
            {"value": paper.PLATEAU[arm], "printed": str(paper.PLATEAU[arm])},
            ours,
            figure.NO_MARGIN,
            no_run.format("N"),
        )


def _of_level(level: dict) -> dict:
    """Mean Dice of one echo of `experiments.echoes`, failed cases as 0."""
    own = {"value": level["mean"], "n": level["n_counted"]}
    return own | {key: level[key] for key in ("sd", "n_subjects", "interval_95")}


def _of_group(group: dict) -> dict:
    """Mean Dice of a group of `summary.summarise`, failed cases as 0."""
    dice = group["measures"]["dice"]
    return {
        "value": dice["mean_all"],
        "sd": dice["sd_all"],
        "n": dice["n_all"],
        "n_subjects": group["n_subjects"],
        "interval_95": dice["interval_95_all"],
    }
