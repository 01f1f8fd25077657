"""TotalSegmentator, CT and MR: `s0000/{ct,mri}.nii.gz`, `s0000/segmentations/liver.nii.gz`.

Many a field of view holds no liver: such cases have an empty mask, and are left out. Where organs
were joined into one label map, `s0000/segmentations.nii.gz`, liver is 5. The published split is
that of `meta.csv`. The two sets, each with a table of its own, may lie in one folder: the same
numbers are other people.
"""

import functools
import re

from liver_jax.cohort.intake import pairs, table
from liver_jax.cohort.intake.case import Case, Found
from liver_jax.cohort.intake.download import Download, Entry, natural
from liver_jax.cohort.intake.layout import Layout

_COLUMNS = {
    "age": "age",
    "gender": "sex",
    "institute": "site",
    "study_type": "study_type",
    "manufacturer": "manufacturer",
    "pathology": "pathology",
    "split": "published_split",
}
_KINDS = {"ct": "ct", "mri": "mr"}
_SPLITS = {"train": "train", "val": "validation", "test": "test"}


def _read(download: Download) -> Found:
    found = Found()

    @functools.cache
    def told(root: str) -> dict[str, dict[str, str]]:
        return table.rows(download, rf"\A{re.escape(root)}meta\.csv", "image_id")

    binary = _by_folder(download, r"segmentations/liver\.nii(\.gz)?")
    joined = _by_folder(download, r"(segmentations?|labels)\.nii(\.gz)?")
    imaged: set[tuple[str, str]] = set()
    for word, kind in _KINDS.items():
        images = _by_folder(download, rf"{word}\.nii(\.gz)?")
        imaged |= set(images)
        for place in sorted(images, key=lambda place: natural("".join(place))):
            root, number = place
            name = f"{kind}-{number}"
            masks, labels = (binary, (1,)) if place in binary else (joined, (5,))
            if place not in masks:
                found.leave_out(name, "there is no mask of the liver for it")
                continue
            image, mask = pairs.only(images[place]), pairs.only(masks[place])
            if isinstance(image, str) or isinstance(mask, str):
                found.leave_out(name, image if isinstance(image, str) else mask)
                continue
            columns = table.columns(told(root).get(number, {}), _COLUMNS)
            found.cases.append(
                Case(
                    case_id=name,
                    subject_id=f"totalsegmentator-{name}",
                    modality=kind.upper(),
                    technique=kind,
                    site=columns.pop("site", ""),
                    images=(image,),
                    mask=mask,
                    liver_labels=labels,
                    may_lack_liver=True,
                    published_split=_SPLITS.get(columns.pop("published_split", "").lower(), ""),
                    extra={key: re.sub(r"\s+", " ", value) for key, value in columns.items()},
                )
            )
    for root, number in sorted(
        {*binary, *joined} - imaged, key=lambda place: natural("".join(place))
    ):
        found.leave_out(f"{root}{number}", "there is no image for its mask")
    return found


def _by_folder(download: Download, pattern: str) -> dict[tuple[str, str], list[Entry]]:
    """Files by the folder of their set, with its last `/`, and their number in it."""
    held: dict[tuple[str, str], list[Entry]] = {}
    for match, entry in download.find(rf"(?P<case>s\d+)/{pattern}"):
        place = entry.path[: match.start("case")], match["case"].lower()
        held.setdefault(place, []).append(entry)
    return held


LAYOUT = Layout(
    name="totalsegmentator",
    title="TotalSegmentator, CT or MR",
    modality="CT, MR",
    expected=0,
    licence="CT CC BY 4.0, MR CC BY-NC-SA 2.0",
    home="Zenodo 10047292, 14710732",
    liver="liver.nii.gz > 0",
    read=_read,
)
