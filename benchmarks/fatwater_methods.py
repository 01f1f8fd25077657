"""Every method on the same echoes, and the figures that the tables have of each."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import fatwater_peers, fatwater_search
from benchmarks.fatwater_peers import Maps
from liver_jax.biometry import fatwater

# Fat and water count as exchanged where the fat fraction is wrong by more than this.
SWAP_POINTS = 20.0
COMPLEX, MAGNITUDE, REGULARISED = "complex", "magnitude", "magnitude, regularised"
SEARCH = "exhaustive search"
OURS = (COMPLEX, MAGNITUDE, REGULARISED)
ALL = (*OURS, *fatwater_peers.METHODS, SEARCH)
OF_COMPLEX_DATA = (COMPLEX, fatwater_peers.VARPRO, fatwater_peers.COMPLEX)


def fit(
    images: np.ndarray,
    te_ms: Sequence[float],
    field_strength_t: float,
    methods: Sequence[str],
    spectrum: str = "hamilton_liver_6",
) -> dict[str, Maps]:
    """Fits complex echoes [row, column, echo] by each of `methods`, in their order."""
    ours: dict[str, Callable[[], Maps]] = {
        COMPLEX: lambda: maps_of(
            fatwater.fit_complex(
                images.astype(np.complex64), te_ms, field_strength_t, spectrum, "clockwise"
            )
        ),
        MAGNITUDE: lambda: maps_of(
            fatwater.fit_magnitude(_magnitude(images), te_ms, field_strength_t, spectrum)
        ),
        REGULARISED: lambda: maps_of(
            fatwater.fit_magnitude(
                _magnitude(images), te_ms, field_strength_t, spectrum, regularised=True
            )
        ),
        SEARCH: lambda: _searched(
            fatwater_search.search(np.abs(images), te_ms, field_strength_t, spectrum)
        ),
    }
    found = {method: ours[method]() for method in methods if method in ours}
    peers = [method for method in methods if method in fatwater_peers.METHODS]
    if peers:
        found |= fatwater_peers.fit_slice(images, te_ms, field_strength_t, spectrum, peers)
    return {method: found[method] for method in methods}


def swapped(maps: Maps, fat_fraction: np.ndarray) -> np.ndarray:
    """Where fat and water are exchanged."""
    return np.abs(maps.pdff_percent - 100 * fat_fraction) > SWAP_POINTS


def figures(
    maps: Maps,
    fat_fraction: np.ndarray,
    r2star_per_s: np.ndarray,
    where: np.ndarray | None = None,
) -> dict[str, float | None]:
    """What a table tells of a method, over the voxels `where`.

    Returns:
        Bias and SD in points over all voxels with a result, and over those not exchanged; R2*'s
        likewise; how many are exchanged, in percent of all; how many of those are marked ambiguous,
        and how many of the rest; voxels without a result in percent.
    """
    where = np.ones(fat_fraction.shape, bool) if where is None else where
    error = (maps.pdff_percent - 100 * fat_fraction)[where]
    r2star_error = (maps.r2star_per_s - r2star_per_s)[where]
    valid = np.isfinite(error)
    exchanged = swapped(maps, fat_fraction)[where]
    rest = valid & ~exchanged
    row: dict[str, float | None] = {
        "bias": _mean(error[valid]),
        "sd": _sd(error[valid]),
        "largest": float(np.abs(error[valid]).max()) if valid.any() else None,
        "swaps_percent": 100 * _mean(exchanged),
        "bias_of_others": _mean(error[rest]),
        "sd_of_others": _sd(error[rest]),
        "r2star_bias": _mean(r2star_error[rest]),
        "r2star_sd": _sd(r2star_error[rest]),
        "missing_percent": 100 * _mean(~valid),
    }
    if maps.ambiguous is not None:
        ambiguous = maps.ambiguous[where]
        row["swaps_marked_percent"] = 100 * _mean(ambiguous[exchanged]) if exchanged.any() else None
        row["others_marked_percent"] = 100 * _mean(ambiguous[rest])
    return row


def table(rows: Sequence[dict[str, Any]], columns: dict[str, str]) -> str:
    """Rows as a Markdown table.

    Args:
        rows: What it shows; a missing or None value leaves its cell empty.
        columns: Heading of each, by "key" or "key:format".
    """
    lines = ["| " + " | ".join(columns.values()) + " |", "|---" * len(columns) + "|"]
    for row in rows:
        cells = []
        for column in columns:
            key, _, form = column.partition(":")
            value = row.get(key)
            cells.append("" if value is None else format(value, form))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _magnitude(images: np.ndarray) -> np.ndarray:
    return np.abs(images).astype(np.float32)


def maps_of(found: fatwater.Fit) -> Maps:
    """The project's fit in the form that all methods share."""
    pdff = np.where(np.asarray(found.fitted), np.asarray(found.pdff_percent), np.nan)
    return Maps(
        pdff_percent=pdff.astype(float),
        r2star_per_s=np.asarray(found.r2star_per_s, float),
        field_map_hz=None if found.field_map_hz is None else np.asarray(found.field_map_hz),
        ambiguous=np.asarray(found.ambiguous),
        pdff_standard_error_percent=np.asarray(found.pdff_standard_error_percent),
        r2star_standard_error_per_s=np.asarray(found.r2star_standard_error_per_s),
    )


def _searched(found: fatwater_search.Found) -> Maps:
    return Maps(found.pdff_percent, found.r2star_per_s)


def _mean(values: np.ndarray) -> float | None:
    return float(np.mean(values)) if len(values) else None


def _sd(values: np.ndarray) -> float | None:
    return float(np.std(values)) if len(values) else None
