"""One case: every figure that an automated and a manual mask give, as a flat row.

Policy for empty masks: both empty, Dice, IoU and distances are undefined (None); one empty, Dice
and IoU are 0 and distances are undefined. Either way the status is `empty` and a flag tells which.
The volume of an empty mask is 0.0 mL, which is what it covers, it has 0 components and is cut
nowhere; its mean PDFF is undefined.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from liver_jax.biometry import border, components, pdff, volumetry
from liver_jax.evaluation import overlap, surface

SURFACE_FIGURES = tuple(field.name for field in dataclasses.fields(surface.Agreement))
PDFF_FIGURES = (
    "pdff_percent_auto",
    "pdff_percent_manual",
    "pdff_percent_auto_without_vessels",
    "pdff_percent_manual_without_vessels",
    "pdff_source",
)
# What `measure` and `failed` fill beside `status`, `reason` and `flags`, in the order of a row.
FIGURES = (
    "dice",
    "iou",
    "rvd_percent",
    *SURFACE_FIGURES,
    "volume_ml_auto",
    "volume_ml_manual",
    *PDFF_FIGURES,
    "tp",
    "fp",
    "fn",
    "tn",
    "component_count_auto",
    "component_count_manual",
    "fov_cut_cm2_auto",
    "fov_cut_cm2_manual",
)
# The flags that `measure` can set. Those of an automated mask that is implausible in itself are
# no comparison, and are added by whoever judges it.
FLAGS = (
    "automated_empty",
    "manual_empty",
    "no_surface",
    "pdff_unavailable",
    "touches_fov_border",
)


@dataclasses.dataclass(frozen=True, eq=False)
class PdffMap:
    """A PDFF map and where it came from.

    Attributes:
        percent: [x, y, z].
        source: `map` (the scanner's), `magnitude_fit` or `complex_fit` (of the echoes).
        fitted: bool [x, y, z], where it has a value; None for everywhere.
        find_vessels: Gives the vessels (bool [x, y, z]) within a mask (bool [x, y, z]). It is asked
            for the automated and for the manual mask, so that both are treated by one rule, as
            `functools.partial(parenchyma.find_vessels, echoes, affine=affine)` does; where a
            reader has drawn the vessels, it gives these for any mask. None: no means without
            vessels.
    """

    percent: np.ndarray
    source: str
    fitted: np.ndarray | None = None
    find_vessels: Callable[[np.ndarray], np.ndarray] | None = None

    def mean_percent(self, mask: np.ndarray) -> float | None:
        """The mean over a mask, as far as there are values; None where there are none."""
        inside = mask if self.fitted is None else mask & self.fitted
        return pdff.mean_over_mask(self.percent, inside).percent

    def mean_percent_without_vessels(self, mask: np.ndarray, affine: np.ndarray) -> float | None:
        """The mean without vessels and border (`pdff.mean_without_vessels`); None as above.

        It is None, too, where nobody looks for vessels.
        """
        if self.find_vessels is None or not mask.any():
            return None
        vessels = self.find_vessels(mask)
        return pdff.mean_without_vessels(self.percent, mask, affine, vessels, self.fitted).percent


def measure(
    automated: np.ndarray,
    manual: np.ndarray,
    affine: np.ndarray,
    pdff_map: PdffMap | None = None,
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
        `status` (`ok` or `empty`), `reason` (`pdff_fault`), each of `FIGURES` (None where it is
        undefined) and `flags`, some of `FLAGS`. All values are what JSON knows.

    Raises:
        ValueError: The shapes differ.
    """
    counts = overlap.count(automated, manual)
    automated, manual = automated.astype(bool, copy=False), manual.astype(bool, copy=False)
    agreement = surface.compare(automated, manual, affine)
    masks = {"auto": automated, "manual": manual}
    cut_cm2 = {name: border.cut_area_cm2(mask, affine) for name, mask in masks.items()}
    is_empty = {"auto": counts.tp + counts.fp == 0, "manual": counts.tp + counts.fn == 0}
    raised = {
        "automated_empty": is_empty["auto"],
        "manual_empty": is_empty["manual"],
        # A mask fills the whole volume.
        "no_surface": agreement is None and not any(is_empty.values()),
        "pdff_unavailable": bool(pdff_fault),
        "touches_fov_border": any(cut_cm2.values()),
    }
    found = {
        "dice": overlap.dice(counts),
        "iou": overlap.iou(counts),
        "rvd_percent": overlap.rvd_percent(counts),
        **(dataclasses.asdict(agreement) if agreement else {}),
        **dataclasses.asdict(counts),
    }
    for name, mask in masks.items():
        found |= {
            f"volume_ml_{name}": volumetry.volume_ml(mask, affine),
            f"component_count_{name}": int(components.voxel_counts(mask).size),
            f"fov_cut_cm2_{name}": cut_cm2[name],
        }
        if pdff_map is not None:
            found |= {
                f"pdff_percent_{name}": pdff_map.mean_percent(mask),
                f"pdff_percent_{name}_without_vessels": pdff_map.mean_percent_without_vessels(
                    mask, affine
                ),
                "pdff_source": pdff_map.source,
            }
    return {
        "status": "empty" if any(is_empty.values()) else "ok",
        "reason": _in_one_line(pdff_fault) if pdff_fault else None,
        **dict.fromkeys(FIGURES),
        **found,
        "flags": [flag for flag in FLAGS if raised[flag]],
    }


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
