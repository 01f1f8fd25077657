"""ATLAS, contrast-enhanced T1-weighted MRI of liver cancer: `imagesTr/im<i>`, `labelsTr/lb<i>`.

Labels 1 (liver) and 2 (tumour) are disjoint: the whole liver is both. `patient_info_train.json`
tells the contrast phase, which of a few cases is `no contrast agent` or not known, and the scanner.
"""

from liver_jax.cohort.intake import pairs, table
from liver_jax.cohort.intake.case import Case, Found
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.intake.layout import Layout

_PHASES = {
    "arterial": "arterial",
    "portal": "portal_venous",
    "delayed": "delayed",
    "no contrast": "unenhanced",
}


def _read(download: Download) -> Found:
    found = Found()
    people = _people(download)
    image, mask = (rf"{name}(?P<case>\d+)\.nii(\.gz)?" for name in ("imagesTr/im", "labelsTr/lb"))
    for pair in pairs.paired(download, found, image, mask):
        person = people.get(str(int(pair.case)), {})
        told = str(person.get("contrast_phase", "")).lower()
        phase = next((word for name, word in _PHASES.items() if name in told), "")
        scanner = str(person.get("machine", "") or "")
        found.cases.append(
            Case(
                case_id=pair.case,
                subject_id=f"atlas-{pair.case}",
                modality="MR",
                technique="t1w" if phase == "unenhanced" else "ce_t1w",
                contrast_phase=phase,
                images=(pair.image,),
                mask=pair.mask,
                liver_labels=(1, 2),
                extra={"scanner": scanner} if scanner else {},
            )
        )
    pairs.leave_unlabelled(download, found, r"imagesTs/im(?P<case>\d+)\.nii(\.gz)?")
    return found


def _people(download: Download) -> dict[str, dict]:
    """What is told of each case; a table that is missing or damaged costs its columns alone."""
    for _, entry in download.find(r"patient_info_train\.json"):
        told = table.json_object(download, entry)
        return {key: value for key, value in told.items() if isinstance(value, dict)}
    return {}


LAYOUT = Layout(
    name="atlas",
    title="ATLAS (liver MRI)",
    modality="MR",
    expected=60,
    licence="CC BY-NC-SA 4.0",
    home="atlas-challenge.u-bourgogne.fr",
    liver="1, 2 (tumour)",
    read=_read,
)
