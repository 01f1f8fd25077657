"""AMOS22: fifteen organs on CT and MR, `images{Tr,Va,Ts}/amos_0001.nii.gz`, `labels...` likewise.

Numbers to 500 are CT (its readme says below 500, but amos_0500 has HU), the others MR of no one
technique. The challenge's training and validation cases are the published split; of `imagesTs` no
labels are published. `labeled_data_meta*.csv`, a file of its own at the same place, tells sex, age,
scanner and site.
"""

import re

from liver_jax.cohort.intake import pairs, table
from liver_jax.cohort.intake.case import Case, Found
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.intake.layout import Layout

_FIRST_MR = 501
_SPLITS = {"Tr": "train", "Va": "validation"}
_YEARS = re.compile(r"^0*(\d+)Y$", re.IGNORECASE)  # DICOM's way to write an age
_COLUMNS = {
    "Patient's Sex": "sex",
    "Patient's Age": "age",
    "Manufacturer's Model Name": "scanner",
    "Site": "site",
}


def _read(download: Download) -> Found:
    found = Found()
    name = r"(?P<case>amos_\d+)\.nii(\.gz)?"
    told = table.rows(download, r"labeled_data_meta[^/]*\.csv", "amos_id")
    for part, split in _SPLITS.items():
        for pair in pairs.paired(download, found, f"images{part}/{name}", f"labels{part}/{name}"):
            number = int(pair.case.rpartition("_")[2])
            columns = table.columns(told.get(str(number), {}), _COLUMNS)
            if "age" in columns:
                columns["age"] = _YEARS.sub(r"\1", columns["age"])
            found.cases.append(
                Case(
                    case_id=f"{number:04d}",
                    subject_id=f"amos22-{number:04d}",
                    modality="CT" if number < _FIRST_MR else "MR",
                    technique="ct" if number < _FIRST_MR else "mr",
                    site=columns.pop("site", ""),
                    images=(pair.image,),
                    mask=pair.mask,
                    liver_labels=(6,),
                    published_split=split,
                    extra=columns,
                )
            )
    pairs.leave_unlabelled(download, found, f"imagesTs/{name}")
    return found


LAYOUT = Layout(
    name="amos22",
    title="AMOS22",
    modality="CT, MR",
    expected=360,
    licence="CC BY 4.0",
    home="Zenodo 7262581",
    liver="6",
    read=_read,
)
