"""CirrMRI600+, T1- and T2-weighted MRI of cirrhosis, in the authors' three subsets.

`Cirrhosis_{T1,T2}_3D/{train,valid,test}_{images,masks}/<id>.nii.gz`. The same number in the T1 and
in the T2 part is the same patient. `Healthy_subjects/{T1,T2}_W_Healthy/{T1,T2}_{images,masks}` have
numbers of their own. Two tables tell more: `CirrMRI600+_CompleteData_age_gender_evaluation.csv`
(`Patient ID, Age, Gender, Radiological Evaluation`) and `Healthy_demographics.csv` (`ID, ...`).
"""

from collections.abc import Mapping

from liver_jax.cohort.intake import pairs, table
from liver_jax.cohort.intake.case import Case, Found
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.intake.layout import Layout

_KINDS = ("T1", "T2")
_SPLITS = {"train": "train", "valid": "validation", "test": "test"}
_COLUMNS = {"Age": "age", "Gender": "sex", "Radiological Evaluation": "cirrhosis_grade"}
_CODES = {
    "sex": {"1": "F", "2": "M"},
    "cirrhosis_grade": {"1": "mild", "2": "moderate", "3": "severe"},
}
_NAME = r"(?P<case>[^/]+)\.nii(\.gz)?"


def _read(download: Download) -> Found:
    found = Found()
    told = table.rows(download, r"CirrMRI600\+?_CompleteData[^/]*\.csv", "Patient ID")
    for kind in _KINDS:
        for part, split in _SPLITS.items():
            folder = rf"Cirrhosis_{kind}_3D/{part}"
            image, mask = (f"{folder}_{what}/{_NAME}" for what in ("images", "masks"))
            called = f"{{}}-{kind.lower()}"
            for pair in pairs.paired(download, found, image, mask, called):
                columns = _columns(told.get(table.name(pair.case), {}))
                found.cases.append(_case(pair, kind, pair.case, split, columns))
    told = table.rows(download, r"Healthy_demographics[^/]*\.csv", "ID")
    for kind in _KINDS:
        folder = f"Healthy_subjects/{kind}_W_Healthy/{kind}"
        image, mask = (f"{folder}_{what}/{_NAME}" for what in ("images", "masks"))
        called = f"healthy-{{}}-{kind.lower()}"
        for pair in pairs.paired(download, found, image, mask, called):
            columns = _columns(told.get(table.name(pair.case), {}))
            columns["cirrhosis_grade"] = "healthy"
            found.cases.append(_case(pair, kind, f"healthy-{pair.case}", "", columns))
    return found


def _columns(row: Mapping[str, str]) -> dict[str, str]:
    columns = table.columns(row, _COLUMNS)
    return {name: _CODES.get(name, {}).get(value, value) for name, value in columns.items()}


def _case(pair: pairs.Pair, kind: str, person: str, split: str, columns: dict[str, str]) -> Case:
    return Case(
        case_id=f"{person}-{kind.lower()}",
        subject_id=f"cirrmri600-{person}",
        modality="MR",
        technique=f"{kind.lower()}w",
        images=(pair.image,),
        mask=pair.mask,
        published_split=split,
        extra=columns,
    )


LAYOUT = Layout(
    name="cirrmri600",
    title="CirrMRI600+",
    modality="MR",
    expected=738,
    licence="CC BY-NC 4.0",
    home="osf.io/cuk24",
    liver="1",
    read=_read,
)
