"""The files of one examination, each read when it is first needed."""

import dataclasses
import functools
import threading
from collections.abc import Callable

import numpy as np

from liver_jax.biometry import maps, parenchyma
from liver_jax.cohort import manifest
from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError
from liver_jax.evaluation import cases
from liver_jax.examine import fitting
from liver_jax.examine import scan as scans
from liver_jax.volume import geometry

# A fit uses all cores by itself: two at once would only need twice the memory.
_one_fit_at_a_time = threading.Lock()


def is_fitted(exam: Exam) -> bool:
    """Whether its PDFF is to come from its echoes."""
    known = exam.field_strength_t is not None
    return exam.pdff_map is None and known and scans.has_echoes(exam)


class Scan:
    """One examination: its images, its manual mask, its PDFF. For one thread at a time.

    What is read is kept by hand: before Python 3.12 `functools.cached_property` has one lock for
    all examinations, which would then be read one after the other.
    """

    def __init__(self, exam: Exam):
        """Reads nothing yet."""
        self.exam = exam
        self._image: geometry.Volume | None = None
        self._image_hashes: tuple[str, ...] | None = None
        self._manual: geometry.Volume | None = None
        self._pdff: tuple[cases.PdffMap | None, str | None] | None = None

    @property
    def image(self) -> geometry.Volume:
        """All echoes, float32 [x, y, z, echo], or the only image [x, y, z]."""
        if self._image is None:
            self._image = manifest.load_image(self.exam)
        return self._image

    @property
    def image_hashes(self) -> tuple[str, ...]:
        """The SHA-256 of each image file."""
        if self._image_hashes is None:
            self._image_hashes = manifest.image_hashes(self.exam)
        return self._image_hashes

    @property
    def manual(self) -> geometry.Volume:
        """The manual mask, bool [x, y, z]."""
        if self._manual is None:
            self._manual = manifest.load_mask(self.exam)
        return self._manual

    @property
    def pdff(self) -> tuple[cases.PdffMap | None, str | None]:
        """The map, and why there is none where there should be one."""
        if self._pdff is None:
            try:
                self._pdff = self._find_pdff(), None
            except InputError as error:
                self._pdff = None, str(error)
        return self._pdff

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
        header = manifest.read_header(self.exam.images[0])
        scans.check_echoes(self.exam, header, self.image.echo_count)
        scan = scans.read(self.exam, with_phase=True)
        # Everywhere, so that it is not one of the masks that says where there is a value.
        everywhere = np.ones(scan.volume.grid_shape, bool)
        with _one_fit_at_a_time:
            fit = fitting.fit(dataclasses.replace(scan, body=everywhere))
        fitted, source = np.asarray(fit.fitted), f"{maps.method(fit)}_fit"
        return cases.PdffMap(np.asarray(fit.pdff_percent), source, fitted, self._find_vessels)

    @property
    def _find_vessels(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """Finds vessels in the echoes; one image alone does not tell them from other things."""
        if self.image.echo_count == 1:
            return None
        affine = self.image.affine
        return functools.partial(parenchyma.find_vessels, self.image.data, affine=affine)
