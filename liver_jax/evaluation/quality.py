"""Signals of a failed segmentation that need no reference: the names in a row's `quality`.

Those of the network come from `inference.doubt`, those of the mask from `biometry.plausibility`;
for another tool's masks only the latter, and `echo_dice`, are to be had. A signal that a case does
not have is None.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from liver_jax.biometry import plausibility


@dataclasses.dataclass(frozen=True)
class Signal:
    """One signal.

    Attributes:
        direction: 1 where more of it goes with a better mask, -1 where less does, 0 where a
            value is the worse the farther it lies from the usual one.
        meaning: What it is, for a reader.
    """

    direction: int
    meaning: str


SIGNALS: Mapping[str, Signal] = {
    "echo_dice": Signal(1, "Mean Dice with the masks found on the examination's other echoes"),
    "augmentation_dice": Signal(1, "Dice with the mask found on slightly changed images"),
    "border_entropy": Signal(-1, "Entropy of the probability map, bits for each pixel of the mask"),
    "soft_dice": Signal(1, "Dice that the network's probabilities let expect"),
    "volume_z": Signal(0, "Logarithm of the volume, in standard deviations of adult patients"),
    "right_share": Signal(0, "Share of the mask on the patient's right of the grid's middle"),
    "largest_component_share": Signal(1, "Share of the mask in its largest component"),
}


def of_mask(mask: np.ndarray, affine: np.ndarray) -> tuple[dict[str, float | None], list[str]]:
    """The signals and flags that a mask gives by itself.

    Args:
        mask: bool [x, y, z], automated.
        affine: [4, 4], voxel indices to RAS+ millimetres.

    Returns:
        `volume_z`, `right_share` and `largest_component_share`; and some of `plausibility.FLAGS`.
    """
    judged = dataclasses.asdict(plausibility.judge(mask, affine))
    flags = list(judged.pop("flags"))
    return judged, flags


def complete(signals: Mapping[str, float | None]) -> dict[str, float | None]:
    """All of `SIGNALS` in their order, None where one is not among those given.

    Raises:
        ValueError: One is not among `SIGNALS`.
    """
    if unknown := set(signals) - set(SIGNALS):
        raise ValueError(f"{sorted(unknown)} are not among {list(SIGNALS)}")
    return {name: signals.get(name) for name in SIGNALS}


def echo_dice(masks: Sequence[np.ndarray]) -> list[float | None]:
    """How well the masks of one examination's echoes agree, each with all others.

    The echoes are coregistered, so one liver should be found on all of them.

    Args:
        masks: bool [x, y, z], one for each echo.

    Returns:
        For each mask the mean of its Dice with each other; None where there is no other, or where
        it is empty and all others are, too. Empty against not empty is 0.
    """
    masks = [mask.astype(bool, copy=False) for mask in masks]
    sizes = [np.count_nonzero(mask) for mask in masks]
    found: list[list[float]] = [[] for _ in masks]
    for first, second in itertools.combinations(range(len(masks)), 2):
        if total := sizes[first] + sizes[second]:
            dice = 2 * np.count_nonzero(masks[first] & masks[second]) / total
            found[first].append(dice)
            found[second].append(dice)
    return [float(np.mean(dice)) if dice else None for dice in found]
