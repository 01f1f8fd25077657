"""One case: every figure that an automated and a manual mask give, as a flat row.

Policy for empty masks: both empty, Dice and distances are undefined (None); one empty, Dice is 0
and distances are undefined. Either way the status is `empty` and a flag tells which. The volume of
an empty mask is 0.0 mL, which is what it covers; its mean PDFF is undefined.
"""

import dataclasses

import numpy as np

from liver_jax.biometry import pdff, volumetry
from liver_jax.evaluation import overlap, surface

SURFACE_FIGURES = tuple(field.name for field in dataclasses.fields(surface.Agreement))
FIGURES = (
    "dice",
    "rvd_percent",
    *SURFACE_FIGURES,
    "volume_ml_auto",
    "volume_ml_manual",
    "pdff_percent_auto",
    "pdff_percent_manual",
    "pdff_source",
    "tp",
    "fp",
    "fn",
    "tn",
)


@dataclasses.dataclass(frozen=True, eq=False)
class PdffMap:
    """A PDFF map and where it came from.

    Attributes:
        percent: [x, y, z].
        source: `map` (the scanner's), `magnitude_fit` or `complex_fit` (of the echoes).
        fitted: bool [x, y, z], where it has a value; None for everywhere.
    """

    percent: np.ndarray
    source: str
    fitted: np.ndarray | None = None

    def mean_percent(self, mask: np.ndarray) -> float | None:
        """The mean over a mask, as far as there are values; None where there are none."""
        inside = mask if self.fitted is None else mask & self.fitted
        return pdff.mean_over_mask(self.percent, inside).percent


def measure(
    automated: np.ndarray,
    manual: np.ndarray,
    affine: np.ndarray,
    pdff_map: PdffMap | None,
    pdff_fault: str | None = None,
) -> dict:
    """Measures one pair of masks.

    Args:
        automated: bool [x, y, z].
        manual: bool [x, y, z]; the reference.
        affine: [4, 4], voxel indices to RAS+ millimetres, of the grid that both lie on.
        pdff_map: On that grid; None where there is none.
        pdff_fault: Why there is none where there should be one: the flag `pdff_unavailable`.

    Returns:
        `status` (`ok` or `empty`), `reason` (`pdff_fault`), each of `FIGURES` and `flags`.

    Raises:
        ValueError: The shapes differ.
    """
    counts = overlap.count(automated, manual)
    agreement = surface.compare(automated, manual, affine)
    flags = []
    if not automated.any():
        flags.append("automated_empty")
    if not manual.any():
        flags.append("manual_empty")
    if agreement is None and not flags:
        flags.append("no_surface")  # a mask fills the whole volume
    if pdff_fault:
        flags.append("pdff_unavailable")
    row = {
        "status": "empty" if {"automated_empty", "manual_empty"} & set(flags) else "ok",
        "reason": _in_one_line(pdff_fault) if pdff_fault else None,
        "dice": overlap.dice(counts),
        "rvd_percent": overlap.rvd_percent(counts),
        **(dataclasses.asdict(agreement) if agreement else dict.fromkeys(SURFACE_FIGURES)),
        "volume_ml_auto": volumetry.volume_ml(automated, affine),
        "volume_ml_manual": volumetry.volume_ml(manual, affine),
        "pdff_percent_auto": None,
        "pdff_percent_manual": None,
        "pdff_source": None,
        **dataclasses.asdict(counts),
        "flags": flags,
    }
    if pdff_map is not None:
        row["pdff_percent_auto"] = pdff_map.mean_percent(automated)
        row["pdff_percent_manual"] = pdff_map.mean_percent(manual)
        row["pdff_source"] = pdff_map.source
    return row


def failed(reason: str) -> dict:
    """The figures of a case that could not be measured: all None, with the reason in one line."""
    return {
        "status": "failed",
        "reason": _in_one_line(reason),
        **dict.fromkeys(FIGURES),
        "flags": [],
    }


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
