"""A network with all it needs in one file, for this program and for others (JAX's own export).

`checkpoint.portable` says how the file is laid out. Its program is StableHLO made by jax.export for
CPU, CUDA and TPU and any number of slices, with the weights as an argument. It computes what the
predictor does on each: float32 on a CPU, bfloat16 elsewhere.
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from liver_jax import files
from liver_jax.checkpoint import portable
from liver_jax.errors import InputError
from liver_jax.inference import predictor as predictors
from liver_jax.inference.predictor import Predictor
from liver_jax.model import compiler, unet

PLATFORMS = ("cpu", "cuda", "tpu")
USAGE = """\
import jax, safetensors.numpy
tensors = safetensors.numpy.load_file("liver.safetensors")
program = jax.export.deserialize(bytearray(tensors.pop("stablehlo")))
tensors = {name: tensor.astype("float32") for name, tensor in tensors.items()}
probability = program.call(tensors, images)  # float32 [slice, row, column] both ways, in [0, 1]
"""

# Of the run record what tells the network from others and what it must not be tested on. The ids of
# examinations and subjects stay at home, as does the command with its paths.
_OF_RECORD = (
    "started",
    "python",
    "packages",
    "device",
    "processes",
    "manifest_sha256",
    "train_image_sha256",
    "initial",
)
_IDS = ("train_exams", "train_subjects", "validation_subjects")


def write(predictor: Predictor, path: str | os.PathLike, half: bool = False) -> None:
    """Exports a network, and lets the file take its name only when it computes the same.

    No path of this machine goes into the file, only last names of files and folders; of the run
    record the ids of examinations and subjects are left out (and counted), so that the file can be
    given away. The hashes of the training images stay: `evaluate` refuses those images still, but
    no longer another examination of the same subject.

    Args:
        predictor: A network from a checkpoint.
        path: Ends in `.safetensors`.
        half: Whether to round the weights to float16, which halves the file.

    Raises:
        InputError: Another ending, or the file cannot be written.
        ValueError: What was written does not compute the same: a defect.
    """
    path = pathlib.Path(path)
    if path.suffix != portable.SUFFIX:
        fault = "is not a name for an exported network"
        raise InputError(path, fault, f"End it in {portable.SUFFIX}")
    if not predictor.architecture:
        raise ValueError("only a network from a checkpoint can be exported")
    if half:
        predictor = dataclasses.replace(predictor, variables=_rounded(predictor.variables))
    network = {
        "model": dict(predictor.architecture),
        "preprocess": dataclasses.asdict(predictor.settings),
        "config": _without_paths(_plain(predictor.config)),
        "record": _record(_plain(predictor.record)),
        "record_sha256": predictors.identity(predictor)["record_sha256"],
        "checkpoint": _without_paths(predictor.checkpoint),
        "step": int(predictor.step),
    }
    program = stablehlo(predictor)
    with files.replacing(path) as temporary:
        portable.write(temporary, predictor.variables, network, program, USAGE, half)
        _compare(predictor, portable.read(temporary))


def _rounded(variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values that float16 has, as float32."""
    return jax.tree.map(
        lambda leaf: np.asarray(leaf).astype(np.float16).astype(np.float32), variables
    )


def stablehlo(predictor: Predictor) -> bytes:
    """The forward pass as jax.export serialises it: (tensors by name, slices) -> probability."""
    tensors = portable.flatten(predictor.variables)
    (batch,) = jax.export.symbolic_shape("batch")
    size = predictor.settings.size
    images = jax.ShapeDtypeStruct((batch, size, size), jnp.float32)
    shapes = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in tensors.items()}

    def computing_in(dtype: jax.typing.DTypeLike) -> Callable[..., jax.Array]:
        model = unet.UNet(**predictor.architecture, dtype=dtype)
        forward = predictors.forward_of(model)
        return lambda tensors, images: forward(portable.unflatten(tensors), images)

    def forward(tensors: dict[str, jax.Array], images: jax.Array) -> jax.Array:
        return jax.lax.platform_dependent(
            tensors, images, cpu=computing_in(jnp.float32), default=computing_in(jnp.bfloat16)
        )

    # Otherwise the program names the source files of this machine, with their folders.
    frames = jax.config.jax_traceback_in_locations_limit
    jax.config.update("jax_traceback_in_locations_limit", 0)
    try:
        exported = jax.export.export(jax.jit(forward), platforms=PLATFORMS)(shapes, images)
        return bytes(exported.serialize())
    finally:
        jax.config.update("jax_traceback_in_locations_limit", frames)


def _compare(predictor: Predictor, written: portable.Portable) -> None:
    """ValueError unless the file's weights and program give what the network gives."""
    before, after = portable.flatten(predictor.variables), portable.flatten(written.variables)
    if before.keys() != after.keys():
        raise ValueError("the exported file holds other weights")
    if any(not np.array_equal(before[name], after[name]) for name in before):
        raise ValueError("the exported file holds other weights")
    size = predictor.settings.size
    images = np.random.default_rng(0).random((predictor.batch_size, size, size), np.float32)
    expected = np.asarray(predictor.forward(predictor.variables, images))
    program = jax.export.deserialize(bytearray(written.program))
    call = jax.jit(program.call, compiler_options=compiler.options())
    found = np.asarray(call(after, images))
    if jax.default_backend() == "cpu":
        same = np.array_equal(found, expected)
    else:  # fused otherwise, in bfloat16
        same = np.abs(found - expected).max() < 0.05
    if not same:
        apart = np.abs(found - expected).max()
        raise ValueError(f"the exported program computes something else, up to {apart:g} apart")


def _record(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record without ids and paths."""
    kept = {name: record[name] for name in _OF_RECORD if name in record}
    if "manifest_sha256" in kept:
        kept["manifest_sha256"] = {
            _without_paths(name): value for name, value in kept["manifest_sha256"].items()
        }
    kept["initial"] = _without_paths(kept.get("initial"))
    counts = {f"n_{name}": len(record[name]) for name in _IDS if name in record}
    return kept | counts | {name: [] for name in _IDS}


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(dict(value), default=str))


def _without_paths(value: Any) -> Any:
    """The same JSON value with every path in its texts cut down to its last name."""
    if isinstance(value, dict):
        return {key: _without_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_paths(item) for item in value]
    if isinstance(value, str) and ("/" in value or "\\" in value):
        parts = value.replace("\\", "/").split(",")
        return ",".join(pathlib.PurePosixPath(part).name for part in parts)
    return value
