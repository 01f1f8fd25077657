"""A human reader who draws the liver, slice by slice, as well as two readers agree.

Errors are drawn in mm and calibrated to published agreement between readers on MR: Dice 0.95 and a
mean absolute relative volume difference of 2.75 % (Chlebus et al., PLoS ONE 2019;14:e0217228).
"""

import dataclasses

import numpy as np
import scipy.ndimage
import scipy.special

from liver_jax.phantom.truth import Truth
from liver_jax.physics.tissues import Tissue

# No reader takes these for liver: they are black, or white, or outside.
_NEVER = (
    Tissue.AIR,
    Tissue.SKIN,
    Tissue.SUBCUTANEOUS_FAT,
    Tissue.LUNG,
    Tissue.CORTICAL_BONE,
    Tissue.MARROW,
    Tissue.BOWEL_GAS,
    Tissue.SPLEEN,
)
_DARK = (Tissue.VISCERAL_FAT, Tissue.FLUID)
_FARTHEST_MM = 9.0  # nothing further off is ever drawn, apart from what is left out
_LATTICE_MM = 11.0
_SMALLEST_HOLE_MM2 = 40.0


@dataclasses.dataclass(frozen=True)
class _Habits:
    """How one reader draws one examination. Lengths in mm.

    Attributes:
        bias: How far outside the border the contours lie everywhere.
        slice_sd: SD of what each slice adds to that.
        border_sd: SD of the border along a slice.
        smoothing: SD of the Gaussian that a hand-drawn contour has lost its details by.
        bridges: Gaps narrower than this are drawn over.
        vessels: How far into the large vessels beside the liver it goes.
        gallbladder: As far into the gallbladder.
        hilum: How far from the border vessels inside the liver are left out.
        left_tip: How much of the left lobe's tip is missed.
    """

    bias: float
    slice_sd: float
    border_sd: float
    smoothing: float
    bridges: float
    vessels: float
    gallbladder: float
    hilum: float
    left_tip: float

    @classmethod
    def draw(cls, generator: np.random.Generator) -> "_Habits":
        def sometimes(chance: float, low: float, high: float) -> float:
            drawn = float(generator.uniform(low, high))
            return drawn if generator.uniform() < chance else 0.0

        return cls(
            bias=float(np.clip(generator.normal(0.1, 0.52), -1.3, 1.3)),
            slice_sd=float(generator.uniform(0.4, 0.8)),
            border_sd=float(generator.uniform(1.4, 2.4)),
            smoothing=float(generator.uniform(0.8, 1.8)),
            bridges=sometimes(0.5, 3.0, 8.0),
            vessels=sometimes(0.5, 2.0, 7.0),
            gallbladder=sometimes(0.3, 1.0, 4.0),
            hilum=sometimes(0.4, 3.0, 7.0),
            left_tip=sometimes(0.35, 3.0, 10.0),
        )


def draw_mask(
    truth: Truth, spacing_mm: tuple[float, float, float], generator: np.random.Generator
) -> np.ndarray:
    """Draws the liver as one reader would.

    Args:
        truth: Of an examination with liver in it; x to the right, slices along z.
        spacing_mm: Of its voxels.
        generator: Source of all randomness: another one is another reader.

    Returns:
        bool [x, y, z]: one piece, never in lung, bone or spleen, nor outside the body.

    Raises:
        ValueError: The truth holds no liver.
    """
    if not truth.liver.any():
        raise ValueError("the truth holds no liver")
    box = _box(truth.liver, spacing_mm)
    habits = _Habits.draw(generator)
    # Slices first: each is worked on by itself.
    liver, labels, vessels = (
        np.ascontiguousarray(np.moveaxis(data[box], 2, 0))
        for data in (truth.liver, truth.labels, truth.vessels)
    )
    pixel = spacing_mm[:2]
    distance = np.stack([_distance_mm(plane, pixel, habits.smoothing) for plane in liver])
    # What can be drawn: it need not be the border's error that takes it in.
    reach = habits.bias + _border_mm(liver.shape, spacing_mm, habits, generator)
    reach[np.isin(labels, _DARK) & (reach > 0)] *= 0.6  # dark beside bright: drawn well
    large = np.isin(labels, (Tissue.VEIN, Tissue.PORTAL_VEIN))
    np.maximum(reach, habits.vessels, out=reach, where=large & _stretch(len(liver), generator))
    np.maximum(reach, habits.gallbladder, out=reach, where=labels == Tissue.BILE)
    if habits.hilum:
        reach[vessels & (distance > -habits.hilum)] = -_FARTHEST_MM
    drawn = distance < np.clip(reach, -_FARTHEST_MM, _FARTHEST_MM)
    _end_slices(drawn, distance, generator)
    if habits.bridges:
        for plane, far in zip(drawn, distance, strict=True):
            plane |= _closed(plane, pixel, habits.bridges / 2) & (far < _FARTHEST_MM)
    _miss_left_tip(drawn, spacing_mm, habits.left_tip)
    for plane in drawn:
        _fill_small_holes(plane, pixel[0] * pixel[1])
    drawn &= ~np.isin(labels, _NEVER)
    mask = np.zeros(truth.liver.shape, bool)
    mask[box] = np.moveaxis(_one_piece(drawn, liver), 0, 2)
    return mask


def _box(liver: np.ndarray, spacing_mm: tuple[float, float, float]) -> tuple[slice, ...]:
    """Where the liver lies, with room for what is drawn outside it."""
    spans = []
    for axis, spacing in enumerate(spacing_mm):
        filled = np.flatnonzero(liver.any(axis=tuple({0, 1, 2} - {axis})))
        room = 1 if axis == 2 else int(np.ceil((_FARTHEST_MM + 2) / spacing))
        spans.append(slice(max(filled[0] - room, 0), filled[-1] + 1 + room))
    return tuple(spans)


def _distance_mm(
    plane: np.ndarray, pixel_mm: tuple[float, float], smoothing_mm: float
) -> np.ndarray:
    """float32 [x, y]: signed distance to the contour in its plane, negative inside.

    Near the contour it comes from a smoothed mask, in which a straight border's profile is that of
    a Gaussian's integral: finer than a pixel, which errors of less than a pixel need.
    """
    if not plane.any():
        return np.full(plane.shape, 4 * _FARTHEST_MM, np.float32)
    edt = scipy.ndimage.distance_transform_edt
    outside = edt(~plane, sampling=pixel_mm)
    inside = edt(plane, sampling=pixel_mm)
    coarse = outside - inside
    sigma = max(smoothing_mm, 0.8 * max(pixel_mm))
    blurred = scipy.ndimage.gaussian_filter(
        plane.astype(np.float32), [sigma / p for p in pixel_mm], truncate=3.0, mode="nearest"
    )
    near = np.abs(coarse) < 1.5 * sigma
    fine = -sigma * scipy.special.ndtri(np.clip(blurred[near], 0.02, 0.98))
    coarse[near] = np.where(np.abs(fine) < 1.6 * sigma, fine, coarse[near])
    return coarse.astype(np.float32)


def _border_mm(
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    habits: _Habits,
    generator: np.random.Generator,
) -> np.ndarray:
    """Errors of the border, float32 [z, x, y]: half of them go on from slice to slice."""
    lattice = [
        max(2, int(np.ceil(n * s / _LATTICE_MM)) + 1)
        for n, s in zip(shape[1:], spacing_mm[:2], strict=True)
    ]
    weights = []
    for count, nodes, spacing in zip(shape[1:], lattice, spacing_mm[:2], strict=True):
        place = np.arange(count) * spacing / _LATTICE_MM
        apart = place[:, None] - np.arange(nodes)
        bell = np.exp(-0.5 * (apart / 0.8) ** 2)
        weights.append((bell / np.linalg.norm(bell, axis=1, keepdims=True)).astype(np.float32))
    each, joint = generator.standard_normal((2, shape[0], *lattice), dtype=np.float32)
    joint = scipy.ndimage.gaussian_filter1d(joint, 12.0 / spacing_mm[2], axis=0, mode="nearest")
    joint /= max(float(joint.std()), 1e-6)
    nodes = habits.border_sd * np.sqrt(np.float32(0.5)) * (each + joint)
    border = np.einsum("zxj,yj->zxy", np.einsum("xi,zij->zxj", weights[0], nodes), weights[1])
    border += generator.normal(0, habits.slice_sd, (shape[0], 1, 1)).astype(np.float32)
    return border.astype(np.float32)


def _stretch(count: int, generator: np.random.Generator) -> np.ndarray:
    """Some slices in a row, bool [z, 1, 1]."""
    first, last = np.sort(generator.uniform(0, count, 2))
    order = np.arange(count)
    return ((order >= first) & (order <= last))[:, None, None]


def _end_slices(drawn: np.ndarray, distance: np.ndarray, generator: np.random.Generator) -> None:
    """The lowest and the highest slice: sometimes not seen, sometimes one too many."""
    areas = drawn.sum(axis=(1, 2))
    filled = np.flatnonzero(areas)
    if len(filled) < 6:
        return
    for end, beyond in ((filled[0], -1), (filled[-1], 1)):
        chance, depth = generator.uniform(), float(generator.uniform(4, 12))
        if chance < 0.35 and areas[end] < 0.12 * areas.max():
            drawn[end] = False
        elif chance > 0.85 and 0 <= end + beyond < len(drawn):
            drawn[end + beyond] = distance[end] < -depth


def _closed(plane: np.ndarray, pixel_mm: tuple[float, float], radius_mm: float) -> np.ndarray:
    """A plane with gaps narrower than twice the radius filled."""
    if not plane.any():
        return plane
    edt = scipy.ndimage.distance_transform_edt
    room = [int(np.ceil(radius_mm / p)) + 1 for p in pixel_mm]
    grown = edt(~np.pad(plane, [(r, r) for r in room]), sampling=pixel_mm) <= radius_mm
    closed = edt(grown, sampling=pixel_mm) > radius_mm
    return closed[room[0] : -room[0], room[1] : -room[1]]


def _miss_left_tip(
    drawn: np.ndarray, spacing_mm: tuple[float, float, float], tip_mm: float
) -> None:
    """Leaves out the tip, unless that is more than 1.5 % of the liver."""
    if tip_mm and drawn.any():
        first = int(np.flatnonzero(drawn.any(axis=(0, 2)))[0])
        tip = drawn[:, : first + round(tip_mm / spacing_mm[0])]
        if tip.sum() < 0.015 * drawn.sum():
            tip[:] = False


def _fill_small_holes(plane: np.ndarray, pixel_mm2: float) -> None:
    """Fills holes that nobody takes the pen off for."""
    holes, count = scipy.ndimage.label(~plane)
    if count > 1:
        areas = np.bincount(holes.reshape(-1)) * pixel_mm2
        plane |= (areas < _SMALLEST_HOLE_MM2)[holes]


def _one_piece(drawn: np.ndarray, liver: np.ndarray) -> np.ndarray:
    """The largest connected part; the liver itself where nothing was drawn."""
    pieces, count = scipy.ndimage.label(drawn, np.ones((3, 3, 3)))
    if not count:
        return liver
    sizes = np.bincount(pieces.reshape(-1))
    return pieces == 1 + int(sizes[1:].argmax())
