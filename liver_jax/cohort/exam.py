"""What an examination is: all echoes of one scan, one mask, one subject."""

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping

COLUMNS = (
    *("exam_id", "subject_id", "session", "modality", "technique", "contrast_phase"),
    *("cohort", "site", "split", "images", "phase_images", "phase_unit", "precession"),
    *("te_ms", "tr_ms", "flip_angle_deg", "field_strength_t", "mask", "liver_labels"),
    *("truth_mask", "vessel_mask", "lesion_mask", "reader2_mask", "pdff_map", "pdff_unit"),
)
REQUIRED = ("exam_id", "subject_id", "modality", "technique", "images")
MASKS = ("mask", "truth_mask", "vessel_mask", "lesion_mask", "reader2_mask")
SPLITS = ("train", "validation", "test")
PERCENT = {"percent": 1.0, "fraction": 100.0, "permille": 0.1}  # one unit, in percent


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exam:
    """One examination: all its echoes, one mask, one subject. Empty columns are None, "" or ().

    Attributes:
        images: Absolute paths: one file for each echo, one 4D file, or a DICOM folder or zip.
        te_ms: One echo time for each echo, rising; empty where unknown and for CT.
        liver_labels: The values of `mask` that are liver.
        pdff_unit: The unit of `pdff_map`: `percent`, `fraction` or `permille`.
        extra: The columns that the format does not name, as text.
        manifest: The file that the row was read from.
        row: The line of that file on which the row begins; the header is line 1.
    """

    exam_id: str
    subject_id: str
    session: str = ""
    modality: str
    technique: str
    contrast_phase: str = ""
    cohort: str = ""
    site: str = ""
    split: str = ""
    images: tuple[pathlib.Path, ...]
    phase_images: tuple[pathlib.Path, ...] = ()
    phase_unit: str | None = None
    precession: str | None = None
    te_ms: tuple[float, ...] = ()
    tr_ms: float | None = None
    flip_angle_deg: float | None = None
    field_strength_t: float | None = None
    mask: pathlib.Path | None = None
    liver_labels: tuple[int, ...] = ()
    truth_mask: pathlib.Path | None = None
    vessel_mask: pathlib.Path | None = None
    lesion_mask: pathlib.Path | None = None
    reader2_mask: pathlib.Path | None = None
    pdff_map: pathlib.Path | None = None
    pdff_unit: str | None = None
    extra: Mapping[str, str] = dataclasses.field(default_factory=dict)
    manifest: pathlib.Path | None = dataclasses.field(default=None, compare=False)
    row: int = dataclasses.field(default=0, compare=False)


@dataclasses.dataclass(frozen=True)
class Fault:
    """One thing wrong with a manifest or with a file that it names.

    Attributes:
        row: The line of the manifest on which the row begins.
        exam_id: Whose row it is; empty where the row has none.
        column: The column at fault; empty where it is the row as a whole.
        file: The file at fault, as seen from the manifest; empty where it is the manifest.
        message: What is wrong.
        remedy: What to do.
        manifest: Which manifest the row is in.
    """

    row: int
    exam_id: str
    column: str
    file: str
    message: str
    remedy: str
    manifest: str = dataclasses.field(default="", compare=False)


def shared_subjects(exams: Iterable[Exam]) -> dict[str, tuple[str, ...]]:
    """The subjects with examinations in more than one split, which would leak, and these splits."""
    splits: dict[str, set[str]] = {}
    for exam in exams:
        splits.setdefault(exam.subject_id, set()).update({exam.split} - {""})
    order = {name: place for place, name in enumerate(SPLITS)}
    return {
        subject: tuple(sorted(names, key=order.get))
        for subject, names in splits.items()
        if len(names) > 1
    }
