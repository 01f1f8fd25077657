"""Splits by subject: all examinations of one person are on the same side."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

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
