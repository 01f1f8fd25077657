"""A trained network in one portable file: weights, what they belong to, and a program to run them.

The file is a safetensors file, which holds arrays and text and runs nothing when it is read. Its
tensors are the network's variables (float32, or float16 to halve the file, named by their path,
`params/encoder_0/conv_0/kernel`) and `stablehlo`, bytes of a program. Its metadata are `format`,
`format_version`, `sha256` (over all tensors, since a flipped bit in a weight is a wrong mask that
nobody notices), `usage` (for people) and `network`, a JSON object.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from liver_jax import files
from liver_jax.checkpoint import naming
from liver_jax.errors import InputError
from liver_jax.model import unet

SUFFIX = ".safetensors"
PROGRAM = "stablehlo"
_FORMAT, _FORMAT_VERSION = "liver_jax network", "1"
# Checked before anything is read: the network of the configs takes 8 MB.
_LARGEST_BYTES = 2**31
_LARGEST_FEATURES, _LARGEST_DEPTH = 512, 8
_REMEDY = "Copy it again, or export it anew from its run folder"


@dataclasses.dataclass(frozen=True, eq=False)
class Portable:
    """What a file holds.

    Attributes:
        variables: Of the network, by collection (`params`, `batch_stats`).
        network: The JSON object: what the file's writer said of them, `model` among it.
        program: Bytes of the program.
    """

    variables: Mapping[str, Any]
    network: Mapping[str, Any]
    program: bytes


def flatten(variables: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The variables by name, as the file has them: `params/encoder_0/conv_0/kernel`."""
    return {name: np.asarray(leaf) for name, leaf in naming.named(dict(variables)).items()}


def unflatten(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Undoes `flatten`; the values may be anything."""
    tree: dict[str, Any] = {}
    for name, tensor in tensors.items():
        *folders, leaf = name.split("/")
        place = tree
        for folder in folders:
            place = place.setdefault(folder, {})
        place[leaf] = tensor
    return tree


def write(
    path: str | os.PathLike,
    variables: Mapping[str, Any],
    network: Mapping[str, Any],
    program: bytes,
    usage: str,
    half: bool = False,
) -> None:
    """Writes the file, whole or not at all.

    Args:
        path: Ends in `.safetensors`.
        variables: Of the network.
        network: A JSON object; its `model` is the architecture.
        program: To be kept beside the weights.
        usage: How to use the file without this project.
        half: Whether to keep the weights as float16, rounded; they are read as float32 again.

    Raises:
        InputError: Another ending, or the file cannot be written.
    """
    from safetensors import numpy as safetensors_numpy

    path = pathlib.Path(path)
    if path.suffix != SUFFIX:
        raise InputError(path, "is not a name for an exported network", f"End it in {SUFFIX}")
    tensors = {
        name: np.ascontiguousarray(leaf, np.float16 if half else None)
        for name, leaf in flatten(variables).items()
    }
    tensors[PROGRAM] = np.frombuffer(program, np.uint8)
    metadata = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "sha256": _digest(tensors),
        "usage": usage,
        "network": json.dumps(network, sort_keys=True, allow_nan=False),
    }
    try:
        with files.replacing(path) as temporary:
            safetensors_numpy.save_file(tensors, temporary, metadata)
    except OSError as error:
        fault = f"cannot be written: {error.strerror or error}"
        raise InputError(path, fault, "Free some space or choose another folder") from error


def read(path: str | os.PathLike) -> Portable:
    """Reads a file and checks it against its own hash and against the network it says it holds.

    Args:
        path: Any file; it need not come from a friend.

    Raises:
        InputError: It is missing, not such a file, of a later version, damaged, or its tensors are
            not those of its network.
    """
    path = pathlib.Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        fault = f"cannot be read: {error.strerror or error}"
        raise InputError(path, fault, "Correct the name, or put the file there") from error
    if size > _LARGEST_BYTES:
        fault = f"has {size} bytes, more than any network here"
        raise InputError(path, fault, "Name a file that was exported by this program")
    tensors, metadata = _contents(path)
    if metadata.get("format") != _FORMAT:
        fault = "is not a network that this program exported"
        raise InputError(path, fault, "Name a run folder, or a file that was exported from one")
    if metadata.get("format_version") != _FORMAT_VERSION:
        found = metadata.get("format_version", "")[:20]
        fault = f"has format version {found!r}, while this program reads {_FORMAT_VERSION}"
        raise InputError(path, fault, "Use the release that exported it, or export it anew")
    if metadata.get("sha256") != _digest(tensors):
        raise InputError(path, "is damaged: its tensors are not those that were written", _REMEDY)
    try:
        network = json.loads(metadata["network"])
        architecture = network["model"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(path, "does not say what network it holds", _REMEDY) from error
    program = tensors.pop(PROGRAM, np.empty(0, np.uint8)).tobytes()
    tensors = {name: tensor.astype(np.float32, copy=False) for name, tensor in tensors.items()}
    _check_tensors(path, architecture, tensors)
    return Portable(unflatten(tensors), network, program)


def _contents(path: pathlib.Path) -> tuple[dict[str, np.ndarray], Mapping[str, str]]:
    """All tensors and the metadata; only the number formats that are ever written."""
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {}
            for name in file.keys():  # noqa: SIM118 (it is no dictionary)
                wanted = ("U8",) if name == PROGRAM else ("F32", "F16")
                if (found := file.get_slice(name).get_dtype()) not in wanted:
                    expected = " or ".join(wanted)
                    fault = f"holds {name[:60]!r} as {found}, while {expected} is expected"
                    raise InputError(path, fault, _REMEDY)
                tensors[name] = file.get_tensor(name)
    except (OSError, safetensors.SafetensorError) as error:
        fault = f"is not a whole safetensors file ({str(error)[:120]})"
        raise InputError(path, fault, _REMEDY) from error
    return tensors, metadata


def _digest(tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tensor.shape}\n".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def _check_tensors(
    path: pathlib.Path, architecture: Any, tensors: Mapping[str, np.ndarray]
) -> None:
    """Refuses an architecture that no config has, and tensors that are not its own."""
    names = {"base_features": _LARGEST_FEATURES, "depth": _LARGEST_DEPTH}
    if (
        not isinstance(architecture, dict)
        or set(architecture) != {*names, "norm"}
        or architecture["norm"] not in unet.NORMS
        or not all(
            type(architecture[name]) is int and 0 < architecture[name] <= largest
            for name, largest in names.items()
        )
    ):
        shown = json.dumps(architecture)[:120]
        raise InputError(path, f"holds a network that this program has not: {shown}", _REMEDY)
    side = 2 ** architecture["depth"]
    try:
        like = jax.eval_shape(
            lambda: unet.UNet(**architecture).init(
                jax.random.key(0), jnp.zeros((1, side, side, 1)), train=False
            )
        )
    except ValueError as error:  # channels that cannot be split into groups
        raise InputError(path, f"holds a network that cannot be: {error}", _REMEDY) from error
    wanted = {name: leaf.shape for name, leaf in naming.named(like).items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if wanted != found:
        differing = sorted({*wanted, *found}, key=lambda name: (name in wanted, name))
        name = next(name for name in differing if wanted.get(name) != found.get(name))
        fault = (
            f"holds other weights than its network has: {name[:60]} is "
            f"{found.get(name, 'absent')}, while {wanted.get(name, 'none')} is expected"
        )
        raise InputError(path, fault, _REMEDY)
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise InputError(path, "holds weights that are not finite", _REMEDY)
