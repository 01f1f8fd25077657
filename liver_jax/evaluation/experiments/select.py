"""Which rows an experiment is about, and what every group of rows says of itself.

Experiments 2, 4, 5 and 6 take the first echo of each examination, as the paper does. Cohorts are
reported apart and `pooled`, and so are unenhanced and enhanced CT, since the second stage is
trained on enhanced CT only. A group is labelled by

- `technique` and `model`;
- `cohort`: `pooled`, or one of the manifest's (cases without a cohort are in `pooled` alone);
- `contrast`: `all`; of CT also `unenhanced` and `enhanced`, by what the manifest calls the phase
  (the usual words for it, `_CONTRAST_OF`; cases without a phase, or with another word, are in `all`
  alone).
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence

from liver_jax.evaluation import summary

POOLED, ALL_CONTRASTS = "pooled", "all"
UNENHANCED, ENHANCED = "unenhanced", "enhanced"
# What a CT phase is called, without case, spaces, hyphens and underscores, and without "phase".
_WORDS = {
    UNENHANCED: (
        *("unenhanced", "nonenhanced", "native", "plain", "pre", "precontrast", "noncontrast"),
        *("nocontrast", "withoutcontrast", "noncontrastenhanced", "nect", "ncct"),
    ),
    ENHANCED: (
        *("enhanced", "contrast", "contrastenhanced", "withcontrast", "postcontrast", "cect"),
        *("arterial", "earlyarterial", "latearterial", "portal", "portovenous", "portalvenous"),
        *("earlyportalvenous", "lateportalvenous", "portalinflow", "venous", "hepaticvenous"),
        *("nephrographic", "parenchymal", "delayed", "equilibrium", "interstitial", "excretory"),
    ),
}
_CONTRAST_OF = {word: contrast for contrast, words in _WORDS.items() for word in words}


@dataclasses.dataclass(frozen=True)
class Label:
    """What the rows of a group have in common."""

    technique: str
    cohort: str
    contrast: str


def first_echo(rows: Sequence[dict]) -> list[dict]:
    """The rows of first echoes and of single images."""
    return [row for row in rows if row["echo"] in summary.FIRST_ECHO]


def of_model(rows: Sequence[dict], model: str) -> list[dict]:
    """The rows of one model."""
    return [row for row in rows if row["model"] == model]


def cohorts(rows: Sequence[dict]) -> Iterator[tuple[str, list[dict]]]:
    """All rows as `pooled`, then those of each named cohort, in order of appearance."""
    yield POOLED, list(rows)
    for cohort in dict.fromkeys(row["cohort"] for row in rows):
        if cohort not in ("", POOLED):
            yield cohort, [row for row in rows if row["cohort"] == cohort]


def contrasts(rows: Sequence[dict]) -> Iterator[tuple[str, list[dict]]]:
    """All rows, then CT without and with contrast agent, where the manifest names the phase."""
    yield ALL_CONTRASTS, list(rows)
    for contrast in (UNENHANCED, ENHANCED):
        chosen = [row for row in rows if _contrast(row) == contrast]
        if chosen:
            yield contrast, chosen


def labelled(rows: Sequence[dict]) -> Iterator[tuple[Label, list[dict]]]:
    """Every technique x cohort x contrast that has rows, of all models together."""
    for technique in summary.techniques(rows):
        own = [row for row in rows if row["technique"] == technique]
        for cohort, of_cohort in cohorts(own):
            for contrast, chosen in contrasts(of_cohort):
                yield Label(technique, cohort, contrast), chosen


def described(rows: Sequence[dict], measure: Callable[[dict], float | None]) -> dict:
    """Mean, spread and interval of a measure, with every row accounted for.

    Args:
        rows: A group.
        measure: Of a row; None where it is undefined.

    Returns:
        `n` (rows), `n_subjects`, `n_undefined`, `n_failed`, `n_counted` (those that the mean is
        of), `mean`, `sd`, `interval_95`. Failed rows are counted where `measure` gives them a value
        (`summary.dice_or_zero` does).
    """
    counted = [row for row in rows if measure(row) is not None]
    described = summary.describe(
        [measure(row) for row in counted], [row["subject_id"] for row in counted]
    )
    return counts(rows, counted) | {"n_counted": described.pop("n")} | described


def counts(rows: Sequence[dict], counted: Sequence[dict]) -> dict:
    """`n`, `n_subjects`, `n_undefined` and `n_failed` of a group, some rows of which are counted.

    A failed row that is counted (as Dice 0) is among `n_failed` and not among `n_undefined`.
    """
    left_out = {id(row) for row in rows} - {id(row) for row in counted}
    return {
        "n": len(rows),
        "n_subjects": len({row["subject_id"] for row in rows}),
        "n_undefined": sum(id(row) in left_out and row["status"] != "failed" for row in rows),
        "n_failed": sum(row["status"] == "failed" for row in rows),
    }


def _contrast(row: dict) -> str | None:
    if row["modality"] != "CT":
        return None
    word = re.sub(r"[-_\s]+", "", row["contrast_phase"].lower())
    return _CONTRAST_OF.get(word.removesuffix("phase"))
