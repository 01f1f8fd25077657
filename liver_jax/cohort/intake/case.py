"""What a reader finds in a download: cases that become rows, and what it leaves out, and why."""

import dataclasses
from collections.abc import Callable, Mapping

from liver_jax.cohort.intake.download import Entry
from liver_jax.volume.reader import Header


@dataclasses.dataclass(frozen=True)
class Series:
    """One DICOM series, which becomes a NIfTI file.

    Attributes:
        files: Its images; their order does not matter.
    """

    files: tuple[Entry, ...]


@dataclasses.dataclass(frozen=True)
class Pictures:
    """What was drawn as one picture for each slice of a DICOM series.

    Attributes:
        pairs: A picture (PNG, or a DICOM image), and the image of a series of the same case that it
            was drawn on, pixel by pixel; None where the picture's own position has to tell.
        labels: Grey levels, from and to, both included -> label. What is in none is 0.
    """

    pairs: tuple[tuple[Entry, Entry | None], ...]
    labels: Mapping[tuple[int, int], int]


@dataclasses.dataclass(frozen=True)
class OnVoxels:
    """A label file whose voxels are those of its image, whatever its header says of their place.

    Attributes:
        entry: The label file; where its header is right, it is used as it is.
    """

    entry: Entry


@dataclasses.dataclass(frozen=True)
class Resampled:
    """A label file drawn on another image of the patient: laid on this one, by its place in mm.

    Attributes:
        entry: The label file; where it lies on the grid of this image, it is used as it is.
    """

    entry: Entry


# All that is not black.
WHITE = (1, 65535)

Image = Entry | Series
# Pictures become one label file, the later ones over the earlier; the first must be of every slice.
Mask = Entry | tuple[Pictures, ...] | OnVoxels | Resampled


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One examination to be; the fields that are not told here are those of `Exam`.

    Attributes:
        case_id: How its authors call it, without the cohort's name; unique in the cohort.
        subject_id: The person, as in every cohort that the person is in.
        images: One for each echo. DICOM tells its echo times, and is put in their order.
        mask: What the liver was drawn in.
        distrust: Tells from the header of the first image why the case cannot be used, or None.
        may_lack_liver: Whether the mask may be empty, as the field of view is of another organ, or
            have other values than are named: its voxels are then read, and such a case is left out.
        published_split: Of the authors: `train`, `validation` or `test`, or empty.
        extra: Columns of the manifest beyond those of the format.
    """

    case_id: str
    subject_id: str
    session: str = ""
    modality: str
    technique: str
    contrast_phase: str = ""
    site: str = ""
    images: tuple[Image, ...]
    te_ms: tuple[float, ...] = ()
    tr_ms: float | None = None
    flip_angle_deg: float | None = None
    field_strength_t: float | None = None
    mask: Mask
    liver_labels: tuple[int, ...] = (1,)
    vessel_mask: Mask | None = None
    reader2_mask: Mask | None = None
    distrust: Callable[[Header], str | None] | None = None
    may_lack_liver: bool = False
    published_split: str = ""
    extra: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but unpacked files, none of which has to be looked into."""
        parts = (*self.images, self.mask, self.vessel_mask, self.reader2_mask)
        plain = all(isinstance(part, Entry) and not part.members for part in parts if part)
        return plain and not self.may_lack_liver

    @property
    def entries(self) -> list[Entry]:
        """Every file of the download that it is made of, each once."""
        found: list[Entry] = []
        for part in (*self.images, self.mask, self.vessel_mask, self.reader2_mask):
            match part:
                case Entry():
                    found.append(part)
                case Series():
                    found += part.files
                case tuple():
                    found += [picture for layer in part for picture, _ in layer.pairs]
                case OnVoxels() | Resampled():
                    found.append(part.entry)
        return list(dict.fromkeys(found))


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A case that does not become a row.

    Attributes:
        case: How its authors call it.
        reason: Why.
    """

    case: str
    reason: str


@dataclasses.dataclass
class Found:
    """What a reader finds.

    Attributes:
        cases: What becomes rows if its files are sound, in the order of the rows.
        left_out: What does not.
    """

    cases: list[Case] = dataclasses.field(default_factory=list)
    left_out: list[LeftOut] = dataclasses.field(default_factory=list)

    def leave_out(self, case: str, reason: str) -> None:
        """Notes a case that does not become a row."""
        self.left_out.append(LeftOut(case, reason))
