"""What is to be done: every case of an evaluation, with all that can be refused before the work."""

import collections
import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence

import tqdm

from liver_jax.cohort import manifest
from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError
from liver_jax.evaluation import predictions, results
from liver_jax.examine import options
from liver_jax.inference.predictor import Predictor, identity
from liver_jax.scoring import scan
from liver_jax.scoring.case import Case
from liver_jax.volume import geometry

_Place = tuple[Exam, int | None]  # an examination and an echo, before it is known whose mask


def select(exams: Sequence[Exam], split: str) -> list[Exam]:
    """The examinations of one split; InputError where there is none."""
    chosen = [exam for exam in exams if exam.split == split]
    if not chosen:
        known = ", ".join(sorted({exam.split or "(empty)" for exam in exams})) or "none"
        fault = f"no examination has split {split!r}; the manifest has: {known}"
        raise InputError("--split", fault, "Choose another split, or fill the column")
    return chosen


def plan(
    exams: Sequence[Exam],
    output: pathlib.Path,
    predictors: Mapping[str, Predictor],
    predictions_folder: pathlib.Path | None,
    all_echoes: bool,
) -> list[Case]:
    """Lists the cases, examination by examination.

    Args:
        exams: The examinations, each with a manual mask.
        output: The folder of the evaluation.
        predictors: By the name of the model.
        predictions_folder: Masks made elsewhere; its name is the model's.
        all_echoes: Whether every echo is a case, or only the first.

    Raises:
        InputError: A file that is missing or lies on another grid, an examination that a network
            was trained on, masks that do not fit the examinations.
    """
    if output.exists() and not output.is_dir():
        raise InputError(output, "is not a folder", "Choose another --output")
    if without := [exam.exam_id for exam in exams if exam.mask is None]:
        fault = f"no manual mask for {predictions.some(without)}"
        raise InputError("--manifest", fault, "Fill the column mask, or give them another split")
    sha256 = functools.cache(manifest.image_hash)
    places: list[_Place] = []
    for exam in tqdm.tqdm(exams, "checking scans", unit="exam", delay=2):
        exam, count = _check_files(exam)
        if predictors:
            _check_unseen(exam, [sha256(path) for path in exam.images], predictors)
        echoes = [None] if count == 1 else range(1, count + 1)
        places += [(exam, echo) for echo in (echoes if all_echoes else echoes[:1])]
    names = collections.Counter(predictions.name((exam.exam_id, echo)) for exam, echo in places)
    if twice := [name for name, times in names.items() if times > 1]:
        fault = f"the masks of two examinations would be named {twice[0]}"
        raise InputError("--manifest", fault, "Rename one of the examinations")
    cases = []
    for exam, echo in places:
        # How much echoes disagree is one of the figures: each depends on which are evaluated.
        reference = _reference(exam, echo, sha256) | {"all_echoes": all_echoes}
        for model, predictor in predictors.items():
            automated = {
                "images": [sha256(path) for path in exam.images],
                "modality": exam.modality,
                "checkpoint": identity(predictor),
            }
            name = predictions.name((exam.exam_id, echo))
            mask = output / "masks" / model / f"{name}.nii.gz"
            cases.append(Case(exam, echo, model, mask, output, automated, reference))
    if predictions_folder:
        cases += _of_folder(places, output, predictors, predictions_folder, sha256)
    # All cases of one examination together: its files are read once.
    order = {exam.exam_id: index for index, exam in enumerate(exams)}
    return sorted(cases, key=lambda case: order[case.exam.exam_id])


def _of_folder(
    places: Sequence[_Place],
    output: pathlib.Path,
    predictors: Mapping[str, Predictor],
    folder: pathlib.Path,
    sha256: Callable[[pathlib.Path], str],
) -> list[Case]:
    """The cases of masks made elsewhere, each mask read once to see that it is one."""
    model = folder.resolve().name
    if model in predictors:
        fault = f"its name, {model}, is that of a network in the results"
        raise InputError(folder, fault, "Rename the folder")
    found = predictions.find(folder, [(exam.exam_id, echo) for exam, echo in places])
    masks_of = collections.defaultdict(list)
    for exam, echo in places:
        masks_of[exam.exam_id].append(sha256(found[exam.exam_id, echo]))
    cases = []
    for exam, echo in tqdm.tqdm(places, "checking masks", unit="case", delay=2):
        mask = found[exam.exam_id, echo]
        # How much echoes disagree is one of the figures, so that each depends on all of them.
        automated = {"automated": sha256(mask), "masks_of_echoes": masks_of[exam.exam_id]}
        reference = _reference(exam, echo, sha256)
        case = Case(exam, echo, model, mask, output, automated, reference)
        cases.append(case)
        if results.reuse(case.figures, case.fingerprint, mask) is None:
            image = exam.images[0]
            predictions.read_mask(mask, manifest.read_header(image), f"the image {image.name}")
    return cases


def _check_files(exam: Exam) -> tuple[Exam, int]:
    """Checks by their headers that the files are there and lie on one grid.

    Returns:
        The examination with what its files tell, and how many echoes they hold.
    """
    exam, image = manifest.load_header(exam)
    manifest.check_echo_count(exam, image.echo_count)
    for path in (exam.mask, exam.pdff_map):
        if path is not None:
            header = manifest.read_header(path)
            manifest.check_one_volume(path, header.echo_count)
            geometry.check_same_grid(image, header, path, f"the image {exam.images[0].name}")
    return exam, image.echo_count


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


def _reference(exam: Exam, echo: int | None, sha256: Callable[[pathlib.Path], str]) -> dict:
    """What a case's figures depend on beside the automated mask."""
    pdff = None
    if exam.pdff_map:
        # The image, too: vessels are found in it.
        pdff = [sha256(exam.pdff_map), exam.pdff_unit, *(sha256(path) for path in exam.images)]
    elif scan.is_fitted(exam):
        try:
            request = options.fit_request(exam)
        except InputError as error:  # a phase image that is missing: the masks are compared still
            request = str(error)
        pdff = [[sha256(path) for path in exam.images], request]
    return {
        "schema_version": results.SCHEMA_VERSION,
        "manual": sha256(exam.mask),
        "liver_labels": list(exam.liver_labels),
        "pdff": pdff,
        "echo": echo,
    }
