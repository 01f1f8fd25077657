"""Every examination of a cohort, planned: who is imaged how, where, and from which shape."""

import dataclasses
import pathlib
import re
from collections.abc import Sequence

import numpy as np

from liver_jax.cohort.exam import SPLITS
from liver_jax.errors import InputError
from liver_jax.phantom.institution import Institution
from liver_jax.phantom.sizes import COHORTS, SIZES, Group

TECHNIQUES = ("spgr2d", "spgr3d", "ct", "hbp_t1w")
_PHASES = {"ct": "portal_venous", "hbp_t1w": "hepatobiliary"}


@dataclasses.dataclass(frozen=True)
class Plan:
    """One examination to make. Its randomness comes from seed, subject and technique alone."""

    seed: int
    size: str
    subject: int
    technique: str
    group: Group
    anatomy: pathlib.Path | None = None

    @property
    def subject_id(self) -> str:
        """Of the subject, in the manifest."""
        return f"P{self.subject:04d}"

    @property
    def exam_id(self) -> str:
        """Of the examination, and the name of its folder."""
        return f"{self.subject_id}-{self.technique}"

    @property
    def institution(self) -> Institution:
        """Where it is made."""
        return COHORTS[self.group.cohort]

    def subject_generator(self) -> np.random.Generator:
        """Of what all examinations of the subject share."""
        return np.random.default_rng([self.seed, self.subject, 0])

    def exam_generator(self) -> np.random.Generator:
        """Of this examination."""
        return np.random.default_rng(
            [self.seed, self.subject, 1 + TECHNIQUES.index(self.technique)]
        )


def plans(
    size: str, seed: int, counts: str = "", anatomies: Sequence[pathlib.Path] = ()
) -> list[Plan]:
    """Every examination of a cohort, in the order of its manifest; no subject is in two groups.

    Args:
        size: One of `SIZES`.
        seed: Of every random draw, not negative.
        counts: Examinations to make in place of the size's own, as `parse_counts` reads them.
        anatomies: Label maps that give the subjects their shapes; none: procedural subjects. Maps
            are dealt out to the splits, so that no test subject has the shape of a training
            subject.

    Raises:
        InputError: An argument is refused.
    """
    if size not in SIZES:
        raise InputError(f"size={size}", "is unknown", f"Choose one of {', '.join(sorted(SIZES))}")
    if seed < 0:
        raise InputError(f"seed={seed}", "is negative", "Choose 0 or more")
    groups = parse_counts(counts) if counts else SIZES[size].groups
    dealt = _dealt(anatomies, {group.split for group in groups}, seed)
    found, subject = [], 0
    for group in groups:
        maps = dealt.get(group.split, [None])
        for index in range(group.subjects):
            anatomy = maps[index % len(maps)]
            found.append(Plan(seed, size, subject, group.technique, group, anatomy))
            if index < group.also_spgr3d:
                found.append(Plan(seed, size, subject, "spgr3d", group, anatomy))
            subject += 1
    return found


def _dealt(
    anatomies: Sequence[pathlib.Path], splits: set[str], seed: int
) -> dict[str, list[pathlib.Path]]:
    """Label maps by split, at least one each; validation gets few."""
    if not anatomies:
        return {}
    wanted = [split for split in ("train", "test", "validation") if split in splits]
    if len(anatomies) < len(wanted):
        raise InputError(
            "the label maps",
            f"{len(anatomies)} for the splits {', '.join(wanted)}, which may not share one",
            "Add label maps, or ask by --counts for fewer splits",
        )
    order = np.random.default_rng([seed, len(anatomies)]).permutation(len(anatomies))
    # One each first; of the rest three in five train, two test.
    turns = wanted + [s for s in ("train", "test", "train", "test", "train") if s in wanted] * len(
        anatomies
    )
    dealt: dict[str, list[pathlib.Path]] = {split: [] for split in wanted}
    for place, split in zip(order, turns, strict=False):
        dealt[split].append(sorted(anatomies)[place])
    return dealt


_COUNT = re.compile(r"(\w+)(?::(\w+))?/(\w+)(?:/(\w+))?=(\d+)")


def parse_counts(counts: str) -> tuple[Group, ...]:
    """Groups from text.

    Args:
        counts: `technique[:contrast_phase]/split[/cohort]=n`, joined by commas, such as
            `spgr2d/train=30,ct:unenhanced/test/external=4`. The cohort is internal where none is
            named, a CT portal venous. 3D SPGR images the subjects that are imaged by 2D SPGR in
            the same split and cohort, and others where these are too few.

    Raises:
        InputError: A part cannot be read.
    """
    groups: list[Group] = []
    for part in counts.split(","):
        match = _COUNT.fullmatch(part.strip())
        technique, phase, split, cohort, number = match.groups() if match else (None,) * 5
        cohort = cohort or "internal"
        phase = phase or _PHASES.get(technique, "")
        known_phase = phase in ("portal_venous", "unenhanced", "")
        if technique == "hbp_t1w":
            known_phase = phase == "hepatobiliary"
        elif technique != "ct":
            known_phase = phase == ""
        faults = {
            "is not technique/split=n": match is None,
            f"has no technique of {', '.join(TECHNIQUES)}": technique not in TECHNIQUES,
            f"has no split of {', '.join(SPLITS)}": split not in SPLITS,
            f"has no cohort of {', '.join(COHORTS)}": cohort not in COHORTS,
            f"has no such contrast phase as {phase!r}": not known_phase,
        }
        for fault, holds in faults.items():
            if holds:
                remedy = "Write, for example, spgr2d/train=30,ct:unenhanced/test/external=4"
                raise InputError(f"--counts: {part!r}", fault, remedy)
        groups.append(Group(technique, phase, split, cohort, int(number)))
    return tuple(group for group in _with_3d(groups) if group.subjects)


def _with_3d(groups: list[Group]) -> list[Group]:
    """3D SPGR laid on the subjects of 2D SPGR where there are any."""
    kept = [group for group in groups if group.technique != "spgr3d"]
    for group in groups:
        if group.technique != "spgr3d":
            continue
        rest = group.subjects
        for place, other in enumerate(kept):
            same = (other.split, other.cohort) == (group.split, group.cohort)
            if other.technique == "spgr2d" and same and not other.also_spgr3d:
                also = min(rest, other.subjects)
                kept[place] = dataclasses.replace(other, also_spgr3d=also)
                rest -= also
        kept.append(dataclasses.replace(group, subjects=rest))
    return kept
