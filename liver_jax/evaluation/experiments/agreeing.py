"""Experiments 4 and 5 share this: automated against manual measurements, group by group."""

from collections.abc import Callable, Sequence

from liver_jax.evaluation import agreement, summary
from liver_jax.evaluation.experiments import select
from liver_jax.evaluation.experiments.plain import plain

Pair = tuple[float, float]


def groups(rows: Sequence[dict], pair: Callable[[dict], Pair | None]) -> list[dict]:
    """Agreement for each technique, cohort, contrast and model.

    Args:
        rows: The rows of `cases[]`; the first echo counts.
        pair: The automated and the manual measurement of a row; None where there are not both.

    Returns:
        For each group that has a pair: `technique`, `cohort`, `contrast`, `model`; `n`,
        `n_subjects`, `n_undefined` and `n_failed` of its rows, of which the latter two are not
        among the pairs; `agreement` (`agreement.agree`) of the pairs.
    """
    found = []
    for label, of_label in select.labelled(select.first_echo(rows)):
        for model in summary.models(of_label):
            chosen = select.of_model(of_label, model)
            counted = [row for row in chosen if pair(row) is not None]
            if not counted:
                continue
            automated, manual = zip(*(pair(row) for row in counted), strict=True)
            subjects = [row["subject_id"] for row in counted]
            found.append(
                {
                    **plain(label),
                    "model": model,
                    **select.counts(chosen, counted),
                    "agreement": agreement.agree(automated, manual, subjects),
                }
            )
    return found
