"""Slices put in order: the grid of a series, from the positions of its images alone."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from liver_jax.errors import InputError
from liver_jax.volume import limits
from liver_jax.volume.dicom import series as series_module
from liver_jax.volume.dicom.frame import Frame
from liver_jax.volume.dicom.series import Series

# How far a slice may lie from its place on the even grid: what is allowed between two headers of
# one grid elsewhere, too. Positions are often rounded to 0.01 or 0.1 mm.
TOLERANCE_MM = 0.1
# Directions along rows and columns are of length 1 and at right angles to this.
_DIRECTION_TOLERANCE = 1e-3
_STEEPEST_DEG = 45.0
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_EXPORT_AGAIN = "Export the series again, whole and as the scanner made it"


@dataclasses.dataclass(frozen=True, eq=False)
class Stack:
    """The grid of a series.

    Attributes:
        frames: `[echo][z]`, echo times rising.
        affine: `[4, 4]`, from column, row and slice to RAS+ mm.
        te_ms: One for each echo; empty where unknown.
        notes: What is worth telling: tilt, a single slice.
    """

    frames: tuple[tuple[Frame, ...], ...]
    affine: np.ndarray
    te_ms: tuple[float, ...]
    notes: tuple[str, ...]

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """Columns, rows and slices."""
        image = self.frames[0][0].image
        return image.columns, image.rows, len(self.frames[0])


def arrange(series: Series, subject: str, name: str) -> Stack:
    """Puts the images of a series in order.

    Positions are projected on the normal of the images (PS3.3, section C.7.6.2.1.1);
    SliceThickness, SpacingBetweenSlices and InstanceNumber have no say.

    Args:
        series: What to arrange.
        subject: What the user gave, for messages.
        name: What to call the series there: `series 3`.

    Returns:
        The grid. Slices of a tilted gantry are sheared, and so is the affine.

    Raises:
        InputError: A geometry is missing, absurd, or not that of a stack of parallel, evenly spaced
            slices to within `TOLERANCE_MM`; or two images compete for one place.
    """

    def refuse(fault: str, remedy: str = _EXPORT_AGAIN) -> InputError:
        return InputError(subject, f"{name} {fault}", remedy)

    frames = series.frames
    _check_told(frames, refuse)
    echoes = list(series_module.echo_groups(frames).items())
    if len(echoes) > 1 and echoes[0][0] is None:
        raise refuse("has images with an echo time and others without")
    ordered = [_in_order(group, te_ms, refuse) for te_ms, group in echoes]
    steps, notes = _step(ordered[0], refuse)
    first = ordered[0][0]
    across, down = np.reshape(first.orientation, (2, 3))
    lps = np.eye(4)
    # PixelSpacing has the distance between rows first, PS3.3, section 10.7.1.3.
    lps[:3, 0] = across / np.linalg.norm(across) * first.spacing_mm[1]
    lps[:3, 1] = down / np.linalg.norm(down) * first.spacing_mm[0]
    lps[:3, 2], lps[:3, 3] = steps, first.position_mm
    affine = _LPS_TO_RAS @ lps
    for te_ms, group in zip([te_ms for te_ms, _ in echoes], ordered, strict=True):
        if len(group) != len(ordered[0]):
            fault = f"has {len(group)} slices of echo time {te_ms:g} ms and {len(ordered[0])} of "
            raise refuse(f"{fault}{echoes[0][0]:g} ms")
        apart_mm = np.linalg.norm(_positions(group) - _positions(ordered[0]), axis=1).max()
        if apart_mm > TOLERANCE_MM:
            raise refuse(f"has slices {apart_mm:.3g} mm apart at different echo times")
    limits.check_affine(subject, affine)
    image = first.image
    limits.check_size(subject, (image.columns, image.rows, len(ordered[0]), len(ordered)))
    te_ms = tuple(te_ms for te_ms, _ in echoes if te_ms is not None)
    return Stack(tuple(map(tuple, ordered)), affine, te_ms, notes)


def _check_told(frames: Sequence[Frame], refuse: Callable[..., InputError]) -> None:
    """That every image tells its geometry, the same but for the position."""
    if any("MOSAIC" in item.image_type for item in frames):
        fault = "is a Siemens mosaic: many slices pasted into one image, without their positions"
        raise refuse(fault, "Convert it with dcm2niix, and give the .nii.gz file")
    image = frames[0].image
    if image.frame_count > 1 and not image.group_count:
        fault = "is multi-frame without functional groups, so its slices have no positions"
        raise refuse(fault, "Export it as single images or as an enhanced object")
    if image.is_part:
        fault = "is a part of a multi-frame object that was cut into several (a concatenation)"
        raise refuse(fault, "Export it in one piece, or as single images")
    if image.group_count and image.frame_count != image.group_count:
        fault = f"has NumberOfFrames {image.frame_count}, but {image.group_count} functional groups"
        raise refuse(fault)
    for attribute, keyword in (
        ("position_mm", "ImagePositionPatient"),
        ("orientation", "ImageOrientationPatient"),
        ("spacing_mm", "PixelSpacing"),
    ):
        count = sum(not getattr(item, attribute) for item in frames)
        if count:
            raise refuse(f"lacks a usable {keyword} in {count} of {len(frames)} images")
    across, down = np.reshape(frames[0].orientation, (2, 3))
    lengths = np.linalg.norm([across, down], axis=1)
    if (
        np.abs(lengths - 1).max() > _DIRECTION_TOLERANCE
        or abs(across @ down) > _DIRECTION_TOLERANCE
    ):
        raise refuse("has an ImageOrientationPatient that is not two directions at right angles")
    for item in frames:
        if np.abs(np.subtract(item.spacing_mm, frames[0].spacing_mm)).max() > 1e-4:
            raise refuse("has images of different PixelSpacing")
    low, high = limits.SPACING_MM
    if not all(low <= value <= high for value in frames[0].spacing_mm):
        raise refuse(f"has PixelSpacing {frames[0].spacing_mm} mm, which no scan has")
    if np.abs(_positions(frames)).max() > limits.FARTHEST_MM:
        raise refuse("has an ImagePositionPatient that no scan has")


def _positions(frames: Sequence[Frame]) -> np.ndarray:
    return np.array([item.position_mm for item in frames])


def _in_order(
    frames: list[Frame], te_ms: float | None, refuse: Callable[..., InputError]
) -> list[Frame]:
    places = series_module.places(frames)
    order = np.argsort(places, kind="stable")
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice is not None:
        rivals = [item for item, place in zip(frames, places, strict=True) if place == twice]
        apart_mm = np.ptp(_positions(rivals), axis=0).max()
        if apart_mm > TOLERANCE_MM:
            raise refuse(f"has images side by side, {apart_mm:.4g} mm apart, in one plane")
        at = "" if te_ms is None else f" at echo time {te_ms:g} ms"
        fault = f"has {len(rivals)} different images for slice {twice + 1} of {max(places) + 1}{at}"
        names = _differing(rivals)
        fault += f" (they differ in {', '.join(names)})" if names else ""
        raise refuse(fault, "Put the images of one time point into a folder of their own")
    return [frames[index] for index in order]


def _differing(rivals: Sequence[Frame]) -> list[str]:
    told = zip(*(item.told_apart for item in rivals), strict=True)
    return [values[0][0] for values in told if len(set(values)) > 1]


def _step(
    frames: Sequence[Frame], refuse: Callable[..., InputError]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """From one slice to the next, LPS mm `[3]`, and what to tell of it."""
    across, down = np.reshape(frames[0].orientation, (2, 3))
    normal = np.cross(across, down)
    normal /= np.linalg.norm(normal)
    count = len(frames)
    if count == 1:
        thickness_mm = frames[0].thickness_mm
        if not thickness_mm or thickness_mm <= 0:
            raise refuse("is a single slice without SliceThickness", "Give the whole series")
        note = f"a single slice: its thickness of {thickness_mm:g} mm stands for the spacing"
        return normal * thickness_mm, (note,)
    positions = _positions(frames)
    along = positions @ normal
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    even = along[0] + np.arange(count) * (along[-1] - along[0]) / (count - 1)
    if np.abs(along - even).max() > TOLERANCE_MM:
        worst = int(np.argmax(np.abs(gaps - usual)))
        missing = round(gaps[worst] / usual) - 1
        whole = missing > 0 and abs(gaps[worst] - (missing + 1) * usual) <= TOLERANCE_MM
        fault = f"misses {missing} slice{'s' * (missing > 1)}" if whole else "is unevenly spaced"
        fault += (
            f": after slice {worst + 1} of {count} the gap is {gaps[worst]:.4g} mm, where others "
            f"have {usual:.4g} mm ({TOLERANCE_MM:g} mm is allowed)"
        )
        even = "Export it whole" if whole else "Convert it with dcm2niix, which spaces it evenly"
        raise refuse(fault, f"{even}, or choose another series of the examination")
    straight = normal * (along[-1] - along[0]) / (count - 1)
    if _farthest_mm(positions, straight) <= TOLERANCE_MM:
        return straight, ()
    step = (positions[-1] - positions[0]) / (count - 1)
    apart_mm = _farthest_mm(positions, step)
    if apart_mm > TOLERANCE_MM:
        fault = f"has slices shifted in plane, by up to {apart_mm:.4g} mm"
        raise refuse(fault, "Choose another series of the examination, or resample it")
    tilt_deg = float(np.degrees(np.arccos(np.clip(step @ normal / np.linalg.norm(step), -1, 1))))
    if tilt_deg > _STEEPEST_DEG:
        raise refuse(f"has slices stacked {tilt_deg:.0f} degrees off their normal")
    note = f"a tilted gantry: slices are stacked {tilt_deg:.1f} degrees off their normal, as placed"
    return step, (note,)


def _farthest_mm(positions: np.ndarray, step: np.ndarray) -> float:
    even = positions[0] + np.arange(len(positions))[:, None] * step
    return float(np.linalg.norm(positions - even, axis=1).max())
