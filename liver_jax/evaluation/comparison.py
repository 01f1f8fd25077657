"""Every published figure with ours beside it, the difference, and a verdict by equivalence test.

The verdict is that of two one-sided tests at 5 %, each figure by itself, with the margins of
`paper.MARGINS`: `equivalent` where the 90 % interval of the difference lies within the margin,
`different` where it lies wholly outside, else `inconclusive`. Published means and limits are those
of a sample too: their error is in the interval of the difference (Welch). Of ours, a subject counts
once, however many cases it has, since cases of one subject are not independent. Bias and limits of
volumes are compared as percent of the mean manual volume of the own cohort, which is taken as
known: livers differ between cohorts. A figure without a margin stands beside ours without a
verdict, and its difference takes the published one as exact, since the paper gives no error of it.
"""

from collections.abc import Sequence

from liver_jax.evaluation import paper
from liver_jax.evaluation.against_paper import dice, measurements
from liver_jax.evaluation.experiments.plain import plain

VERDICTS = ("equivalent", "inconclusive", "different")
METHOD = (
    "two one-sided tests at 5 % of each figure by itself, with Welch's standard error from the "
    "published SD and n; a subject of ours counts once"
)


def compare(summarised: dict, experiments: dict, ablation: dict | None = None) -> dict:
    """Sets every published figure beside ours.

    The paper's multimodal network stands beside every model of ours but `initial`, so that masks
    of another tool are compared too; its initial network stands beside `initial` alone.

    Args:
        summarised: As `summary.summarise` returns it.
        experiments: As `experiments.run.run` returns it.
        ablation: As `ablation.merge` returns it; None where there is none.

    Returns:
        `source`, `margins`, `method`, `verdicts` (how many figures have each; `none`: of ours
        without a verdict; `absent`: without ours) and `figures`, each with

        - `experiment` (1 to 5), `measure`, `technique` (None: several), `model` (ours; None: both
          networks), `cohort` (of ours: `pooled`, all cases; in experiment 1 `internal` where there
          is one), `sets` (of experiment 3, else None), `unit` of all its numbers ("": none);
        - `published`: `value`, `sd`, `n` (None: not stated), `n_taken` (by the test), `is_bound`
          (it is less than the value), `printed` (as in the paper, in mL where `unit` is percent);
        - `ours`: `value`, `sd`, `n`, `n_subjects`, `interval_95` (bootstrap over subjects) and
          `printed`, of which all but the value and `printed` may be None; or None without ours;
        - `difference` (ours minus published; None for P and F, which depend on n), `interval_95`
          and `interval_90` of it, `margin`, `p` of the equivalence test, `verdict`, `is_better`
          (ours, where a direction is better), and `reason` where ours or the verdict is None.
    """
    models = dict.fromkeys(group["model"] for group in summarised["groups"])
    tools = [model for model in models if model != "initial"] or ["multimodal"]
    return _together(
        [
            *dice.echoes(experiments["echoes"]),
            *dice.networks(summarised["groups"], tools),
            *dice.differences(experiments["networks"]["groups"]),
            *dice.ablation(ablation),
            *measurements.volumes(experiments["volumes"]["groups"], tools),
            *measurements.fat(experiments["fat"]["groups"], tools),
        ]
    )


def compare_ablation(ablation: dict) -> dict:
    """Experiment 3 alone; returns what `compare` does.

    Args:
        ablation: `arms` and `points`, as `ablation.merge` returns them.
    """
    return _together(list(dice.ablation(ablation)))


def _together(figures: Sequence[dict]) -> dict:
    present = [figure for figure in figures if figure["ours"]]
    verdicts = {
        verdict: sum(figure["verdict"] == verdict for figure in present) for verdict in VERDICTS
    }
    verdicts["none"] = len(present) - sum(verdicts.values())
    verdicts["absent"] = len(figures) - len(present)
    return plain(
        {
            "source": paper.SOURCE,
            "margins": paper.MARGINS,
            "method": METHOD,
            "verdicts": verdicts,
            "figures": list(figures),
        }
    )
