"""How echoes were acquired, as far as a fat-water fit must know it, and what of it cannot be."""

import dataclasses
import itertools
import math
import pathlib
from collections.abc import Sequence

from liver_jax.errors import InputError
from liver_jax.physics import signal, tissues

# What is unknown: water, fat and R2*.
FEWEST_ECHOES = 3

# What the T1 correction takes: smallest and largest.
T1_CORRECTION_RANGES = {
    "tr_ms": (0.5, 1e5),
    "flip_angle_deg": (0.1, 180.0),
    "t1_water_ms": (10.0, 1e4),
    "t1_fat_ms": (10.0, 1e4),
}

_FIELD_STRENGTHS_T = (0.2, 11.7)
_LONGEST_TE_MS = 200.0


@dataclasses.dataclass(frozen=True)
class Acquisition:
    """What the fit needs to know of how echoes were acquired.

    Attributes:
        te_ms: One echo time for each echo, rising.
        field_strength_t: B0.
        precession: Of complex data, `clockwise` or `counterclockwise`; None for magnitude.
    """

    te_ms: tuple[float, ...]
    field_strength_t: float
    precession: str | None = None


@dataclasses.dataclass(frozen=True)
class T1Correction:
    """What a spoiled gradient echo's weighting of fat over water follows from."""

    tr_ms: float
    flip_angle_deg: float
    t1_water_ms: float
    t1_fat_ms: float

    @property
    def weight(self) -> float:
        """Fat's weight over water's, by which fat is divided."""
        return signal.fat_over_water_weight(
            self.tr_ms, self.flip_angle_deg, self.t1_water_ms, self.t1_fat_ms
        )


def check(acquired: Acquisition, echo_count: int, subject: str | pathlib.Path) -> None:
    """Refuses echo times or a field strength that cannot be; no image is needed.

    Args:
        acquired: What to check.
        echo_count: The number of images.
        subject: The file or flag, for the message.

    Raises:
        InputError: The first fault.
    """
    times = acquired.te_ms
    if not times:
        raise InputError(subject, "the echo times (te_ms) are missing", "Give one for each echo")
    if len(times) != echo_count:
        fault = f"there are {echo_count} echoes and {len(times)} echo times (te_ms)"
        raise InputError(subject, fault, "Give one echo time for each echo, in the same order")
    if echo_count < FEWEST_ECHOES:
        fault = f"has {echo_count} echoes, while water, fat and R2* need at least {FEWEST_ECHOES}"
        raise InputError(subject, fault, "Name all echoes of a multiecho examination")
    if not all(math.isfinite(te) and te > 0 for te in times):
        raise InputError(subject, f"te_ms has {_list(times)}", "Echo times are above 0 ms")
    if max(times) < 0.1:
        fault = f"te_ms has {_list(times)}, which look like seconds"
        raise InputError(subject, fault, "Multiply them by 1000")
    if any(later <= earlier for earlier, later in itertools.pairwise(times)):
        fault = f"te_ms has {_list(times)}, which do not rise"
        raise InputError(subject, fault, "Put images and echo times in their order, each once")
    if max(times) > _LONGEST_TE_MS:
        fault = f"te_ms has {_list(times)}, while no echo of a liver lasts {_LONGEST_TE_MS:g} ms"
        raise InputError(subject, fault, "Give milliseconds")
    field_t, (lowest, highest) = acquired.field_strength_t, _FIELD_STRENGTHS_T
    if field_t is None:
        raise InputError(subject, "field_strength_t is missing", "Give it in tesla: 1.5 or 3")
    if not lowest <= field_t <= highest:
        fault = f"field_strength_t is {field_t:g}, outside {lowest:g} to {highest:g}"
        raise InputError(subject, fault, "Give it in tesla: 1.5 or 3")


def t1_correction(
    field_strength_t: float,
    tr_ms: float | None,
    flip_angle_deg: float | None,
    t1_water_ms: float | None,
    t1_fat_ms: float | None,
    subject: str | pathlib.Path,
) -> T1Correction:
    """Completes what the T1 correction needs.

    Args:
        field_strength_t: B0; near 1.5 and 3 T there are values for the T1s.
        tr_ms: Repetition time.
        flip_angle_deg: Flip angle.
        t1_water_ms: T1 of the liver's water; None for the literature's.
        t1_fat_ms: T1 of fat; None for the literature's.
        subject: The file or flag, for messages.

    Raises:
        InputError: A value is missing, or cannot be.
    """
    known = next((b0 for b0 in tissues.FAT_T1_MS if abs(b0 - field_strength_t) <= 0.15), None)
    if known is not None:
        liver = tissues.MR[tissues.Tissue.LIVER].t1_ms[known]
        t1_water_ms = liver if t1_water_ms is None else t1_water_ms
        t1_fat_ms = tissues.FAT_T1_MS[known] if t1_fat_ms is None else t1_fat_ms
    given = (tr_ms, flip_angle_deg, t1_water_ms, t1_fat_ms)
    for value, (name, (lowest, highest)) in zip(given, T1_CORRECTION_RANGES.items(), strict=True):
        if value is None:
            fault = f"the T1 correction at {field_strength_t:g} T needs {name}"
            raise InputError(subject, fault, "Give it, or do without the correction")
        if not lowest <= value <= highest:
            fault = f"{name} is {value:g}, outside {lowest:g} to {highest:g}"
            raise InputError(subject, fault, "Give it in the unit of its name")
    return T1Correction(tr_ms, flip_angle_deg, t1_water_ms, t1_fat_ms)


def _list(times: Sequence[float]) -> str:
    return ", ".join(f"{te:g}" for te in times)
