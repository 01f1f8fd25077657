"""Experiment 5: mean PDFF of the liver by the automated against the manual mask, in points.

The mask found on the first echo is laid on the PDFF map; differences are percentage points. The
paper averages the whole mask, vessels included, and names this as a limit: so the same comparison
stands beside it with the vessels left out of both masks, and the shift that leaving them out makes.

`run` returns

- `reason`: why `groups` is empty, or None; `unit`;
- `groups`: one for each `region` (`whole_liver`, `without_vessels`), technique, cohort, contrast
  and model, as `agreeing.groups` describes them;
- `vessels`: for each technique, cohort, contrast, model and `mask` (`automated`, `manual`), the
  mean without vessels minus that of the whole liver: `n`, `n_subjects`, `n_undefined`, `n_failed`,
  and `shift` (`hypothesis.paired`; before: the whole liver). Only where there is such a case.
"""

import functools
from collections.abc import Sequence

from liver_jax.evaluation import hypothesis, summary
from liver_jax.evaluation.experiments import agreeing, select
from liver_jax.evaluation.experiments.plain import plain

_SUFFIXES = {"whole_liver": "", "without_vessels": "_without_vessels"}
_MASKS = {"automated": "auto", "manual": "manual"}


def run(rows: Sequence[dict]) -> dict:
    """Compares fat fractions; the module's docstring says what it returns.

    Args:
        rows: The rows of `cases[]`.
    """
    groups = [
        {"region": region, **group}
        for region in _SUFFIXES
        for group in agreeing.groups(rows, functools.partial(pair, region=region))
    ]
    return plain(
        {
            "reason": None if groups else "no case has a PDFF from both masks",
            "unit": "percentage points",
            "groups": groups,
            "vessels": _vessels(rows),
        }
    )


def pair(row: dict, region: str = "whole_liver") -> agreeing.Pair | None:
    """The automated and the manual mean in percent; None where there are not both."""
    found = tuple(_percent(row, mask, region) for mask in _MASKS)
    return None if None in found else found


def _percent(row: dict, mask: str, region: str) -> float | None:
    return row[f"pdff_percent_{_MASKS[mask]}{_SUFFIXES[region]}"]


def _vessels(rows: Sequence[dict]) -> list[dict]:
    found = []
    for label, of_label in select.labelled(select.first_echo(rows)):
        for model in summary.models(of_label):
            chosen = select.of_model(of_label, model)
            for mask in _MASKS:
                regions = {
                    region: [_percent(row, mask, region) for row in chosen] for region in _SUFFIXES
                }
                both = [
                    place
                    for place, values in enumerate(zip(*regions.values(), strict=True))
                    if None not in values
                ]
                if not both:
                    continue
                whole, without = ([values[i] for i in both] for values in regions.values())
                counted = [chosen[place] for place in both]
                shift = hypothesis.paired(without, whole, [row["subject_id"] for row in counted])
                found.append(
                    {
                        **plain(label),
                        "model": model,
                        "mask": mask,
                        **select.counts(chosen, counted),
                        "shift": shift,
                    }
                )
    return found
