"""The run record of an evaluation: from what, by what and on what its figures were made."""

import datetime
import pathlib
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata

import jax

from liver_jax import files
from liver_jax.cohort.manifest import Exam
from liver_jax.inference.predictor import Predictor, identity

_PACKAGES = ("jax", "flax", "numpy", "scipy", "statsmodels", "nibabel", "matplotlib")
# What a reader asks of a network; the rest of its record is lists of examinations.
_OF_TRAINING = ("command", "device", "packages", "manifest_sha256", "initial")


def provenance(
    exams: Sequence[Exam],
    predictors: Mapping[str, Predictor],
    predictions_folder: pathlib.Path | None,
) -> dict:
    """The part `provenance` of metrics.json."""
    device = jax.devices()[0]
    return {
        "command": "python -m liver_jax.evaluate " + shlex.join(sys.argv[1:]),
        "finished_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {"liver_jax": _version(), "python": platform.python_version()}
        | {package: metadata.version(package) for package in _PACKAGES},
        "device": f"{jax.device_count()} x {device.device_kind} ({device.platform})",
        "manifests": [
            {
                "path": str(path),
                "sha256": files.sha256(path),
                "phantom": (path.parent / "phantom.json").exists(),
            }
            for path in dict.fromkeys(exam.manifest for exam in exams)
        ],
        "checkpoints": {model: _network(predictor) for model, predictor in predictors.items()},
        "predictions": str(predictions_folder) if predictions_folder else None,
    }


def _network(predictor: Predictor) -> dict:
    record = predictor.record
    return identity(predictor) | {
        "config": dict(predictor.config),
        "training": {name: record[name] for name in _OF_TRAINING if name in record}
        | {
            f"n_{name}": len(record[name])
            for name in ("train_exams", "train_subjects", "validation_subjects")
            if name in record
        },
    }


def _version() -> str:
    try:
        return metadata.version("liver_jax")
    except metadata.PackageNotFoundError:  # run from the folder, not installed
        return "not installed"
