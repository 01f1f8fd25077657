"""Scans in; liver masks and volumes, or PDFF and R2* maps from the echoes, out."""

import collections
import pathlib
import sys
from collections.abc import Sequence

import tqdm
from absl import flags, logging

from liver_jax import cli
from liver_jax.biometry import acquisition, maps
from liver_jax.cohort import manifest
from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError
from liver_jax.examine import examination
from liver_jax.examine.examination import FitOptions
from liver_jax.inference.predictor import Predictor
from liver_jax.volume import matlab

USAGE = r"""
Segments the liver, measures its volume, and maps fat (PDFF) and R2* from the echoes.

  python -m liver_jax.predict --input=scan.nii.gz --modality=CT --checkpoint=RUN --output=DIR
  python -m liver_jax.predict --input=echoes.nii.gz --te_ms=1.15,2.3,3.45,4.6,5.75,6.9 \
      --field_strength_t=3 --maps --checkpoint=none --output=DIR

  --input=FILES       NIfTI; several files joined by commas, or one 4D file, are echoes (the first
                      is segmented); or, for maps, an ISMRM fat-water .mat file
  --manifest=FILE     instead: every examination of a manifest.csv, each into OUTPUT/<exam_id>;
                      what is done is skipped, what is refused is named and does not stop the rest
  --modality=CT|MR    CT in Hounsfield units, or the magnitude image of any MR technique
  --checkpoint=RUN    the network: a run folder (its best checkpoint) or RUN/latest; none: no mask
  --output=DIR        mask.nii.gz and the maps, on the scan's own grid, and measurements.json
  --maps              pdff_percent, pdff_standard_error_percent, r2star_per_s,
                      r2star_standard_error_per_s, of complex data field_map_hz; fit_status (1 is
                      fitted, 2 fat or water?, 0 background and 3 failed, where the maps are 0)
    --te_ms=A,B,C       echo times        --field_strength_t=T
    --phase=FILES       phase images: the complex fit is used, with --phase_unit=radian|scanner
                        (-4096 to 4095) and --precession=clockwise|counterclockwise
    --spectrum=NAME     of fat: hamilton_liver_6 (default), hamilton_liver_9, ismrm_2012,
                        room_temperature
    --noregularised     magnitude voxel by voxel; else neighbours help to tell fat from water
    --t1_correction     divides out how T1 weights fat over water, with --tr_ms --flip_angle_deg,
                        and --t1_water_ms --t1_fat_ms (default at 1.5 and 3 T: literature)

Exit codes: 0 finished, 1 failed, 2 refused input or flags, 3 the mask is empty; of a manifest the
first of 1, 2 and 3 that occurred. Research use only.
"""

_EMPTY = 3

# Which flags need which: given without it, they would be ignored in silence.
_NEEDED = {
    "maps": ("te_ms", "field_strength_t", "phase", "spectrum", "regularised", "t1_correction"),
    "phase": ("phase_unit", "precession"),
    "t1_correction": tuple(acquisition.T1_CORRECTION_RANGES),
}
# What a .mat file tells itself, and what of one scan a manifest has a column for.
_IN_MATLAB = ("te_ms", "field_strength_t", "phase", "phase_unit", "precession")
_IN_MANIFEST = ("modality", *_IN_MATLAB, "tr_ms", "flip_angle_deg")


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags; a function, so that several binaries can be imported at once."""
    for name in ("input", "manifest", "checkpoint", "output", "te_ms", "phase"):
        flags.DEFINE_string(name, None, "See --help.", values)
    flags.DEFINE_enum("modality", None, ["CT", "MR"], "See --help.", values)
    flags.DEFINE_enum("phase_unit", None, ["radian", "scanner"], "See --help.", values)
    directions = ["clockwise", "counterclockwise"]
    flags.DEFINE_enum("precession", None, directions, "See --help.", values)
    flags.DEFINE_enum("spectrum", "hamilton_liver_6", maps.SPECTRA, "See --help.", values)
    for name, default in (("maps", False), ("regularised", True), ("t1_correction", False)):
        flags.DEFINE_bool(name, default, "See --help.", values)
    flags.DEFINE_float("field_strength_t", None, "See --help.", flag_values=values)
    for name, bounds in acquisition.T1_CORRECTION_RANGES.items():
        flags.DEFINE_float(name, None, "See --help.", *bounds, flag_values=values)


def main(given: flags.FlagValues = flags.FLAGS) -> int:
    """Reads, predicts, fits, measures, writes; where measurements.json is, all is done."""
    _check_flags(given)
    output = pathlib.Path(given.output)
    if output.exists() and not output.is_dir():
        raise InputError("--output", f"{output} is a file", "Name a folder")
    exams = manifest.read_many(given.manifest) if given.manifest else [_exam(given)]
    options = None
    if given.maps:
        t1s = {"t1_water_ms": given.t1_water_ms, "t1_fat_ms": given.t1_fat_ms}
        options = FitOptions(given.spectrum, given.regularised, given.t1_correction, **t1s)
    predictor = None
    if given.checkpoint != "none":
        predictor = Predictor.from_checkpoint(given.checkpoint)
    if given.manifest:
        return _all(exams, predictor, options, output)
    wanted = examination.request(exams[0], predictor, options)
    examination.forget_other(output, wanted)
    found = examination.find(exams[0], predictor, options, wanted)
    examination.write(found, output)
    print(f"{examination.words(found)}; everything is in {output}")
    return _EMPTY if found.empty else cli.FINISHED


def _check_flags(given: flags.FlagValues) -> None:
    for name in ("checkpoint", "output"):
        if not given[name].value:
            raise InputError(f"--{name}", "it is missing", "See --help")
    if bool(given.input) == bool(given.manifest):
        fault = "both are given" if given.input else "neither is given"
        raise InputError("--input, --manifest", fault, "Give one of the two")
    if given.checkpoint == "none" and not given.maps:
        raise InputError("--checkpoint", "is none, and there are no --maps to make", "Give one")
    if given.input and given.checkpoint != "none" and not given.modality:
        raise InputError("--modality", "it is missing", "See --help")
    for needed, names in _NEEDED.items():
        for name in names:
            if given[name].present and not given[needed].value:
                fault = f"it is of no use without --{needed}"
                raise InputError(f"--{name}", fault, f"Add --{needed}, or leave it out")
    for name in _IN_MANIFEST if given.manifest else ():
        if given[name].value is not None:
            raise InputError(f"--{name}", "the manifest has a column for it", "Leave it out")


def _exam(given: flags.FlagValues) -> Exam:
    """The examination that the flags tell of."""
    images = _paths("--input", given.input)
    times = ()
    if given.te_ms is not None:
        try:
            times = tuple(float(te) for te in given.te_ms.split(","))
        except ValueError as error:
            fault = f"{given.te_ms!r} is not a list of numbers"
            raise InputError("--te_ms", fault, "Write, for example, 1.15,2.3,3.45") from error
    exam = Exam(
        exam_id="scan",
        subject_id="scan",
        modality=given.modality or "MR",
        technique="",
        images=images,
        phase_images=_paths("--phase", given.phase) if given.phase else (),
        phase_unit=given.phase_unit,
        precession=given.precession,
        te_ms=times,
        tr_ms=given.tr_ms,
        flip_angle_deg=given.flip_angle_deg,
        field_strength_t=given.field_strength_t,
    )
    if given.maps and exam.modality == "CT":
        raise InputError("--maps", "a CT has no echoes", "Leave it out, or correct --modality")
    if any(map(matlab.is_matlab_name, images)):
        if given.checkpoint != "none":
            fault = "does not tell how the patient lies, which the network must know"
            raise InputError(images[0], fault, "Add --maps --checkpoint=none, or give NIfTI")
        if len(images) > 1 or any(given[name].value for name in _IN_MATLAB):
            fault = "has all echoes, and tells echo times, field strength and precession itself"
            raise InputError(images[0], fault, "Give this one file, and leave those flags out")
    return exam


def _paths(flag: str, names: str) -> tuple[pathlib.Path, ...]:
    parts = [name.strip() for name in names.split(",")]
    if not all(parts):
        raise InputError(flag, f"{names!r} has an empty file name", "Write a.nii.gz,b.nii.gz")
    return tuple(pathlib.Path(part) for part in parts)


def _all(
    exams: Sequence[Exam],
    predictor: Predictor | None,
    options: FitOptions | None,
    output: pathlib.Path,
) -> int:
    """Does every examination of a manifest; what is refused or fails does not stop the rest."""
    with_work = [exam for exam in exams if predictor or examination.has_echoes(exam)]
    if not with_work:
        fault = f"no examination has {acquisition.FEWEST_ECHOES} echo times (te_ms) or more"
        raise InputError("--manifest", fault, "Name one with multiecho examinations")
    outcomes = collections.Counter()
    for exam in tqdm.tqdm(with_work, "predicting", unit="exam", delay=2):
        folder = output / exam.exam_id
        try:
            wanted = examination.request(exam, predictor, options)
            if examination.is_done(folder, wanted):
                outcomes["finished before"] += 1
                continue
            examination.forget_other(folder, wanted)
            found = examination.find(exam, predictor, options, wanted)
        except InputError as error:
            outcomes["refused"] += 1
            tqdm.tqdm.write(f"{exam.exam_id}: {error}", file=sys.stderr)
            continue
        except Exception as error:
            outcomes["failed"] += 1
            logging.exception("%s failed", exam.exam_id)
            line = " ".join(f"{type(error).__name__}: {error}".split())
            tqdm.tqdm.write(f"{exam.exam_id}: failed: {line}", file=sys.stderr)
            continue
        examination.write(found, folder)  # a disk that is full stops everything
        outcomes["with an empty mask" if found.empty else "finished"] += 1
    outcomes["without echoes"] = len(exams) - len(with_work)
    told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items() if count)
    print(f"{len(exams)} examinations: {told}; everything is in {output}")
    gravest = {"failed": cli.FAILED, "refused": cli.REFUSED, "with an empty mask": _EMPTY}
    return next((code for name, code in gravest.items() if outcomes[name]), cli.FINISHED)


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
