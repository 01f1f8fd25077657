"""What of a DICOM header tells who the patient is, so that it goes nowhere unasked."""

import hashlib
import pathlib
import re

import pydicom

from liver_jax.volume.dicom import collect

# Patient name, id and birth date; the accession number leads to them; UIDs lead to the study.
_NAMES = ("PatientName", "OtherPatientNames", "PatientBirthName", "ReferringPhysicianName")
_CODES = ("PatientID", "OtherPatientIDs", "PatientBirthDate", "AccessionNumber", "StudyID")
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
# A shorter part of a name would be found in any word.
_FEWEST_LETTERS = 3


def of(header: pydicom.Dataset) -> dict[str, str]:
    """The identifiers of a header by their DICOM keyword, those that are filled in."""
    found = {name: str(header.get(name, "") or "") for name in (*_NAMES, *_CODES, *_UIDS)}
    return {name: text for name, text in found.items() if text}


def occur_in(text: str, path: pathlib.Path) -> bool:
    """Whether a name or an id of the first image found in `path` is part of a text.

    Args:
        text: A file's or folder's name, say.
        path: A DICOM file, folder or zip. Where no header can be read, the answer is no.
    """
    header = collect.first_header(path)
    if header is None:
        return False
    text = _plain(text)
    held = of(header)
    for name, value in held.items():
        parts = re.split(r"[\^=,\s]+", value) if name in _NAMES else [value]
        for part in map(_plain, parts):
            if len(part) >= _FEWEST_LETTERS and part in text:
                return True
    return False


def code(path: pathlib.Path) -> str:
    """Ten letters that stand for a scan: made of its series' UID, which they do not tell."""
    header = collect.first_header(path)
    uid = "" if header is None else str(header.get("SeriesInstanceUID", ""))
    return hashlib.sha256(uid.encode()).hexdigest()[:10]


def _plain(text: str) -> str:
    return re.sub(r"[^0-9a-z]+", "", text.casefold())
