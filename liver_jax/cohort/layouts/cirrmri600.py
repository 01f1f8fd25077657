"""CirrMRI600+, T1- and T2-weighted MRI of cirrhosis, in the authors' three subsets.

`Cirrhosis_{T1,T2}_3D/{train,valid,test}_{images,masks}/<id>.nii.gz`. The same number in the T1 and
in the T2 part is the same patient. `Healthy_subjects/T1_W_Healthy/{T1_images,T1_masks}` has numbers
of its own. Tables (`Patient ID, Age, Gender, Radiological Evaluation`) tell more of the patients.
"""

from liver_jax.cohort.intake import pairs, table
from liver_jax.cohort.intake.case import Case, Found
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.intake.layout import Layout

_SPLITS = {"train": "train", "valid": "validation", "test": "test"}
_COLUMNS = {"Age": "age", "Gender": "sex", "Radiological Evaluation": "cirrhosis_grade"}
_NAME = r"(?P<case>[^/]+)\.nii(\.gz)?"


def _read(download: Download) -> Found:
    found = Found()
    told = table.rows(download, r"CirrMRI600\+?_CompleteData[^/]*\.csv", "Patient ID")
    for kind in ("T1", "T2"):
        for part, split in _SPLITS.items():
            folder = rf"Cirrhosis_{kind}_3D/{part}"
            image, mask = (f"{folder}_{what}/{_NAME}" for what in ("images", "masks"))
            for pair in pairs.pairs(download, found, image, mask):
                found.cases.append(
                    _case(
                        pair,
                        kind,
                        pair.case,
                        split,
                        table.columns(told.get(table.name(pair.case), {}), _COLUMNS),
                    )
                )
    folder = "Healthy_subjects/T1_W_Healthy"
    images, masks = f"{folder}/T1_images/{_NAME}", f"{folder}/T1_masks/{_NAME}"
    for pair in pairs.pairs(download, found, images, masks):
        columns = {"cirrhosis_grade": "healthy"}
        found.cases.append(_case(pair, "T1", f"healthy-{pair.case}", "", columns))
    return found


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
    expected=628,
    licence="CC BY-NC 4.0",
    home="osf.io/cuk24",
    liver="1",
    read=_read,
)
