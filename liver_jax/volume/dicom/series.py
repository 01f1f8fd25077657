"""Images sorted into series that each make one volume, or one volume for each echo."""

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np

from liver_jax.errors import InputError
from liver_jax.volume.dicom import collect, frame, header, pixels
from liver_jax.volume.dicom.frame import Frame

# Images of one series are turned alike to this; headers are rounded.
_SAME_DIRECTION = 1e-3
# Images nearer to each other than this are at one place, echo times than this are one time.
SAME_PLACE_MM = 0.02
SAME_TE_MS = 0.005


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """Images that belong together: those of one series, as far as they show the same thing alike.

    Attributes:
        frames: Its images.
        told_apart: What tells it from others of the same series: `ImageType PRIMARY`, say.
        parts: The series of one echo each that it is joined from; empty where it is one by itself.
        phase: The phase images that belong to it.
        duplicate_count: How many images were dropped as they were there twice.
    """

    frames: tuple[Frame, ...]
    told_apart: str = ""
    parts: tuple["Series", ...] = ()
    phase: "Series | None" = None
    duplicate_count: int = 0

    @property
    def first(self) -> Frame:
        """One of its images, to tell what all have in common."""
        return self.frames[0]

    @property
    def te_ms(self) -> tuple[float, ...]:
        """Its echo times, rising; empty where they are not told."""
        times = sorted({item.te_ms for item in self.frames if item.te_ms is not None})
        return tuple(times[index] for index in _starts(times, SAME_TE_MS))

    @property
    def place_count(self) -> int:
        """How many places in the patient its images show; each without a place counts."""
        placed = [item for item in self.frames if item.position_mm and item.orientation]
        return len(set(places(placed))) + len(self.frames) - len(placed)


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What lies in a file, a folder or a zip.

    Attributes:
        series: All series, in the order of their numbers.
        other_objects: How many DICOM objects are no images.
        other_files: How many files are not DICOM.
    """

    series: tuple[Series, ...]
    other_objects: int
    other_files: int


def find(path: str | os.PathLike) -> Found:
    """Finds the series in a file, a folder or a zip.

    Images are one series if they share study, series and frame of reference, matrix, direction,
    and what they show (magnitude, phase, in phase, water, ...). Where several are at one place
    with one echo time, they are told apart by time point, b-value and the like, and exact
    duplicates are dropped.

    Args:
        path: What the user gave.

    Returns:
        The series, none where there is no image.

    Raises:
        InputError: It cannot be read, or a DICOM object in it is damaged.
    """
    path = pathlib.Path(path)
    frames, other_objects, other_files = [], 0, 0
    for member in collect.members(path):
        try:
            found = collect.head(member, frame.KEYWORDS)
        except header.Damaged as error:
            raise _damaged(member) from error
        if found is None:
            other_files += 1
            continue
        dataset, has_pixels = found
        read = frame.read(member, dataset)
        if has_pixels and read:
            frames += read
        elif _is_image(dataset):
            raise _damaged(member)
        else:
            other_objects += 1
    groups = [_split(group) for group in _group(frames)]
    series = sorted(itertools.chain(*groups), key=_order)
    return Found(tuple(series), other_objects, other_files)


def places(frames: Sequence[Frame]) -> list[int]:
    """For each image the place that it shows, counted along the normal of the first one.

    The normal is the cross product of the directions along rows and columns, and the coordinate
    the position's projection on it: neither thickness nor instance numbers are asked.
    """
    if not frames:
        return []
    along = along_normal_mm(frames)
    order = np.argsort(along, kind="stable")
    steps = np.diff(along[order], prepend=along[order[0]]) > SAME_PLACE_MM
    result = np.empty(len(frames), int)
    result[order] = np.cumsum(steps)
    return result.tolist()


def along_normal_mm(frames: Sequence[Frame]) -> np.ndarray:
    """How far along the normal of the first image each one lies, `[frame]`."""
    across, down = np.reshape(frames[0].orientation, (2, 3))
    return np.array([item.position_mm for item in frames]) @ np.cross(across, down)


def echo_groups(frames: Iterable[Frame]) -> dict[float | None, list[Frame]]:
    """Images by their echo time, rising; times that differ by rounding are one."""
    frames = sorted(frames, key=lambda item: item.te_ms or 0.0)
    bounds = [*_starts([item.te_ms or 0.0 for item in frames], SAME_TE_MS), len(frames)]
    return {frames[start].te_ms: frames[start:end] for start, end in itertools.pairwise(bounds)}


def collisions(frames: Sequence[Frame]) -> list[list[Frame]]:
    """The images that share a place and an echo time with another one."""
    placed = [item for item in frames if item.position_mm and item.orientation]
    where = dict(zip(placed, places(placed), strict=True))
    found = []
    for echo in echo_groups(placed).values():
        found += [group for group in _by(echo, where.__getitem__).values() if len(group) > 1]
    return found


def _starts(values: Sequence[float], apart: float) -> list[int]:
    """Where in rising values each run begins whose steps are no larger than `apart`."""
    return [
        index
        for index, value in enumerate(values)
        if not index or value - values[index - 1] > apart
    ]


def _by(frames: Iterable[Frame], key: Callable[[Frame], Hashable]) -> dict:
    groups: dict[Hashable, list[Frame]] = {}
    for item in frames:
        groups.setdefault(key(item), []).append(item)
    return groups


def _group(frames: Sequence[Frame]) -> list[list[Frame]]:
    groups = []
    for group in _by(frames, _key).values():
        turned: list[list[Frame]] = []
        for item in group:
            for other in turned:
                if _alike(other[0].orientation, item.orientation):
                    other.append(item)
                    break
            else:
                turned.append([item])
        groups += turned
    return groups


def _key(item: Frame) -> Hashable:
    image = item.image
    return (
        *(image.study, image.series, image.number, image.frame_of_reference, image.modality),
        # Without a UID, as some anonymisers leave it, the description is what is left.
        *(() if image.series else (image.description,)),
        *(image.rows, image.columns, image.samples, item.component, item.content),
        "LOCALIZER" in item.image_type,
        image.sop_class,
        # A multi-frame object is one by itself, as later ones refer to it alone.
        image.member if image.group_count else None,
    )


def _alike(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    if len(one) != len(other):
        return False
    return all(abs(a - b) <= _SAME_DIRECTION for a, b in zip(one, other, strict=True))


def _split(frames: list[Frame]) -> list[Series]:
    """One series, or several where images collide and something told on purpose parts them."""
    frames, dropped = _without_duplicates(frames)
    if not collisions(frames):
        return [Series(tuple(frames), duplicate_count=dropped)]
    count = Series(tuple(frames)).place_count
    for index, (name, _) in enumerate(frames[0].told_apart):
        parts = _by(frames, lambda item, index=index: item.told_apart[index][1])
        whole = all(
            2 * Series(tuple(part)).place_count > count and not collisions(part)
            for part in parts.values()
        )
        if len(parts) > 1 and whole:
            return [
                Series(tuple(part), f"{name} {value}".strip(), duplicate_count=dropped)
                for value, part in parts.items()
            ]
    return [Series(tuple(frames), duplicate_count=dropped)]


def _without_duplicates(frames: list[Frame]) -> tuple[list[Frame], int]:
    dropped = set()
    for group in collisions(frames):
        for twins in _by(group, lambda item: (item.told_apart, item.rescale)).values():
            if len(twins) < 2 or twins[0].image.group_count:
                continue
            same = _by(twins, pixels.content_hash)
            dropped.update(itertools.chain(*(held[1:] for held in same.values())))
    return [item for item in frames if item not in dropped], len(dropped)


def _order(series: Series) -> tuple:
    image, times = series.first.image, series.te_ms
    number = image.number if image.number is not None else 1 << 31
    first = times[0] if times else 0.0
    return number, first, series.first.component, image.member.number


def _is_image(dataset) -> bool:
    named = header.text(dataset, "SOPClassUID")
    named = named or header.text(dataset.file_meta, "MediaStorageSOPClassUID")
    return named in pixels.IMAGE_CLASSES


def _damaged(member: collect.Member) -> InputError:
    fault = f"is damaged or cut short, file {member.number} in the order of names"
    fault = "is damaged or cut short" if member.path == member.given else f"holds one that {fault}"
    return InputError(member.given, fault, "Copy or export it again, or leave it out")
