"""Prepares cohorts: from downloads or a phantom to a manifest, checked, described and split."""

import functools
import os
import pathlib
from collections.abc import Callable

from absl import flags

from liver_jax import cli
from liver_jax.cohort import check, gallery, manifest, parse, splits, table1
from liver_jax.cohort.exam import SPLITS
from liver_jax.cohort.intake import write
from liver_jax.cohort.intake.case import Found
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.intake.own import Own
from liver_jax.cohort.layouts import bids, catalogue, folders, nnunet
from liver_jax.errors import InputError
from liver_jax.phantom import anatomies
from liver_jax.phantom import cohort as phantom
from liver_jax.stopping import StopRequest

USAGE = """
Prepares a cohort; give one of these.

  python -m liver_jax.prepare --cohort=lits --source=DOWNLOAD --output=DIR
  python -m liver_jax.prepare --cohort=phantom --size=demo --output=DIR --seed=0
  python -m liver_jax.prepare --check=manifest.csv

  --cohort=NAME           a public cohort as it was downloaded; --cohort=help lists them
    --source=DIR          the download: folders, zips and tars as they are; part of it will do
    --split=test          puts all of it into one split
  --cohort=nnunet|bids    one's own dataset in these forms, in --source
  --cohort=folders        --images=DIR --masks=DIR --pattern='{subject}.nii.gz,{subject}_seg.nii.gz'
    --modality --technique --liver_labels=1,2   of one's own, where the files do not tell
    --write               after a look at the pairs
  --cohort=phantom        examinations whose truth is known
    --size=demo|paper|gallery  98 easy ones; the paper's 876; 20 full of findings
    --counts=A=N,B=N      other numbers, such as spgr2d/train=30,ct:unenhanced/test/external=4
    --anatomies=DIR       shapes from multi-organ label maps (X.nii.gz and X.tsv with their names)
  --cohort=anatomies      label maps of many bodies without images, for configs/anycontrast.py
    --counts=procedural=N,real_shape=N   of each source; the second bends the maps of --anatomies
  --check=A.csv,B.csv     reads every file that manifests name and lists all faults
  --table1=FILE           subjects and examinations by technique, cohort and split; who is left out
  --assign_splits=FILE    gives train, validation or test, by subject, to rows that have no split
    --fractions=A,B,C     of subjects; default 0.7,0.1,0.2
    --splits=published|F  as the cohort's authors, or as another manifest F, has them
    --folds=K             writes fold1.csv to foldK.csv for cross-validation into --output
  --gallery=FILE          a page of pictures of a manifest's examinations, with their masks
  --workers=N             processes; default one for each core
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
    flags.DEFINE_string("source", None, "The download.", values)
    flags.DEFINE_enum("split", None, ["", *SPLITS], "Split of all examinations.", values)
    flags.DEFINE_string("images", None, "Folder of images.", values)
    flags.DEFINE_string("masks", None, "Folder of masks.", values)
    flags.DEFINE_string("pattern", None, "Names of image and mask.", values)
    flags.DEFINE_enum("modality", "", ["", "CT", "MR"], "Modality of own scans.", values)
    flags.DEFINE_string("technique", "", "Technique of own scans.", values)
    flags.DEFINE_string("liver_labels", "", "Values of own masks that are liver.", values)
    flags.DEFINE_bool("write", False, "Write what was shown.", values)
    flags.DEFINE_string("splits", None, "Splits to follow.", values)
    flags.DEFINE_integer("folds", None, "Folds.", flag_values=values)
    flags.DEFINE_string("fractions", "0.7,0.1,0.2", "Train, validation, test.", values)


def main(given: flags.FlagValues = flags.FLAGS) -> int | None:
    """Does the one thing asked for."""
    asked = [name for name in _TASKS if given[name].value]
    if len(asked) != 1:
        names = ", ".join(f"--{name}" for name in _TASKS)
        raise InputError("flags", f"{len(asked)} of {names} are given", "Give one; see --help")
    StopRequest("stopped. Run the same command again to go on.").listen()
    return _TASKS[asked[0]](given)


def _output(given: flags.FlagValues) -> pathlib.Path:
    if not given.output:
        raise InputError("--output", "it is missing", "Say where to write: --output=PATH")
    return pathlib.Path(given.output).expanduser()


def _write_cohort(given: flags.FlagValues) -> None:
    name = given.cohort
    if name == "help":
        print(catalogue.describe())
    elif name in _MADE:
        folder = pathlib.Path(given.anatomies) if given.anatomies else None
        path = _MADE[name](given, folder, _workers(given))
        print(f"{path}: {len(manifest.read(path))} examinations")
    elif name in catalogue.PUBLIC:
        for flag in ("images", "masks", "pattern", "modality", "technique", "liver_labels"):
            if given[flag].value:
                raise InputError(f"--{flag}", f"is not for the cohort {name}", "Leave it out")
        layout = catalogue.PUBLIC[name]
        download = Download(_named(given, "source"), apart=_output(given))
        found = catalogue.read(layout, download)
        _take_in(given, name, found, layout.expected)
    elif name in _OWN:
        _OWN[name](given)
    else:
        remedy = "--cohort=help lists them all"
        raise InputError("--cohort", f"there is no cohort {name!r}", remedy)


def _named(given: flags.FlagValues, flag: str) -> pathlib.Path:
    if not given[flag].value:
        raise InputError(f"--{flag}", "it is missing", f"Say where it lies: --{flag}=DIR")
    return pathlib.Path(_expanded(given[flag].value))


def _expanded(names: str) -> str:
    """File names joined by commas, with `~` as the home folder: shells leave it in --flag=~/x."""
    return ",".join(map(os.path.expanduser, names.split(",")))


def _workers(given: flags.FlagValues) -> int:
    return given.workers or len(os.sched_getaffinity(0))


def _take_in(given: flags.FlagValues, name: str, found: Found, expected: int = 0) -> None:
    """Writes a cohort's manifest and tells what became of it."""
    output = _output(given)
    exams, left_out = write.write(name, found, output, given.split, _workers(given), True)
    print(write.describe(output, exams, left_out, expected))


def _own(given: flags.FlagValues) -> Own:
    labels = [part.strip() for part in given.liver_labels.split(",") if part.strip()]
    if not all(label.isdecimal() and int(label) > 0 for label in labels):
        fault = f"{given.liver_labels!r} is not a list of labels"
        raise InputError("--liver_labels", fault, "Write whole numbers from 1 on: 1,2")
    if given.technique and not parse.WORD.fullmatch(given.technique):
        fault = f"{given.technique!r} is not one word"
        raise InputError("--technique", fault, "Use letters, digits, '-' and '_': t2w, ce_t1w")
    name = write.plain(_output(given).absolute().name)
    return Own(
        cohort=name,
        modality=given.modality,
        technique=given.technique,
        liver_labels=tuple(map(int, labels)),
    )


def _dataset(read: Callable[[Download, Own], Found], given: flags.FlagValues) -> None:
    """Takes in a dataset of one's own that lies in one folder."""
    download = Download(_named(given, "source"), apart=_output(given))
    own = _own(given)
    _take_in(given, own.cohort, catalogue.noted(read(download, own), download))


def _folders(given: flags.FlagValues) -> None:
    own = _own(given)
    images, masks = (
        Download(_named(given, flag), apart=_output(given)) for flag in ("images", "masks")
    )
    found = folders.read(images, masks, given.pattern or "*.nii.gz,*.nii.gz", own)
    for download in (images, masks):
        found = catalogue.noted(found, download)
    if given.write:
        _take_in(given, own.cohort, found)
    else:
        print(folders.preview(found))
        print("Nothing is written yet: the same command with --write does.")


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


_MADE = {"phantom": _phantom, "anatomies": _anatomies}
_OWN = {
    "nnunet": functools.partial(_dataset, nnunet.read),
    "bids": functools.partial(_dataset, bids.read),
    "folders": _folders,
}


def _check(given: flags.FlagValues) -> int | None:
    report = check.check(_expanded(given.check), progress=True, workers=_workers(given))
    print(check.format_faults(report))
    return cli.REFUSED if report.faults else None


def _describe(given: flags.FlagValues) -> None:
    path = _expanded(given.table1)
    exams, _ = parse.read(path)
    left_out = check.check(path, True, _workers(given)).left_out()
    print(table1.format_table(table1.describe(exams, left_out)))


def _assign(given: flags.FlagValues) -> None:
    try:
        fractions = [float(part) for part in given.fractions.split(",")]
    except ValueError:
        fractions = []
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        fault = f"{given.fractions!r} is not three fractions that add up to 1"
        raise InputError("--fractions", fault, "Write, for example, 0.7,0.1,0.2")
    exams = manifest.read(_expanded(given.assign_splits))
    output = _output(given)
    share = fractions[1] / max(fractions[0] + fractions[1], 1e-9)
    if given.folds is not None and given.splits:
        raise InputError("--splits", "is given beside --folds", "Leave one of the two out")
    if given.folds is not None:
        made = splits.folds(exams, given.folds, fractions[1], given.seed)
        for number, fold in enumerate(made, 1):
            manifest.write(output / f"fold{number}.csv", fold)
            print(f"{output / f'fold{number}.csv'}: {splits.describe(fold)}")
        return
    if given.splits:
        taken = given.splits == "published"
        split_of = splits.published(exams) if taken else splits.of_manifest(_expanded(given.splits))
        exams = splits.follow(exams, split_of, share, given.seed)
    else:
        exams = splits.assign(exams, dict(zip(SPLITS, fractions, strict=True)), given.seed)
    manifest.write(output, exams)
    print(f"{output}: {splits.describe(exams)}")


def _show(given: flags.FlagValues) -> None:
    print(gallery.write(_expanded(given.gallery), _output(given), progress=True))


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
