"""The run record: all that is needed to say later what a checkpoint is and what it has seen."""

import datetime
import importlib.metadata
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax

from liver_jax import files
from liver_jax.data.slices import ExamSlices
from liver_jax.errors import InputError

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "tensorflow-datasets")


def make(
    manifests: str, index: Sequence[ExamSlices], validation_subjects: Iterable[str]
) -> dict[str, Any]:
    """The record of a run that trains on the given examinations, from random weights.

    Args:
        manifests: The manifests' paths, joined by commas.
        index: The training examinations.
        validation_subjects: Subjects used for choices during training.
    """
    device = jax.devices()[0]
    paths = [path.strip() for path in manifests.split(",")]
    return {
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": [*sys.orig_argv[1:]],
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "device": f"{jax.device_count()} x {device.device_kind} ({device.platform})",
        "processes": jax.process_count(),
        "manifest_sha256": {path: files.sha256(path) for path in paths},
        "train_exams": sorted(exam.exam_id for exam in index),
        "train_subjects": sorted({exam.subject_id for exam in index}),
        "train_image_sha256": sorted({sha for exam in index for sha in exam.image_sha256}),
        "validation_subjects": sorted(set(validation_subjects)),
        "initial": None,
    }


def resume(record: Mapping[str, Any], now: Mapping[str, Any], step: int) -> dict[str, Any]:
    """The record of a run that goes on, perhaps on other devices.

    Args:
        record: What was saved with the checkpoint.
        now: The record of this sitting.
        step: The step that it goes on from.

    Returns:
        `record` with the step in `resumed`, and the devices in `devices` where they have changed.
    """
    resumed = dict(record, resumed=[*record.get("resumed", []), step])
    sittings = [*record.get("devices", [_machine(record) | {"from_step": 0}])]
    machine = _machine(now)
    if {name: sittings[-1][name] for name in machine} != machine:
        sittings.append(machine | {"from_step": step})
    return resumed | {"devices": sittings}


def _machine(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in ("device", "processes")}


def inherit(record: dict[str, Any], initial: str, ancestor: Mapping[str, Any]) -> dict[str, Any]:
    """Adds what the initial weights have seen: a checkpoint answers for its whole ancestry.

    Raises:
        InputError: A validation subject was among the ancestor's training subjects.
    """
    seen = set(ancestor["train_subjects"]) & set(record["validation_subjects"])
    if seen:
        raise InputError(
            initial,
            f"these weights were trained on the validation subject {sorted(seen)[0]}"
            + (f" and {len(seen) - 1} more" if len(seen) > 1 else ""),
            "Take other validation subjects, or config.init.checkpoint=none.",
        )
    merged = dict(record, initial=initial)
    for field in ("train_subjects", "train_image_sha256", "validation_subjects"):
        merged[field] = sorted({*record[field], *ancestor[field]})
    return merged
