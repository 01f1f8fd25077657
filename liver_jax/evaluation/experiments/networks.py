"""Experiment 2: the initial against the multimodal network on each technique.

`run` returns

- `reason`: why `groups` is empty, or None;
- `groups`: for each technique, cohort and contrast that both networks have (`technique`, `cohort`,
  `contrast`: `select`), on the first echo
  - `n` examinations of `n_subjects`; `n_undefined` of them have no Dice from one of the two;
    `n_failed` failed in one of the two and count as Dice 0 there; `n_unpaired`, in the manifest of
    only one of them, are not among the n;
  - `initial`, `multimodal`: `n`, `mean`, `sd`, `interval_95` (bootstrap over subjects) of the pairs
    that have both;
  - `paired`: what `hypothesis.paired` returns for these (before: initial, after: multimodal); its
    tests take examinations as independent, as the paper does; `paired_without_failed`: the same
    without the pairs of which one failed, None where none did;
  - `bonferroni_m` and `p_bonferroni`: P of the paired t test, corrected for the number of
    techniques in the same cohort with that test (a part of CT is corrected as CT is);
- `forgetting`: the group of `spgr2d`, pooled: what the second stage cost on the first one's own
  technique. None without it.
"""

from collections.abc import Sequence

from liver_jax.evaluation import hypothesis, summary
from liver_jax.evaluation.experiments import select
from liver_jax.evaluation.experiments.plain import plain

BEFORE, AFTER = "initial", "multimodal"
_ONE_NETWORK = f"there are not both models, {BEFORE} and {AFTER}, on any technique"


def run(rows: Sequence[dict]) -> dict:
    """Compares the two networks; the module's docstring says what it returns.

    Args:
        rows: The rows of `cases[]`.
    """
    rows = select.first_echo(rows)
    groups = []
    for label, chosen in select.labelled(rows):
        pairs = paired_rows(chosen)
        if pairs:
            unpaired = sum(row["model"] in (BEFORE, AFTER) for row in chosen) - 2 * len(pairs)
            groups.append({**plain(label), **_compare(pairs), "n_unpaired": unpaired})
    for group in groups:
        family = {
            other["technique"]
            for other in groups
            if other["cohort"] == group["cohort"] and other["paired"].t_test.p is not None
        }
        p = group["paired"].t_test.p
        group["bonferroni_m"] = len(family)
        group["p_bonferroni"] = hypothesis.bonferroni(p, len(family))
    forgetting = [
        group
        for group in groups
        if (group["technique"], group["cohort"], group["contrast"])
        == ("spgr2d", select.POOLED, select.ALL_CONTRASTS)
    ]
    return plain(
        {
            "reason": None if groups else _ONE_NETWORK,
            "groups": groups,
            "forgetting": forgetting[0] if forgetting else None,
        }
    )


def paired_rows(rows: Sequence[dict]) -> list[tuple[dict, dict]]:
    """(initial, multimodal) rows of the same image, in the order of the latter."""
    before = {(row["exam_id"], row["echo"]): row for row in select.of_model(rows, BEFORE)}
    return [
        (before[row["exam_id"], row["echo"]], row)
        for row in select.of_model(rows, AFTER)
        if (row["exam_id"], row["echo"]) in before
    ]


def _compare(pairs: Sequence[tuple[dict, dict]]) -> dict:
    counted = [pair for pair in pairs if None not in map(summary.dice_or_zero, pair)]
    finished = [pair for pair in counted if all(row["status"] != "failed" for row in pair)]
    subjects = [after["subject_id"] for _, after in counted]
    before, after = ([summary.dice_or_zero(pair[side]) for pair in counted] for side in (0, 1))
    return {
        "n": len(pairs),
        "n_subjects": len({after["subject_id"] for _, after in pairs}),
        "n_undefined": len(pairs) - len(counted),
        "n_failed": sum(any(row["status"] == "failed" for row in pair) for pair in pairs),
        BEFORE: summary.describe(before, subjects),
        AFTER: summary.describe(after, subjects),
        "paired": _paired(counted),
        "paired_without_failed": _paired(finished) if len(finished) < len(counted) else None,
    }


def _paired(pairs: Sequence[tuple[dict, dict]]) -> hypothesis.Paired:
    before, after = ([summary.dice_or_zero(pair[side]) for pair in pairs] for side in (0, 1))
    return hypothesis.paired(after, before, [row["subject_id"] for _, row in pairs])
