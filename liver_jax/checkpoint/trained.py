"""A trained network by the words that name it: a run folder, an exported file, or `builtin`."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from liver_jax.checkpoint import naming, portable, store
from liver_jax.errors import InputError

# The network that comes with the project; a folder of that name is `./builtin`.
BUILTIN = "builtin"
BUILTIN_FILE = pathlib.Path(__file__).with_name("builtin") / "anycontrast.safetensors"


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A network, wherever it is kept.

    Attributes:
        architecture: The arguments of `unet.UNet` but its dtype.
        variables: Its variables as numpy arrays, by collection (`params`, `batch_stats`).
        preprocess: The arguments of `preprocess.Settings` that it was trained with.
        config: What it was trained with.
        record: The run record, or what an exported file keeps of it.
        record_sha256: Of the whole run record, where `record` is but a part of it.
        checkpoint: Which checkpoint it is, for people.
        step: Its step.
    """

    architecture: Mapping[str, Any]
    variables: Mapping[str, Any]
    preprocess: Mapping[str, Any]
    config: Mapping[str, Any]
    record: Mapping[str, Any]
    record_sha256: str | None
    checkpoint: str
    step: int


def is_file(words: str | pathlib.Path) -> bool:
    """Whether the words name an exported file (the built-in is one) and no run folder."""
    path = pathlib.Path(words)
    return str(words) == BUILTIN or path.is_file() or path.suffix == portable.SUFFIX


def load(words: str | pathlib.Path) -> Trained:
    """Reads the network that the words name.

    Args:
        words: A run folder (its best checkpoint), RUN/latest, an exported file, or `builtin`.

    Raises:
        InputError: There is none, it is damaged, or the file cannot be used.
    """
    if is_file(words):
        return _of_file(BUILTIN_FILE if str(words) == BUILTIN else pathlib.Path(words))
    location = store.resolve(words)
    meta = store.read_meta(location)
    return Trained(
        architecture=meta["model"],
        variables=store.read_model(location),
        preprocess=meta["preprocess"],
        config=meta["config"],
        record=meta["record"],
        record_sha256=None,
        checkpoint=str(location),
        step=location.step,
    )


def _of_file(path: pathlib.Path) -> Trained:
    held = portable.read(path)
    network = held.network
    try:
        dicts = {name: dict(network[name]) for name in ("preprocess", "record", "config")}
        texts = {name: str(network[name]) for name in ("checkpoint", "record_sha256")}
        step = int(network["step"])
    except (KeyError, TypeError, ValueError) as error:
        fault = f"does not say how its network is to be used ({error})"
        raise InputError(path, fault, "Export it anew from its run folder") from error
    return Trained(network["model"], held.variables, step=step, **dicts, **texts)


def transfer(source: Trained, variables: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The variables of a fresh model with a trained network's weights put in.

    Args:
        source: The network.
        variables: `params` (and `batch_stats`) of the fresh model.

    Returns:
        The variables, and a table: loaded, skipped (the model has no such parameter), reinitialised
        (the network has none).

    Raises:
        InputError: A parameter of another shape, or none in common: another architecture.
    """
    fresh, saved = naming.named(dict(variables)), naming.named(dict(source.variables))
    common = [name for name in fresh if name in saved]
    store.refuse_other_shapes(
        source.checkpoint,
        {name: fresh[name].shape for name in common},
        {name: saved[name].shape for name in common},
    )
    if not common:
        raise InputError(source.checkpoint, "no parameter fits this model", "Take another network.")
    treedef = jax.tree.structure(dict(variables))
    merged = [
        np.asarray(saved[name], leaf.dtype) if name in common else leaf
        for name, leaf in fresh.items()
    ]
    return jax.tree.unflatten(treedef, merged), _table(source.checkpoint, fresh, saved)


def _table(checkpoint: str, fresh: Mapping[str, Any], saved: Mapping[str, Any]) -> str:
    rows = {
        "loaded": [name for name in fresh if name in saved],
        "skipped": [name for name in saved if name not in fresh],
        "reinitialised": [name for name in fresh if name not in saved],
    }
    lines = [f"weights from {checkpoint}", f"{'':14}{'arrays':>8}{'parameters':>12}"]
    for outcome, names in rows.items():
        source = saved if outcome == "skipped" else fresh
        count = sum(int(np.prod(source[name].shape)) for name in names)
        shown = f"  {', '.join(names)}" if names and outcome != "loaded" else ""
        lines.append(f"{outcome:14}{len(names):8d}{count:12d}{shown}")
    return "\n".join(lines)
