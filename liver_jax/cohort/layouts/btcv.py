"""BTCV, Beyond the Cranial Vault, abdomen: `Training/img/img0001`, `Training/label/label0001`.

Portal venous CT, thirteen organs. The split that most publications use, 18 to train on and 12 to
test on, is the one of TransUNet (Chen et al. 2021, arXiv 2102.04306).
"""

from liver_jax.cohort.intake import pairs
from liver_jax.cohort.intake.case import Case, Found
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.intake.layout import Layout

_TESTED = (1, 2, 3, 4, 8, 22, 25, 29, 32, 35, 36, 38)


def _read(download: Download) -> Found:
    found = Found()
    image, mask = (rf"{name}(?P<case>\d+)\.nii(\.gz)?" for name in ("img/img", "label/label"))
    paired = pairs.paired(download, found, f"Training/{image}", f"Training/{mask}")
    for pair in paired:
        found.cases.append(
            Case(
                case_id=pair.case,
                subject_id=f"btcv-{pair.case}",
                modality="CT",
                technique="ct",
                contrast_phase="portal_venous",
                images=(pair.image,),
                mask=pair.mask,
                liver_labels=(6,),
                published_split="test" if int(pair.case) in _TESTED else "train",
            )
        )
    pairs.leave_unlabelled(download, found, f"Testing/{image}")
    return found


LAYOUT = Layout(
    name="btcv",
    title="BTCV, abdomen",
    modality="CT",
    expected=30,
    licence="Synapse's terms, after sign-up",
    home="synapse.org, syn3193805",
    liver="6",
    read=_read,
)
