"""Checkpoints of a run folder (Orbax): written whole or not at all, found again by best or latest.

RUN/checkpoints/STEP/ holds `state` (the training state, a pytree) and `meta` (a JSON object: the
position in the data, the config, the run record). Orbax writes each under a temporary name and
renames it, so a process killed in the middle of a save leaves the older checkpoints as they were.
`meta` has a checksum of each array, so that what was damaged later is not taken for whole.
"""

import dataclasses
import json
import pathlib
import shutil
import zlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from orbax.checkpoint import checkpoint_managers

from liver_jax import files
from liver_jax.checkpoint import naming
from liver_jax.errors import InputError

_FOLDER = "checkpoints"
# The collections that make up a model, as opposed to the optimiser's state.
_MODEL = ("params", "batch_stats", "ema_params")
_SCORE, _CHECKSUMS = "score", "crc32"


@dataclasses.dataclass(frozen=True)
class Location:
    """One checkpoint: the run folder, the step, and which choice led to it (`best` or `latest`)."""

    run: pathlib.Path
    step: int
    choice: str

    def __str__(self) -> str:
        return f"{self.run} ({self.choice}, step {self.step})"


class Checkpoints:
    """The checkpoints of one run: the last two are kept, and the best by score."""

    def __init__(self, run: str | pathlib.Path):
        """Opens (and creates) the folder; the first save sweeps what interrupted ones left."""
        self.run = pathlib.Path(run).absolute()
        self._manager = ocp.CheckpointManager(
            self.run / _FOLDER,
            options=ocp.CheckpointManagerOptions(
                create=True,
                cleanup_tmp_directories=True,
                best_fn=lambda metrics: metrics[_SCORE],
                preservation_policy=checkpoint_managers.AnyPreservationPolicy(
                    [
                        checkpoint_managers.LatestN(2),
                        checkpoint_managers.BestN(
                            get_metric_fn=lambda metrics: metrics[_SCORE],
                            n=1,
                            keep_checkpoints_without_metrics=False,
                        ),
                    ]
                ),
                enable_async_checkpointing=True,
            ),
        )

    def latest_step(self) -> int | None:
        """The step of the last complete checkpoint, or None."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any, meta: Mapping[str, Any], score: float | None) -> None:
        """Starts writing a checkpoint; the arrays are copied before this returns.

        Args:
            step: Its step.
            state: The training state.
            meta: A JSON object.
            score: What `best` compares, higher is better; None where it was not measured.

        Raises:
            InputError: The disk is full (found before this save, in it, or in the one before).
        """
        _check_room(self.run, state)
        meta = dict(meta) | {_CHECKSUMS: _checksums(state)}
        with _disk_faults(self.run):
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.PyTreeSave(state), meta=ocp.args.JsonSave(meta)
                ),
                metrics=None if score is None else {_SCORE: score},
                force=True,
            )

    def restore_latest(self, like: Any) -> tuple[int, Any, dict[str, Any]] | None:
        """The last checkpoint that is whole; those that are damaged are named and set aside.

        Args:
            like: As for `restore`.

        Returns:
            Its step, the state and the meta; None where there is no checkpoint at all.

        Raises:
            InputError: As `restore`; or all of them are damaged.
        """
        steps = sorted(self._manager.all_steps(), reverse=True)
        for step in steps:
            location = Location(self.run, step, "latest")
            fault = _damage(location)
            if fault is None:
                return step, *self.restore(step, like)
            aside = _path(location).with_name(f"damaged_{step}")
            if jax.process_index() == 0:
                print(f"{_path(location)} is damaged ({fault}); it is called {aside.name} now")
                _path(location).rename(aside)
            if jax.process_count() > 1:
                multihost_utils.sync_global_devices(f"set aside {step}")
            self._manager.reload()
        if steps:
            fault = "all of its checkpoints are damaged, and were set aside"
            raise InputError(self.run, fault, "Run the same command again to start from step 0")
        return None

    def restore(self, step: int, like: Any) -> tuple[Any, dict[str, Any]]:
        """The state and the meta of a step.

        Args:
            step: A step that exists.
            like: A state of the same structure, of arrays or jax.ShapeDtypeStruct with shardings:
                what is restored gets its shapes, types and placement.

        Raises:
            InputError: The checkpoint's shapes are not those of `like`.
        """
        saved = _metadata(Location(self.run, step, "latest"))
        refuse_other_shapes(self.run, _shapes(like), _shapes(saved))
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.PyTreeRestore(
                    like, restore_args=ocp.checkpoint_utils.construct_restore_args(like)
                ),
                meta=ocp.args.JsonRestore(),
            ),
        )
        return restored.state, _without_checksums(restored.meta)

    def wait(self) -> None:
        """Blocks until what `save` started is on disk."""
        with _disk_faults(self.run):
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits and frees what the manager holds."""
        with _disk_faults(self.run):
            self._manager.close()


def resolve(folder: str | pathlib.Path) -> Location:
    """Which checkpoint a user's words name: a run folder its best (its latest if none was scored).

    Args:
        folder: RUN, or RUN/latest.

    Raises:
        InputError: There is no checkpoint.
    """
    run = pathlib.Path(folder).absolute()
    only_latest = run.name == "latest" and not (run / _FOLDER).is_dir()
    run = run.parent if only_latest else run
    steps = _steps(run)
    if not steps:
        raise InputError(
            folder,
            "there is no checkpoint in it",
            "Give the --workdir of a run that has saved one, or train one first: "
            "python -m liver_jax.main --config=configs/stage1.py",
        )
    scores = {step: score for step in steps if (score := _score(run, step)) is not None}
    if only_latest or not scores:
        return Location(run, steps[-1], "latest")
    # Of equal scores the earliest.
    return Location(run, max(scores, key=lambda step: (scores[step], -step)), "best")


def read_meta(location: Location) -> dict[str, Any]:
    """The JSON object saved with a checkpoint.

    Raises:
        InputError: It cannot be read.
    """
    return _without_checksums(_stored_meta(location))


def read_model(location: Location) -> dict[str, Any]:
    """The model's variables without the optimiser's state, as numpy arrays.

    Returns:
        `params`, and `batch_stats` where the model has them. `params` are the moving average of the
        weights where the run kept one.

    Raises:
        InputError: It is damaged.
    """
    checksums = _stored_meta(location).get(_CHECKSUMS)
    try:
        tree = _metadata(location)
        wanted = {name: tree[name] for name in _MODEL if tree.get(name)}
        if "ema_params" in wanted:
            del wanted["params"]
        restored = _arrays(location, wanted)
    except Exception as error:  # the readers below raise a dozen kinds
        raise _damaged(location, "its arrays cannot be read") from error
    if fault := _difference(restored, checksums):
        raise _damaged(location, fault)
    if "ema_params" in restored:
        restored["params"] = restored.pop("ema_params")
    return restored


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(leaf.shape) for name, leaf in naming.named(tree).items()}


def _arrays(location: Location, wanted: Any) -> dict[str, Any]:
    """Some of the saved state as numpy arrays; `wanted` is a part of its `_metadata`."""
    return ocp.PyTreeCheckpointer().restore(
        _path(location) / "state",
        args=ocp.args.PyTreeRestore(
            item=wanted,
            restore_args=jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), wanted),
            partial_restore=True,
        ),
    )


def _stored_meta(location: Location) -> dict[str, Any]:
    try:
        return json.loads((_path(location) / "meta" / "metadata").read_text())
    except (OSError, ValueError) as error:
        raise _damaged(location, "its record cannot be read") from error


def _without_checksums(meta: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in meta.items() if name != _CHECKSUMS}


def _checksums(state: Any) -> dict[str, int]:
    """CRC-32 of each array's bytes, by its name; a replicated array is the same everywhere."""
    local = jax.device_get(jax.tree.map(_local, state))
    return {
        name: zlib.crc32(np.ascontiguousarray(leaf).tobytes())
        for name, leaf in naming.named(local).items()
    }


def _local(leaf: Any) -> Any:
    return leaf.addressable_data(0) if isinstance(leaf, jax.Array) else leaf


def _difference(arrays: Any, checksums: Mapping[str, int] | None) -> str | None:
    """The first array that is not what was saved; checkpoints of old have no checksums."""
    if checksums is None:
        return None
    for name, found in _checksums(arrays).items():
        if checksums.get(name) != found:
            return f"{name} is not what was saved"
    return None


def _damage(location: Location) -> str | None:
    """What is wrong with a checkpoint as a whole, or None."""
    try:
        checksums = _stored_meta(location).get(_CHECKSUMS)
        return _difference(_arrays(location, _metadata(location)), checksums)
    except InputError as error:
        return error.fault
    except Exception as error:  # the readers below raise a dozen kinds
        return f"its arrays cannot be read: {type(error).__name__}"


def _damaged(location: Location, fault: str) -> InputError:
    return InputError(
        _path(location),
        f"this checkpoint is damaged: {fault}",
        "Move it away: the run then goes on, and is used, from the one before it",
    )


def _metadata(location: Location) -> dict[str, Any]:
    """The saved state's tree, with shapes and types in place of arrays."""
    return ocp.PyTreeCheckpointer().metadata(_path(location) / "state").item_metadata.tree


def refuse_other_shapes(
    checkpoint: str | pathlib.Path, here: Mapping[str, tuple], there: Mapping[str, tuple]
) -> None:
    """Refuses a checkpoint whose arrays have other names or shapes, with both.

    Raises:
        InputError: They differ.
    """
    differing = [name for name in here if there.get(name) != here[name]]
    differing += [name for name in there if name not in here]
    if differing:
        shown = "; ".join(
            f"{name} {there.get(name, 'absent')} there, {here.get(name, 'absent')} here"
            for name in differing[:3]
        )
        more = f"; and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise InputError(
            checkpoint,
            f"the checkpoint has another architecture: {shown}{more}",
            "Use the config.model and config.optimizer it was trained with, or another folder.",
        )


def _steps(run: pathlib.Path) -> list[int]:
    """Complete checkpoints: Orbax gives a folder its number only when it is whole."""
    folder = run / _FOLDER
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def _path(location: Location) -> pathlib.Path:
    return location.run / _FOLDER / str(location.step)


def _score(run: pathlib.Path, step: int) -> float | None:
    path = run / _FOLDER / str(step) / "metrics" / "metrics"
    return json.loads(path.read_text())[_SCORE] if path.exists() else None


def _check_room(run: pathlib.Path, state: Any) -> None:
    """Asked before each save: where Orbax runs out of room, its threads tell of it at length."""
    wanted = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    if shutil.disk_usage(run).free < wanted:
        raise _disk_is_full(run)


def _disk_is_full(run: pathlib.Path) -> InputError:
    return InputError(
        run,
        "the disk is full; this checkpoint was not saved, the ones before it are whole",
        "Free space and run the same command again: it goes on from the last one",
    )


class _disk_faults:
    """Turns a full disk into a refusal that names it; Orbax may wrap the error of its thread."""

    def __init__(self, run: pathlib.Path):
        self._run = run

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        cause = error
        while cause is not None:
            full = getattr(cause, "errno", None) in files.DISK_FULL
            if full or "No space left" in str(cause) or "ENOSPC" in str(cause):
                raise _disk_is_full(self._run) from error
            cause = cause.__cause__ or cause.__context__
