"""The cases of a report as data for its page: the rows, and each case's slices as text."""

import json
import math
from collections.abc import Callable, Sequence

import numpy as np

from liver_jax.evaluation import predictions, summary
from liver_jax.report import encoding, measures, slices
from liver_jax.report.slices import KeySlice

# What the pictures of so many cases may take in the page; more cases take more, but each one less.
_BYTES, _CASES = 10_000_000, 300
_LARGEST_SIDE, _SMALLEST_SIDE = 160, 64
# From so many cases is guessed what all will take.
_PROBES = 12
_QUALITY = 60

# What the table of cases and a case's own sheet need, in this order in each row of the data.
KEYS = (
    "id",
    "exam_id",
    "model",
    "technique",
    "contrast_phase",
    "cohort",
    "site",
    "session",
    "echo",
    "te_ms",
    "field_strength_t",
    "status",
    "reason",
    "dice_or_zero",
    "volume_ml_difference",
    "pdff_percent_difference",
    "predicted_dice",
    "flags",
    "columns",
    "quality",
    "has_viewer",
    "has_volume_view",
    *(measure.key for measure in measures.MEASURES),
)


def identity(row: dict) -> str:
    """The name of a case in the page: its model and the name of its files."""
    return f"{row['model']}/{predictions.name((row['exam_id'], row['echo']))}"


def table(
    rows: Sequence[dict],
    predicted_dice: dict[str, float],
    exists: Callable[[str], bool],
) -> list[list]:
    """The rows as lists in the order of `KEYS`, numbers rounded to what is worth showing.

    Args:
        rows: `cases[]`.
        predicted_dice: By `identity`, where the failure prediction knows it.
        exists: Whether the report's folder holds a file.
    """
    return [
        [_rounded(filled[key]) for key in KEYS]
        for filled in (_filled(row, predicted_dice, exists) for row in rows)
    ]


def _filled(row: dict, predicted_dice: dict[str, float], exists: Callable[[str], bool]) -> dict:
    name = identity(row)
    values = {key: row.get(key) for key in KEYS}
    return values | {
        "id": name,
        "dice_or_zero": summary.dice_or_zero(row),
        "volume_ml_difference": _difference(row, "volume_ml"),
        "pdff_percent_difference": _difference(row, "pdff_percent"),
        "predicted_dice": predicted_dice.get(name),
        "columns": {key: text for key, text in (row.get("columns") or {}).items() if text},
        "quality": {
            key: _rounded(value)
            for key, value in (row.get("quality") or {}).items()
            if value is not None
        },
        "has_viewer": exists(f"cases/{name}.html"),
        "has_volume_view": exists(f"cases/{name}.volume.html"),
    }


def _difference(row: dict, measure: str) -> float | None:
    automated, manual = row.get(f"{measure}_auto"), row.get(f"{measure}_manual")
    return None if automated is None or manual is None else automated - manual


def _rounded(value: object) -> object:
    return float(f"{value:.5g}") if isinstance(value, float) else value


def pictures(
    rows: Sequence[dict], key_slices: Callable[[dict], Sequence[KeySlice]]
) -> dict[str, dict]:
    """Each case's slices as WebP and its masks as runs; a case without slices is left out.

    Args:
        rows: `cases[]`.
        key_slices: Finds the slices of a row.
    """
    named = {identity(row): row for row in rows}
    probes = list(named.values())[:: max(1, len(named) // _PROBES)]
    sizes = [
        len(json.dumps(_picture(found, _LARGEST_SIDE)))
        for found in map(key_slices, probes)
        if found
    ]
    side = _LARGEST_SIDE
    if sizes:
        room = _BYTES * math.sqrt(max(1.0, len(named) / _CASES)) / len(named)
        scale = math.sqrt(min(1.0, room / float(np.mean(sizes))))
        side = max(_SMALLEST_SIDE, int(_LARGEST_SIDE * scale))
    return {
        name: _picture(found, side) for name, row in named.items() if (found := key_slices(row))
    }


def _picture(found: Sequence[KeySlice], side: int) -> dict:
    height, width = found[0].grey.shape
    scale = min(1.0, side / max(height, width))
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    size = (rows, columns)
    return {
        "rows": rows,
        "columns": columns,
        "ratio": height * found[0].pixel_mm[0] / (width * found[0].pixel_mm[1]),
        "indices": [item.index for item in found],
        "levels_mm": [round(item.level_mm, 1) for item in found],
        "pictures": [
            encoding.base64_text(encoding.webp(slices.resized(item.grey, size), _QUALITY))
            for item in found
        ],
        "masks": encoding.runs(
            np.stack([slices.resized_mask(item.automated, size) for item in found]),
            np.stack([slices.resized_mask(item.manual, size) for item in found]),
        ),
    }
