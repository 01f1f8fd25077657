"""Slice records on disk: one TFDS builder (array_record, no TensorFlow) over any examinations.

One record is one axial slice on the network's grid with all its echoes, its mask and who it is. A
set of records is built once and found again by the content of the manifest rows, the files they
name and the preprocessing's settings.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import pathlib
import shutil
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from liver_jax import files
from liver_jax.cohort import manifest
from liver_jax.cohort.manifest import Exam
from liver_jax.data import label_slices, preprocess
from liver_jax.errors import InputError
from liver_jax.physics.tissues import LIVER_TISSUES
from liver_jax.volume import reader
from liver_jax.volume.geometry import Volume

# Raise it when records change in content or layout, so that older ones are built anew.
_FORMAT_VERSION = "1.0.0"
_EXAMS_A_PART = 20
_CHECKSUMS = "checksums.json"


@dataclasses.dataclass(frozen=True)
class ExamSlices:
    """Where one examination's slices lie among the records.

    Attributes:
        exam_id: The examination.
        subject_id: Its subject.
        technique: Its technique.
        first_record: Index of the record of its lowest slice; the others follow upwards.
        slice_count: Number of its records.
        echo_count: Echoes in each record.
        liver_slices: Slices (0-based, within the examination) whose mask is not empty.
        image_sha256: Hash of each image file.
    """

    exam_id: str
    subject_id: str
    technique: str
    first_record: int
    slice_count: int
    echo_count: int
    liver_slices: tuple[int, ...]
    image_sha256: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class SliceStore:
    """Records open for reading: `source[i]` is a dict of arrays, `index` says whose they are."""

    source: Any
    index: tuple[ExamSlices, ...]


def slices_of(
    exam: Exam, settings: preprocess.Settings
) -> tuple[np.ndarray, np.ndarray, preprocess.Placement]:
    """An examination on the network's grid.

    Args:
        exam: The examination; its mask is read too.
        settings: The grid and the intensity mapping.

    Returns:
        Images [slice, echo, row, column] float16 in [0, 1], masks [slice, row, column] uint8, and
        where the grid lies.

    Raises:
        InputError: A file that cannot be read, a mask without liver or on another grid.
    """
    image, mask = manifest.load_image(exam), manifest.load_mask(exam)
    where = f"{exam.manifest}, row {exam.row} ({exam.exam_id})"
    if not mask.data.any():
        raise InputError(
            where,
            f"no voxel of {exam.mask.name} carries a liver label "
            f"({';'.join(map(str, exam.liver_labels))})",
            "Correct liver_labels, or take the row out of the training split.",
        )
    echoes = [image.data] if image.data.ndim == 3 else np.moveaxis(image.data, 3, 0)
    placement = preprocess.place(Volume(echoes[0], image.affine), exam.modality, settings)
    images = [
        preprocess.image_slices(
            Volume(echo, image.affine), exam.modality, placement, settings, where
        )
        for echo in echoes
    ]
    masks = preprocess.mask_slices(mask, placement)
    _refuse_cut_liver(mask, masks, placement, where)
    return np.stack(images, axis=1).astype(np.float16), masks.astype(np.uint8), placement


def open_or_build(
    exams: Sequence[Exam],
    settings: preprocess.Settings,
    cache: str | pathlib.Path,
    from_labels: bool = False,
) -> SliceStore:
    """Opens the records of `exams`, building them first if they are not there.

    Safe when several processes ask at once (one builds, the others wait), when one is killed (what
    it left is swept away and built anew), and when a disk or a copy damages a file later: it is
    found by its checksum, named, and all is built anew.

    Args:
        exams: The examinations, all with masks.
        settings: The grid and the intensity mapping.
        cache: The folder that holds all sets of records.
        from_labels: Whether the examinations are label maps, whose slices are tissue labels.
    """
    name = ("labels-" if from_labels else "") + fingerprint(exams, settings)
    folder = pathlib.Path(cache).absolute() / name
    finished = folder / "index.json"
    with files.locked(folder.with_suffix(".lock")):
        damaged = _damaged(folder) if finished.exists() else None
        if damaged:
            print(f"{damaged} is damaged; the slice records are built anew", flush=True)
        if damaged or not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)
            index = _build(exams, settings, folder, from_labels)
            files.write_json(folder / _CHECKSUMS, _checksums(folder))
            files.write_json(finished, [dataclasses.asdict(entry) for entry in index])
    index = tuple(
        ExamSlices(
            **{
                key: tuple(value) if isinstance(value, list) else value
                for key, value in row.items()
            }
        )
        for row in json.loads(finished.read_text())
    )
    builder = tfds.builder_from_directory(folder / "liver_slices" / _FORMAT_VERSION)
    return SliceStore(builder.as_data_source("all"), index)


def _checksums(folder: pathlib.Path) -> dict[str, int]:
    """CRC-32 of each file of records, by its path within the folder."""
    found = {}
    for path in sorted((folder / "liver_slices").rglob("*.array_record*")):
        checksum = 0
        with open(path, "rb") as file:
            while block := file.read(2**22):
                checksum = zlib.crc32(block, checksum)
        found[str(path.relative_to(folder))] = checksum
    return found


def _damaged(folder: pathlib.Path) -> pathlib.Path | None:
    """The first file that is not what was written; records of old have no checksums."""
    wanted = {}
    for name in ("index.json", _CHECKSUMS):
        try:
            wanted = files.read_json(folder / name)
        except FileNotFoundError:
            return None
        except ValueError:
            return folder / name
    found = _checksums(folder)
    wrong = [name for name in sorted({*wanted, *found}) if wanted.get(name) != found.get(name)]
    return folder / wrong[0] if wrong else None


def fingerprint(exams: Sequence[Exam], settings: preprocess.Settings) -> str:
    """A name for the records: it changes with the rows, the files' size or time, the settings."""
    rows = []
    for exam in exams:
        paths = [*exam.images, exam.mask]
        for path in paths:
            if not path.exists():
                where = f"{exam.manifest}, row {exam.row} ({exam.exam_id})"
                raise InputError(where, f"there is no file {path}", "Correct the name")
        held = [part for path in paths for part in reader.files_of(path)]
        stamps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in held]
        rows.append(
            [
                exam.exam_id,
                exam.subject_id,
                exam.technique,
                exam.modality,
                exam.liver_labels,
                stamps,
            ]
        )
    content = json.dumps([_FORMAT_VERSION, dataclasses.asdict(settings), rows])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _refuse_cut_liver(
    mask: Volume, masks: np.ndarray, placement: preprocess.Placement, where: str
) -> None:
    """The grid is laid around the body; a liver outside it means that the body was not found."""
    share = masks.sum() * placement.pixel_mm**2 / np.prod(placement.plane_spacing_mm)
    if share < 0.8 * mask.data.sum():
        raise InputError(
            where,
            "more than a fifth of the mask is lost on the network's grid "
            f"({placement.size} x {placement.size} at {placement.pixel_mm:.2f} mm)",
            "Check that mask and image show the same body; raise config.data.spacing_mm or "
            "config.data.size if the structure is smaller than a pixel.",
        )


class LiverSlices(tfds.core.GeneratorBasedBuilder):
    """Axial slices of any examinations with a liver mask.

    It takes the examinations themselves: which files they are, and whether the records are still
    true to them, is the manifest's business and `open_or_build`'s.
    """

    VERSION = tfds.core.Version(_FORMAT_VERSION)

    def __init__(
        self,
        exams: Sequence[Exam],
        settings: preprocess.Settings,
        data_dir: pathlib.Path,
        bar: tqdm.tqdm,
        from_labels: bool,
    ):
        self._exams, self._settings, self._bar = exams, settings, bar
        self._from_labels = from_labels
        self.index: list[ExamSlices] = []
        super().__init__(data_dir=data_dir, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        size = self._settings.size
        # Label maps are flat: a hundredth remains of them.
        content = (
            {"labels": _plane(label_slices.FINER * size, np.uint8, tfds.features.Encoding.ZLIB)}
            if self._from_labels
            else {
                "image": _plane(size, np.float16, tfds.features.Encoding.BYTES, (None,)),
                "mask": _plane(size, np.uint8, tfds.features.Encoding.BYTES),
            }
        )
        return tfds.core.DatasetInfo(
            builder=self,
            description="Axial slices of abdominal examinations with liver masks.",
            # Read back in the order written: the index counts on it.
            disable_shuffling=True,
            features=tfds.features.FeaturesDict(
                {
                    **content,
                    "exam_id": tfds.features.Text(),
                    "subject_id": tfds.features.Text(),
                    "technique": tfds.features.Text(),
                    "slice": np.int32,
                    "pixel_mm": np.float32,
                }
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        del dl_manager  # Nothing is downloaded.
        # TFDS holds a part in memory before it writes it, so the parts are small. They are read
        # back as one, in the order of their names.
        return {
            f"part_{start:06d}": self._generate_examples(self._exams[start : start + _EXAMS_A_PART])
            for start in range(0, len(self._exams), _EXAMS_A_PART)
        }

    def _generate_examples(self, exams: Sequence[Exam]) -> Iterator[tuple[int, dict[str, Any]]]:
        record = sum(entry.slice_count for entry in self.index)
        for exam in exams:
            contents, echoes, liver, pixel_mm = self._slices(exam)
            self.index.append(
                ExamSlices(
                    exam_id=exam.exam_id,
                    subject_id=exam.subject_id,
                    technique=exam.technique,
                    first_record=record,
                    slice_count=len(liver),
                    echo_count=echoes,
                    liver_slices=tuple(np.flatnonzero(liver).tolist()),
                    image_sha256=manifest.image_hashes(exam),
                )
            )
            for position in range(len(liver)):
                yield (
                    record,
                    {
                        **{name: values[position] for name, values in contents.items()},
                        "exam_id": exam.exam_id,
                        "subject_id": exam.subject_id,
                        "technique": exam.technique,
                        "slice": position,
                        "pixel_mm": pixel_mm,
                    },
                )
                record += 1
            self._bar.update()

    def _slices(self, exam: Exam) -> tuple[dict[str, np.ndarray], int, np.ndarray, float]:
        """What the records hold of each slice, echoes, which slices show liver, pixels in mm."""
        if self._from_labels:
            labels, pixel_mm = label_slices.labels_of(exam, self._settings)
            return {"labels": labels}, 1, np.isin(labels, LIVER_TISSUES).any(axis=(1, 2)), pixel_mm
        images, masks, placement = slices_of(exam, self._settings)
        contents = {"image": images, "mask": masks}
        return contents, images.shape[1], masks.any(axis=(1, 2)), placement.pixel_mm


def _plane(
    size: int, dtype: type, encoding: tfds.features.Encoding, leading: tuple = ()
) -> tfds.features.Tensor:
    return tfds.features.Tensor(shape=(*leading, size, size), dtype=dtype, encoding=encoding)


def _build(
    exams: Sequence[Exam], settings: preprocess.Settings, folder: pathlib.Path, from_labels: bool
) -> list[ExamSlices]:
    tfds.disable_progress_bar()
    # TFDS announces a download on stdout; there is none.
    with (
        tqdm.tqdm(total=len(exams), desc="slices", unit="exam") as bar,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        builder = LiverSlices(exams, settings, folder, bar, from_labels)
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(verify_ssl=True, try_download_gcs=False)
        )
    return builder.index
