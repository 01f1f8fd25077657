"""An examination with its images, and what their files tell of how they were acquired."""

import dataclasses

import numpy as np

from liver_jax.biometry import acquisition
from liver_jax.biometry.acquisition import Acquisition
from liver_jax.cohort import manifest
from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError
from liver_jax.volume import geometry, matlab, phase, reader
from liver_jax.volume.dicom.origin import Origin
from liver_jax.volume.geometry import Volume


@dataclasses.dataclass(frozen=True, eq=False)
class Scan:
    """An examination with its images.

    Attributes:
        exam: The examination, with what its files tell filled in.
        volume: The echoes, complex64 where there is phase, or the only image.
        body: bool `[x, y, z]`, where its file says that the body is; None where it does not.
        spacing_known: Whether its files tell the size of a voxel.
        origin: The DICOM images it was read from; None for other formats.
        notes: What was mended or left out while reading, a line each.
    """

    exam: Exam
    volume: Volume
    body: np.ndarray | None = None
    spacing_known: bool = True
    origin: Origin | None = None
    notes: tuple[str, ...] = ()

    def echo(self, echo: int) -> Volume:
        """The magnitude of one echo (from 1), float32 `[x, y, z]`.

        Raises:
            InputError: There is no such echo.
        """
        count = self.volume.echo_count
        if echo > count:
            fault = f"has {count} volume{'s' if count > 1 else ''}, while --echo is {echo}"
            raise InputError(self.exam.images[0], fault, "Name one that it has")
        data = self.volume.data if self.volume.data.ndim == 3 else self.volume.data[..., echo - 1]
        return Volume(np.abs(data) if np.iscomplexobj(data) else data, self.volume.affine)

    @property
    def magnitude(self) -> Volume:
        """All echoes, float32."""
        data = self.volume.data
        return Volume(np.abs(data), self.volume.affine) if np.iscomplexobj(data) else self.volume

    @property
    def acquired(self) -> Acquisition:
        """What the fit needs to know of its echoes."""
        return acquired(self.exam, np.iscomplexobj(self.volume.data))


def read(exam: Exam, with_phase: bool = True, series: str | None = None) -> Scan:
    """Reads the images of an examination, of any format.

    Args:
        exam: The examination; its only image may be an ISMRM `.mat` file. An empty modality is
            filled in by what the files tell.
        with_phase: Whether to read phase images, too, where there are any.
        series: Which series of a DICOM folder; None for the rule.

    Raises:
        InputError: They cannot be read, contradict each other, or do not tell what must be known.
    """
    if matlab.is_matlab_name(exam.images[0]):
        held = matlab.read(exam.images[0])
        told = {"te_ms": held.te_ms, "field_strength_t": held.field_strength_t}
        exam = dataclasses.replace(exam, **told, precession=held.precession)
        return Scan(exam, held.volume, held.mask, held.spacing_known)
    source = reader.read(exam.images, series)
    exam = manifest.completed(exam, source)
    volume = source.volume
    if with_phase and exam.phase_images:
        manifest.check_phase(exam)
        angle = reader.read(exam.phase_images).volume
        names = (exam.images[0].name, str(exam.phase_images[0]))
        volume = phase.combine(volume, angle, exam.phase_unit, *names)
    elif with_phase and source.phase is not None and exam.precession:
        names = ("the magnitude images", f"{exam.images[0]} (phase)")
        volume = phase.combine(volume, source.phase, source.phase_unit, *names)
    return Scan(exam, volume, origin=source.origin, notes=source.notes)


def has_echoes(exam: Exam) -> bool:
    """Whether an examination is one to fit: MR, with enough echo times."""
    return exam.modality == "MR" and len(exam.te_ms) >= acquisition.FEWEST_ECHOES


def acquired(exam: Exam, with_phase: bool) -> Acquisition:
    """What the fit needs to know of an examination, with or without its phase."""
    precession = exam.precession if with_phase else None
    return Acquisition(exam.te_ms, exam.field_strength_t, precession)


def check_echoes(exam: Exam, image: geometry.Placed, echo_count: int) -> None:
    """Checks what the fit needs, as far as the row and the files' headers tell.

    Args:
        exam: The examination.
        image: The header of its first image.
        echo_count: The echoes that its images hold.

    Raises:
        InputError: Echo times, field strength or phase images that cannot be used.
    """
    first = exam.images[0]
    acquisition.check(acquired(exam, bool(exam.phase_images)), echo_count, first)
    if not exam.phase_images:
        return
    manifest.check_phase(exam)
    headers = {path: reader.read_header(path) for path in exam.phase_images}
    for path, header in headers.items():
        geometry.check_same_grid(image, header, path, f"the image {first.name}")
    phase_count = sum(header.echo_count for header in headers.values())
    if phase_count != echo_count:
        fault = f"{phase_count} phase images for {echo_count} magnitude images"
        raise InputError(exam.phase_images[0], fault, "Give one for each echo")
