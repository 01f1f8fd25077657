"""Medical Segmentation Decathlon, Task03: the patients of LiTS under the same numbers.

`imagesTr/liver_<i>.nii.gz` and `labelsTr/liver_<i>.nii.gz`; labels 1 and 2 (tumour), also as
floats. Of `imagesTs` no labels are published.
"""

from liver_jax.cohort.intake import pairs
from liver_jax.cohort.intake.case import Found
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.intake.layout import Layout
from liver_jax.cohort.layouts import lits


def _read(download: Download) -> Found:
    found = Found()
    name = r"liver_(?P<case>\d+)\.nii(\.gz)?"
    lits.numbered(found, pairs.paired(download, found, f"imagesTr/{name}", f"labelsTr/{name}"))
    pairs.leave_unlabelled(download, found, f"imagesTs/{name}")
    return found


LAYOUT = Layout(
    name="msd_liver",
    title="Decathlon (MSD), Task03 Liver",
    modality="CT",
    expected=131,
    licence="CC BY-SA 4.0",
    home="medicaldecathlon.com",
    liver="1, 2 (tumour)",
    read=_read,
)
