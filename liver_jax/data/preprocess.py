"""From a scan on its own grid to slices on the network's grid, and back.

The same code serves training and prediction. A scan is turned to canonical axial slices (a
permutation and flips of its axes, no interpolation), its intensities are mapped to [0, 1], and each
slice is resampled in its plane to a square grid centred on the body. Nothing is resampled between
slices: sections of clinical MRI are thick, and the paper's network is 2D.

All of it runs over a few slices at a time, on views of the scan: a long CT is never copied.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from liver_jax.errors import InputError
from liver_jax.volume import geometry
from liver_jax.volume.geometry import Volume

# Air is below and soft tissue above this CT value; skin and fat count as body.
_CT_BODY_HU = -300.0
# A CT in Hounsfield units spans more than this, and its fat and air lie below 0.
_CT_LEAST_SPAN_HU = 100.0
# The fraction of the 99th percentile above which an MR voxel counts as body, not noise.
_MR_BODY_FRACTION = 0.1
# Body detection works on a coarse copy: its box needs no more precision than this.
_COARSE_MM = 4.0
_MARGIN_MM = 8.0
_LARGEST_SIZE = 4096
# Resampled in blocks: few large matrix products, and memory that does not grow with the scan.
_SLICES_AT_ONCE = 16


@dataclasses.dataclass(frozen=True)
class Settings:
    """How scans become slices; part of a checkpoint, so that prediction repeats it exactly.

    Attributes:
        size: Rows and columns of a slice.
        spacing_mm: Pixel spacing of the grid. A body wider than size x spacing_mm gets the larger
            spacing at which it fits: it is never cut.
        ct_low_hu: CT value that becomes 0.
        ct_high_hu: CT value that becomes 1.
        mr_low_percentile: Percentile of each echo's voxels that becomes 0.
        mr_high_percentile: Percentile of each echo's body voxels that becomes 1.
    """

    size: int
    spacing_mm: float
    ct_low_hu: float
    ct_high_hu: float
    mr_low_percentile: float
    mr_high_percentile: float

    def check(self, factor: int) -> None:
        """ValueError for settings that no network can have; `factor` must divide the size."""
        numbers = [value for value in dataclasses.astuple(self) if type(value) in (int, float)]
        if len(numbers) < len(dataclasses.fields(self)) or not np.isfinite(numbers).all():
            raise ValueError("a setting of the preprocessing is not a number")
        size_fits = type(self.size) is int and 0 < self.size <= _LARGEST_SIZE
        if not size_fits or self.size % factor:
            raise ValueError(f"slices of {self.size} rows cannot be halved into {factor}")
        if not self.spacing_mm > 0 or not self.ct_low_hu < self.ct_high_hu:
            raise ValueError("the spacing or the range of CT is not positive")
        if not 0 <= self.mr_low_percentile < self.mr_high_percentile <= 100:
            raise ValueError("the percentiles of MR are not within 0 and 100, or not in order")


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where the network's square grid lies in the canonical plane of one scan.

    Attributes:
        center: The grid's centre as (x, y) voxel indices of the canonical volume.
        pixel_mm: Pixel spacing used for this scan, at least that of the settings.
        plane_shape: (x, y) voxels of the canonical volume.
        plane_spacing_mm: (x, y) spacing of the canonical volume.
        size: Rows and columns of the grid.
    """

    center: tuple[float, float]
    pixel_mm: float
    plane_shape: tuple[int, int]
    plane_spacing_mm: tuple[float, float]
    size: int

    def pixels_in_voxels(self, axis: int) -> np.ndarray:
        """Positions [size] of the grid's pixel centres along x (0) or y (1), in voxel indices."""
        offsets = (np.arange(self.size) - (self.size - 1) / 2) * self.pixel_mm
        return self.center[axis] + offsets / self.plane_spacing_mm[axis]

    def voxels_in_pixels(self, axis: int) -> np.ndarray:
        """Positions of the voxel centres along x (0) or y (1), in pixel indices of the grid."""
        voxels = np.arange(self.plane_shape[axis]) - self.center[axis]
        return voxels * self.plane_spacing_mm[axis] / self.pixel_mm + (self.size - 1) / 2


def resampling_matrix(positions: np.ndarray, count: int) -> np.ndarray:
    """Weights that resample `count` samples at regularly spaced `positions`.

    A triangle filter: linear interpolation where the output is as fine as the input or finer, and
    widened to the output's step where it is coarser, so that nothing aliases. Outside the input
    there is zero.

    Args:
        positions: [n] output positions in input indices, at least two, ascending, equally spaced.
        count: Number of input samples.

    Returns:
        [n, count] float32.
    """
    width = max(1.0, positions[1] - positions[0])
    pad = int(np.ceil(width)) + 1
    # Samples beyond the border take part in the normalisation and are zero in the sum; positions
    # farther out than that have no weight at all.
    indices = np.arange(-pad, count + pad)
    weights = np.maximum(0.0, 1.0 - np.abs(positions[:, None] - indices[None, :]) / width)
    total = weights.sum(axis=1, keepdims=True)
    inside = (positions >= -pad / 2) & (positions <= count - 1 + pad / 2)
    weights = np.divide(weights, total, out=np.zeros_like(weights), where=inside[:, None])
    return weights[:, pad : pad + count].astype(np.float32)


def place(volume: Volume, modality: str, settings: Settings) -> Placement:
    """Centres the network's grid on the body.

    Args:
        volume: [x, y, z] scan, any orientation; for several echoes, the first.
        modality: "CT" or "MR".
        settings: The grid's size and spacing.
    """
    canonical = geometry.canonical_view(volume)
    spacing_mm = canonical.spacing_mm[:2]
    low, high = _body_box(canonical, modality)
    extent_mm = (high - low + 1) * spacing_mm + 2 * _MARGIN_MM
    # The scan's own width is enough where the body reaches its borders.
    extent_mm = np.minimum(extent_mm, np.asarray(canonical.grid_shape[:2]) * spacing_mm)
    pixel_mm = max(settings.spacing_mm, float(extent_mm.max()) / settings.size)
    center = (low + high) / 2
    return Placement(
        center=(float(center[0]), float(center[1])),
        pixel_mm=pixel_mm,
        plane_shape=(int(canonical.grid_shape[0]), int(canonical.grid_shape[1])),
        plane_spacing_mm=(float(spacing_mm[0]), float(spacing_mm[1])),
        size=settings.size,
    )


def image_slices(
    volume: Volume, modality: str, placement: Placement, settings: Settings, subject: str
) -> np.ndarray:
    """The network's input for one image (one echo).

    Args:
        volume: [x, y, z] scan on its own grid.
        modality: "CT" or "MR".
        placement: Where the grid lies.
        settings: The intensity mapping.
        subject: The file or examination, for the message if the intensities cannot be used.

    Returns:
        [slice, row, column] float32 in [0, 1]: slices towards the head, rows towards the front,
        columns towards the patient's right.

    Raises:
        InputError: CT not in Hounsfield units, or an image without contrast.
    """
    low, high = _intensity_range(volume.data, modality, settings, subject)
    factor = np.float32(1.0 / (high - low))

    def scaled(values: np.ndarray) -> np.ndarray:
        return np.clip((values - low) * factor, 0.0, 1.0)

    return _to_grid(geometry.canonical_view(volume).data, placement, scaled)


def mask_slices(mask: Volume, placement: Placement) -> np.ndarray:
    """A mask on the network's grid, [slice, row, column] bool: at least half of the pixel is in."""
    data = geometry.canonical_view(mask).data
    return _to_grid(data, placement, lambda values: values.astype(np.float32)) >= 0.5


def to_scan_grid(slices: np.ndarray, placement: Placement, like: Volume) -> np.ndarray:
    """Values on the network's grid back on the scan's own grid.

    Args:
        slices: [slice, row, column] values; outside the grid they are 0.
        placement: Where the grid lies.
        like: The scan, for its shape and orientation.

    Returns:
        [x, y, z] float32 on the grid of `like`, stored in memory as `like` is.
    """
    along_x = resampling_matrix(placement.voxels_in_pixels(0), placement.size)
    along_y = resampling_matrix(placement.voxels_in_pixels(1), placement.size)
    values = np.empty_like(like.data, np.float32)
    canonical = geometry.canonical_view(Volume(values, like.affine)).data
    if canonical.shape != (*placement.plane_shape, len(slices)):
        raise ValueError(f"{len(slices)} slices of {placement.plane_shape}: not {canonical.shape}")
    for start in range(0, len(slices), _SLICES_AT_ONCE):
        block = np.asarray(slices[start : start + _SLICES_AT_ONCE], np.float32)
        planes = _resample(block, along_y, along_x)
        canonical[:, :, start : start + len(block)] = planes.transpose(2, 1, 0)
    return values


def _to_grid(
    data: np.ndarray, placement: Placement, convert: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Resamples canonical data [x, y, z], whose values `convert` makes float32 block by block."""
    along_x = resampling_matrix(placement.pixels_in_voxels(0), data.shape[0])
    along_y = resampling_matrix(placement.pixels_in_voxels(1), data.shape[1])
    slices = np.empty((data.shape[2], placement.size, placement.size), np.float32)
    for start in range(0, len(slices), _SLICES_AT_ONCE):
        block = convert(data[:, :, start : start + _SLICES_AT_ONCE]).transpose(2, 1, 0)
        slices[start : start + len(block)] = _resample(block, along_y, along_x)
    return slices


def _resample(planes: np.ndarray, along_y: np.ndarray, along_x: np.ndarray) -> np.ndarray:
    """[slice, y, x] -> [slice, Y, X] by weights [Y, y] and [X, x]: one matrix product for each."""
    count, rows, columns = planes.shape
    planes = np.ascontiguousarray(planes).reshape(-1, columns) @ along_x.T
    planes = planes.reshape(count, rows, -1).transpose(0, 2, 1)
    planes = np.ascontiguousarray(planes).reshape(-1, rows) @ along_y.T
    return planes.reshape(count, len(along_x), -1).transpose(0, 2, 1)


def _intensity_range(
    data: np.ndarray, modality: str, settings: Settings, subject: str
) -> tuple[float, float]:
    lowest, highest = float(data.min()), float(data.max())
    if modality == "CT":
        if highest - lowest < _CT_LEAST_SPAN_HU or lowest >= 0:
            raise InputError(
                subject,
                f"a CT whose values run only from {lowest:g} to {highest:g} is not in Hounsfield "
                "units",
                "Convert it from the DICOM files with its rescale slope and intercept.",
            )
        return settings.ct_low_hu, settings.ct_high_hu
    low, bright = np.percentile(data, [settings.mr_low_percentile, 99.0]).tolist()
    body = data[data > _MR_BODY_FRACTION * bright]
    high = float(np.percentile(body, settings.mr_high_percentile)) if body.size else low
    if not high > low:
        raise InputError(
            subject,
            f"the image has no contrast (values from {lowest:g} to {highest:g})",
            "Check that the file is the magnitude image.",
        )
    return low, high


def _body_box(canonical: Volume, modality: str) -> tuple[np.ndarray, np.ndarray]:
    """The first and last (x, y) voxel of the body; the whole plane where none stands out."""
    step = np.maximum(1, np.floor(_COARSE_MM / canonical.spacing_mm)).astype(int)
    coarse = canonical.data[:: step[0], :: step[1], :: step[2]]
    threshold = _CT_BODY_HU if modality == "CT" else _MR_BODY_FRACTION * np.percentile(coarse, 99)
    # An opening cuts the couch off the back and removes noise.
    opened = ndimage.binary_opening(coarse > threshold, iterations=1)
    parts, count = ndimage.label(opened)
    everything = np.zeros(2), np.asarray(canonical.grid_shape[:2]) - 1.0
    if count == 0:
        return everything
    largest = parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1
    if largest.mean() < 0.02:
        return everything
    low, high = [], []
    for axis, others in enumerate(((1, 2), (0, 2))):
        hit = np.flatnonzero(largest.any(axis=others)) * step[axis]
        low.append(hit[0])
        high.append(min(hit[-1] + step[axis] - 1, canonical.grid_shape[axis] - 1))
    return np.asarray(low, float), np.asarray(high, float)
