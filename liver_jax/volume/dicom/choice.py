"""Which series of several is meant: what the user says, or a rule that never guesses."""

import dataclasses
import itertools
import pathlib
import re
from collections.abc import Sequence

from liver_jax.errors import InputError
from liver_jax.volume.dicom import frame
from liver_jax.volume.dicom.series import Found, Series, along_normal_mm
from liver_jax.volume.dicom.stack import TOLERANCE_MM

MODALITIES = ("CT", "MR")
_FEWEST_SLICES = 3
_LONGEST_LIST = 20
_LONGEST_DESCRIPTION = 40
_LOCALISER = re.compile(
    r"(?<![a-z])(localizer|localiser|loc|scout|survey|topogram|surview)(?![a-z])"
)
_PROJECTIONS = ("MIP", "MINIP", "MINMIP", "PROJECTION IMAGE", "VOLREN", "VRT", "SSD", "RENDERING")
_REFORMATTED = ("MPR", "REFORMATTED", "CSA MPR", "CPR", "RESAMPLED")
_SCREENS = ("SCREEN SAVE", "SCREENSHOT", "DOSE_INFO", "CSA REPORT", "POSDISP", "FUSED")
_NAME_ONE = "Name one of them: --series=NUMBER, or --series=#PLACE by its place in this list"


def choose(found: Found, wanted: str | None, subject: str | pathlib.Path) -> Series:
    """Chooses a series.

    Without a wish: localisers, secondary captures, screens, projections (MIP), maps, phase, real
    and imaginary parts, and other modalities than CT and MR are left out; then, if others are
    left, reformatted series, those of fewer than 3 slices, and those without positions. If one is
    left, it is meant. Series of one echo each that differ in echo time alone count as one.

    Args:
        found: All that there is.
        wanted: A SeriesNumber, a SeriesInstanceUID, or `#` and a place in the list of all series,
            from 1; None to follow the rule.
        subject: What the user gave, for messages.

    Returns:
        The series, its echoes joined and its phase images beside it.

    Raises:
        InputError: None or several could be meant: they are listed.
    """
    if not found.series:
        others = found.other_objects
        fault = (
            f"holds no DICOM images ({others} other DICOM objects)" if others else "holds no DICOM"
        )
        raise InputError(subject, fault, "Name the folder or zip of a CT or MR series")
    listed = entries(found)
    candidates = listed if wanted is None else _matching(listed, wanted, subject)
    ranked = [(_rank(series, found), series) for series in candidates]
    best = min(rank for (rank, _), _ in ranked)
    left = [series for (rank, _), series in ranked if rank == best]
    if best == _NEVER and wanted is None:
        told = _list(listed, candidates, {id(series): why for (_, why), series in ranked})
        raise InputError(subject, f"holds no series to measure: {told}", _NAME_ONE)
    if len(left) > 1:
        fault = f"holds {len(left)} series that could be meant: {_list(listed, left)}"
        raise InputError(subject, fault, _NAME_ONE)
    chosen = left[0]
    if chosen.first.image.modality not in MODALITIES:
        modality = chosen.first.image.modality or "of unknown modality"
        fault = f"{name_of(chosen)} is {_plain(modality)}, while CT and MR are measured"
        raise InputError(subject, fault, "Choose a CT or MR series")
    if chosen.first.component in (frame.PHASE, frame.REAL, frame.IMAGINARY):
        fault = f"{name_of(chosen)} is a {chosen.first.component} image of the signal"
        raise InputError(subject, fault, "Choose the magnitude; of real and imaginary, compute it")
    return _with_phase(chosen, listed)


def entries(found: Found) -> list[Series]:
    """The list from which is chosen: all series, those that are echoes of one scan as one."""
    result = []
    waiting = list(found.series)
    while waiting:
        first = waiting.pop(0)
        same = [first] + [other for other in waiting if _are_echoes(first, other)]
        times = [series.te_ms[0] for series in same if len(series.te_ms) == 1]
        if len(same) > 1 and len(set(times)) < len(same):
            # Time points, too: those that were acquired together are echoes.
            same = [series for series in same if series.first.when == first.first.when]
            times = [series.te_ms[0] for series in same if len(series.te_ms) == 1]
        if len(same) == 1 or len(set(times)) < len(same):
            result.append(first)
            continue
        waiting = [series for series in waiting if series not in same]
        frames = tuple(itertools.chain(*(series.frames for series in same)))
        dropped = sum(series.duplicate_count for series in same)
        result.append(Series(frames, parts=tuple(same), duplicate_count=dropped))
    return result


def name_of(series: Series) -> str:
    """`series 3`, or `the series` where it has no number."""
    numbers = _numbers(series)
    return f"series {' + '.join(map(str, numbers))}" if numbers else "the series"


def _numbers(series: Series) -> list[int]:
    parts = series.parts or (series,)
    numbers = {part.first.image.number for part in parts}
    return sorted(number for number in numbers if number is not None)


def describe(series: Series) -> str:
    """A series in a few words for the list; the only place where its description is shown."""
    image = series.first.image
    words = [name_of(series), _plain(image.modality) or "unknown modality"]
    images = "image" if len(series.frames) == 1 else "images"
    words.append(f"{len(series.frames)} {images} of {image.columns} x {image.rows}")
    if series.te_ms:
        words.append(f"TE {', '.join(f'{te_ms:g}' for te_ms in series.te_ms[:12])} ms")
    if series.first.component not in ("", frame.MAGNITUDE):
        words.append(series.first.component)
    if series.first.content and not series.parts:
        words.append(series.first.content)
    words += [_plain(text) for text in (series.told_apart, image.description) if text]
    return ", ".join(words)


def _plain(text: str) -> str:
    """Text from a header without what could steer a terminal, and not too long."""
    return "".join(char for char in text if char.isprintable())[:_LONGEST_DESCRIPTION]


def _list(
    listed: Sequence[Series], shown: Sequence[Series], reasons: dict[int, str] | None = None
) -> str:
    lines = []
    for place, series in enumerate(listed, 1):
        if any(
            series is other or series in other.parts or other in series.parts for other in shown
        ):
            reason = (reasons or {}).get(id(series))
            lines.append(f"#{place} {describe(series)}" + (f" ({reason})" if reason else ""))
    if len(lines) > _LONGEST_LIST:
        lines = [*lines[:_LONGEST_LIST], f"and {len(lines) - _LONGEST_LIST} more"]
    return "; ".join(lines)


def _matching(listed: Sequence[Series], wanted: str, subject: str | pathlib.Path) -> list[Series]:
    wanted = wanted.strip()
    if wanted.startswith("#"):
        place = wanted[1:]
        if place.isdigit() and 1 <= int(place) <= len(listed):
            return [listed[int(place) - 1]]
    else:
        for held in (listed, list(itertools.chain(*(series.parts for series in listed)))):
            matching = [series for series in held if _is_wanted(series, wanted)]
            if matching:
                return matching
    fault = f"holds no series {_plain(wanted)}, but {_list(listed, listed)}"
    raise InputError(subject, fault, _NAME_ONE)


def _is_wanted(series: Series, wanted: str) -> bool:
    """Whether all that it is made of has this number or UID."""
    parts = series.parts or (series,)
    images = [part.first.image for part in parts]
    return all(wanted in (str(image.number), image.series) for image in images)


_FIT, _SECOND, _UNPLACED, _NEVER = range(4)


def _rank(series: Series, found: Found) -> tuple[int, str]:
    """How readily the rule takes a series, and why not at once."""
    first = series.first
    image, kinds = first.image, set(first.image_type)
    if image.modality not in MODALITIES:
        return _NEVER, f"{_plain(image.modality) or 'unknown'} is neither CT nor MR"
    if frame.is_secondary_capture(image):
        return _NEVER, "a secondary capture"
    if image.samples != 1:
        return _NEVER, "in colour"
    if kinds & set(_SCREENS):
        return _NEVER, "a screen"
    if "LOCALIZER" in kinds or _LOCALISER.search(image.description.lower()):
        return _NEVER, "a localiser"
    if kinds & set(_PROJECTIONS):
        return _NEVER, "a projection"
    if first.component in (frame.PHASE, frame.REAL, frame.IMAGINARY):
        return _NEVER, f"a {first.component} image"
    if first.content == frame.MAP or any(map(frame.is_not_in_hu, series.frames)):
        return _NEVER, "a map"
    if not all(item.position_mm and item.orientation and item.spacing_mm for item in series.frames):
        return _UNPLACED, "without positions"
    if _is_three_plane(series, found):
        return _NEVER, "a localiser"
    if kinds & set(_REFORMATTED):
        return _SECOND, "reformatted"
    if series.place_count < _FEWEST_SLICES:
        return _SECOND, f"fewer than {_FEWEST_SLICES} slices"
    return _FIT, ""


def _is_three_plane(series: Series, found: Found) -> bool:
    """Whether one series has images along all three directions: a localiser of MR."""
    image = series.first.image
    if not image.series or series.parts:
        return False
    normals = set()
    for other in found.series:
        turn = other.first.orientation
        if other.first.image.series == image.series and turn:
            across, down = turn[:3], turn[3:]
            normal = [
                abs(across[one] * down[two] - across[two] * down[one])
                for one, two in ((1, 2), (2, 0), (0, 1))
            ]
            normals.add(normal.index(max(normal)))
    return len(normals) == 3


def _are_echoes(one: Series, other: Series) -> bool:
    """Whether two series of one echo time each are echoes of one acquisition."""
    if len(one.te_ms) != 1 or len(other.te_ms) != 1 or one.te_ms == other.te_ms:
        return False
    return _same_acquisition(one, other) and one.first.component == other.first.component


def _same_acquisition(one: Series, other: Series) -> bool:
    """Whether two series share all but echo time and component, place by place."""
    a, b = one.first, other.first
    same = ("study", "frame_of_reference", "modality", "rows", "columns", "tr_ms", "flip_angle_deg")
    if any(getattr(a.image, name) != getattr(b.image, name) for name in same):
        return False
    if {a.content, b.content} - {
        None,
        frame.IN_PHASE,
        frame.OUT_OF_PHASE,
    } and a.content != b.content:
        return False
    together = (
        (a.image.series and a.image.series == b.image.series)
        or a.image.description == b.image.description
        or (a.when and a.when == b.when)
    )
    return bool(together) and one.told_apart == other.told_apart and _same_places(one, other)


def _same_places(one: Series, other: Series) -> bool:
    if not all(item.position_mm and item.orientation for item in (*one.frames, *other.frames)):
        return False
    if one.first.orientation != other.first.orientation:
        return False
    ends = []
    for series in (one, other):
        along = along_normal_mm([one.first, *series.frames])[1:]
        ends.append((series.place_count, along.min(), along.max()))
    return ends[0][0] == ends[1][0] and all(
        abs(a - b) <= TOLERANCE_MM for a, b in zip(ends[0][1:], ends[1][1:], strict=True)
    )


def _with_phase(chosen: Series, listed: Sequence[Series]) -> Series:
    """The series with its phase images, where there is exactly one set for all of its echoes."""
    if chosen.first.image.modality != "MR":
        return chosen
    partners = [
        other
        for other in listed
        if other.first.component == frame.PHASE
        and other.te_ms == chosen.te_ms
        and len(other.frames) == len(chosen.frames)
        and _same_acquisition(chosen, other)
    ]
    return dataclasses.replace(chosen, phase=partners[0]) if len(partners) == 1 else chosen
