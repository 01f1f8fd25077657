"""LiTS 2017, the paper's external CT: `volume-<i>.nii` and `segmentation-<i>.nii`, in any folders.

Whole liver is labels 1 and 2 (tumour). Three things are known of its headers:

- `volume-28` to `volume-47` are 3D-IRCADb 1 to 20 in this order, and in the copies that circulate
  most their headers say 1 x 1 x 1 mm, which none of these scans has: a volume in mL would be wrong.
- Of some cases the mask's header is another than the image's, while voxel lies on voxel.
- MSD Task03 has the same cases under the same numbers: `subject_id` says so.
"""

import numpy as np

from liver_jax.cohort.intake import pairs
from liver_jax.cohort.intake.case import Case, Found, OnVoxels
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.intake.layout import Layout
from liver_jax.volume.reader import Header

# Which numbers are 3D-IRCADb 1 to 20, in order.
IRCADB = range(28, 48)


def subject(number: int) -> str:
    """The person behind a LiTS volume, an MSD liver or (28 to 47) a 3D-IRCADb patient."""
    return f"lits-{number}"


def numbered(found: Found, paired: list[pairs.Pair]) -> Found:
    """What LiTS and MSD Task03 have in common: patients, numbers, labels and faults."""
    for pair in paired:
        number = int(pair.case)
        found.cases.append(
            Case(
                case_id=pair.case,
                subject_id=subject(number),
                modality="CT",
                technique="ct",
                images=(pair.image,),
                mask=OnVoxels(pair.mask),
                liver_labels=(1, 2),
                distrust=_spacing if number in IRCADB else None,
            )
        )
    return found


def _spacing(header: Header) -> str | None:
    if not np.array_equal(header.spacing_mm, (1, 1, 1)):
        return None
    return (
        "its header says 1 x 1 x 1 mm, which is not its true spacing; --cohort=ircadb has the same "
        "patient"
    )


def _read(download: Download) -> Found:
    found = Found()
    image, mask = (rf"{name}-(?P<case>\d+)\.nii(\.gz)?" for name in ("volume", "segmentation"))
    numbered(found, pairs.pairs(download, found, image, mask))
    pairs.leave_unlabelled(download, found, r"(?P<case>test-volume-\d+)\.nii(\.gz)?")
    return found


LAYOUT = Layout(
    name="lits",
    title="LiTS 2017",
    modality="CT",
    expected=131,
    licence="CC BY-NC-ND 4.0",
    home="codalab.org, competition 17094",
    liver="1, 2 (tumour)",
    read=_read,
)
