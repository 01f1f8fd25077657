"""Prepares cohorts: writes a phantom, checks a manifest, describes it, assigns its splits."""

import os
import pathlib

from absl import flags

from liver_jax import cli
from liver_jax.cohort import check, gallery, manifest, parse, splits, table1
from liver_jax.errors import InputError
from liver_jax.phantom import anatomies
from liver_jax.phantom import cohort as phantom

USAGE = """
Prepares a cohort; give one of these.

  python -m liver_jax.prepare --cohort=phantom --size=demo --output=DIR --seed=0
  python -m liver_jax.prepare --check=manifest.csv
  python -m liver_jax.prepare --table1=manifest.csv
  python -m liver_jax.prepare --assign_splits=manifest.csv --output=new.csv --seed=0
  python -m liver_jax.prepare --gallery=manifest.csv --output=DIR

  --cohort=phantom        writes examinations whose truth is known, and their manifest.csv
    --size=demo|paper|gallery  98 easy ones; the paper's 876; 20 full of findings
    --counts=A=N,B=N      other numbers, such as spgr2d/train=30,ct:unenhanced/test/external=4
    --anatomies=DIR       shapes from multi-organ label maps (X.nii.gz and X.tsv with their names)
    --workers=N           processes; default one for each core
  --cohort=anatomies      label maps of many bodies without images, for configs/anycontrast.py
    --counts=procedural=N,real_shape=N   of each source; the second bends the maps of --anatomies
  --check=FILE            reads every file that a manifest names and lists all faults
  --table1=FILE           subjects and examinations by technique, cohort and split, with spacing,
                          field strength, echo times and demographics; and what is left out, and why
  --assign_splits=FILE    gives train, validation or test, by subject, to rows that have no split
    --fractions=A,B,C     of subjects; default 0.7,0.1,0.2
  --gallery=FILE          a page of pictures of a manifest's examinations, with their masks
"""


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags; a function, so that several binaries can be imported at once."""
    flags.DEFINE_string("cohort", None, "Cohort to write.", values)
    flags.DEFINE_string("size", "demo", "Size of the phantom cohort.", values)
    flags.DEFINE_string("output", None, "Folder or file to write.", values)
    flags.DEFINE_integer("seed", 0, "Seed.", flag_values=values)
    flags.DEFINE_integer("workers", None, "Processes.", lower_bound=1, flag_values=values)
    flags.DEFINE_string("check", None, "Manifest to check.", values)
    flags.DEFINE_string("table1", None, "Manifest to describe.", values)
    flags.DEFINE_string("assign_splits", None, "Manifest to split.", values)
    flags.DEFINE_string("counts", "", "Examinations of the phantom cohort.", values)
    flags.DEFINE_string("anatomies", None, "Folder of label maps.", values)
    flags.DEFINE_string("gallery", None, "Manifest to show.", values)
    flags.DEFINE_string("fractions", "0.7,0.1,0.2", "Train, validation, test.", values)


def main(given: flags.FlagValues = flags.FLAGS) -> int | None:
    """Does the one thing asked for."""
    asked = [name for name in _TASKS if given[name].value]
    if len(asked) != 1:
        names = ", ".join(f"--{name}" for name in _TASKS)
        raise InputError("flags", f"{len(asked)} of {names} are given", "Give one; see --help")
    return _TASKS[asked[0]](given)


def _output(given: flags.FlagValues) -> pathlib.Path:
    if not given.output:
        raise InputError("--output", "it is missing", "Say where to write: --output=PATH")
    return pathlib.Path(given.output)


def _write_cohort(given: flags.FlagValues) -> None:
    if given.cohort not in _COHORTS:
        fault = f"there is no cohort {given.cohort!r}"
        raise InputError("--cohort", fault, f"Give one of {', '.join(_COHORTS)}")
    folder = pathlib.Path(given.anatomies) if given.anatomies else None
    workers = given.workers or len(os.sched_getaffinity(0))
    path = _COHORTS[given.cohort](given, folder, workers)
    print(f"{path}: {len(manifest.read(path))} examinations")


def _phantom(given: flags.FlagValues, folder: pathlib.Path | None, workers: int) -> pathlib.Path:
    path = phantom.write(
        _output(given),
        given.size,
        given.seed,
        workers,
        progress=True,
        counts=given.counts,
        anatomies=folder,
    )
    print(phantom.describe(manifest.read(path)))
    return path


def _anatomies(given: flags.FlagValues, folder: pathlib.Path | None, workers: int) -> pathlib.Path:
    maps = phantom.label_maps(folder, progress=True) if folder else ()
    return anatomies.write(_output(given), given.counts, given.seed, workers, True, maps)


_COHORTS = {"phantom": _phantom, "anatomies": _anatomies}


def _check(given: flags.FlagValues) -> int | None:
    report = check.check(given.check, progress=True)
    print(check.format_faults(report))
    return cli.REFUSED if report.faults else None


def _describe(given: flags.FlagValues) -> None:
    exams, _ = parse.read(given.table1)
    left_out = check.check(given.table1, progress=True).left_out()
    print(table1.format_table(table1.describe(exams, left_out)))


def _assign(given: flags.FlagValues) -> None:
    try:
        fractions = [float(part) for part in given.fractions.split(",")]
    except ValueError:
        fractions = []
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        fault = f"{given.fractions!r} is not three fractions that add up to 1"
        raise InputError("--fractions", fault, "Write, for example, 0.7,0.1,0.2")
    named = dict(zip(("train", "validation", "test"), fractions, strict=True))
    exams = splits.assign(manifest.read(given.assign_splits), named, given.seed)
    manifest.write(_output(given), exams)


def _show(given: flags.FlagValues) -> None:
    print(gallery.write(given.gallery, _output(given), progress=True))


_TASKS = {
    "cohort": _write_cohort,
    "check": _check,
    "table1": _describe,
    "assign_splits": _assign,
    "gallery": _show,
}


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
