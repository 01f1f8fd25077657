"""What one case is, and where it is kept."""

import dataclasses
import pathlib

from liver_jax.cohort.manifest import Exam
from liver_jax.evaluation import predictions

# The paper takes the first echo for everything but experiment 1; None is a single image.
FIRST_ECHO = (None, 1)


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One mask of one examination (one echo) by one model.

    Attributes:
        exam: The examination.
        echo: 1-based; None for the only image.
        model: Who made the mask: `initial`, `multimodal`, or the name of a folder of masks.
        mask: The automated mask; of a network it is written there.
        output: The folder of the evaluation.
        automated: What the automated mask depends on.
        reference: What the figures depend on beside it.
    """

    exam: Exam
    echo: int | None
    model: str
    mask: pathlib.Path
    output: pathlib.Path
    automated: dict
    reference: dict

    @property
    def name(self) -> str:
        """The name of its files, without suffix."""
        return predictions.name((self.exam.exam_id, self.echo))

    @property
    def fingerprint(self) -> dict:
        """All that its figures depend on."""
        return self.reference | self.automated

    @property
    def prediction(self) -> pathlib.Path:
        """The record of a mask that a network made, and of its doubts."""
        return self.mask.parent / f"{self.name}.json"

    @property
    def figures(self) -> pathlib.Path:
        """The record of a finished case."""
        return self.output / "cases" / self.model / f"{self.name}.json"

    @property
    def key_slices(self) -> pathlib.Path:
        """Its pictures for the report's page and figures."""
        return self.figures.with_suffix(".npz")

    @property
    def shown(self) -> pathlib.Path:
        """What its pictures were made of."""
        return self.figures.with_name(f"{self.name}.shown.json")

    @property
    def viewer(self) -> pathlib.Path:
        """Its own page of the report."""
        return self.output / "report" / "cases" / self.model / f"{self.name}.html"

    @property
    def volume_view(self) -> pathlib.Path:
        """The page that shows it as a volume, if it is among the worst."""
        return self.viewer.with_name(f"{self.name}.volume.html")
