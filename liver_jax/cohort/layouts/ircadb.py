"""3D-IRCADb-01: CT and binary masks as DICOM, each patient's in zips of their own.

`3Dircadb1/3Dircadb1.<n>/PATIENT_DICOM.zip` with `image_0`, ..., and `MASKS_DICOM.zip` with a folder
for each structure, `liver/image_0`, ...: paired by these names, placed by the image alone. Tumours
and cysts are drawn beside the liver, and are liver here; adrenal tumours are not. Portal vein and
hepatic veins are the `vessel_mask`. The patients are LiTS volumes 28 to 47, and so are called.
"""

import collections
import re

from liver_jax.cohort.intake.case import WHITE, Case, Found, Pictures, Series
from liver_jax.cohort.intake.download import Download, Entry
from liver_jax.cohort.intake.layout import Layout
from liver_jax.cohort.layouts import lits

# The slices by name, by the folder that they lie in: more than one are copies.
_Folders = dict[str, dict[str, Entry]]
_LIVER, _TUMOUR, _CYST = 1, 2, 3
_PARTS = {
    re.compile(r"liver"): _LIVER,
    re.compile(r"livertumou?rs?\d*"): _TUMOUR,
    re.compile(r"liver(cyst|kyste?)s?\d*"): _CYST,
}
_VESSELS = re.compile(r"portalvein\d*|venoussystem|hepaticveins?")
_IMAGE = r"(?P<slice>image_\d+)(\.dcm)?"


def _read(download: Download) -> Found:
    found = Found()
    patient = r"(3Dircadb1[._-]?)?(?P<case>\d+)"
    images: dict[int, _Folders] = collections.defaultdict(dict)
    masks: dict[int, dict[str, _Folders]] = collections.defaultdict(dict)
    for match, entry in download.find(rf"{patient}/(PATIENT_DICOM/)+{_IMAGE}"):
        folder = images[int(match["case"])].setdefault(entry.folder, {})
        folder[match["slice"].lower()] = entry
    for match, entry in download.find(rf"{patient}/(MASKS_DICOM/)+(?P<part>[^/]+)/{_IMAGE}"):
        folders = masks[int(match["case"])].setdefault(match["part"].lower(), {})
        folders.setdefault(entry.folder, {})[match["slice"].lower()] = entry
    for number in sorted({*images, *masks}):
        if not images[number] or "liver" not in masks[number]:
            what = "the mask of the liver is" if images[number] else "PATIENT_DICOM is"
            found.leave_out(str(number), f"{what} not there")
            continue
        twice = [f for f in (images[number], *masks[number].values()) if len(f) > 1]
        if twice:
            found.leave_out(str(number), f"is there twice: {' and '.join([*twice[0]][:2])}")
            continue
        (slices,) = images[number].values()
        parts = {part: next(iter(folders.values())) for part, folders in masks[number].items()}
        lost = [name for name in parts["liver"] if name not in slices]
        if lost:
            found.leave_out(str(number), f"{lost[0]} of the liver's mask has no image")
            continue
        labelled = {
            label: [part for part in parts if pattern.fullmatch(part)]
            for pattern, label in _PARTS.items()
        }
        labels = tuple(label for label, named in labelled.items() if named)
        vessels = [part for part in parts if _VESSELS.fullmatch(part)]
        found.cases.append(
            Case(
                case_id=f"{number:02d}",
                subject_id=_subject(number),
                modality="CT",
                technique="ct",
                images=(Series(tuple(slices.values())),),
                mask=tuple(
                    _pictures(parts[part], slices, label)
                    for label in labels
                    for part in labelled[label]
                ),
                liver_labels=labels,
                vessel_mask=tuple(_pictures(parts[part], slices, 1) for part in vessels) or None,
            )
        )
    return found


def _subject(number: int) -> str:
    known = 1 <= number <= len(lits.IRCADB)
    return lits.subject(lits.IRCADB[number - 1]) if known else f"ircadb-{number}"


def _pictures(drawn: dict[str, Entry], slices: dict[str, Entry], label: int) -> Pictures:
    pairs = tuple((entry, slices[name]) for name, entry in drawn.items() if name in slices)
    return Pictures(pairs, {WHITE: label})


LAYOUT = Layout(
    name="ircadb",
    title="3D-IRCADb-01",
    modality="CT",
    expected=20,
    licence="CC BY-NC-ND 3.0",
    home="ircad.fr, 3D-IRCADb",
    liver="DICOM > 0, tumours and cysts too",
    read=_read,
)
