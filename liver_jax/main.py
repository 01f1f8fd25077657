"""Trains: stage 1, stage 2 or an ablation."""

import contextlib
import pathlib

import ml_collections
from absl import flags
from ml_collections import config_flags

from liver_jax import cli, cluster, files
from liver_jax.checkpoint import store, trained
from liver_jax.cohort import manifest
from liver_jax.data import pipeline, slices
from liver_jax.errors import InputError
from liver_jax.inference import validation
from liver_jax.model import compiler
from liver_jax.stopping import StopRequest
from liver_jax.train import loop, record, settings, start

# Until the loop takes over, there is nothing to save but what is on disk already.
_STOPPED = "stopped on request before the first step. Run the same command again to go on."
USAGE = """
Trains the liver network; a run found in --workdir is resumed.

  python -m liver_jax.main --config=configs/stage1.py            the initial CNN
  python -m liver_jax.main --config=configs/stage2.py            the multimodal CNN
  python -m liver_jax.main --config=configs/ablation.py:ct=3     stage 2 with 3 CT sets

  --config=FILE[:SIZE]     demo (two CPU cores, minutes) or paper (one accelerator, the default)
  --workdir=FOLDER         the run folder; default runs/NAME, for demo runs/demo/NAME
  --config.FIELD=VALUE     changes a field; configs/base.py explains each. Often:
    --config.data.manifests=A.csv,B.csv             the examinations
    --config.data.train_subjects=ct=10,hbp_t1w=20   how many subjects of each technique
    --config.init.checkpoint=FOLDER   initial weights: a run, FOLDER/latest, an
                                      exported file, builtin (those that come along), none
    --config.train.steps=N                          more steps extend a finished run

  --preflight              one step and one validation at full size; nothing is saved
  --profile                a trace of a few steps, in the run folder's profile/

Several processes find each other under Slurm, Open MPI, Kubernetes and on TPU pods; elsewhere:
  --coordinator=HOST:PORT --processes=N --process=I    of the first; how many; which, from 0

Exit codes: 0 finished, 1 failed, 2 refused input or flags, 75 stopped on request, all saved.
"""


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags; a function, so that several binaries can be imported at once."""
    config_flags.DEFINE_config_file("config", None, "The config file.", values, lock_config=True)
    flags.DEFINE_string("workdir", None, "The run folder.", values)
    flags.DEFINE_bool("preflight", False, "One step and one validation, and no more.", values)
    flags.DEFINE_bool("profile", False, "A trace of a few steps.", values)
    flags.DEFINE_string("coordinator", None, "HOST:PORT of the first process.", values)
    flags.DEFINE_integer("processes", None, "How many processes.", 1, flag_values=values)
    flags.DEFINE_integer("process", None, "Which one this is, from 0.", 0, flag_values=values)


def main(given: flags.FlagValues = flags.FLAGS) -> None:
    """Reads the cohort, prepares the slices, and hands over to the loop."""
    config = cli.config_value(given)
    settings.validate(config)
    compiler.keep_compiled()
    stop = StopRequest(_STOPPED)
    stop.listen()
    file, _, _ = config_flags.get_config_filename(given["config"]).partition(":")
    name = pathlib.Path(file).stem
    default = pathlib.Path("runs") / ("demo" if config.size == "demo" else "") / name
    workdir = pathlib.Path(given.workdir or default).absolute()
    joining = (given.coordinator, given.processes, given.process)
    cluster.join(*joining, meeting=workdir / ".joining")
    stop.listen()  # again: JAX's runtime has a handler of its own
    if start.finished(config, workdir):
        if cluster.is_first():
            print(f"{workdir}: finished already; --config.train.steps=N extends it")
        return
    exams = _read(config, start.begun(workdir))
    counts = settings.pairs(config.data.train_subjects, "data.train_subjects", int)
    training = [exam for exam in exams if exam.split == "train" and exam.mask]
    chosen, _ = pipeline.choose_subjects(training, counts, config.data.subject_seed)
    judged = set(filter(None, config.data.validation.split(","))) or set(counts)
    validating = [e for e in exams if e.split == "validation" and e.technique in judged and e.mask]
    if not validating:
        raise InputError(
            config.data.manifests,
            f"no examination of {', '.join(sorted(judged))} with a mask has split validation",
            "Set the split column: python -m liver_jax.prepare --assign_splits=MANIFEST does.",
        )
    grid = settings.preprocessing(config)
    # All of the training split: the records then serve both stages and every ablation. Label maps
    # and images are records of two kinds.
    recorded = chosen if config.data.from_labels else training
    # The first process builds them, so that no lock of a shared disk need be trusted.
    if cluster.is_first():
        slices.open_or_build(recorded, grid, config.data.cache, config.data.from_labels)
    cluster.wait_for_all("slice records")
    records = slices.open_or_build(recorded, grid, config.data.cache, config.data.from_labels)
    ids = {exam.exam_id for exam in chosen}
    # In an order of their own: the stream must not depend on the order of rows or manifests.
    index = sorted(
        (entry for entry in records.index if entry.exam_id in ids), key=lambda entry: entry.exam_id
    )
    with contextlib.ExitStack() as stack:
        if cluster.is_first():
            stack.enter_context(files.claimed(workdir / ".lock", "run folder"))
        loop.train(
            config,
            workdir,
            records,
            index,
            record.make(config.data.manifests, index, (exam.subject_id for exam in validating)),
            lambda model: validation.make_validator(model, validating, grid),
            stop,
            given.preflight,
            given.profile,
        )


def _read(config: ml_collections.ConfigDict, begun: bool) -> list[manifest.Exam]:
    """The manifests' examinations; what is missing is refused with the command that makes it."""
    for path in config.data.manifests.split(","):
        if not pathlib.Path(path.strip()).is_file():
            raise InputError(
                path.strip(),
                "there is no such manifest",
                "Correct the name, or make the phantom cohort first: python -m liver_jax.prepare "
                f"--cohort=phantom --size={config.size} --output={pathlib.Path(path).parent}",
            )
    initial = config.init.checkpoint
    if initial != "none" and not begun and trained.is_file(initial):
        trained.load(initial)  # a bad file is refused here, not when all slices are made
    elif initial != "none" and not begun:
        try:
            store.resolve(initial)
        except InputError:
            raise InputError(
                initial,
                "there is no checkpoint to take the initial weights from",
                f"Train it first: python -m liver_jax.main --config=configs/stage1.py:{config.size}"
                f" --workdir={initial.removesuffix('/latest')}; or give "
                "--config.init.checkpoint=none",
            ) from None
    return manifest.read_many(config.data.manifests)


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
