"""The files of one examination, each read when it is first needed."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from liver_jax import examine
from liver_jax.biometry import maps, parenchyma
from liver_jax.cohort import manifest
from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError
from liver_jax.evaluation import cases
from liver_jax.volume import geometry, nifti


def is_fitted(exam: Exam) -> bool:
    """Whether its PDFF is to come from its echoes."""
    known = exam.field_strength_t is not None
    return exam.pdff_map is None and known and examine.has_echoes(exam)


class Scan:
    """One examination: its images, its manual mask, its PDFF."""

    def __init__(self, exam: Exam):
        """Reads nothing yet."""
        self.exam = exam

    @functools.cached_property
    def image(self) -> geometry.Volume:
        """All echoes, float32 [x, y, z, echo], or the only image [x, y, z]."""
        return manifest.load_image(self.exam)

    @functools.cached_property
    def manual(self) -> geometry.Volume:
        """The manual mask, bool [x, y, z]."""
        return manifest.load_mask(self.exam)

    @functools.cached_property
    def pdff(self) -> tuple[cases.PdffMap | None, str | None]:
        """The map, and why there is none where there should be one."""
        try:
            return self._find_pdff(), None
        except InputError as error:
            return None, str(error)

    def echo(self, echo: int | None) -> geometry.Volume:
        """The image of one echo (1-based), or the only image."""
        if echo is None:
            return self.image
        return geometry.Volume(self.image.data[..., echo - 1], self.image.affine)

    def _find_pdff(self) -> cases.PdffMap | None:
        """The scanner's map, or one fitted to the echoes where there is none."""
        if stored := manifest.load_pdff_percent(self.exam):
            return cases.PdffMap(stored.data, "map", find_vessels=self._find_vessels)
        if not is_fitted(self.exam):
            return None
        header = nifti.read_header(self.exam.images[0])
        examine.check_echoes(self.exam, header, self.image.echo_count)
        scan = examine.read(self.exam, with_phase=True)
        # Everywhere, so that it is not one of the masks that says where there is a value.
        everywhere = np.ones(scan.volume.grid_shape, bool)
        fit = examine.fit(dataclasses.replace(scan, body=everywhere))
        fitted, source = np.asarray(fit.fitted), f"{maps.method(fit)}_fit"
        return cases.PdffMap(np.asarray(fit.pdff_percent), source, fitted, self._find_vessels)

    @property
    def _find_vessels(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """Finds vessels in the echoes; one image alone does not tell them from other things."""
        if self.image.echo_count == 1:
            return None
        affine = self.image.affine
        return functools.partial(parenchyma.find_vessels, self.image.data, affine=affine)
