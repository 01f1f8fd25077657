"""Times the evaluation of stored masks of as many examinations as the paper has.

The paper's 531 test examinations (230 CT, 100 hepatobiliary, 168 of 2D and 33 of 3D SPGR with six
echoes each), in its matrices, from a few phantom examinations whose files every row has under a
name of its own (hard links: the disk holds them once, and the program reads each anew). The masks
to be judged are those of a second simulated reader, of the truth, and, for one in ten, in the wrong
place. The evaluation runs as its user runs it: figures, experiments, figures and pages of the
report. Run again it takes everything from what is stored, which is timed, too.
"""

import dataclasses
import json
import os
import pathlib
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from absl import flags

from liver_jax import cli, files
from liver_jax.cohort import manifest
from liver_jax.cohort.exam import Exam
from liver_jax.phantom import cohort as phantom
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

USAGE = """
Times python -m liver_jax.evaluate on stored masks of the paper's 531 examinations.

  python -m benchmarks.evaluation_cohort --folder=runs/benchmark_cohort --output=cohort.json

  --folder=DIR        where examinations, masks and results go; examinations are made once
  --size=paper|tiny   of the images; default paper
  --share=F           of the examinations, for a trial; default 1
  --echoes=first|all  default all, as experiment 1 needs
  --threads=N         processor cores that the evaluation may use; default 2
  --output=FILE       also writes the figures as JSON
"""
# Technique, contrast phase, cohort, examinations (paper, Table of cohorts and Experiments).
_GROUPS = (
    ("ct", "portal_venous", "internal", 70),
    ("ct", "unenhanced", "internal", 30),
    ("ct", "portal_venous", "external", 130),
    ("hbp_t1w", "hepatobiliary", "internal", 50),
    ("hbp_t1w", "hepatobiliary", "external", 50),
    ("spgr2d", "", "internal", 50),
    ("spgr2d", "", "external", 118),
    ("spgr3d", "", "internal", 33),  # of the subjects of the internal spgr2d
)
# What stands for all of a technique: two shapes of each.
_SOURCES = (
    "ct:portal_venous/test/internal=1,ct:unenhanced/test/internal=1,hbp_t1w/test/internal=2,"
    "spgr2d/test/internal=2,spgr3d/test/internal=2"
)
_EVERY_WRONG = 10
_WRONG_BY = (25, 10, 2)  # voxels


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    flags.DEFINE_string("folder", "runs/benchmark_cohort", "See --help.", values)
    flags.DEFINE_enum("size", "paper", ["paper", "tiny"], "See --help.", values)
    flags.DEFINE_float("share", 1.0, "See --help.", 0.0, 1.0, values)
    flags.DEFINE_enum("echoes", "all", ["first", "all"], "See --help.", values)
    flags.DEFINE_integer("threads", 2, "See --help.", lower_bound=1, flag_values=values)
    flags.DEFINE_string("output", None, "See --help.", values)


def main(given: flags.FlagValues = flags.FLAGS) -> None:
    """Makes what is missing, evaluates twice, prints as it goes and writes the JSON."""
    folder = pathlib.Path(given.folder).absolute()
    if hasattr(os, "sched_setaffinity"):  # processes inherit it
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    made = phantom.write(folder / "phantom", given.size, 0, given.threads, True, _SOURCES)
    cohort = folder / f"{given.share:g}_{given.echoes}"
    linked = _link_cohort(manifest.read(made), cohort, given.share, given.echoes == "all")
    _link(made.parent / "phantom.json", cohort / "phantom.json")  # says what they are
    runs = {}
    for name in ("all", "again, all stored"):
        runs[name] = _evaluate(cohort, given.echoes)
        words = f"{runs[name]['seconds']:7.1f} s, at most {runs[name]['peak_gib']:.2f} GiB"
        print(f"{name:20} {words}", flush=True)
    metrics = json.loads((cohort / "results" / "metrics.json").read_text())
    rows = metrics["cases"]
    index = cohort / "results" / "report" / "index.html"
    found = {
        "examinations": linked,
        "cases": len(rows),
        "failed": sum(row["status"] == "failed" for row in rows),
        "index_mib": index.stat().st_size / 2**20,
        "runs": runs,
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "threads": given.threads,
            "load_average": os.getloadavg()[0],
        },
    }
    print(f"{linked} examinations, {len(rows)} cases, {found['failed']} of them failed")
    print(f"report/index.html: {found['index_mib']:.1f} MiB")
    if given.output:
        files.write_json(given.output, found)


def _link_cohort(sources: list[Exam], folder: pathlib.Path, share: float, all_echoes: bool) -> int:
    """Writes the manifest of the cohort, with a link for each file of each row; counts the rows."""
    if (folder / "manifest.csv").exists():
        return len(manifest.read(folder / "manifest.csv"))
    masks = folder / "masks"
    masks.mkdir(parents=True, exist_ok=True)
    wrong = {source.exam_id: _in_the_wrong_place(source, folder / "wrong") for source in sources}
    exams = []
    for number, (exam, source) in enumerate(_rows(sources, share)):
        place = folder / "exams" / exam.exam_id
        exams.append(_linked(exam, place))
        echoes = range(1, len(exam.te_ms) + 1) if len(exam.te_ms) > 1 else [None]
        for echo in echoes if all_echoes else [None]:
            made_by = (source.reader2_mask, source.truth_mask)[(number + (echo or 0)) % 2]
            if number % _EVERY_WRONG == 0:
                made_by = wrong[source.exam_id]
            name = exam.exam_id + (f"_echo{echo}" if echo else "")
            _link(made_by, masks / f"{name}.nii.gz")
    manifest.write(folder / "manifest.csv", exams)
    return len(exams)


def _rows(sources: list[Exam], share: float) -> Iterator[tuple[Exam, Exam]]:
    """Each examination of the cohort and the one that its files are those of."""
    for technique, phase, cohort, count in _GROUPS:
        fit = [s for s in sources if (s.technique, s.contrast_phase) == (technique, phase)]
        kind = "mr" if technique.startswith("spgr") else technique
        for number in range(max(1, round(count * share))):
            source = fit[number % len(fit)]
            name = f"{technique}_{phase or cohort}_{cohort}_{number:03d}"
            subject = f"{kind}_{phase or cohort}_{cohort}_{number:03d}"
            changed = {"exam_id": name, "subject_id": subject, "cohort": cohort}
            yield dataclasses.replace(source, **changed), source


def _linked(exam: Exam, place: pathlib.Path) -> Exam:
    """The same examination with files of its own."""
    place.mkdir(parents=True, exist_ok=True)
    changed: dict[str, Any] = {}
    for column in ("mask", "vessel_mask", "pdff_map"):
        if path := getattr(exam, column):
            changed[column] = _link(path, place / path.name)
    for column in ("images", "phase_images"):
        changed[column] = tuple(_link(path, place / path.name) for path in getattr(exam, column))
    unneeded = dict.fromkeys(("truth_mask", "lesion_mask", "reader2_mask"))
    return dataclasses.replace(exam, **changed, **unneeded)


def _link(source: pathlib.Path, place: pathlib.Path) -> pathlib.Path:
    if not place.exists():
        os.link(source, place)
    return place


def _in_the_wrong_place(source: Exam, folder: pathlib.Path) -> pathlib.Path:
    """A mask that missed the liver, as a failed segmentation does."""
    path = folder / f"{source.exam_id}.nii.gz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        labels = nifti.read_labels(source.mask)
        moved = np.roll(labels.data == 1, _WRONG_BY, axis=(0, 1, 2))
        nifti.write(path, moved.astype(np.uint8), Volume(moved, labels.affine))
    return path


def _evaluate(cohort: pathlib.Path, echoes: str) -> dict[str, float]:
    """Seconds and peak memory of one run of the program."""
    command = [
        *(sys.executable, "-m", "liver_jax.evaluate"),
        f"--manifest={cohort / 'manifest.csv'}",
        f"--predictions={cohort / 'masks'}",
        f"--output={cohort / 'results'}",
        f"--echoes={echoes}",
    ]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    # Of this child alone: RUSAGE_CHILDREN has the largest of all that there ever were.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {
        "seconds": seconds,
        "peak_gib": usage.ru_maxrss / 2**20,
        "processor_s": usage.ru_utime + usage.ru_stime,
    }


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
