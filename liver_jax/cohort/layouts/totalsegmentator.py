"""TotalSegmentator, CT and MR: `s0000/{ct,mri}.nii.gz`, `s0000/segmentations/liver.nii.gz`.

Many a field of view holds no liver: such cases have an empty mask, and are left out. Where organs
were joined into one label map, `s0000/segmentations.nii.gz`, liver is 5. The published split is
that of `meta.csv`.
"""

import re

from liver_jax.cohort.intake import pairs, table
from liver_jax.cohort.intake.case import Case, Found
from liver_jax.cohort.intake.download import Download, natural
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
_SPLITS = {"train": "train", "val": "validation", "test": "test"}


def _read(download: Download) -> Found:
    found = Found()
    told = table.rows(download, r"meta\.csv", "image_id")
    images: dict[str, tuple[str, list]] = {}
    for match, entry in download.find(r"(?P<case>s\d+)/(?P<kind>ct|mri)\.nii(\.gz)?"):
        images.setdefault(match["case"].lower(), (match["kind"].lower(), []))[1].append(entry)
    binary = pairs.by_case(download, r"(?P<case>s\d+)/segmentations/liver\.nii(\.gz)?")
    joined = pairs.by_case(download, r"(?P<case>s\d+)/(segmentations?|labels)\.nii(\.gz)?")
    for case in sorted(images, key=natural):
        kind, entries = images[case]
        masks, labels = (binary, (1,)) if case in binary else (joined, (5,))
        if case not in masks:
            found.leave_out(case, "there is no mask of the liver for it")
            continue
        image, mask = pairs.only(entries), pairs.only(entry for _, entry in masks[case])
        if isinstance(image, str) or isinstance(mask, str):
            found.leave_out(case, image if isinstance(image, str) else mask)
            continue
        columns = table.columns(told.get(case, {}), _COLUMNS)
        # The same numbers are other people in the two sets.
        name = f"{'ct' if kind == 'ct' else 'mr'}-{case}"
        found.cases.append(
            Case(
                case_id=name,
                subject_id=f"totalsegmentator-{name}",
                modality="CT" if kind == "ct" else "MR",
                technique="ct" if kind == "ct" else "mr",
                site=columns.pop("site", ""),
                images=(image,),
                mask=mask,
                liver_labels=labels,
                may_lack_liver=True,
                published_split=_SPLITS.get(columns.pop("published_split", "").lower(), ""),
                extra={key: re.sub(r"\s+", " ", value) for key, value in columns.items()},
            )
        )
    return found


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
