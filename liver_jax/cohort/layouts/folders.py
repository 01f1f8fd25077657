"""Images in one folder and masks in another (or both in one), paired by a pattern of their names.

`*_img.nii.gz,*_seg.nii.gz`: what stands at `*` is the same in both names. `{subject}` and
`{session}` may stand in place of `*`, or beside it, and tell which scans are of one person.
"""

import dataclasses
import re
from collections.abc import Mapping

from liver_jax.cohort.intake.case import Case, Found
from liver_jax.cohort.intake.download import Download, Entry
from liver_jax.cohort.intake.own import Own
from liver_jax.errors import InputError

_PLACES = re.compile(r"\*|\{(case|subject|session)\}")
_EXAMPLE = "Write, for example, --pattern='{subject}_img.nii.gz,{subject}_seg.nii.gz'"
_WRITTEN = re.compile(r"\.(nii|nii\.gz|nrrd|mha|mhd)$", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class _Named:
    entry: Entry
    parts: Mapping[str, str]


def read(images: Download, masks: Download, pattern: str, own: Own) -> Found:
    """Pairs images and masks.

    Args:
        images: The folder of images.
        masks: The folder of masks.
        pattern: The two names, separated by a comma.
        own: Its modality is needed.

    Raises:
        InputError: The pattern cannot be used, or the modality is not told.
    """
    if not own.modality:
        raise InputError("--modality", "it is missing", "Say --modality=CT or --modality=MR")
    image_pattern, mask_pattern = _patterns(pattern)
    named, drawn = _named(images, image_pattern), _named(masks, mask_pattern)
    found = Found()
    taken = {held.entry.file for parts in drawn.values() for held in parts}
    for key in sorted({*named, *drawn}):
        one, other = named.get(key, []), drawn.get(key, [])
        if images.source == masks.source:
            one = [held for held in one if held.entry.file not in taken]
        name = "-".join(key)
        if not one and not other:
            continue
        if len(one) != 1 or len(other) != 1:
            count = f"there are {len(one)} images and {len(other)} masks of this name"
            found.leave_out(name, count)
            continue
        parts = one[0].parts
        subject = parts.get("subject", name)
        found.cases.append(
            Case(
                case_id=name,
                subject_id=f"{own.cohort}-{subject}",
                session=parts.get("session", ""),
                modality=own.modality,
                technique=own.technique or own.modality.lower(),
                images=(one[0].entry,),
                mask=other[0].entry,
                liver_labels=own.liver_labels or (1,),
            )
        )
    return found


def preview(found: Found, most: int = 12) -> str:
    """The pairs in words: the first ones, and all that has no partner."""
    lines = [f"{len(found.cases)} pairs"]
    for case in found.cases[:most]:
        lines.append(f"  {case.images[0].path}  +  {case.mask.path}  ->  {case.subject_id}")
    if len(found.cases) > most:
        lines.append(f"  ... and {len(found.cases) - most} more")
    lines += [f"  {item.case}: {item.reason}" for item in found.left_out]
    return "\n".join(lines)


def _patterns(pattern: str) -> tuple[re.Pattern, re.Pattern]:
    parts = [part.strip() for part in pattern.split(",")]
    if len(parts) != 2 or not all(parts):
        raise InputError("--pattern", f"{pattern!r} is not two names with a comma", _EXAMPLE)
    made = [_regular(part) for part in parts]
    if set(made[0].groupindex) != set(made[1].groupindex) or not made[0].groupindex:
        fault = f"{pattern!r} does not have * or the same {{words}} in both names"
        raise InputError("--pattern", fault, _EXAMPLE)
    return made[0], made[1]


def _regular(part: str) -> re.Pattern:
    """A pattern of names as a regular expression for the end of a path."""
    made, end, seen = "", 0, set()
    for match in _PLACES.finditer(part):
        word = match[1] or "case"
        made += re.escape(part[end : match.start()])
        # A subject ends where the next word begins: P1_2 is not the subject of P1_2_t1.
        made += f"(?P={word})" if word in seen else f"(?P<{word}>[^/]+?)"
        seen.add(word)
        end = match.end()
    made += re.escape(part[end:])
    try:
        return re.compile(rf"(?:^|/){made}$", re.IGNORECASE)
    except re.error as error:
        raise InputError("--pattern", f"{part!r} cannot be read ({error})", _EXAMPLE) from error


def _named(download: Download, pattern: re.Pattern) -> dict[tuple[str, ...], list[_Named]]:
    held: dict[tuple[str, ...], list[_Named]] = {}
    for entry in download.entries:
        match = pattern.search(entry.path)
        if match and _WRITTEN.search(entry.path):
            parts = match.groupdict()
            held.setdefault(tuple(parts[word] for word in sorted(parts)), []).append(
                _Named(entry, parts)
            )
    return held
