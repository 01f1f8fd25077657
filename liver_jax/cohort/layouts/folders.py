"""Images in one folder and masks in another (or both in one), paired by a pattern of their names.

`*_img.nii.gz,*_seg.nii.gz`: what stands at `*` is the same in both names, and so at a second `*`.
`{subject}` and `{session}` may stand in place of `*`, or beside it, and tell which scans are of one
person.
"""

import re

from liver_jax.cohort.intake import download as downloads
from liver_jax.cohort.intake import pairs
from liver_jax.cohort.intake.case import Case, Found
from liver_jax.cohort.intake.download import Download, Entry
from liver_jax.cohort.intake.own import Own
from liver_jax.errors import InputError

_PLACES = re.compile(r"\*|\{(case|subject|session)\}")
_EXAMPLE = "Write, for example, --pattern='{subject}_img.nii.gz,{subject}_seg.nii.gz'"
_WRITTEN = re.compile(r"\.(nii|nii\.gz|nrrd|mha|mhd)$", re.IGNORECASE)
# Files, each with what its name has at the places of the pattern, in the order of the image's.
_Named = dict[Entry, tuple[str, ...]]


def read(images: Download, masks: Download, pattern: str, own: Own) -> Found:
    """Pairs images and masks.

    Args:
        images: The folder of images.
        masks: The folder of masks.
        pattern: The two names, separated by a comma.
        own: Its modality is needed.

    Raises:
        InputError: The modality is not told; the pattern cannot be used, or no file has its names.
    """
    if not own.modality:
        raise InputError("--modality", "it is missing", "Say --modality=CT or --modality=MR")
    names = _names(pattern)
    words = tuple(names[0].groupindex)
    named, drawn = _told_apart(_named(images, names[0], words), _named(masks, names[1], words))
    for what, download, held in (("image", images, named), ("mask", masks, drawn)):
        if not held:
            first = next(iter([*(entry.path for entry in download.entries), *download.unopened]))
            fault = f"holds no {what} by the names {pattern!r}; its first file is {first}"
            raise InputError(download.source, fault, _EXAMPLE)
    found = Found()
    image_of, mask_of = _by_case(named), _by_case(drawn)
    for key in sorted({*image_of, *mask_of}, key=lambda key: downloads.natural("-".join(key))):
        # As the image writes it.
        parts = next(iter({**image_of.get(key, {}), **mask_of.get(key, {})}.values()))
        name = "-".join(parts)
        if key not in mask_of:
            found.leave_out(name, "there is no mask for its image")
            continue
        if key not in image_of:
            found.leave_out(name, "there is no image for its mask")
            continue
        image, mask = pairs.only(image_of[key]), pairs.only(mask_of[key])
        ambiguous = [part for part in (image, mask) if isinstance(part, str)]
        if ambiguous:
            found.leave_out(name, ambiguous[0])
            continue
        told = dict(zip(words, parts, strict=True))
        found.cases.append(
            Case(
                case_id=name,
                subject_id=f"{own.cohort}-{told.get('subject', name)}",
                session=told.get("session", ""),
                modality=own.modality,
                technique=own.technique or own.modality.lower(),
                images=(image,),
                mask=mask,
                liver_labels=own.liver_labels or (1,),
                may_lack_liver=True,
            )
        )
    return found


def preview(found: Found, most: int = 12) -> str:
    """The pairs in words: the first ones, and all that has no partner."""
    lines = [f"{len(found.cases)} pairs"]
    for case in found.cases[:most]:
        person = case.subject_id + (f", session {case.session}" if case.session else "")
        lines.append(f"  {case.images[0].path}  +  {case.mask.path}  ->  {person}")
    if len(found.cases) > most:
        lines.append(f"  ... and {len(found.cases) - most} more")
    lines += [f"  {item.case}: {item.reason}" for item in found.left_out]
    return "\n".join(lines)


def _names(pattern: str) -> tuple[re.Pattern, re.Pattern]:
    parts = [part.strip() for part in pattern.split(",")]
    if len(parts) != 2 or not all(parts):
        raise InputError("--pattern", f"{pattern!r} is not two names with a comma", _EXAMPLE)
    image, mask = map(_regular, parts)
    if set(image.groupindex) != set(mask.groupindex) or not image.groupindex:
        fault = f"{pattern!r} does not have * or the same {{words}} in both names"
        raise InputError("--pattern", fault, _EXAMPLE)
    return image, mask


def _regular(part: str) -> re.Pattern:
    """A pattern of names as a regular expression for the end of a path."""
    made, end, seen, stars = "", 0, set(), 0
    for match in _PLACES.finditer(part):
        stars += match[0] == "*"
        word = match[1] or f"star{stars}"
        made += re.escape(part[end : match.start()])
        # A subject ends where the next word begins: P1_2 is not the subject of P1_2_t1.
        made += f"(?P={word})" if word in seen else f"(?P<{word}>[^/]+?)"
        seen.add(word)
        end = match.end()
    made += re.escape(part[end:])
    return re.compile(rf"(?:^|/){made}$", re.IGNORECASE)


def _named(download: Download, name: re.Pattern, words: tuple[str, ...]) -> _Named:
    matches = ((entry, name.search(entry.path)) for entry in download.entries)
    return {
        entry: tuple(match[word] for word in words)
        for entry, match in matches
        if match and _WRITTEN.search(entry.path)
    }


def _told_apart(named: _Named, drawn: _Named) -> tuple[_Named, _Named]:
    """Images and masks; a file with both names has the one that leaves less of it to the places.

    For `*.nii.gz,*_seg.nii.gz` x_seg.nii.gz is the mask of x, and no image.
    """

    def left_to_places(files: _Named) -> dict[tuple, int]:
        return {_itself(entry): sum(map(len, parts)) for entry, parts in files.items()}

    in_image, in_mask = left_to_places(named), left_to_places(drawn)
    both = in_image.keys() & in_mask.keys()
    masks = {file for file in both if in_mask[file] <= in_image[file]}
    return (
        {entry: parts for entry, parts in named.items() if _itself(entry) not in masks},
        {entry: parts for entry, parts in drawn.items() if _itself(entry) not in both - masks},
    )


def _itself(entry: Entry) -> tuple:
    """The same for one file of two downloads."""
    return entry.file.resolve(), entry.members


def _by_case(files: _Named) -> dict[tuple[str, ...], _Named]:
    """Files by what stands at the places, in lower case."""
    held: dict[tuple[str, ...], _Named] = {}
    for entry, parts in files.items():
        held.setdefault(tuple(map(str.lower, parts)), {})[entry] = parts
    return held
