"""Pictures, masks and data as text that stands inside a page."""

import base64
import importlib.resources
import io
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image


def asset(name: str) -> str:
    """The text of a style sheet or script beside the report's modules."""
    return (importlib.resources.files("liver_jax.report") / "assets" / name).read_text("utf-8")


def json_text(value: Any) -> str:
    """Strict JSON that may stand in a script element: nothing in it can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def jpeg(grey: np.ndarray, quality: int) -> bytes:
    """A grey picture as JPEG: cheap to make, for many slices."""
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "JPEG", quality=quality)
    return file.getvalue()


def webp(grey: np.ndarray, quality: int) -> bytes:
    """A grey picture as WebP: a third smaller than JPEG, and dearer to make."""
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "WEBP", quality=quality, method=2)
    return file.getvalue()


def base64_text(content: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(content).decode("ascii")


def runs(automated: np.ndarray, manual: np.ndarray) -> str:
    """Two masks of one shape as runs, in the order of memory; `assets/masks.js` reads them.

    Each run is the number 4 x length + label (1: automated only, 2: manual only, 3: both, 0:
    neither), in groups of seven bits, the lowest first, the eighth bit set where another follows.

    Args:
        automated: bool, any shape.
        manual: bool, the same shape.

    Returns:
        The bytes as base64.
    """
    labels = np.ascontiguousarray(automated).view(np.uint8).ravel()
    labels = labels | (np.ascontiguousarray(manual).view(np.uint8).ravel() << 1)
    if not labels.size:
        return ""
    starts = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    starts = np.concatenate([[0], starts])
    lengths = np.diff(starts, append=labels.size)
    numbers = lengths.astype(np.uint64) * 4 + labels[starts]
    groups = numbers[:, None] >> (np.arange(6, dtype=np.uint64) * np.uint64(7))
    used = groups > 0  # the lowest group of a number is never left out: a length is 1 or more
    follows = np.zeros_like(used)
    follows[:, :-1] = used[:, 1:]
    coded = (groups & np.uint64(127)).astype(np.uint8) | (follows.astype(np.uint8) << 7)
    return base64_text(coded[used].tobytes())


def filled(template: str, texts: Mapping[str, str]) -> str:
    """A template with each `{{NAME}}` replaced; what is put in is not looked at again.

    Raises:
        ValueError: A name of the template is not given.
    """
    parts = re.split(r"\{\{([A-Z_]+)\}\}", template)
    missing = set(parts[1::2]) - set(texts)
    if missing:
        raise ValueError(f"the template asks for {sorted(missing)}")
    parts[1::2] = [texts[name] for name in parts[1::2]]
    return "".join(parts)
