"""Where a run starts from: resume, else transfer, else fresh; and what may not change meanwhile."""

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import ml_collections
import optax
from flax import linen as nn

from liver_jax import cluster
from liver_jax.checkpoint import store, trained
from liver_jax.errors import InputError
from liver_jax.train import record
from liver_jax.train import state as train_state
from liver_jax.train.state import TrainState

# What may change between the sittings of one run; anything else would make it another run.
_MAY_CHANGE = (
    ("init", "checkpoint"),
    ("data", "cache"),
    ("data", "manifests"),
    ("data", "threads"),
    ("model", "remat"),
    ("train", "microbatches"),
    ("train", "steps"),
    ("train", "validate_every_steps"),
    ("train", "checkpoint_every_steps"),
    ("train", "log_every_steps"),
    ("train", "step_timeout_s"),
    ("train", "patience_validations"),
)


@dataclasses.dataclass
class Progress:
    """What a resumed run must know beyond the state.

    Attributes:
        examples: Global examples consumed: the position in the data.
        best_dice: Best validation Dice so far, None before the first.
        best_step: Its step.
        validations_since_best: For early stopping.
        stopped_early: Whether early stopping ended the run.
    """

    examples: int = 0
    best_dice: float | None = None
    best_step: int | None = None
    validations_since_best: int = 0
    stopped_early: bool = False


def begun(workdir: pathlib.Path) -> bool:
    """Whether `workdir` holds a checkpoint to resume from."""
    try:
        store.resolve(workdir / "latest")
    except InputError:
        return False
    return True


def finished(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> bool:
    """Whether the run in `workdir` has done all its steps (or stopped early)."""
    if not begun(workdir):
        return False
    location = store.resolve(workdir / "latest")
    try:
        meta = store.read_meta(location)
    except InputError:  # damaged: `initialise` sets it aside, and goes on from the one before
        return False
    _refuse_other_config(config, meta["config"], workdir)
    if location.step >= config.train.steps:
        return True
    # More steps than before, or another patience, wake up a run that stopped early.
    patience = config.train.patience_validations
    extended = config.train.steps > meta["config"]["train"]["steps"]
    return not extended and 0 < patience <= meta["progress"]["validations_since_best"]


def initialise(
    config: ml_collections.ConfigDict,
    checkpoints: store.Checkpoints,
    model: nn.Module,
    tx: optax.GradientTransformation,
    placement: jax.sharding.Sharding,
    run_record: dict[str, Any],
) -> tuple[TrainState, Progress, dict[str, Any]]:
    """Resume, else transfer, else fresh: the first that applies.

    Returns:
        The state on the devices, the progress, and the run record with its ancestry.
    """

    def fresh() -> TrainState:
        variables = train_state.variables_of(model, jax.random.key(config.seed), config.data.size)
        return train_state.create(variables, tx, config.optimizer.ema_decay)

    like = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=placement),
        jax.eval_shape(fresh),
    )
    found = checkpoints.restore_latest(like)
    if found is not None:
        latest, state, meta = found
        _refuse_other_config(config, meta["config"], checkpoints.run)
        _refuse_other_data(run_record, meta["record"], checkpoints.run)
        if cluster.is_first():
            print(f"resuming {checkpoints.run} at step {latest}")
        resumed = record.resume(meta["record"], run_record, latest)
        progress = Progress(**meta["progress"])
        if progress.stopped_early:
            # Whoever comes here asks for more: `finished` has let them pass.
            progress.stopped_early, progress.validations_since_best = False, 0
        return state, progress, resumed
    state = jax.jit(fresh, out_shardings=placement)()
    if config.init.checkpoint != "none":
        source = trained.load(config.init.checkpoint)
        variables, table = trained.transfer(
            source, {"params": state.params, "batch_stats": state.batch_stats}
        )
        if cluster.is_first():
            print(table)
        run_record = record.inherit(run_record, source.checkpoint, source.record)
        state = train_state.create(variables, tx, config.optimizer.ema_decay)
        state = jax.device_put(state, placement)
    return state, Progress(), run_record


def _flat(config: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, (*prefix, name))
        else:
            yield (*prefix, name), value


def _refuse_other_config(
    config: ml_collections.ConfigDict, saved: Mapping[str, Any], run: pathlib.Path
) -> None:
    now, before = dict(_flat(config.to_dict())), dict(_flat(saved))
    # A field that the run does not know has come since: it was begun with what is the default now.
    differing = [
        f"{'.'.join(name)} was {before[name]!r}, is {now.get(name)!r}"
        for name in sorted(set(before) - set(_MAY_CHANGE))
        if now.get(name) != before[name]
    ]
    if differing:
        raise InputError(
            run,
            f"it holds a run of another config: {'; '.join(differing[:3])}"
            + (f"; and {len(differing) - 3} more" if len(differing) > 3 else ""),
            "Give another --workdir, or the config it was begun with.",
        )


def _refuse_other_data(
    now: Mapping[str, Any], before: Mapping[str, Any], run: pathlib.Path
) -> None:
    if now["train_exams"] != before["train_exams"]:
        raise InputError(
            run,
            f"it was begun with {len(before['train_exams'])} training examinations that are not "
            f"the {len(now['train_exams'])} of today's manifests",
            "Give another --workdir, or the manifests it was begun with.",
        )
    # Subsets: what was saved answers for the ancestry, too.
    for field, what in (
        ("train_image_sha256", "training image"),
        ("validation_subjects", "validation subject"),
    ):
        if new := set(now[field]) - set(before[field]):
            raise InputError(
                run,
                f"it was begun without the {what} {sorted(new)[0][:16]}",
                "Give another --workdir, or the files it was begun with.",
            )
