"""What a user tells of scans of their own, where the files do not tell it."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Own:
    """What a user tells.

    Attributes:
        cohort: The cohort's name.
        modality: `CT` or `MR`; empty: as the files tell.
        technique: One word; empty: as the files tell.
        liver_labels: Which values of the masks are liver; empty: as the files tell.
    """

    cohort: str
    modality: str = ""
    technique: str = ""
    liver_labels: tuple[int, ...] = ()
