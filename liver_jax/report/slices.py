"""What is shown of a case: axial slices as a radiologist sees them, with the outlines' masks.

Slices are the grid's planes nearest to axial, seen from the feet: the patient's right is on the
left, the front is up. Nothing is resampled between planes.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from absl import logging
from nibabel import orientations
from PIL import Image

from liver_jax import files
from liver_jax.errors import InputError
from liver_jax.evaluation import predictions
from liver_jax.volume import geometry
from liver_jax.volume.geometry import Volume

COUNT = 6
LARGEST_SIDE = 200

# A soft-tissue window: liver, vessels and lesions differ by tens of HU around 60.
CT_WINDOW_HU = (-110.0, 190.0)
# MR has no unit: the brightest half percent (fat beside the coils) is left to saturate.
_MR_PERCENTILES = (0.5, 99.5)
# So many voxels fix a percentile to far less than a grey level.
_SAMPLES = 200_000
_MARGIN_MM = 30.0


@dataclasses.dataclass(frozen=True, eq=False)
class KeySlice:
    """One axial slice of a case, small enough to stand in a page or a figure.

    Attributes:
        index: The slice's index on the scan's own axis, from 0.
        level_mm: Where the middle of the slice lies, RAS+ millimetres towards the head.
        grey: uint8 [row, column], windowed.
        automated: bool [row, column].
        manual: bool [row, column].
        pixel_mm: The size of a pixel along rows and columns (downwards, to the right).
    """

    index: int
    level_mm: float
    grey: np.ndarray
    automated: np.ndarray
    manual: np.ndarray
    pixel_mm: tuple[float, float]


def window_of(image: Volume, modality: str) -> tuple[float, float]:
    """The grey window that shows a liver: from black to white, in the image's own values.

    Args:
        image: The scan, `[x, y, z]`.
        modality: `CT` (a fixed window in HU) or `MR` (percentiles of the image itself).

    Returns:
        The lower and the upper end; the upper one is always larger.
    """
    if modality == "CT":
        return CT_WINDOW_HU
    step = max(1, int(np.ceil((image.data.size / _SAMPLES) ** (1 / 3))))
    sample = np.asarray(image.data[::step, ::step, ::step], np.float32)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(sample, _MR_PERCENTILES))
    if not high > low:  # nearly all of it is background
        low, high = float(sample.min()), float(sample.max())
    return (low, high) if high > low else (low, low + 1.0)


def axial(data: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The slices in the reader's view, `[slice, row, column]` from the feet up.

    A view of the same memory: nothing is copied.

    Args:
        data: `[x, y, z]` on any axes.
        affine: [4, 4], voxel indices to RAS+ millimetres.
    """
    if data.ndim != 3:
        raise ValueError(f"data {data.shape}: want [x, y, z], one echo")
    canonical = orientations.apply_orientation(data, geometry.canonical_transform(affine))
    return canonical.transpose(2, 1, 0)[:, ::-1, ::-1]


@dataclasses.dataclass(frozen=True)
class Placing:
    """Where the slices of `axial` come from.

    Attributes:
        indices: [slice], their indices on the scan's own axis.
        levels_mm: [slice], RAS+ millimetres towards the head, in the slices' middles.
        pixel_mm: The distance of pixels along rows and columns.
    """

    indices: np.ndarray
    levels_mm: np.ndarray
    pixel_mm: tuple[float, float]


def placing(volume: geometry.Placed) -> Placing:
    """The indices, levels and pixel sizes of a grid's axial slices, from the feet up."""
    transform = geometry.canonical_transform(volume.affine)
    own_axes = np.argsort(transform[:, 0]).astype(int)  # own axis of each canonical one
    axis = own_axes[2]
    count = volume.grid_shape[axis]
    indices = np.arange(count)
    if transform[axis, 1] < 0:
        indices = indices[::-1]
    middles = np.tile((np.array(volume.grid_shape) - 1) / 2, (count, 1))
    middles[:, axis] = indices
    levels_mm = middles @ volume.affine[2, :3] + volume.affine[2, 3]
    spacing = geometry.spacing_mm(volume.affine)
    return Placing(indices, levels_mm, (float(spacing[own_axes[1]]), float(spacing[own_axes[0]])))


@dataclasses.dataclass(frozen=True)
class Extent:
    """Where a mask lies among the axial slices.

    Attributes:
        held: Its slices, from the first to the last one with a voxel; all if it is empty.
        empty: Whether it is.
        rows: Its rows and a margin around them; all if it is empty.
        columns: As the rows.
    """

    held: slice
    empty: bool
    rows: slice
    columns: slice


def extent(mask: np.ndarray, pixel_mm: tuple[float, float]) -> Extent:
    """The slices, rows and columns that a mask lies in.

    Args:
        mask: bool [slice, row, column]; of two masks, either.
        pixel_mm: The size of a pixel along rows and columns.
    """
    count, height, width = mask.shape
    held = np.flatnonzero(mask.any(axis=(1, 2)))
    if not held.size:
        return Extent(slice(0, count), True, slice(0, height), slice(0, width))
    plane = mask[held[0] : held[-1] + 1].any(axis=0)
    ends = []
    for axis, length in enumerate((height, width)):
        inside = np.flatnonzero(plane.any(axis=1 - axis))
        margin = round(_MARGIN_MM / pixel_mm[axis])
        last = int(inside[-1]) + margin
        ends.append(slice(max(0, int(inside[0]) - margin), min(length, last + 1)))
    return Extent(slice(int(held[0]), int(held[-1]) + 1), False, *ends)


def reader_view(
    image: Volume, automated: np.ndarray | None, manual: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The scan and both masks as `axial` has them; no automated mask is an empty one."""
    planes = axial(image.data, image.affine)
    theirs = axial(np.asarray(manual, bool), image.affine)
    if automated is None:
        return planes, np.zeros_like(theirs), theirs
    return planes, axial(np.asarray(automated, bool), image.affine), theirs


def key_slices(
    image: Volume,
    modality: str,
    automated: np.ndarray | None,
    manual: np.ndarray,
    count: int = COUNT,
) -> list[KeySlice]:
    """The slices that show a case: evenly over the liver's height, and where the masks differ most.

    The height is that of both masks together, of the whole grid if both are empty. The slice with
    the largest area in one mask only takes the place of its nearest neighbour.

    Args:
        image: The scan, `[x, y, z]` (one echo).
        modality: `CT` or `MR`.
        automated: bool [x, y, z], or None where there is none.
        manual: bool [x, y, z].
        count: How many, fewer where the height has fewer.

    Returns:
        Them, from the feet up, all with the same crop and pixel size, at most `LARGEST_SIDE` wide.
    """
    low, high = window_of(image, modality)
    planes, ours, theirs = reader_view(image, automated, manual)
    where = placing(image)
    shown = extent(ours | theirs, where.pixel_mm)
    size, pixel_mm = _size(shown.rows, shown.columns, where.pixel_mm)
    result = []
    for place in _chosen(ours, theirs, shown, count):
        crop = (place, shown.rows, shown.columns)
        result.append(
            KeySlice(
                index=int(where.indices[place]),
                level_mm=float(where.levels_mm[place]),
                grey=resized(windowed(planes[crop], low, high), size),
                automated=resized_mask(ours[crop], size),
                manual=resized_mask(theirs[crop], size),
                pixel_mm=pixel_mm,
            )
        )
    return result


def windowed(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Grey levels, uint8: `low` and below is 0, `high` and above 255; what is not finite is 0."""
    grey = np.array(values, np.float32, order="C")  # a copy
    grey -= low
    grey *= 255.0 / (high - low)
    np.nan_to_num(grey, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    np.clip(grey, 0.0, 255.0, out=grey)
    grey += 0.5
    return grey.astype(np.uint8)


def resized(grey: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Another number of pixels over the same field: means where it shrinks, else interpolation.

    Args:
        grey: uint8 [row, column].
        size: The rows and columns wanted.
    """
    if grey.shape == size:
        return grey
    grows = size[0] > grey.shape[0] or size[1] > grey.shape[1]
    method = Image.Resampling.BILINEAR if grows else Image.Resampling.BOX
    return np.asarray(Image.fromarray(grey).resize(size[::-1], method))


def resized_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As `resized`, of bool: True where at least half of a new pixel was."""
    return resized(np.ascontiguousarray(mask).view(np.uint8) * np.uint8(255), size) >= 128


def _size(
    rows: slice, columns: slice, pixel_mm: tuple[float, float]
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Rows and columns of square pixels, no finer than the grid's finer ones; and their size."""
    held = (rows.stop - rows.start, columns.stop - columns.start)
    extent_mm = (held[0] * pixel_mm[0], held[1] * pixel_mm[1])
    side_mm = max(*(length / LARGEST_SIDE for length in extent_mm), min(pixel_mm))
    size = tuple(max(1, min(LARGEST_SIDE, round(length / side_mm))) for length in extent_mm)
    return size, (extent_mm[0] / size[0], extent_mm[1] / size[1])


def _chosen(ours: np.ndarray, theirs: np.ndarray, shown: Extent, count: int) -> list[int]:
    crop = (shown.held, shown.rows, shown.columns)
    different = np.count_nonzero(ours[crop] ^ theirs[crop], axis=(1, 2))
    height = len(different)
    count = min(count, height)
    places = [int((number + 0.5) * height / count) for number in range(count)]
    if different.any():
        worst = int(different.argmax())
        places[int(np.argmin([abs(place - worst) for place in places]))] = worst
    return [shown.held.start + place for place in sorted(places)]


def save(path: pathlib.Path, key_slices: Sequence[KeySlice]) -> None:
    """Keeps the slices of one case in one .npz file (numbers only, no names), atomically."""
    stack = {
        name: np.stack([getattr(item, name) for item in key_slices]) if key_slices else np.zeros(0)
        for name in ("grey", "automated", "manual")
    }
    with files.replacing(path) as temporary:
        np.savez_compressed(
            temporary,
            index=np.array([item.index for item in key_slices], np.int32),
            level_mm=np.array([item.level_mm for item in key_slices], np.float64),
            pixel_mm=np.array([item.pixel_mm for item in key_slices], np.float64),
            **stack,
        )


def load(path: pathlib.Path) -> list[KeySlice]:
    """The slices that `save` kept.

    Raises:
        InputError: The file is not there, or is damaged.
    """
    remedy = "Remove it and run the evaluation again"
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return [
            KeySlice(
                index=int(arrays["index"][number]),
                level_mm=float(arrays["level_mm"][number]),
                grey=arrays["grey"][number],
                automated=arrays["automated"][number],
                manual=arrays["manual"][number],
                pixel_mm=tuple(arrays["pixel_mm"][number].tolist()),
            )
            for number in range(len(arrays["index"]))
        ]
    except Exception as error:  # the readers of .npz raise a dozen kinds, zlib's and zipfile's too
        raise InputError(path, f"is not a file of key slices: {error}", remedy) from error


def loader(output: pathlib.Path) -> Callable[[dict], list[KeySlice]]:
    """Finds the slices of a row in an evaluation's folder: none where none were kept.

    A damaged file is passed over with a warning: a report can do without one case's pictures.

    Args:
        output: The folder with `cases/<model>/<name>.npz`.
    """

    def find(row: dict) -> list[KeySlice]:
        path = (
            output
            / "cases"
            / row["model"]
            / f"{predictions.name((row['exam_id'], row['echo']))}.npz"
        )
        if not path.exists():
            return []
        try:
            return load(path)
        except InputError as error:
            logging.warning("The report shows no slices of this case. %s", error)
            return []

    return find
