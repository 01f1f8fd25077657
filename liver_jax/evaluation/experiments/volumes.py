"""Experiment 4: liver volume by the automated against the manual mask, in mL.

An empty automated mask measures 0 mL, and counts. A case in which no liver was drawn has no volume
to agree with: it is undefined, as its relative volume difference is. A failed case has none either.

`run` returns `reason` (why `groups` is empty, or None), `unit`, and `groups`: one for each
technique, cohort, contrast and model, as `agreeing.groups` describes them.
"""

from collections.abc import Sequence

from liver_jax.evaluation.experiments import agreeing
from liver_jax.evaluation.experiments.plain import plain


def run(rows: Sequence[dict]) -> dict:
    """Compares volumes; the module's docstring says what it returns.

    Args:
        rows: The rows of `cases[]`.
    """
    groups = agreeing.groups(rows, pair)
    reason = None if groups else "no case has an automated and a manual volume"
    return plain({"reason": reason, "unit": "mL", "groups": groups})


def pair(row: dict) -> agreeing.Pair | None:
    """The automated and the manual volume in mL; None where there are not both."""
    if row["volume_ml_auto"] is None or not row["volume_ml_manual"]:
        return None
    return row["volume_ml_auto"], row["volume_ml_manual"]
