"""Prepares cohorts: writes a phantom, checks a manifest, describes it, assigns its splits."""

import os
import pathlib

from absl import flags

from liver_jax import cli
from liver_jax.cohort import check, manifest, parse, splits, table1
from liver_jax.errors import InputError
from liver_jax.phantom import cohort as phantom

USAGE = """
Prepares a cohort; give one of these.

  python -m liver_jax.prepare --cohort=phantom --size=demo --output=DIR --seed=0
  python -m liver_jax.prepare --check=manifest.csv
  python -m liver_jax.prepare --table1=manifest.csv
  python -m liver_jax.prepare --assign_splits=manifest.csv --output=new.csv --seed=0

  --cohort=phantom        writes examinations whose truth is known, and their manifest.csv
    --size=demo|paper     88 examinations in a minute, or the paper's counts
    --workers=N           processes; default one for each core
  --check=FILE            reads every file that a manifest names and lists all faults
  --table1=FILE           subjects and examinations by technique, cohort and split, with spacing,
                          field strength, echo times and demographics; and what is left out, and why
  --assign_splits=FILE    gives train, validation or test, by subject, to rows that have no split
    --fractions=A,B,C     of subjects; default 0.7,0.1,0.2
"""

_COHORT = flags.DEFINE_string("cohort", None, "Cohort to write.")
_SIZE = flags.DEFINE_string("size", "demo", "Size of the phantom cohort.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder or file to write.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed.")
_WORKERS = flags.DEFINE_integer("workers", None, "Processes.", lower_bound=1)
_CHECK = flags.DEFINE_string("check", None, "Manifest to check.")
_TABLE1 = flags.DEFINE_string("table1", None, "Manifest to describe.")
_ASSIGN = flags.DEFINE_string("assign_splits", None, "Manifest to split.")
_FRACTIONS = flags.DEFINE_string("fractions", "0.7,0.1,0.2", "Train, validation, test.")


def main() -> int | None:
    """Does the one thing asked for."""
    asked = {
        "--cohort": (_COHORT.value, _write_cohort),
        "--check": (_CHECK.value, _check),
        "--table1": (_TABLE1.value, _describe),
        "--assign_splits": (_ASSIGN.value, _assign),
    }
    given = [(value, work) for value, work in asked.values() if value]
    if len(given) != 1:
        raise InputError("flags", f"{len(given)} of {', '.join(asked)} given", "Give one.")
    value, work = given[0]
    return work(value)


def _output() -> pathlib.Path:
    if not _OUTPUT.value:
        raise InputError("--output", "it is missing", "Say where to write: --output=PATH.")
    return pathlib.Path(_OUTPUT.value)


def _write_cohort(name: str) -> None:
    if name != "phantom":
        raise InputError("--cohort", f"there is no cohort {name!r}", "Give --cohort=phantom.")
    workers = _WORKERS.value or len(os.sched_getaffinity(0))
    path = phantom.write(_output(), _SIZE.value, _SEED.value, workers, progress=True)
    print(f"{path}: {len(manifest.read(path))} examinations")


def _check(path: str) -> int | None:
    report = check.check(path, progress=True)
    print(check.format_faults(report))
    return cli.REFUSED if report.faults else None


def _describe(path: str) -> None:
    exams, _ = parse.read(path)
    left_out = check.check(path, progress=True).left_out()
    print(table1.format_table(table1.describe(exams, left_out)))


def _assign(path: str) -> None:
    try:
        fractions = [float(part) for part in _FRACTIONS.value.split(",")]
    except ValueError:
        fractions = []
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise InputError(
            "--fractions", f"{_FRACTIONS.value!r} is not three fractions of 1", "Try 0.7,0.1,0.2."
        )
    named = dict(zip(("train", "validation", "test"), fractions, strict=True))
    manifest.write(_output(), splits.assign(manifest.read(path), named, _SEED.value))


if __name__ == "__main__":
    cli.run(main, USAGE)
