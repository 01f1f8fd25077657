"""LiTS 2017, the paper's external CT: `volume-<i>.nii` and `segmentation-<i>.nii`, in any folders.

Whole liver is labels 1 and 2 (tumour). Three things are known of its headers:

- `volume-28` to `volume-47` are 3D-IRCADb 1 to 20 in this order, and in the copies that circulate
  most their headers say 1 x 1 x 1 mm, which none of these scans has: a volume in mL would be wrong.
- `segmentation-48` to `-52` have other headers than their images, while voxel lies on voxel.
- MSD Task03 has the same cases under the same numbers: `subject_id` says so.
"""

from collections.abc import Collection

import numpy as np

from liver_jax.cohort.intake import pairs
from liver_jax.cohort.intake.case import Case, Found, OnVoxels
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.intake.layout import Layout
from liver_jax.volume.reader import Header

# Which numbers are 3D-IRCADb 1 to 20, in order.
IRCADB = range(28, 48)
_OWN_HEADERS = range(48, 53)


def subject(number: int) -> str:
    """The person behind a LiTS volume, an MSD liver or (28 to 47) a 3D-IRCADb patient."""
    return f"lits-{number}"


def numbered(found: Found, paired: list[pairs.Pair], own_headers: Collection[int] = ()) -> None:
    """What LiTS and MSD Task03 have in common: patients, numbers, labels and faults.

    Args:
        found: Takes the cases.
        paired: Images and masks; `case` is the number.
        own_headers: The cases whose masks have headers that are not to be asked.
    """
    for pair in paired:
        number = int(pair.case)
        found.cases.append(
            Case(
                case_id=pair.case,
                subject_id=subject(number),
                modality="CT",
                technique="ct",
                images=(pair.image,),
                mask=OnVoxels(pair.mask) if number in own_headers else pair.mask,
                liver_labels=(1, 2),
                distrust=_spacing if number in IRCADB else None,
            )
        )


def _spacing(header: Header) -> str | None:
    if not np.allclose(header.spacing_mm, 1, atol=1e-3):
        return None
    return (
        "its header says 1 x 1 x 1 mm, which is not its true spacing; --cohort=ircadb has the same "
        "patient"
    )


def _read(download: Download) -> Found:
    found = Found()
    image, mask = (rf"{name}-(?P<case>\d+)\.nii(\.gz)?" for name in ("volume", "segmentation"))
    numbered(found, pairs.paired(download, found, image, mask), _OWN_HEADERS)
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
