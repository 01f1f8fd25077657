"""One case of a download made into files that a manifest can name, each in its own process."""

import dataclasses
import hashlib
import json
import pathlib
import shutil
import tempfile
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from liver_jax import files
from liver_jax.cohort import manifest
from liver_jax.cohort.intake import download
from liver_jax.cohort.intake.case import Case, Mask, OnVoxels, Pictures, Resampled, Series
from liver_jax.cohort.intake.download import Entry
from liver_jax.errors import InputError
from liver_jax.volume import geometry, nifti, reader
from liver_jax.volume.geometry import Volume

# Raise it when the same files of a download become others.
_VERSION = 2
_RECORD = "exam.json"
_FACTS = ("te_ms", "tr_ms", "flip_angle_deg", "field_strength_t")
_MASKS = ("mask", "vessel_mask", "reader2_mask")
# A mask that loses more than this of itself on another grid was drawn on more than is imaged there.
_MAY_LOSE = 0.02
_GET_AGAIN = "Get the case again"


@dataclasses.dataclass(frozen=True)
class Made:
    """The files of a case.

    Attributes:
        images: One for each echo, in the order of their echo times.
        masks: `mask` and the others that it has.
        facts: What its DICOM files tell: `te_ms`, `tr_ms`, `flip_angle_deg`, `field_strength_t`.
        changed: How the masks differ from the authors' files, in a word for each.
    """

    images: tuple[pathlib.Path, ...]
    masks: dict[str, pathlib.Path]
    facts: dict[str, object]
    changed: tuple[str, ...]


def make(case: Case, folder: pathlib.Path) -> Made:
    """The files of a case, those of the download itself as far as they can be named as they are.

    Args:
        case: The case.
        folder: Where new files go: packed ones, and what is converted. It appears whole, is left
            as it is where it was made of the same files, and is not made where nothing needs it.

    Raises:
        InputError: A file is refused.
    """
    made = _as_they_are(case)
    if made is not None:
        if case.may_lack_liver:
            _check_liver(made.masks["mask"], case)
        return made
    source = _fingerprint(case)
    record = _read_record(folder, case)
    if record is None or record["source"] != source:
        with files.replacing_folder(folder) as new:
            record = {"source": source, **_write(case, new)}
            files.write_json(new / _RECORD, record)
            shutil.rmtree(folder, ignore_errors=True)  # as late as can be: rows may name its files
    return Made(
        images=tuple(folder / name for name in record["images"]),
        masks={column: folder / name for column, name in record["masks"].items()},
        facts=record["facts"],
        changed=tuple(record["changed"]),
    )


def _as_they_are(case: Case) -> Made | None:
    """The download's own files, where they need no change."""
    masks = {column: getattr(case, column) for column in _MASKS if getattr(case, column)}
    entries = list(case.images)
    entries += [m.entry if isinstance(m, OnVoxels | Resampled) else m for m in masks.values()]
    if any(not isinstance(entry, Entry) or entry.members for entry in entries):
        return None
    grid = reader.read_header(case.images[0].file)
    for mask in masks.values():
        header = reader.read_header((mask if isinstance(mask, Entry) else mask.entry).file)
        if geometry.is_turned(grid, header):
            return None
        if not isinstance(mask, Entry) and not _same_grid(grid, header):
            return None
    return Made(
        images=tuple(entry.file for entry in case.images),
        masks={
            column: (mask if isinstance(mask, Entry) else mask.entry).file
            for column, mask in masks.items()
        },
        facts={},
        changed=(),
    )


def _same_grid(one: geometry.Placed, other: geometry.Placed) -> bool:
    return geometry.corner_distance_mm(one, other) <= geometry.TOLERANCE_MM


def _fingerprint(case: Case) -> str:
    """Another one where any file of the case has changed."""
    told = []
    for entry in case.entries:
        try:
            stat = entry.file.stat()
        except OSError as error:  # a link that leads nowhere, as of a data set not yet fetched
            fault = f"cannot be read: {error.strerror}"
            raise InputError(entry.path, fault, _GET_AGAIN) from error
        told.append([entry.path, stat.st_size, stat.st_mtime_ns])
    return hashlib.sha256(json.dumps([_VERSION, told]).encode()).hexdigest()


def _read_record(folder: pathlib.Path, case: Case) -> dict | None:
    """What was written of a case; None where a file of it is gone or another one is meant now."""
    try:
        record = files.read_json(folder / _RECORD)
        paths = [folder / name for name in (*record["images"], *record["masks"].values())]
    except (OSError, ValueError, KeyError):
        return None
    named = {entry.file.absolute() for entry in case.entries}
    # A name that is absolute is of the download, which may have been moved.
    sound = all(path.exists() and (path.parent == folder or path in named) for path in paths)
    return record if sound else None


def _write(case: Case, folder: pathlib.Path) -> dict:
    """Writes what is needed of a case; the rest of its record."""
    masks, changed = {}, []
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        work = pathlib.Path(temporary)
        # First, as many an image need not be unpacked then.
        if isinstance(case.mask, Entry):
            (path,) = download.unpacked([case.mask], work)
            _check_liver(path, case)
        scan = _Scan(case, folder, work)
        for column in _MASKS:
            mask = getattr(case, column)
            if mask is not None:
                masks[column], change = _write_mask(mask, column, scan, folder, work)
                changed += [f"{column}: {change}"] if change else []
    if not isinstance(case.mask, Entry):
        _check_liver(folder / masks["mask"], case)
    return {"images": scan.names, "masks": masks, "facts": scan.facts, "changed": changed}


def _check_liver(path: pathlib.Path, case: Case) -> None:
    """Refuses a label file without liver."""
    labels = reader.read_labels(path).data
    if manifest.liver_of(labels, case.liver_labels).any():
        return
    held = np.unique(labels)
    present = ", ".join(map(str, held[held != 0][:10]))
    wanted = ", ".join(map(str, case.liver_labels))
    fault = f"its mask has no liver ({wanted})" + (f", but {present}" if present else "")
    raise InputError(case.case_id, fault, "Name its values: --liver_labels")


class _Scan:
    """The images of a case, written; where their slices lie, and which file each slice is of."""

    def __init__(self, case: Case, folder: pathlib.Path, work: pathlib.Path):
        self.facts: dict[str, object] = {}
        self._slices: dict[Entry, int] = {}
        if not any(isinstance(image, Series) for image in case.images):
            self.names = [
                _kept(image, f"image_{number}", folder)
                for number, image in enumerate(case.images, 1)
            ]
            self.grid = reader.read_header(folder / self.names[0])
            return
        written = []
        for number, image in enumerate(case.images):
            place = work / f"series_{number}"
            place.mkdir()
            written.append(self._write(image, place, folder / f"echo_{number}.nii.gz"))
        first_path, first = written[0][1], written[0][2]
        for _, path, source in written[1:]:
            reader.check_echo(first_path, first, path, source)
        # The shortest echo time comes first; those that are not told keep their order.
        if all(te_ms for te_ms, *_ in written):
            written.sort(key=lambda item: item[0])
            self.facts["te_ms"] = [value for te_ms, *_ in written for value in te_ms]
        self.names = []
        for number, (_, path, _) in enumerate(written, 1):
            self.names.append(f"image_{number}.nii.gz")
            path.rename(folder / self.names[-1])
        self.grid = first

    def slice_of(self, image: Entry) -> int | None:
        """Which slice an image of a series has become."""
        return self._slices.get(image)

    def slice_at(self, picture: pathlib.Path) -> int | None:
        """Which slice a DICOM picture lies on, by its own position."""
        position = reader.read_position(picture)
        if position is None:
            return None
        x, y, z = np.linalg.solve(self.grid.affine[:3, :3], position - self.grid.affine[:3, 3])
        index = round(z)
        off_mm = (np.array([x, y, z - index]) * self.grid.spacing_mm).round(3)
        inside = 0 <= index < self.grid.grid_shape[2]
        return index if inside and np.linalg.norm(off_mm) <= geometry.TOLERANCE_MM else None

    def _write(
        self, series: Series, place: pathlib.Path, target: pathlib.Path
    ) -> tuple[tuple[float, ...], pathlib.Path, reader.Header]:
        """Echo times, file and header of one series, converted."""
        unpacked = download.unpacked(series.files, place)
        of_path = {}
        for number, (entry, path) in enumerate(zip(series.files, unpacked, strict=True)):
            # By number: names may be the same in two folders.
            link = place / f"{number:06d}.dcm"
            if not entry.members:
                link.symlink_to(path.absolute())
            elif path != link:
                path.rename(link)
            of_path[link] = entry
        folder = series.files[0].folder
        try:
            for echo in reader.slice_files(place):
                self._slices |= {of_path[path]: index for index, path in enumerate(echo)}
            source = reader.read([place])
        except InputError as error:
            raise InputError(folder, error.fault, error.remedy) from error
        nifti.write(target, _narrow(source.volume.data), source.volume)
        for name in _FACTS[1:]:
            if getattr(source, name) is not None:
                self.facts.setdefault(name, getattr(source, name))
        header = reader.Header(source.volume.grid_shape, source.volume.affine)
        return source.te_ms, target, header


def _write_mask(
    mask: Mask, column: str, scan: _Scan, folder: pathlib.Path, work: pathlib.Path
) -> tuple[str, str]:
    """The name of a mask's file, and in what it differs from the authors'."""
    name = f"{column}.nii.gz"
    if isinstance(mask, tuple):
        nifti.write(folder / name, _stacked(mask, scan, work), scan.grid)
        return name, ""
    (path,) = download.unpacked([mask if isinstance(mask, Entry) else mask.entry], work)
    header = reader.read_header(path)
    turned = geometry.is_turned(scan.grid, header)
    if isinstance(mask, Entry) and not turned:
        return _kept(mask, column, folder), ""
    labels = reader.read_labels(path)
    if turned and not isinstance(mask, OnVoxels):
        canonical = geometry.to_canonical(labels)
        nifti.write(
            folder / name, _narrow(geometry.from_canonical(canonical.data, scan.grid)), scan.grid
        )
        return name, "axes turned as its image's"
    if _same_grid(scan.grid, labels):
        nifti.write(folder / name, _narrow(labels.data), labels)
        return name, ""
    if isinstance(mask, Resampled):
        nifti.write(folder / name, _resampled(labels, scan.grid, path), scan.grid)
        return name, "resampled from the image it was drawn on"
    if labels.grid_shape != tuple(scan.grid.grid_shape):
        geometry.check_same_grid(scan.grid, labels, path, "its image")
    nifti.write(folder / name, _narrow(labels.data), scan.grid)
    return name, "header replaced by its image's"


def _kept(entry: Entry, stem: str, folder: pathlib.Path) -> str:
    """Where a file is that needs no change: itself, or unpacked, as seen from the folder."""
    if not entry.members:
        return str(entry.file.absolute())
    (path,) = download.unpacked([entry], folder)
    name = stem + download.suffixes(entry.name)
    path.rename(folder / name)
    return name


def _narrow(data: np.ndarray) -> np.ndarray:
    """The same values in the smallest usual type that holds them."""
    for dtype in (np.uint8, np.int16):
        held = np.iinfo(dtype)
        if data.min() >= held.min and data.max() <= held.max:
            small = data.astype(dtype)
            if np.array_equal(small, data):
                return small
    return data


def _stacked(layers: Sequence[Pictures], scan: _Scan, work: pathlib.Path) -> np.ndarray:
    """Pictures laid on the slices of the images that they were drawn on, uint8 `[x, y, z]`."""
    data = np.zeros(scan.grid.grid_shape, np.uint8)
    for number, layer in enumerate(layers):
        drawn = set()
        with tempfile.TemporaryDirectory(dir=work) as temporary:
            place = pathlib.Path(temporary)
            paths = download.unpacked([picture for picture, _ in layer.pairs], place)
            for path, (picture, image) in zip(paths, layer.pairs, strict=True):
                index = scan.slice_of(image) if image else scan.slice_at(path)
                if index is None:
                    fault = "was drawn on no image of its series"
                    raise InputError(picture.path, fault, _GET_AGAIN)
                drawn.add(index)
                values = reader.read_picture(path).T
                if values.shape != data.shape[:2]:
                    wanted = " x ".join(map(str, data.shape[:2]))
                    fault = f"has {values.shape[0]} x {values.shape[1]} pixels, its image {wanted}"
                    raise InputError(picture.path, fault, _GET_AGAIN)
                for (low, high), label in layer.labels.items():
                    data[..., index][(values >= low) & (values <= high)] = label
        missing = data.shape[2] - len(drawn)
        if missing and number == 0:
            fault = f"{missing} of {data.shape[2]} slices have no picture of the mask"
            raise InputError(layer.pairs[0][0].folder, fault, _GET_AGAIN)
    return data


def _resampled(labels: Volume, grid: geometry.Placed, path: pathlib.Path) -> np.ndarray:
    """Labels on another grid of the same patient, by nearest neighbour in mm."""
    to_labels = np.linalg.inv(labels.affine) @ grid.affine
    data = ndimage.affine_transform(
        labels.data,
        to_labels[:3, :3],
        to_labels[:3, 3],
        output_shape=tuple(grid.grid_shape),
        order=0,
        mode="grid-constant",  # `constant` loses the outer half of the voxels at the border
    )
    before = np.count_nonzero(labels.data) * labels.voxel_volume_ml
    after = np.count_nonzero(data) * float(abs(np.linalg.det(grid.affine[:3, :3]))) / 1000
    if after < (1 - _MAY_LOSE) * before:
        fault = f"only {after:.0f} of {before:.0f} mL of its mask lie in the field of view"
        raise InputError(path, fault, "Use the image that it was drawn on")
    return data.astype(np.int32)
