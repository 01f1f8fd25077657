"""What a user tells of scans of their own, where the files do not tell it."""

import dataclasses
import re
from collections.abc import Iterable, Mapping

FINDINGS = re.compile(r"tumou?r|cancer|lesion|hcc|metasta|cyst|carcinoma", re.IGNORECASE)


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


def liver_labels(named: Mapping[str, Iterable[int]]) -> tuple[int, ...]:
    """The values that are liver, by the names of all labels; none where no name has `liver` in it.

    Findings are of the liver where nothing but it is labelled.
    """
    named = {name: of for name, of in named.items() if name.lower() not in ("background", "ignore")}
    liver = {name for name in named if "liver" in name.lower()}
    findings = {name for name in named if FINDINGS.search(name)}
    chosen = liver | findings if liver and set(named) == liver | findings else liver
    return tuple(sorted({number for name in chosen for number in named[name] if number > 0}))
