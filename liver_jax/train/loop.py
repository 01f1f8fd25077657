"""The training run, top to bottom: initialise, step, validate, save, stop."""

import collections
import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import ml_collections
import numpy as np
import optax
from flax import linen as nn

from liver_jax import cluster, files
from liver_jax.checkpoint import store
from liver_jax.data import pipeline
from liver_jax.data.slices import ExamSlices, SliceStore
from liver_jax.errors import Stopped
from liver_jax.model import precision, unet
from liver_jax.stopping import StopRequest
from liver_jax.train import heartbeat, optimizer, preflight, settings, sharding, start
from liver_jax.train import step as train_step
from liver_jax.train.log import RunLog
from liver_jax.train.state import TrainState

# All processes must stop at one step. They learn of a request from a step that is done already, so
# that the devices never wait for it.
_STOP_LAG = 4
_TRACED = (5, 10)  # the steps of a sitting between which a trace is written

Validate = Callable[[Mapping[str, Any]], dict[str, float]]


def train(
    config: ml_collections.ConfigDict,
    workdir: pathlib.Path,
    slices: SliceStore,
    index: list[ExamSlices],
    run_record: dict[str, Any],
    make_validate: Callable[[nn.Module], Validate],
    stop: StopRequest,
    only_preflight: bool = False,
    profiled: bool = False,
) -> None:
    """Trains until the steps are done, validation stops improving, or somebody asks to stop.

    Args:
        config: A valid config.
        workdir: The run folder; a run found there is resumed.
        slices: The slice records.
        index: The examinations to train on.
        run_record: The record of this run.
        make_validate: Given the network, a function from its variables to Dice by technique.
        stop: Asked between two steps.
        only_preflight: Whether to end after one step and one validation, with nothing saved.
        profiled: Whether to write a trace of a few steps to `profile/`.

    Raises:
        InputError: A mesh, checkpoint or workdir that does not suit the config.
        FloatingPointError: Loss or gradient became infinite or undefined.
        Stopped: SIGTERM or SIGINT arrived; everything is saved.
    """
    mesh = sharding.make_mesh()
    sharding.check_batch_size(mesh, config.train.batch_size, config.train.microbatches)
    model = build_model(config)
    tx = optimizer.make(config)
    dataset = pipeline.make_dataset(
        slices,
        index,
        settings.pairs(config.data.weights, "data.weights", float),
        config.data.liver_fraction,
        config.seed,
    )
    # Closed whatever happens: a save that is under way is finished first.
    with contextlib.closing(store.Checkpoints(workdir)) as checkpoints:
        state, progress, run_record = start.initialise(
            config, checkpoints, model, tx, sharding.replicated(mesh), run_record
        )
        preflight.check(workdir, state, slices, index)
        step = build_step(config, model, tx, mesh)
        batches = pipeline.batches(
            dataset,
            config.train.batch_size,
            progress.examples,
            jax.process_index(),
            jax.process_count(),
            config.data.threads,
        )
        validate = make_validate(model)
        # Compiled before the first step, so that what does not fit is said in a line.
        coming = next(batches)
        coming["stop"] = np.zeros(len(coming["example"]), bool)
        step = step.lower(state, sharding.to_devices(mesh, coming)).compile()
        memory = preflight.memory_of(step, state)
        told = preflight.describe(memory, config.train.batch_size, config.train.microbatches)
        if cluster.is_first():
            print(told, flush=True)
        if only_preflight:
            state, outcome = step(state, sharding.to_devices(mesh, coming))
            jax.block_until_ready(outcome)
            validate(state.variables())
            if cluster.is_first():
                print("preflight: one step and one validation were done; nothing was saved")
            return
        if cluster.is_first():
            run = {"config": config.to_dict(), "record": run_record}
            files.write_json(workdir / "run.json", run)

        def save(state: TrainState, score: float | None) -> None:
            meta = {
                "config": config.to_dict(),
                "model": architecture(config),
                "preprocess": dataclasses.asdict(settings.preprocessing(config)),
                "progress": dataclasses.asdict(progress),
                "record": run_record,
            }
            checkpoints.save(int(state.step), state, meta, score)

        rate = optimizer.learning_rate(config)
        first = progress.examples // config.train.batch_size
        steps, alone = config.train.steps, jax.process_count() == 1
        with contextlib.ExitStack() as stack:
            stack.enter_context(stop.deferred())
            log = stack.enter_context(RunLog(workdir, first, steps, cluster.is_first()))
            heart = heartbeat.Heartbeat(
                workdir,
                jax.process_index(),
                jax.process_count(),
                config.train.step_timeout_s,
                print,
            )
            stack.callback(heart.close)
            window = _Window(index, checkpoints, rate)
            for done in range(first + 1, config.train.steps + 1):
                batch, coming = (coming or next(batches)), None
                batch["stop"] = np.full(len(batch["example"]), stop.asked)
                state, outcome = step(state, sharding.to_devices(mesh, batch))
                progress.examples += config.train.batch_size
                window.add(done, batch, outcome)
                log.advance()
                heart.beat(done)
                if profiled:
                    _trace(done - first, workdir, outcome)
                last = done == config.train.steps
                stopping = stop.asked if alone else window.stop_asked_by_any()
                validating = last or done % config.train.validate_every_steps == 0
                saving = validating or done % config.train.checkpoint_every_steps == 0 or stopping
                if saving or done % config.train.log_every_steps == 0:
                    # Also before a save: a step that is not finite must stop the run first.
                    log.write(done, window.close())
                score = None
                if validating:
                    score = _validated(validate(state.variables()), done, config, progress, log)
                if saving:
                    save(state, score)
                    heart.beat(done)
                if stopping or progress.stopped_early:
                    break
            checkpoints.wait()
    if stopping:
        cluster.leave()
        raise Stopped(
            f"stopped on request at step {done} of {config.train.steps}, all saved in {workdir}. "
            "Run the same command again to go on."
        )
    best = "" if progress.best_dice is None else f" {progress.best_dice:.3f}"
    ended = f"{done} steps; best validation Dice{best} at step {progress.best_step}"
    if cluster.is_first():
        print(f"{workdir}: {ended}")


def _trace(nth: int, workdir: pathlib.Path, outcome: train_step.Outcome) -> None:
    """Writes a trace of a few steps, after those that are slower than the rest."""
    if nth == _TRACED[0]:
        jax.block_until_ready(outcome)
        jax.profiler.start_trace(str(workdir / "profile"))
    elif nth == _TRACED[1]:
        jax.block_until_ready(outcome)
        jax.profiler.stop_trace()


def _validated(
    dice: dict[str, float],
    step: int,
    config: ml_collections.ConfigDict,
    progress: start.Progress,
    log: RunLog,
) -> float:
    """Takes note of a validation; its score is the mean over techniques of the mean Dice."""
    score = float(np.mean(list(dice.values())))
    log.write(step, {"validation_dice": score, "validation": dice})
    parts = ", ".join(f"{technique} {value:.3f}" for technique, value in dice.items())
    log.say(f"step {step}: validation Dice {score:.3f} ({parts})")
    if progress.best_dice is None or score > progress.best_dice:
        progress.best_dice, progress.best_step = score, step
        progress.validations_since_best = 0
    else:
        progress.validations_since_best += 1
    patience = config.train.patience_validations
    progress.stopped_early = 0 < patience <= progress.validations_since_best
    return score


class _Window:
    """The steps since the last line of the log; their results are fetched together."""

    def __init__(
        self,
        index: list[ExamSlices],
        checkpoints: store.Checkpoints,
        rate: optax.Schedule,
    ):
        self._index, self._checkpoints, self._rate = index, checkpoints, rate
        self._steps: list[tuple[int, np.ndarray, np.ndarray, train_step.Outcome]] = []
        self._stops: collections.deque[jax.Array] = collections.deque(maxlen=_STOP_LAG + 1)
        self._since = time.monotonic()

    def add(self, step: int, batch: Mapping[str, np.ndarray], outcome: train_step.Outcome) -> None:
        self._steps.append((step, batch["record"], batch["echo"], outcome))
        self._stops.append(outcome.stop)

    def stop_asked_by_any(self) -> bool:
        """Whether some process was asked to stop, a few steps ago: all of them see the same."""
        return len(self._stops) > _STOP_LAG and bool(self._stops[0])

    def close(self) -> dict[str, float]:
        """The means over the window. The one place where the host waits for the device."""
        outcomes = jax.device_get([outcome for *_, outcome in self._steps])
        for (step, records, echoes, _), outcome in zip(self._steps, outcomes, strict=True):
            if not outcome.finite:
                self._raise(step, records, echoes)
        sums = outcomes[0].sums
        for outcome in outcomes[1:]:
            sums = sums.merge(outcome.sums)
        elapsed_s = time.monotonic() - self._since
        last = self._steps[-1][0]
        self._steps, self._since = [], time.monotonic()
        return {
            "cross_entropy": float(sums.mean_cross_entropy()),
            "soft_dice": float(sums.dice()),
            "slices_per_s": float(sums.n) / elapsed_s,
            "gradient_norm": float(np.mean([outcome.gradient_norm for outcome in outcomes])),
            "learning_rate": float(self._rate(last)),
        }

    def _raise(self, step: int, records: np.ndarray, echoes: np.ndarray) -> None:
        names = []
        for number, echo in zip(records.tolist(), echoes.tolist(), strict=True):
            exam = next(e for e in self._index if 0 <= number - e.first_record < e.slice_count)
            names.append(f"{exam.exam_id} slice {number - exam.first_record} echo {echo + 1}")
        self._checkpoints.wait()
        good = self._checkpoints.latest_step()
        saved = "no checkpoint was saved yet" if good is None else f"step {good} is saved"
        raise FloatingPointError(
            f"loss or gradient is not finite at step {step}; {saved} in {self._checkpoints.run}. "
            "Lower config.optimizer.peak_learning_rate, or look at the slices of the batch: "
            f"{', '.join(names)}"
        )


def build_model(config: ml_collections.ConfigDict) -> nn.Module:
    """The network of a config, computing in the number format that suits the device."""
    dtype = precision.compute_dtype(config.model.dtype)
    return unet.UNet(**architecture(config), dtype=dtype, remat=config.model.remat)


def architecture(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """The config fields that decide the parameters' names and shapes."""
    return {name: config.model[name] for name in ("base_features", "depth", "norm")}


def build_step(
    config: ml_collections.ConfigDict,
    model: nn.Module,
    tx: optax.GradientTransformation,
    mesh: jax.sharding.Mesh,
) -> Callable[[TrainState, dict[str, Any]], tuple[TrainState, train_step.Outcome]]:
    """The jitted step of a config."""
    return train_step.make_train_step(
        model,
        tx,
        mesh,
        settings.augmentation(config),
        config.data.spacing_mm,
        config.loss.dice_weight,
        config.optimizer.ema_decay,
        config.seed,
        config.train.microbatches,
        settings.contrasts(config),
    )
