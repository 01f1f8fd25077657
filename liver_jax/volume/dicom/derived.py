"""What all objects derived from a series share: their place in its study, their maker, their UIDs.

They carry of the patient and the study what the standard asks of every object (types 1 and 2 of the
Patient and General Study modules, PS3.3 C.7.1.1 and C.7.2.1), so that an archive files them with
the images, and nothing else: no institution, operator, description, comment or private attribute.
"""

import contextlib
import dataclasses
import datetime
import re
import uuid
from collections.abc import Iterator

import pydicom
from pydicom import config, uid

from liver_jax.volume.dicom.origin import Origin

MAKER = "liver_jax"

_IMAGES = {
    uid.CTImageStorage,
    uid.EnhancedCTImageStorage,
    uid.LegacyConvertedEnhancedCTImageStorage,
    uid.MRImageStorage,
    uid.EnhancedMRImageStorage,
    uid.LegacyConvertedEnhancedMRImageStorage,
}
_ONE_SERIES = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")

# Type 2 of the Patient and General Study modules: always there, empty where unknown.
_FILED_BY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
# What an archive compares as text is copied as it is; what has a form is left out without it.
_DATE = r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
_FORMS = {
    "PatientBirthDate": _DATE,
    "PatientSex": "[FMO]",
    "StudyDate": _DATE,
    "StudyTime": r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?",
}
# What highdicom adds of its own accord; all optional, some with the time of writing.
_UNASKED = ("InstanceCreationDate", "InstanceCreationTime", "ContributingEquipmentSequence")

# The namespace of every UID made here: a UUID chosen once, at random.
_NAMESPACE = uuid.UUID("5c0f3b0e-6a1d-4d0b-9f0a-3b8f0f6c4f2e")


@dataclasses.dataclass(frozen=True)
class Algorithm:
    """The program and the network that made an object.

    Attributes:
        version: The program's version.
        checkpoint_sha256: The hash that tells which checkpoint it was, in hexadecimal; it stands
            where the standard asks for the device's serial number (64 characters at most).
    """

    version: str
    checkpoint_sha256: str

    def __post_init__(self):
        """Both are required by the standard, and fit into its LO values."""
        if not all(0 < len(value) <= 64 for value in (self.version, self.checkpoint_sha256)):
            raise ValueError(f"{self} has a value that is empty or longer than 64 characters")


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keeps pydicom from checking values that are copied: its warnings quote names and numbers."""
    with config.disable_value_validation():
        yield


def obstacle(origin: Origin) -> str | None:
    """Why no object can be derived from these images; None where it can.

    What cannot be referred to cannot have a segmentation: identifiers that were blanked, or a kind
    of image that the standard's modules for CT and MR do not describe. Identifiers are not
    invented, as the object would then belong to no study, or claim a place in space of its own.

    Returns:
        A fault in words without identifiers, such as "has no StudyInstanceUID (...)".
    """
    with quietly():
        return _obstacle(origin)


def check(origin: Origin) -> None:
    """Raises ValueError where there is an `obstacle`: ask for it first."""
    reason = obstacle(origin)
    if reason:
        raise ValueError(f"no DICOM object can be derived from a series that {reason}")


def make_uid(*parts: str) -> str:
    """A UID that depends on its parts alone, made from a UUID of version 5 (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, '|'.join(parts)).int}"


def series_uid(origin: Origin, modality: str, algorithm: Algorithm) -> str:
    """The series that all such objects of one source series, program and network share."""
    source = str(origin.datasets[0].SeriesInstanceUID)
    return make_uid(modality, source, algorithm.version, algorithm.checkpoint_sha256)


def series_number(origin: Origin, place: int) -> int:
    """A number that sorts behind the source: 501 for place 1 beside series 5."""
    number = origin.datasets[0].get("SeriesNumber")
    known = number is not None and 0 < int(number) < 10_000_000  # IS ends at 2**31 - 1
    return (100 * int(number) if known else 9000) + place


def made(origin: Origin, algorithm: Algorithm, created: datetime.datetime, place: int) -> dict:
    """What the constructors of highdicom want to know of the maker and the series."""
    return {
        "manufacturer": MAKER,
        "manufacturer_model_name": MAKER,
        "software_versions": algorithm.version,
        "device_serial_number": algorithm.checkpoint_sha256,
        "series_number": series_number(origin, place),
        "instance_number": 1,
        "content_date": created.date(),
        "content_time": created.time(),
    }


def reference(dataset: pydicom.Dataset) -> pydicom.Dataset:
    """A header with an image's identifiers alone, for highdicom to refer to.

    highdicom copies every patient and study attribute of the header it is given, refuses values
    that are out of form and logs names: it is given blanks, which `finish` fills.
    """
    header = pydicom.Dataset()
    for keyword in (*_ONE_SERIES, "SOPClassUID", "SOPInstanceUID", "Modality"):
        setattr(header, keyword, str(dataset.get(keyword) or ""))
    for keyword in _FILED_BY:
        setattr(header, keyword, "")
    return header


def finish(made_object: pydicom.Dataset, origin: Origin) -> None:
    """Files an object with the study of its images, and takes out what nobody asked for."""
    source = origin.datasets[0]
    for keyword in _UNASKED:
        if keyword in made_object:
            delattr(made_object, keyword)
    for keyword in ("SpecificCharacterSet", *_FILED_BY):
        value = source.get(keyword)
        if not re.fullmatch(_FORMS.get(keyword, ".+"), str(value or ""), re.DOTALL):
            value = ""
        if value or keyword in _FILED_BY:
            setattr(made_object, keyword, value)


def _obstacle(origin: Origin) -> str | None:
    for keyword in (*_ONE_SERIES, "SOPClassUID", "SOPInstanceUID"):
        values = [str(dataset.get(keyword) or "") for dataset in origin.datasets]
        if not all(values):
            return f"has no {keyword} (removed with the patient's identity, as a rule)"
        if not all(re.fullmatch(r"[\d.]{1,64}", value) for value in values):
            return f"has a malformed {keyword}"
        if keyword in _ONE_SERIES and len(set(values)) > 1:
            return f"has {len(set(values))} different {keyword}s"
        if keyword == "SOPInstanceUID" and len(set(values)) < len(values):
            return "has one SOPInstanceUID for several images"
        if keyword == "SOPClassUID" and not set(values) <= _IMAGES:
            return "has images of another kind than CT and MR images, single or multi-frame"
    return None
