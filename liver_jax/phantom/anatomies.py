"""Anatomies without images: label maps of many bodies, for training on contrasts drawn at random.

Each is one NIfTI file of `Tissue` labels, of a procedural body or of a real person's label map bent
at random, drawn from (seed, source, number) alone. What is there already is not drawn again.
"""

import functools
import pathlib
import re
from collections.abc import Mapping, Sequence

import numpy as np
import tqdm

from liver_jax import files, side_by_side
from liver_jax.cohort import manifest
from liver_jax.cohort.exam import Exam
from liver_jax.errors import InputError
from liver_jax.phantom import anatomy, labelmap, person
from liver_jax.phantom.body import Body
from liver_jax.phantom.person import Finding, VolumeRange
from liver_jax.phantom.sampling import Grid, oriented
from liver_jax.physics.tissues import LIVER_TISSUES
from liver_jax.volume import nifti

# The sources, which are the technique of the manifest's rows.
PROCEDURAL, REAL_SHAPE = "procedural", "real_shape"
_SPACING_MM = (1.6, 1.6, 3.0)
# Below and above the liver: of a procedural body; a real map is taken to its ends.
_AROUND_MM = ((20.0, 90.0), (15.0, 70.0))
_WHOLE_MM = (1000.0, 1000.0)
_MARGIN_MM = 12.0
_VOLUMES = VolumeRange(1750, 600, 550, 5300)
_PREVALENCE = {
    Finding.STEATOSIS: 0.4,
    Finding.CIRRHOSIS: 0.15,
    Finding.LESIONS: 0.25,
    Finding.LARGE_LESION: 0.06,
    Finding.CYSTS: 0.2,
    Finding.ASCITES: 0.06,
    Finding.EFFUSION: 0.06,
    Finding.SPLENOMEGALY: 0.1,
    Finding.RESECTION: 0.05,
}
# Drawn in one go by one process: a real map takes half a minute to read.
_AT_ONCE = 10


def write(
    output: pathlib.Path,
    counts: str,
    seed: int,
    workers: int,
    progress: bool,
    maps: Sequence[pathlib.Path] = (),
) -> pathlib.Path:
    """Writes label maps, or what is missing of them, and their manifest.

    Args:
        output: Its folder.
        counts: How many of each source: `procedural=300,real_shape=200`.
        seed: Of every random draw, not negative.
        workers: Processes to use; 1 works in this one.
        progress: Whether to show a bar.
        maps: Label maps of real people (see `labelmap.read`), each of them as often as the others.

    Returns:
        The path of its manifest.csv, written last. Of each row the label map is image and mask;
        technique is the source, and the column `anatomy` names whose shape it is.

    Raises:
        InputError: An argument is refused, or the folder holds something else.
    """
    wanted = _parse(counts, maps)
    if seed < 0:
        raise InputError(f"seed={seed}", "is negative", "Choose 0 or more")
    output = pathlib.Path(output).absolute()
    if output.exists() and not output.is_dir():
        raise InputError(output, "is a file", "Name a folder")
    path = output / "manifest.csv"
    record = {
        "seed": seed,
        "maps": {part.name: files.sha256(part) for m in maps for part in (m, labelmap.table_of(m))},
    }
    places = [(source, number) for source, count in wanted.items() for number in range(count)]
    with files.locked(output / ".lock"):
        _claim(output, path, record)
        todo: dict[pathlib.Path | None, list[tuple[str, int]]] = {}
        for source, number in places:
            if not _file(output, source, number).exists():
                todo.setdefault(_map_of(source, number, maps), []).append((source, number))
        tasks = [
            (output, seed, map_path, numbers[start : start + _AT_ONCE])
            for map_path, numbers in todo.items()
            for start in range(0, len(numbers), _AT_ONCE)
        ]
        left = sum(len(numbers) for numbers in todo.values())
        with tqdm.tqdm(
            total=len(places),
            initial=len(places) - left,
            desc="anatomies",
            unit="map",
            disable=not progress,
        ) as bar:
            for count in side_by_side.done(_draw, tasks, workers):
                bar.update(count)
        rows = [_exam(path, row, place, maps) for row, place in enumerate(places, start=2)]
        manifest.write(path, rows)
    return path


def _parse(counts: str, maps: Sequence[pathlib.Path]) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in counts.split(","):
        match = re.fullmatch(rf"\s*({PROCEDURAL}|{REAL_SHAPE})=(\d+)\s*", part)
        if not match or match[1] in found:
            remedy = f"Write, for example, {PROCEDURAL}=300,{REAL_SHAPE}=200"
            raise InputError(f"--counts: {part!r}", "is not source=n, each source once", remedy)
        found[match[1]] = int(match[2])
    if found.get(REAL_SHAPE) and not maps:
        fault = "asks for shapes of real people, of which no label maps are given"
        raise InputError("--counts", fault, "Name a folder of them: --anatomies=DIR")
    return found


def _claim(output: pathlib.Path, path: pathlib.Path, wanted: Mapping) -> None:
    """Records what the folder is for, or refuses one that holds something else."""
    record = output / "anatomies.json"
    if record.exists():
        if files.read_json(record) != wanted:
            fault = "holds anatomies of another seed, or of other label maps"
            raise InputError(output, fault, "Choose another folder, or remove this one")
    elif path.exists():
        raise InputError(output, "holds another manifest.csv", "Choose another folder")
    else:
        files.write_json(record, wanted)


def _map_of(source: str, number: int, maps: Sequence[pathlib.Path]) -> pathlib.Path | None:
    return maps[number % len(maps)] if source == REAL_SHAPE else None


def _file(output: pathlib.Path, source: str, number: int) -> pathlib.Path:
    return output / "labels" / f"{source}_{number:05d}.nii.gz"


def _draw(
    output: pathlib.Path, seed: int, map_path: pathlib.Path | None, numbers: list[tuple[str, int]]
) -> int:
    for source, number in numbers:
        salt = [seed, source == REAL_SHAPE, number]
        generator = np.random.default_rng(salt)
        someone = person.draw(generator, _PREVALENCE, _VOLUMES)
        if map_path is None:
            body: Body = anatomy.draw(someone, generator)
            below, above = (float(generator.uniform(*room)) for room in _AROUND_MM)
        else:
            body = labelmap.deform(_label_map(map_path), someone, generator)
            below, above = _WHOLE_MM
        grid = _grid(body, below, above)
        x, y, z = (grid.axis_mm(axis) for axis in range(3))
        labels = body.tissue(x[:, None, None], y[None, :, None], z[None, None, :])
        volume = oriented(labels, grid, "RAS")
        nifti.write(_file(output, source, number), volume.data, volume)
    return len(numbers)


@functools.lru_cache(maxsize=1)
def _label_map(path: pathlib.Path) -> labelmap.LabelMap:
    return labelmap.read(path, around_mm=_WHOLE_MM)


def _grid(body: Body, below_mm: float, above_mm: float) -> Grid:
    (left, back, floor), (right, front, ceiling) = body.extent_mm
    low = (
        left - _MARGIN_MM,
        back - _MARGIN_MM,
        max(floor, body.liver_range_mm[0] - below_mm) + _SPACING_MM[2] / 2,
    )
    high = (right + _MARGIN_MM, front + _MARGIN_MM, min(ceiling, body.liver_range_mm[1] + above_mm))
    shape = tuple(
        max(1, int((end - start) / step))
        for start, end, step in zip(low, high, _SPACING_MM, strict=True)
    )
    return Grid(shape, _SPACING_MM, tuple(round(start, 3) for start in low))


def _exam(
    path: pathlib.Path, row: int, place: tuple[str, int], maps: Sequence[pathlib.Path]
) -> Exam:
    source, number = place
    labels, shape = _file(path.parent, source, number), _map_of(source, number, maps)
    name = labels.name.removesuffix(".nii.gz")
    return Exam(
        exam_id=name,
        subject_id=name,
        modality="MR",  # any: it is a map of tissues
        technique=source,
        split="train",
        images=(labels,),
        mask=labels,
        liver_labels=tuple(int(tissue) for tissue in LIVER_TISSUES),
        extra={"anatomy": shape.name.split(".")[0] if shape else PROCEDURAL},
        manifest=path,
        row=row,
    )
