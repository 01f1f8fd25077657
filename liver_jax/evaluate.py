"""Masks against manual masks: a checkpoint's, or those that any other tool made."""

import collections
import dataclasses
import datetime
import errno
import functools
import os
import pathlib
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata

import numpy as np
import tqdm
from absl import flags, logging

from liver_jax import cli, examine, files
from liver_jax.biometry import maps
from liver_jax.cohort import manifest
from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError
from liver_jax.evaluation import ablation, cases, paper, predictions, results, summary, tables
from liver_jax.inference import postprocess
from liver_jax.inference.predictor import Predictor, identity
from liver_jax.volume import geometry, nifti

USAGE = """
python -m liver_jax.evaluate --checkpoint=runs/stage2 --baseline=runs/stage1 --output=runs/eval
python -m liver_jax.evaluate --manifest=mine.csv --predictions=masks --output=runs/eval
python -m liver_jax.evaluate --ablation=runs/ablation

Compares automated with manual masks on each scan's own grid, writes OUTPUT/metrics.json and prints
the Dice of each technique with the paper's figure beside it. Finished cases are not redone. PDFF is
the mean over the manifest's map, or over one fitted to the echoes where it has none; where neither
can be used the masks are compared all the same, and the case is flagged pdff_unavailable.

  --manifest=A.csv,B.csv  the examinations (default: data/phantom/manifest.csv)
  --split=NAME            which of them (default: test; --split= takes those without a split)
  --checkpoint=RUN        the network to evaluate, `multimodal` in the results: its best checkpoint,
                          or RUN/latest. Examinations it was trained on are refused
  --baseline=RUN          a second one to set beside it, `initial` in the results
  --predictions=DIR       masks of 0 and 1 made by any tool, <exam_id>.nii.gz, one for each
                          examination; <exam_id>_echo<k>.nii.gz for echo k; needs no checkpoint
  --echoes=first|all      of examinations with several echoes (default: first, as the paper)
  --output=DIR            default: runs/eval; masks of checkpoints are kept in DIR/masks
  --ablation=DIR          merges the runs of launch/sweep.py into DIR/ablation.json; stands alone

Exit codes: 0 finished; 1 every case failed, or a defect; 2 refused input or flags.
"""

# The paper takes the first echo for everything but experiment 1; None is a single image.
_FIRST_ECHO = (None, 1)


@dataclasses.dataclass(frozen=True)
class _Job:
    """One case: one mask of one examination (one echo) by one model, and where it is kept.

    `unfit` says why its echoes, which are to be fitted, cannot be; None where they can, or where
    nothing is to be fitted.
    """

    exam: Exam
    echo: int | None
    model: str
    mask: pathlib.Path
    row: pathlib.Path
    fingerprint: dict
    unfit: str | None


class _Scan:
    """The files of one examination, each read when it is first needed."""

    def __init__(self, exam: Exam, unfit: str | None):
        self.exam = exam
        self._unfit = unfit

    @functools.cached_property
    def image(self) -> geometry.Volume:
        return manifest.load_image(self.exam)

    @functools.cached_property
    def manual(self) -> geometry.Volume:
        return manifest.load_mask(self.exam)

    @functools.cached_property
    def pdff(self) -> tuple[cases.PdffMap | None, str | None]:
        """The map, and why there is none where there should be one."""
        if self._unfit:
            return None, self._unfit
        try:
            return self._find_pdff(), None
        except InputError as error:
            return None, str(error)

    def _find_pdff(self) -> cases.PdffMap | None:
        """The scanner's map, or one fitted to the echoes where there is none."""
        if stored := manifest.load_pdff_percent(self.exam):
            return cases.PdffMap(stored.data, "map")
        if not _is_fitted(self.exam):
            return None
        scan = examine.read(self.exam, with_phase=True)
        # Everywhere, so that it is not one of the masks that says where there is a value.
        everywhere = np.ones(scan.volume.grid_shape, bool)
        fit = examine.fit(dataclasses.replace(scan, body=everywhere))
        return cases.PdffMap(
            np.asarray(fit.pdff_percent), f"{maps.method(fit)}_fit", np.asarray(fit.fitted)
        )

    def echo(self, echo: int | None) -> geometry.Volume:
        """The image of one echo (1-based), or the only image."""
        if echo is None:
            return self.image
        return geometry.Volume(self.image.data[..., echo - 1], self.image.affine)


def select(exams: Sequence[Exam], split: str) -> list[Exam]:
    """The examinations of one split; InputError where there is none."""
    chosen = [exam for exam in exams if exam.split == split]
    if not chosen:
        known = ", ".join(sorted({exam.split or "(empty)" for exam in exams})) or "none"
        fault = f"no examination has split {split!r}; the manifest has: {known}"
        raise InputError("--split", fault, "Choose another split, or fill the column")
    return chosen


def evaluate(
    exams: Sequence[Exam],
    output: pathlib.Path,
    predictors: Mapping[str, Predictor],
    predictions_folder: pathlib.Path | None = None,
    all_echoes: bool = False,
) -> dict:
    """Evaluates every case and writes `output`/metrics.json.

    Everything that can be known to be at fault is refused before the first case is begun. After
    that a case that raises becomes a `failed` row, and the others go on.

    Args:
        exams: The examinations, each with a manual mask.
        output: Where results go: metrics.json, masks/, cases/.
        predictors: By the name of the model.
        predictions_folder: Masks made elsewhere; its name is the model's.
        all_echoes: Whether every echo is a case, or only the first.

    Returns:
        What metrics.json holds.

    Raises:
        InputError: As the checks and `predictions.find` say; the disk is full.
    """
    try:
        jobs = _plan(exams, output, predictors, predictions_folder, all_echoes)
        rows = _work(jobs, output, predictors)
        summarised = summary.summarise(rows)
        metrics = {
            "cases": rows,
            "summary": summarised,
            "paper": paper.beside(summarised),
            "provenance": _provenance(exams, predictors, predictions_folder),
        }
        results.write(output / "metrics.json", metrics)
    except OSError as error:
        if error.errno not in (*files.DISK_FULL, errno.EACCES, errno.EROFS):
            raise
        fault = f"cannot be written: {error.strerror}"
        remedy = "Free some space or choose another --output; finished cases are kept"
        raise InputError(output, fault, remedy) from error
    return metrics


def _plan(
    exams: Sequence[Exam],
    output: pathlib.Path,
    predictors: Mapping[str, Predictor],
    predictions_folder: pathlib.Path | None,
    all_echoes: bool,
) -> list[_Job]:
    """Checks everything that can be checked before the work, and lists the cases."""
    if output.exists() and not output.is_dir():
        raise InputError(output, "is not a folder", "Choose another --output")
    if without := [exam.exam_id for exam in exams if exam.mask is None]:
        fault = f"no manual mask for {predictions.some(without)}"
        raise InputError("--manifest", fault, "Fill the column mask, or give them another split")
    sha256 = functools.cache(files.sha256)
    images_sha256: dict[str, tuple[str, ...]] = {}
    unfit: dict[str, str | None] = {}
    scans: list[tuple[Exam, int | None]] = []
    for exam in tqdm.tqdm(exams, "checking scans", unit="exam", delay=2):
        count, unfit[exam.exam_id] = _check_files(exam)
        if predictors:
            images_sha256[exam.exam_id] = manifest.image_hashes(exam)
            _check_unseen(exam, images_sha256[exam.exam_id], predictors)
        echoes = [None] if count == 1 else range(1, count + 1)
        scans += [(exam, echo) for echo in (echoes if all_echoes else echoes[:1])]
    names = collections.Counter(predictions.name((exam.exam_id, echo)) for exam, echo in scans)
    if twice := [name for name, times in names.items() if times > 1]:
        fault = f"the masks of two examinations would be named {twice[0]}"
        raise InputError("--manifest", fault, "Rename one of the examinations")
    jobs = []
    for exam, echo in scans:
        name = predictions.name((exam.exam_id, echo))
        for model, predictor in predictors.items():
            mask = output / "masks" / model / f"{name}.nii.gz"
            row = output / "cases" / model / f"{name}.json"
            fingerprint = _reference(exam, echo, unfit[exam.exam_id], sha256) | {
                "images": list(images_sha256[exam.exam_id]),
                "modality": exam.modality,
                "checkpoint": identity(predictor),
            }
            jobs.append(_Job(exam, echo, model, mask, row, fingerprint, unfit[exam.exam_id]))
    if predictions_folder:
        jobs += _plan_predictions(scans, unfit, output, predictors, predictions_folder, sha256)
    # All cases of one examination together: its files are read once.
    order = {exam.exam_id: index for index, exam in enumerate(exams)}
    return sorted(jobs, key=lambda job: order[job.exam.exam_id])


def _plan_predictions(
    scans: Sequence[tuple[Exam, int | None]],
    unfit: Mapping[str, str | None],
    output: pathlib.Path,
    predictors: Mapping[str, Predictor],
    folder: pathlib.Path,
    sha256: Callable[[pathlib.Path], str],
) -> list[_Job]:
    """The cases of masks made elsewhere, each mask read once to see that it is one."""
    model = folder.resolve().name
    if model in predictors:
        fault = f"its name, {model}, is that of a network in the results"
        raise InputError(folder, fault, "Rename the folder")
    found = predictions.find(folder, [(exam.exam_id, echo) for exam, echo in scans])
    jobs = []
    for exam, echo in tqdm.tqdm(scans, "checking masks", unit="case", delay=2):
        mask = found[exam.exam_id, echo]
        row = output / "cases" / model / f"{predictions.name((exam.exam_id, echo))}.json"
        why = unfit[exam.exam_id]
        fingerprint = _reference(exam, echo, why, sha256) | {"automated": sha256(mask)}
        jobs.append(_Job(exam, echo, model, mask, row, fingerprint, why))
        if results.reuse(row, fingerprint, mask) is None:
            image = exam.images[0]
            predictions.read_mask(mask, nifti.read_header(image), f"the image {image.name}")
    return jobs


def _check_files(exam: Exam) -> tuple[int, str | None]:
    """Checks by their headers that the files are there and lie on one grid.

    Returns:
        The number of echoes; and why they cannot be fitted where they are to be, which is no reason
        not to compare the masks.
    """
    first, *others = exam.images
    image = nifti.read_header(first)
    for other in others:
        nifti.check_echo(first, image, other, nifti.read_header(other))
    echo_count = len(exam.images) if others else image.echo_count
    manifest.check_echo_count(exam, echo_count)
    for path in (exam.mask, exam.pdff_map):
        if path is not None:
            header = nifti.read_header(path)
            manifest.check_one_volume(path, header.echo_count)
            geometry.check_same_grid(image, header, path, f"the image {first.name}")
    if _is_fitted(exam):
        try:
            examine.check_echoes(exam, image, echo_count)
        except InputError as error:
            return echo_count, str(error)
    return echo_count, None


def _is_fitted(exam: Exam) -> bool:
    """Whether its PDFF is to come from its echoes."""
    known = exam.field_strength_t is not None
    return exam.pdff_map is None and known and examine.has_echoes(exam)


def _check_unseen(
    exam: Exam, images_sha256: Sequence[str], predictors: Mapping[str, Predictor]
) -> None:
    """Refuses an examination that a checkpoint was trained on: its Dice would mean nothing."""
    for predictor in predictors.values():
        if exam.subject_id in predictor.record["train_subjects"]:
            what = f"was trained on its subject, {exam.subject_id}"
        elif set(images_sha256) & set(predictor.record["train_image_sha256"]):
            what = "was trained on the same image under another name"
        elif exam.split == "test" and exam.subject_id in predictor.record["validation_subjects"]:
            what = f"was chosen by its subject, {exam.subject_id}, in validation"
        else:
            continue
        fault = f"the checkpoint {predictor.checkpoint} {what}"
        remedy = "Leave the examination out of this split, or train without it"
        raise InputError(f"examination {exam.exam_id}", fault, remedy)


def _reference(
    exam: Exam, echo: int | None, unfit: str | None, sha256: Callable[[pathlib.Path], str]
) -> dict:
    """What a case's figures depend on beside the automated mask."""
    pdff = None
    if echo in _FIRST_ECHO and exam.pdff_map:
        pdff = [sha256(exam.pdff_map), exam.pdff_unit]
    elif echo in _FIRST_ECHO and _is_fitted(exam):
        fitted = unfit or examine.fit_request(exam)  # of unfit echoes a file may be missing
        pdff = [[sha256(path) for path in exam.images], fitted]
    return {
        "schema_version": results.SCHEMA_VERSION,
        "manual": sha256(exam.mask),
        "liver_labels": list(exam.liver_labels),
        "pdff": pdff,
        "echo": echo,
    }


def _work(
    jobs: Sequence[_Job], output: pathlib.Path, predictors: Mapping[str, Predictor]
) -> list[dict]:
    """Does the cases that are not done yet; one row for each case."""
    rows = []
    scan = None
    for job in tqdm.tqdm(jobs, "evaluating", unit="case", delay=2):
        figures = results.reuse(job.row, job.fingerprint, job.mask)
        if figures is None:
            if scan is None or scan.exam is not job.exam:
                scan = _Scan(job.exam, job.unfit)
            figures = _do(job, scan, predictors.get(job.model))
        done = figures["status"] != "failed"
        exam = job.exam
        rows.append(
            {
                "exam_id": exam.exam_id,
                "subject_id": exam.subject_id,
                "session": exam.session,
                "modality": exam.modality,
                "technique": exam.technique,
                "contrast_phase": exam.contrast_phase,
                "cohort": exam.cohort,
                "site": exam.site,
                "model": job.model,
                "echo": job.echo,
                "te_ms": exam.te_ms[job.echo - 1] if job.echo and exam.te_ms else None,
                **figures,
                "mask_file": os.path.relpath(job.mask, output) if done else None,
            }
        )
    return rows


def _do(job: _Job, scan: _Scan, predictor: Predictor | None) -> dict:
    """Finds or reads one mask, measures it and keeps both; `failed` with its reason if it raises.

    A write that fails is no property of the case, and raises.
    """
    try:
        if predictor:
            probability = predictor.probability(
                scan.echo(job.echo), job.exam.modality, f"examination {job.exam.exam_id}"
            )
            mask = postprocess.threshold(probability)
        else:
            mask = predictions.read_mask(job.mask, scan.manual, f"the mask {job.exam.mask.name}")
        pdff = scan.pdff if job.echo in _FIRST_ECHO else (None, None)
        figures = cases.measure(mask, scan.manual.data, scan.manual.affine, *pdff)
    except InputError as error:
        return cases.failed(str(error))
    except Exception as error:
        logging.exception("%s failed", predictions.name((job.exam.exam_id, job.echo)))
        return cases.failed(f"{type(error).__name__}: {error}")
    if predictor:
        nifti.write(job.mask, mask, scan.echo(job.echo))
    results.keep(job.row, figures, job.fingerprint, job.mask)
    return figures


def _provenance(
    exams: Sequence[Exam],
    predictors: Mapping[str, Predictor],
    predictions_folder: pathlib.Path | None,
) -> dict:
    packages = ("jax", "flax", "numpy", "scipy", "nibabel")
    return {
        "command": "python -m liver_jax.evaluate " + shlex.join(sys.argv[1:]),
        "finished_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()}
        | {package: metadata.version(package) for package in packages},
        "manifests": [
            {
                "path": str(path),
                "sha256": files.sha256(path),
                "phantom": (path.parent / "phantom.json").exists(),
            }
            for path in dict.fromkeys(exam.manifest for exam in exams)
        ],
        "checkpoints": {model: identity(predictor) for model, predictor in predictors.items()},
        "predictions": str(predictions_folder) if predictions_folder else None,
    }


def report(metrics: dict, path: pathlib.Path) -> str:
    """What the terminal shows at the end: the table, what to know about it, where the rest lies."""
    groups, pair = metrics["summary"]["groups"], metrics["summary"]["forgetting"]
    lines = [tables.dice(groups)]
    if pair and pair["n"]:
        lines.append(tables.forgetting(pair))
    failed = [row for row in metrics["cases"] if row["status"] == "failed"]
    if failed:
        where = f"{failed[0]['exam_id']}, {failed[0]['model']}: {failed[0]['reason']}"
        lines.append(f"{len(failed)} failed, counted as Dice 0 ({where})")
    without = [row for row in metrics["cases"] if "pdff_unavailable" in row["flags"]]
    if without:
        where = f"{without[0]['exam_id']}, {without[0]['model']}: {without[0]['reason']}"
        lines.append(f"{len(without)} without the PDFF that was to be had ({where})")
    if undefined := sum(group["measures"]["dice"]["n_undefined"] for group in groups):
        lines.append(f"{undefined} undefined (both masks empty), not counted")
    if all(item["phantom"] for item in metrics["provenance"]["manifests"]):
        lines.append("These are figures of phantoms, not of patients.")
    return "\n".join([*lines, f"Everything else: {path}"])


def _merge_ablation(folder: pathlib.Path) -> None:
    merged = ablation.merge(folder)
    path = folder / "ablation.json"
    files.write_json(path, merged)
    print(f"{tables.ablation(merged['points'])}\nEverything else: {path}")


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags; a function, so that several binaries can be imported at once."""
    flags.DEFINE_string("manifest", "data/phantom/manifest.csv", "The examinations.", values)
    flags.DEFINE_string("split", "test", "Which of them.", values)
    flags.DEFINE_string("checkpoint", None, "The network to evaluate.", values)
    flags.DEFINE_string("baseline", None, "A second network to set beside it.", values)
    flags.DEFINE_string("predictions", None, "A folder of masks made by any tool.", values)
    flags.DEFINE_enum("echoes", "first", ["first", "all"], "Which echoes.", values)
    flags.DEFINE_string("output", "runs/eval", "Where results go.", values)
    flags.DEFINE_string("ablation", None, "A folder of runs to merge.", values)


def main(given: flags.FlagValues = flags.FLAGS) -> int:
    """Does what the flags ask; returns the exit code."""
    if given.ablation:
        if given.checkpoint or given.baseline or given.predictions:
            raise InputError("--ablation", "it stands alone", "Leave the other flags out")
        _merge_ablation(pathlib.Path(given.ablation))
        return cli.FINISHED
    if not (given.checkpoint or given.predictions):
        fault = "neither --checkpoint nor --predictions is given"
        raise InputError("flags", fault, "Name a run folder or a folder of masks; see --help")
    if given.baseline and not given.checkpoint:
        fault = "it is set beside --checkpoint, which is not given"
        raise InputError("--baseline", fault, "Give both, or --checkpoint alone")
    exams = select(manifest.read_many(given.manifest), given.split)
    runs = {"initial": given.baseline, "multimodal": given.checkpoint}
    predictors = {
        model: Predictor.from_checkpoint(folder) for model, folder in runs.items() if folder
    }
    folder = pathlib.Path(given.predictions) if given.predictions else None
    output = pathlib.Path(given.output)
    metrics = evaluate(exams, output, predictors, folder, given.echoes == "all")
    print(report(metrics, output / "metrics.json"))
    every_case_failed = all(row["status"] == "failed" for row in metrics["cases"])
    return cli.FAILED if every_case_failed else cli.FINISHED


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
