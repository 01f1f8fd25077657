"""What is known of a cohort: its name, its size, its licence, and who reads it."""

import dataclasses
from collections.abc import Callable

from liver_jax.cohort.intake.case import Found
from liver_jax.cohort.intake.download import Download


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """A public cohort.

    Attributes:
        name: What `--cohort` takes.
        title: What its authors call it.
        modality: `CT`, `MR` or both.
        expected: How many examinations with a liver mask the whole download has; 0: not known.
        licence: As its authors state it.
        home: Where to ask for it.
        liver: Which value of its masks is liver.
        read: Finds its cases in a download.
    """

    name: str
    title: str
    modality: str
    expected: int
    licence: str
    home: str
    liver: str
    read: Callable[[Download], Found]
