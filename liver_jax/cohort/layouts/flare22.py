"""FLARE22, labelled: `images/FLARE22_Tr_0001_0000.nii.gz`, `labels/FLARE22_Tr_0001.nii.gz`.

Its labelled patients are of MSD Task07 (pancreas), which no reader here reads. Unlabelled ones, and
those to tune and test on, have other names (`Case_00001_0000`, `FLARETs_0001_0000`), and are not
looked at.
"""

from liver_jax.cohort.intake import pairs
from liver_jax.cohort.intake.case import Case, Found
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.intake.layout import Layout


def _read(download: Download) -> Found:
    found = Found()
    name = r"FLARE22_Tr_(?P<case>\d+)"
    ending = r"\.nii(\.gz)?"
    for pair in pairs.paired(download, found, f"{name}_0000{ending}", f"{name}{ending}"):
        found.cases.append(
            Case(
                case_id=pair.case,
                subject_id=f"flare22-{pair.case}",
                modality="CT",
                technique="ct",
                images=(pair.image,),
                mask=pair.mask,
            )
        )
    return found


LAYOUT = Layout(
    name="flare22",
    title="FLARE22, labelled cases",
    modality="CT",
    expected=50,
    licence="see its page: sources disagree",
    home="flare22.grand-challenge.org",
    liver="1",
    read=_read,
)
