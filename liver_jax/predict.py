"""Scans in; liver masks, volumes, PDFF and R2*, a picture and a page of each out."""

import os
import pathlib

import tqdm
from absl import flags

from liver_jax import cli
from liver_jax.biometry import acquisition, maps
from liver_jax.checkpoint import trained
from liver_jax.cohort import manifest
from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError
from liver_jax.examine import batch, examination, folder, scan, share, writing
from liver_jax.examine.examination import Clock
from liver_jax.examine.options import FitOptions, Options, forget_other, request
from liver_jax.inference import export
from liver_jax.inference.predictor import Predictor
from liver_jax.model import compiler
from liver_jax.stopping import StopRequest
from liver_jax.volume import matlab, nifti

_STOPPED = "stopped on request; what is finished stays. Run the same command to go on."
USAGE = r"""
Segments the liver and measures it: volume, dimensions, fat (PDFF) and R2* from the echoes.

  python -m liver_jax.predict --input=scan.nii.gz --modality=CT --output=DIR
  python -m liver_jax.predict --input=DICOM_FOLDER --checkpoint=RUN --output=DIR

  --input=SCAN        NIfTI, NRRD, MHA; a DICOM folder, file or zip. Echoes: one 4D file, or files
                      joined by commas. For maps also an ISMRM fat-water .mat file
    --modality=CT|MR    CT in Hounsfield units, or MR magnitude images; DICOM tells by itself
    --series=N          of several DICOM series; without it they are listed
  --folder=FOLDER     instead: every scan in it; or --manifest=FILE: every row of a manifest.csv.
                      Each goes into OUTPUT/<exam_id>, all into measurements.csv; what is done is
                      skipped, what is refused is named. --shard=i/n: a share; Slurm's by itself
  --checkpoint=RUN    a run folder (its best), RUN/latest or an exported file; none: no mask;
                      default builtin: the weights that come along, for any contrast
  --export=FILE       instead of scans: the checkpoint as one portable .safetensors file;
                      --half rounds its weights to half precision
  --output=DIR        mask.nii.gz on the scan's own grid, measurements.json, preview.png,
                      report.html; of DICOM also segmentation.dcm (SEG), measurements.dcm (SR)
  --echo=K            of several, the one to segment (default: 1), or consensus of all
  --augmented         averages over images slightly turned and magnified; --contrasts over other
                      grey values (exponents, inverted); slower
  --nopostprocessed   the mask as the network finds it: all components, with holes and necks
  --probability  --nopictures  --strict (exit code 4 if flagged)
  --keep_identifiers  lets file names and DICOM's patient and UIDs into measurements.json
  --te_ms=A,B,C --field_strength_t=T   of echoes, where the file does not tell: PDFF and R2*
    --maps              writes them as maps, with standard errors and fit_status.nii.gz
    --phase=FILES --phase_unit=radian|scanner --precession=clockwise|counterclockwise
    --spectrum=hamilton_liver_6|hamilton_liver_9|ismrm_2012|room_temperature
    --noregularised     magnitude voxel by voxel; else neighbours help to tell fat from water
    --t1_correction     with --tr_ms --flip_angle_deg (and --t1_water_ms --t1_fat_ms)
  --pdff_map=FILE --pdff_unit=percent|fraction|permille   the scanner's map, on the scan's grid

Exit codes: 0 finished, 1 failed, 2 refused input or flags, 3 empty mask, 4 flagged (--strict),
75 stopped by SIGTERM; of many scans the gravest, in the order 1 2 3 4. Research use only.
"""

_EMPTY, _FLAGGED = 3, 4
_CARD = "see liver_jax/checkpoint/builtin/MODEL_CARD.md"

# Which flags need which: given without it, they would be ignored in silence.
_NEEDED = {
    "phase": ("phase_unit",),
    "pdff_map": ("pdff_unit",),
    "t1_correction": tuple(acquisition.T1_CORRECTION_RANGES),
    "export": ("half",),
}
# What a .mat file tells itself, and what of one scan a manifest has a column for.
_IN_MATLAB = ("te_ms", "field_strength_t", "phase", "phase_unit", "precession")
_OF_ONE_SCAN = (*_IN_MATLAB, "tr_ms", "flip_angle_deg", "pdff_map", "pdff_unit")
_SOURCES = ("input", "folder", "manifest", "export")


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags; a function, so that several binaries can be imported at once."""
    names = (*_SOURCES, "output", "series", "shard", "te_ms", "phase", "pdff_map")
    for name in names:
        flags.DEFINE_string(name, None, "See --help.", values)
    flags.DEFINE_string("checkpoint", trained.BUILTIN, "See --help.", values)
    flags.DEFINE_string("echo", "1", "See --help.", values)
    for name, choices in {
        "modality": ["CT", "MR"],
        "phase_unit": ["radian", "scanner"],
        "precession": ["clockwise", "counterclockwise"],
        "pdff_unit": ["percent", "fraction", "permille"],
    }.items():
        flags.DEFINE_enum(name, None, choices, "See --help.", values)
    flags.DEFINE_enum("spectrum", "hamilton_liver_6", maps.SPECTRA, "See --help.", values)
    off = (
        "augmented",
        "contrasts",
        "half",
        "probability",
        "strict",
        "keep_identifiers",
        "maps",
        "t1_correction",
    )
    for name, default in {name: False for name in off}.items():
        flags.DEFINE_bool(name, default, "See --help.", values)
    for name in ("postprocessed", "pictures", "regularised"):
        flags.DEFINE_bool(name, True, "See --help.", values)
    flags.DEFINE_float("field_strength_t", None, "See --help.", flag_values=values)
    for name, bounds in acquisition.T1_CORRECTION_RANGES.items():
        flags.DEFINE_float(name, None, "See --help.", *bounds, flag_values=values)


def main(given: flags.FlagValues = flags.FLAGS) -> int:
    """Reads, segments, fits, measures, writes; where measurements.json is, all is done."""
    _check_flags(given)
    compiler.keep_compiled()
    if given.export:
        path = pathlib.Path(given.export)
        export.write(Predictor.from_checkpoint(given.checkpoint), path, given.half)
        print(f"the network is in {path}; give it as --checkpoint")
        return cli.FINISHED
    if given.checkpoint == trained.BUILTIN:
        print(f"note: with the weights that come along, which no image trained: {_CARD}")
    stop = StopRequest(_STOPPED)
    stop.listen()
    output = pathlib.Path(given.output)
    if output.exists() and not output.is_dir():
        raise InputError("--output", f"{output} is a file", "Name a folder")
    options = _options(given)
    if given.manifest:
        exams = manifest.read_many(given.manifest)
    elif given.folder:
        exams = folder.exams(given.folder, given.modality or "", given.keep_identifiers)
    else:
        exams = [_exam(given)]
    shared = share.parse(given.shard) if given.shard else share.from_environment(os.environ)
    if given.input:
        return _one(exams[0], given.checkpoint, options, output, given.strict)
    predictor = None
    if given.checkpoint != "none":
        predictor = Predictor.from_checkpoint(given.checkpoint)
    return _many(exams, predictor, options, output, shared, stop, given.strict)


def _check_flags(given: flags.FlagValues) -> None:
    named = [f"--{name}" for name in _SOURCES if given[name].value]
    if len(named) != 1:
        fault = f"{' and '.join(named)} are given" if named else "none is given"
        choice = ", ".join(f"--{name}" for name in _SOURCES)
        raise InputError(choice, fault, "Give one of them")
    for name in ("checkpoint", "output"):
        if not given[name].value and not (name == "output" and given.export):
            raise InputError(f"--{name}", "it is missing", "See --help")
    if given.checkpoint == "none" and (given.export or not given.maps):
        wanted = "network to export" if given.export else "mask, and there are no --maps to make"
        raise InputError("--checkpoint", f"is none: no {wanted}", "Give one")
    for needed, names in _NEEDED.items():
        for name in names:
            if given[name].present and not given[needed].value:
                fault = f"it is of no use without --{needed}"
                raise InputError(f"--{name}", fault, f"Add --{needed}, or leave it out")
    if given.te_ms and not given.field_strength_t and not given.maps and given.input:
        fault = "it is of no use without --field_strength_t"
        raise InputError("--te_ms", fault, "Add --field_strength_t, or leave it out")
    for name in ("modality", *_OF_ONE_SCAN) if given.manifest else ():
        if given[name].value is not None:
            raise InputError(f"--{name}", "the manifest has a column for it", "Leave it out")
    for name in _OF_ONE_SCAN if given.folder else ():
        if given[name].value is not None:
            fault = "it is one scan's, while --folder has many"
            raise InputError(f"--{name}", fault, "Write a manifest.csv, which has a column for it")
    if given.input and given.shard:
        raise InputError("--shard", "one scan has no shares", "Give --folder or --manifest")


def _options(given: flags.FlagValues) -> Options:
    echo: int | None = None
    if given.echo != "consensus":
        if not given.echo.isdigit() or not int(given.echo):
            fault = f"{given.echo!r} is neither a number from 1 nor consensus"
            raise InputError("--echo", fault, "Write 1, say")
        echo = int(given.echo)
    t1s = {"t1_water_ms": given.t1_water_ms, "t1_fat_ms": given.t1_fat_ms}
    return Options(
        series=given.series,
        echo=echo,
        augmented=given.augmented,
        contrasts=given.contrasts,
        postprocessed=given.postprocessed,
        probability=given.probability,
        pictures=given.pictures,
        keep_identifiers=given.keep_identifiers,
        maps=given.maps,
        fit=FitOptions(given.spectrum, given.regularised, given.t1_correction, **t1s),
    )


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
    of_echoes = given.checkpoint == "none"
    if not given.modality and not of_echoes and all(map(nifti.is_nifti_name, images)):
        raise InputError("--modality", "it is missing", "A NIfTI file does not tell: see --help")
    exam = Exam(
        exam_id="scan",
        subject_id="scan",
        modality=given.modality or ("MR" if of_echoes else ""),
        technique="",
        images=images,
        phase_images=_paths("--phase", given.phase) if given.phase else (),
        phase_unit=given.phase_unit,
        precession=given.precession,
        te_ms=times,
        tr_ms=given.tr_ms,
        flip_angle_deg=given.flip_angle_deg,
        field_strength_t=given.field_strength_t,
        pdff_map=pathlib.Path(given.pdff_map) if given.pdff_map else None,
        pdff_unit=given.pdff_unit,
    )
    if exam.pdff_map and not exam.pdff_unit:
        raise InputError("--pdff_unit", "it is missing", "Name the unit of the map: see --help")
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


def _one(
    exam: Exam,
    checkpoint: str,
    options: Options,
    output: pathlib.Path,
    strict: bool,
) -> int:
    with tqdm.tqdm(bar_format="{desc} ({elapsed})", delay=2, leave=False) as bar:

        def tell(stage: str) -> None:
            bar.set_description_str(stage, refresh=False)
            bar.update()

        clock = Clock(tell)
        predictor = None
        if checkpoint != "none":
            clock.begin("loading the network")
            predictor = Predictor.from_checkpoint(checkpoint)
        clock.begin("reading")
        wanted = request(exam, predictor, options)
        forget_other(output, wanted)
        held = scan.read(exam, series=options.series)
        found = examination.find(held, predictor, options, wanted, clock)
        writing.write(found, options, output, clock)
    for note in held.notes:
        print(f"note: {note}")
    print(f"{examination.words(found)}; everything is in {output}")
    if found.empty:
        return _EMPTY
    return _FLAGGED if strict and found.flagged else cli.FINISHED


def _many(
    exams: list[Exam],
    predictor: Predictor | None,
    options: Options,
    output: pathlib.Path,
    shared: share.Share,
    stop: StopRequest,
    strict: bool,
) -> int:
    """Does every examination; what is refused or fails does not stop the rest."""
    with_work = [exam for exam in exams if predictor or not exam.manifest or scan.has_echoes(exam)]
    if not with_work:
        fault = f"no examination has {acquisition.FEWEST_ECHOES} echo times (te_ms) or more"
        raise InputError("--manifest", fault, "Name one with multiecho examinations")
    outcomes = batch.run(with_work, predictor, options, output, shared, stop.check)
    outcomes["without echoes"] = len(exams) - len(with_work)
    others = len(with_work) - len(shared.of(with_work))
    outcomes["left to other shares"] = others
    told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items() if count)
    print(f"{len(exams)} examinations: {told}; everything is in {output}")
    gravest = {batch.FAILED: cli.FAILED, batch.REFUSED: cli.REFUSED, batch.EMPTY: _EMPTY}
    if strict:
        gravest[batch.FLAGGED] = _FLAGGED
    return next((code for name, code in gravest.items() if outcomes[name]), cli.FINISHED)


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
