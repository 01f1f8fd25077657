"""Label maps as slices of tissue labels, for contrasts that are drawn inside the training step."""

import numpy as np

from liver_jax.cohort import manifest
from liver_jax.cohort.manifest import Exam
from liver_jax.data import preprocess
from liver_jax.errors import InputError
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue
from liver_jax.volume import geometry
from liver_jax.volume.geometry import Volume

# How much finer than the network's grid: pixels at the edge of an organ then mix two tissues.
FINER = 2


def labels_of(exam: Exam, settings: preprocess.Settings) -> tuple[np.ndarray, float]:
    """A label map on a grid twice as fine as the network's.

    Args:
        exam: Its first image is the label map, of `Tissue` (as `phantom.anatomies` writes them).
        settings: The network's grid.

    Returns:
        uint8 [slice, 2 row, 2 column], oriented as the preprocessing's slices, and the network's
        pixel spacing in mm.

    Raises:
        InputError: It cannot be read, or holds labels that are no tissues, or no liver.
    """
    where = f"{exam.manifest}, row {exam.row} ({exam.exam_id})"
    volume = manifest.load_image(exam)
    labels = volume.data.astype(np.uint8)
    if not np.array_equal(labels, volume.data) or labels.max() >= len(Tissue):
        fault = f"{exam.images[0].name} is no label map of tissues"
        remedy = "Write some: python -m liver_jax.prepare --cohort=anatomies"
        raise InputError(where, fault, remedy)
    if not np.isin(labels, LIVER_TISSUES).any():
        raise InputError(where, "the label map has no liver", "Take it out of the manifest")
    body = Volume((labels != Tissue.AIR).astype(np.float32), volume.affine)
    placement = preprocess.place(body, "MR", settings)
    canonical = geometry.canonical_view(Volume(labels, volume.affine)).data
    rows, columns = (_nearest(placement, axis, canonical.shape[axis]) for axis in (1, 0))
    padded = np.pad(canonical, ((0, 1), (0, 1), (0, 0)), constant_values=int(Tissue.AIR))
    return padded[columns[None, :], rows[:, None]].transpose(2, 0, 1), placement.pixel_mm


def _nearest(placement: preprocess.Placement, axis: int, count: int) -> np.ndarray:
    """The voxel next to each pixel of the finer grid; `count`, which is air, outside the map."""
    coarse = placement.pixels_in_voxels(axis)
    step = coarse[1] - coarse[0]
    parts = (np.arange(FINER) - (FINER - 1) / 2) / FINER
    place = np.rint((coarse[:, None] + step * parts).ravel()).astype(int)
    return np.where((place >= 0) & (place < count), place, count)
