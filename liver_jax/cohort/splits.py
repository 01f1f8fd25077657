"""Splits by subject: all examinations of one person are on the same side."""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from liver_jax.cohort import manifest
from liver_jax.cohort.exam import SPLITS, Exam, shared_subjects
from liver_jax.errors import InputError

FRACTIONS = {"train": 0.7, "validation": 0.1, "test": 0.2}


def assign(
    exams: Sequence[Exam], fractions: Mapping[str, float] = FRACTIONS, seed: int = 0
) -> list[Exam]:
    """Gives every examination a split.

    What is assigned already stays, and takes along the subject's other examinations. The fractions
    are of the remaining subjects; each split that is asked for and has no subject yet gets one.

    Args:
        exams: The examinations, in any order: the outcome depends on the set of subjects alone.
        fractions: The share of subjects for each split; they add up to 1.
        seed: Another seed, another draw.

    Returns:
        The same examinations in the same order, each with a split.

    Raises:
        InputError: The fractions are not shares of 1, a subject is in two splits already, or there
            are fewer subjects than splits.
    """
    shares = np.array([fractions.get(name, 0.0) for name in SPLITS], np.float64)
    if set(fractions) - set(SPLITS) or (shares < 0).any() or abs(shares.sum() - 1) > 1e-6:
        given = ", ".join(f"{name}={share:g}" for name, share in fractions.items())
        remedy = f"Give shares of {', '.join(SPLITS)} that add up to 1"
        raise InputError(f"split fractions {given}", "cannot be", remedy)
    for subject, splits in shared_subjects(exams).items():
        fault = f"is in the splits {' and '.join(splits)}"
        raise InputError(f"subject {subject}", fault, "Keep all its examinations in one split")
    split_of = {exam.subject_id: exam.split for exam in exams if exam.split}
    free = sorted({exam.subject_id for exam in exams} - set(split_of))
    if free:
        taken = np.array([name in split_of.values() for name in SPLITS])
        counts = _counts(len(free), shares, taken)
        order = np.random.default_rng(seed).permutation(len(free))
        names = np.repeat(SPLITS, counts)
        split_of |= {free[place]: str(name) for place, name in zip(order, names, strict=True)}
    return [dataclasses.replace(exam, split=split_of[exam.subject_id]) for exam in exams]


def follow(
    exams: Sequence[Exam],
    split_of: Mapping[str, str],
    validation: float = 0.125,
    seed: int = 0,
) -> list[Exam]:
    """Gives every examination the split that its subject has elsewhere: in a file, in a paper.

    Args:
        exams: The examinations.
        split_of: subject_id -> split; the examinations of others get none.
        validation: The share of the training subjects that becomes validation where `split_of` has
            no validation subjects; at least one.
        seed: Of that draw.

    Returns:
        The same examinations in the same order.

    Raises:
        InputError: None of the subjects has a split there.
    """
    subjects = {exam.subject_id for exam in exams}
    known = {subject: split_of[subject] for subject in sorted(subjects & set(split_of))}
    if not known:
        few = ", ".join(sorted(subjects)[:3])
        fault = f"has none of the manifest's subjects ({few}, ...)"
        raise InputError("--splits", fault, "Name the manifest that has them")
    training = [subject for subject, split in known.items() if split == "train"]
    if "validation" not in known.values() and len(training) > 1:
        count = min(len(training) - 1, max(1, round(validation * len(training))))
        for place in np.random.default_rng(seed).permutation(len(training))[:count]:
            known[training[place]] = "validation"
    return [dataclasses.replace(exam, split=known.get(exam.subject_id, "")) for exam in exams]


def published(exams: Sequence[Exam]) -> dict[str, str]:
    """The splits of a cohort's authors, by subject, from the column `published_split`.

    Raises:
        InputError: There is no such column, or a subject is in two of them.
    """
    pairs = ((exam.subject_id, exam.extra.get("published_split", "")) for exam in exams)
    remedy = "The cohort has none: without --splits they are drawn by chance"
    return _by_subject(pairs, "column published_split", remedy)


def of_manifest(path: str | os.PathLike) -> dict[str, str]:
    """The splits of another manifest, by subject.

    Raises:
        InputError: It cannot be read, has none, or a subject is in two.
    """
    pairs = ((exam.subject_id, exam.split) for exam in manifest.read(path))
    return _by_subject(pairs, str(path), "Name a manifest whose column split is filled")


def folds(
    exams: Sequence[Exam], count: int, validation: float = 0.1, seed: int = 0
) -> list[list[Exam]]:
    """Cross-validation by subject: each subject without a split is tested on in one fold.

    Args:
        exams: The examinations. A split that is assigned already stays in every fold.
        count: Number of folds.
        validation: The share of all these subjects that, of those not tested on, validates; at
            least one.
        seed: Of the draws.

    Returns:
        For each fold the same examinations in the same order, each with a split.

    Raises:
        InputError: There are fewer subjects than folds, fewer than two folds, or too few left to
            train and to validate on.
    """
    fixed = {exam.subject_id: exam.split for exam in exams if exam.split}
    free = sorted({exam.subject_id for exam in exams} - set(fixed))
    most_tested = -(-len(free) // count) if count > 0 else 0
    if not 2 <= count <= len(free) or len(free) - most_tested < 2:
        fault = f"{count} cannot be made of {len(free)} subjects without a split"
        raise InputError("--folds", fault, "Give 2 folds or more, and no more than subjects")
    order = np.random.default_rng(seed).permutation(len(free))
    parts = np.array_split(order, count)
    made = []
    for number, tested in enumerate(parts):
        rest = np.concatenate([part for other, part in enumerate(parts) if other != number])
        rest = np.random.default_rng([seed, number]).permutation(rest)
        held = min(len(rest) - 1, max(1, round(validation * len(free))))
        split_of = dict(fixed)
        for name, places in (("test", tested), ("validation", rest[:held]), ("train", rest[held:])):
            split_of |= {free[place]: name for place in places}
        made.append([dataclasses.replace(e, split=split_of[e.subject_id]) for e in exams])
    return made


def describe(exams: Sequence[Exam]) -> str:
    """The subjects of each split in words: `14 train, 2 validation, 4 test subjects`."""
    counts = {name: len({e.subject_id for e in exams if e.split == name}) for name in (*SPLITS, "")}
    told = [f"{counts[name]} {name}" for name in SPLITS]
    told += [f"{counts['']} without a split"] if counts[""] else []
    return ", ".join(told) + " (subjects)"


def _by_subject(pairs: Iterable[tuple[str, str]], where: str, remedy: str) -> dict[str, str]:
    split_of: dict[str, str] = {}
    for subject, split in pairs:
        if split and split_of.setdefault(subject, split) != split:
            fault = f"is in the splits {split_of[subject]} and {split}"
            raise InputError(f"{where}: subject {subject}", fault, "Assign splits of your own")
    if not split_of:
        raise InputError(where, "has no splits", remedy)
    return split_of


def _counts(subjects: int, shares: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Whole numbers nearest to the shares (largest remainders), none of those wanted left at 0."""
    wanted = (shares > 0) & ~taken
    if wanted.sum() > subjects:
        names = ", ".join(np.array(SPLITS)[wanted])
        fault = f"{subjects} without a split, fewer than the splits to fill ({names})"
        raise InputError("subjects", fault, "Add subjects, or ask for fewer splits")
    exact = shares * subjects
    counts = np.floor(exact + 1e-9).astype(int)
    by_remainder = np.argsort(counts - exact, kind="stable")
    counts[by_remainder[: subjects - counts.sum()]] += 1
    for place in np.flatnonzero(wanted & (counts == 0)):
        counts[np.argmax(counts - wanted)] -= 1  # a split that is wanted keeps its last one
        counts[place] += 1
    return counts
