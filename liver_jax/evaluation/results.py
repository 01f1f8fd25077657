"""What an evaluation leaves on disk: metrics.json, and each finished case so that it is not redone.

metrics.json is strict JSON (undefined is null, never NaN) and follows metrics.schema.json beside
this file. A finished case is one file with its figures, the fingerprint of everything that they
depend on, and the hash of its mask.
"""

import json
import pathlib

from liver_jax import files
from liver_jax.errors import InputError

# Raised whenever a figure's definition or the layout changes: stored cases are then measured anew.
SCHEMA_VERSION = 3


def write(path: pathlib.Path, metrics: dict) -> None:
    """Writes metrics.json atomically, with the version of its schema first."""
    files.write_json(path, {"schema_version": SCHEMA_VERSION, **metrics})


def read(path: pathlib.Path) -> dict:
    """Reads a metrics.json.

    Raises:
        InputError: Missing, not JSON, or of another schema version.
    """
    metrics = read_json(path, "Run the evaluation that writes it again")
    found = metrics.get("schema_version")
    if found != SCHEMA_VERSION:
        fault = f"has schema version {found}, while this program reads {SCHEMA_VERSION}"
        raise InputError(path, fault, "Run the evaluation that writes it again")
    return metrics


def are_phantoms(metrics: dict) -> bool:
    """Whether every manifest of an evaluation was made by the phantom."""
    manifests = metrics.get("provenance", {}).get("manifests", [])
    return bool(manifests) and all(manifest.get("phantom", False) for manifest in manifests)


def read_json(path: pathlib.Path, remedy: str) -> dict:
    """Reads a JSON object; InputError with the remedy where there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read: {error}", remedy) from error
    if not isinstance(value, dict):
        raise InputError(path, "is not a JSON object", remedy)
    return value


def keep(path: pathlib.Path, figures: dict, fingerprint: dict, mask: pathlib.Path) -> None:
    """Stores a finished case's figures with what they depend on."""
    stored = {"fingerprint": fingerprint, "mask_sha256": files.sha256(mask), "figures": figures}
    files.write_json(path, stored)


def reuse(path: pathlib.Path, fingerprint: dict, mask: pathlib.Path) -> dict | None:
    """The stored figures of a finished case; None where it must be done (again).

    They are used only if everything that they depend on is as it was, and the mask is still there
    unchanged.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        same = stored["fingerprint"] == fingerprint
        return stored["figures"] if same and stored["mask_sha256"] == files.sha256(mask) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not there yet, or damaged: both mean that the case is to be done
