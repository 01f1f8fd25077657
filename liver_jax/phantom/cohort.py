"""A cohort of simulated examinations on disk, with the files and manifest a hospital would give.

Every examination is one folder, moved into place when it is complete: an interrupted run goes on
where it stopped. Each is drawn from (seed, subject, technique) alone, so the same seed gives the
same bytes whatever the number of processes.
"""

import json
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
import tqdm

from liver_jax import files, side_by_side
from liver_jax.cohort import manifest
from liver_jax.cohort.exam import Exam
from liver_jax.errors import InputError
from liver_jax.phantom import design, examination, labelmap
from liver_jax.phantom.design import Plan
from liver_jax.physics.tissues import Tissue
from liver_jax.volume import nifti

# Raise it when the same seed no longer gives the same bytes: cohorts of two kinds never mix.
_VERSION = 3


def write(
    output: pathlib.Path,
    size: str,
    seed: int,
    workers: int,
    progress: bool,
    counts: str = "",
    anatomies: pathlib.Path | None = None,
) -> pathlib.Path:
    """Writes a cohort, or what is missing of it.

    Args:
        output: Its folder.
        size: `demo`, `gallery`, `paper` or `tiny` (for tests).
        seed: Of every random draw, not negative.
        workers: Processes to use; 1 works in this one.
        progress: Whether to show a bar.
        counts: Examinations in place of the size's own; see `design.parse_counts`.
        anatomies: A folder of label maps that give the subjects their shapes; None: procedural.

    Returns:
        The path of its manifest.csv, which is written last.

    Raises:
        InputError: An argument is refused, or the folder holds another cohort.
    """
    output = pathlib.Path(output).absolute()
    maps = label_maps(anatomies, progress) if anatomies is not None else ()
    plans = design.plans(size, seed, counts, maps)
    if output.exists() and not output.is_dir():
        raise InputError(output, "is a file", "Name a folder")
    path = output / "manifest.csv"
    record = {
        "version": _VERSION,
        "size": size,
        "seed": seed,
        "counts": counts,
        "anatomies": {
            part.name: files.sha256(part)
            for labels in maps
            for part in (labels, labelmap.table_of(labels))
        },
    }
    with files.locked(output / ".lock"):
        _claim(output, path, record)
        todo = [plan for plan in plans if not _complete(_folder(output, plan))]
        # A label map takes longer to read than to image: its subjects come one after another.
        todo.sort(key=lambda plan: str(plan.anatomy))
        remains = [*(output / "exams").glob(".partial-*"), *(_folder(output, p) for p in todo)]
        for folder in remains:
            shutil.rmtree(folder, ignore_errors=True)
        with tqdm.tqdm(
            total=len(plans),
            initial=len(plans) - len(todo),
            desc=f"phantom {size}",
            unit="exam",
            disable=not progress,
        ) as bar:
            # A single one has all the processors.
            threads = workers if len(todo) == 1 else 1
            tasks = [(output, plan, threads) for plan in todo]
            for _ in side_by_side.done(_make, tasks, workers):
                bar.update()
        files.write_text(output / "label_map.tsv", _label_names())
        manifest.write(path, [_exam(path, row, plan) for row, plan in enumerate(plans, start=2)])
    return path


def label_maps(folder: pathlib.Path, progress: bool) -> tuple[pathlib.Path, ...]:
    """The label maps of a folder: NIfTI files with a table of names beside them.

    Raises:
        InputError: There are none, or one of them cannot be used.
    """
    if not folder.is_dir():
        raise InputError(folder, "is not a folder", "Name one with label maps: X.nii.gz and X.tsv")
    maps = [path for path in sorted(folder.iterdir()) if nifti.is_nifti_name(path)]
    found = tuple(path for path in maps if labelmap.table_of(path).exists())
    if not found:
        raise InputError(
            folder,
            "holds no label map with a table of names",
            "Put X.nii.gz and X.tsv (value, name) there",
        )
    for path in tqdm.tqdm(found, desc="label maps", unit="map", disable=not progress):
        labelmap.check(path)
    return found


def describe(exams: Sequence[Exam]) -> str:
    """The livers of a cohort: true volume and PDFF by technique and cohort, a line each."""
    groups: dict[tuple[str, str], dict[str, Exam]] = {}
    for exam in exams:
        subjects = groups.setdefault((exam.technique, exam.cohort), {})
        subjects.setdefault(exam.subject_id, exam)
    head = ("technique", "cohort", "subjects", "volume (mL): mean +/- SD (range)", "PDFF (%)")
    lines = ["{:10}{:10}{:>9}   {:36}{}".format(*head)]
    for (technique, cohort), subjects in sorted(groups.items()):
        texts = []
        for column, digits in (("true_volume_ml", 0), ("true_pdff_percent", 1)):
            values = np.array([float(exam.extra[column]) for exam in subjects.values()])
            spread = f"{values.std(ddof=1):.{digits}f}" if len(values) > 1 else "-"
            low, high = f"{values.min():.{digits}f}", f"{values.max():.{digits}f}"
            texts.append(f"{values.mean():.{digits}f} +/- {spread} ({low} to {high})")
        lines.append(f"{technique:10}{cohort:10}{len(subjects):9d}   {texts[0]:36}{texts[1]}")
    return "\n".join(lines)


def _claim(output: pathlib.Path, path: pathlib.Path, wanted: dict[str, Any]) -> None:
    """Records what the folder is for, or refuses one that holds something else."""
    record = output / "phantom.json"
    if record.exists():
        try:
            found = json.loads(record.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if found != wanted:
            raise InputError(
                output,
                f"holds another phantom cohort: {_difference(found, wanted)}",
                "Choose another folder, or remove this one",
            )
    elif path.exists():
        raise InputError(
            output, "holds a manifest.csv that is not a phantom's", "Choose another folder"
        )
    else:
        files.write_json(record, wanted)


def _difference(found: Any, wanted: dict[str, Any]) -> str:
    """Which of what a cohort is made from is not as wanted."""
    if not isinstance(found, dict):
        return "its phantom.json cannot be read"
    names = [name for name in wanted if found.get(name) != wanted[name]]
    return "; ".join(
        f"other {name}"
        if isinstance(wanted[name], dict)
        else f"{name} {found.get(name)!r}, not {wanted[name]!r}"
        for name in names
    )


def _label_names() -> str:
    """What the values of every label_map mean, as a table."""
    rows = [f"{int(tissue)}\t{tissue.name.lower()}" for tissue in Tissue]
    return "\n".join(["value\tname", *rows]) + "\n"


def _complete(folder: pathlib.Path) -> bool:
    """Whether every file that the examination was written with is still there."""
    record = folder / "exam.json"
    if not record.exists():
        return False
    names = json.loads(record.read_text(encoding="utf-8"))["files"]
    return all((folder / name).exists() for name in names)


def _folder(output: pathlib.Path, plan: Plan) -> pathlib.Path:
    return output / "exams" / plan.exam_id


def _make(output: pathlib.Path, plan: Plan, threads: int) -> None:
    examination.write(_folder(output, plan), plan, threads)


def _exam(path: pathlib.Path, row: int, plan: Plan) -> Exam:
    """The manifest's row of a finished examination, from its exam.json."""
    folder = _folder(path.parent, plan)
    facts = json.loads((folder / "exam.json").read_text(encoding="utf-8"))
    multiecho = facts["pdff_unit"] is not None
    return Exam(
        exam_id=plan.exam_id,
        subject_id=plan.subject_id,
        session="1",
        modality="CT" if plan.technique == "ct" else "MR",
        technique=plan.technique,
        contrast_phase=plan.group.contrast_phase,
        cohort=plan.group.cohort,
        site=facts["site"],
        split=plan.group.split,
        images=tuple(folder / name for name in facts["images"]),
        phase_images=tuple(folder / name for name in facts["phase_images"]),
        phase_unit=facts["phase_unit"],
        precession=facts["precession"],
        te_ms=tuple(facts["te_ms"]),
        tr_ms=facts["tr_ms"],
        flip_angle_deg=facts["flip_angle_deg"],
        field_strength_t=facts["field_strength_t"],
        mask=folder / "mask.nii.gz",
        liver_labels=(1,),
        truth_mask=folder / "truth_mask.nii.gz",
        vessel_mask=folder / "vessel_mask.nii.gz",
        lesion_mask=folder / "lesion_mask.nii.gz",
        reader2_mask=folder / "reader2_mask.nii.gz",
        pdff_map=folder / "pdff_map.nii.gz" if multiecho else None,
        pdff_unit=facts["pdff_unit"],
        extra=facts["extra"],
        manifest=path,
        row=row,
    )
