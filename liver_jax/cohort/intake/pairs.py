"""Images and masks brought together by what their names have in common."""

import dataclasses
from collections.abc import Iterable

from liver_jax.cohort.intake.case import Found
from liver_jax.cohort.intake.download import Download, Entry, natural


@dataclasses.dataclass(frozen=True)
class Pair:
    """An image and its mask.

    Attributes:
        case: What the two names have in common, as the image's has it.
        image: The image.
        mask: The mask.
    """

    case: str
    image: Entry
    mask: Entry


def paired(
    download: Download, found: Found, image: str, mask: str, called: str = "{}"
) -> list[Pair]:
    """Pairs of a download whose names have the same `case`; what has no partner is left out.

    Args:
        download: The download.
        found: Takes what is left out.
        image: A regular expression for the end of an image's path, with a group `case`.
        mask: Of a mask's, likewise.
        called: How a case is called that is left out, with its `case` at `{}`.

    Returns:
        The pairs, in the order of their names.
    """
    images, masks = by_case(download, image), by_case(download, mask)
    result = []
    for case in sorted({*images, *masks}, key=natural):
        written, _ = (images.get(case) or masks[case])[0]
        name = called.format(written)
        if case not in masks:
            found.leave_out(name, "there is no mask for its image")
        elif case not in images:
            found.leave_out(name, "there is no image for its mask")
        else:
            one, other = (only(entry for _, entry in held[case]) for held in (images, masks))
            ambiguous = [part for part in (one, other) if isinstance(part, str)]
            if ambiguous:
                found.leave_out(name, ambiguous[0])
            else:
                result.append(Pair(written, one, other))
    return result


def by_case(download: Download, pattern: str) -> dict[str, list[tuple[str, Entry]]]:
    """Files by their `case` in lower case, each with the case as it is written."""
    held: dict[str, list[tuple[str, Entry]]] = {}
    for match, entry in download.find(pattern):
        held.setdefault(match["case"].lower(), []).append((match["case"], entry))
    return held


def only(entries: Iterable[Entry]) -> Entry | str:
    """The one file that is meant, or why it is not known which."""
    entries = once(entries)
    if len(entries) == 1:
        return entries[0]
    return f"is there {len(entries)} times: {entries[0].path} and {entries[1].path}"


def once(entries: Iterable[Entry]) -> list[Entry]:
    """Without the x.nii.gz that `gunzip --keep` leaves beside x.nii."""
    entries = list(entries)
    paths = {entry.path.lower() for entry in entries}
    packed = {path for path in paths if path.endswith(".gz") and path[:-3] in paths}
    return [entry for entry in entries if entry.path.lower() not in packed]


def copies(entries: Iterable[Entry]) -> str:
    """Why files that belong into one folder cannot be used: empty, unless they lie in several."""
    folders = list(dict.fromkeys(entry.folder for entry in entries))
    return f"is there {len(folders)} times: {folders[0]} and {folders[1]}" if folders[1:] else ""


def leave_unlabelled(download: Download, found: Found, pattern: str) -> None:
    """Leaves out the images for which no mask is published."""
    for case in by_case(download, pattern).values():
        found.leave_out(case[0][0], "no mask is published for it")
