"""pycsemri (MPL-2.0), the peer of the fat-water fit, as its authors use it.

`pip install pycsemri` (liver_jax does not need it). It fits slices of complex echoes: VARPRO_LUT
searches a field map and R2* with a look-up table and smooths them; the least squares, of complex
or of magnitude data, start from what VARPRO_LUT found. Its module writes a log where it runs.
"""

import contextlib
import ctypes
import dataclasses
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks import fatwater_signal

VARPRO, COMPLEX, MAGNITUDE = "VARPRO_LUT", "complexLS", "magnLS"
METHODS = (VARPRO, COMPLEX, MAGNITUDE)


@dataclasses.dataclass(frozen=True, eq=False)
class Maps:
    """What any method found in a slice, each [row, column].

    Attributes:
        pdff_percent: NaN where there is no result.
        r2star_per_s: With it.
        field_map_hz: Of complex data.
        ambiguous: Where the method says that fat and water may be exchanged; None: it never says.
        pdff_standard_error_percent: As the method states it; None: it states none.
        r2star_standard_error_per_s: As `pdff_standard_error_percent`.
        absolute_pdff_percent: |F| / (|W| + |F|) in percent: above 0 where there is no fat, and less
            scattered there; None where water and fat are real.
    """

    pdff_percent: np.ndarray
    r2star_per_s: np.ndarray
    field_map_hz: np.ndarray | None = None
    ambiguous: np.ndarray | None = None
    pdff_standard_error_percent: np.ndarray | None = None
    r2star_standard_error_per_s: np.ndarray | None = None
    absolute_pdff_percent: np.ndarray | None = None


def fit_slice(
    images: np.ndarray,
    te_ms: Sequence[float],
    field_strength_t: float,
    spectrum: str = "hamilton_liver_6",
    methods: Sequence[str] = METHODS,
) -> dict[str, Maps]:
    """Fits complex echoes [row, column, echo] with fat at the lower frequency.

    Args:
        images: Echoes; conjugate them first where the scanner counts the other way.
        te_ms: Echo times.
        field_strength_t: B0.
        spectrum: One of fatwater_signal.SPECTRA.
        methods: Which of METHODS to return; VARPRO_LUT always runs first.
    """
    peer = Peer(images, te_ms, field_strength_t, spectrum)
    with quiet():
        found = {VARPRO: peer.varpro()}
        for method in (COMPLEX, MAGNITUDE):
            if method in methods:
                found[method] = peer.refine(method, found[VARPRO])
    return {method: maps_of(found[method]) for method in methods}


class Peer:
    """The stages one by one, so that each can be timed; call them inside `quiet`."""

    def __init__(
        self,
        images: np.ndarray,
        te_ms: Sequence[float],
        field_strength_t: float,
        spectrum: str = "hamilton_liver_6",
        quick: bool = False,
    ) -> None:
        """Loads the library and arranges what it wants; see fit_slice for the arguments.

        `quick`: coarser tables, searched at every second voxel along each axis, which is what
        gives the library its speed; else finer ones, which give it its accuracy.
        """
        self._varpro, self._refinements = _library()
        water_ppm, peaks = fatwater_signal.peaks_ppm(spectrum)
        shift, share = np.array(peaks).T
        # Beyond this a field map repeats itself, and the library's jumps from one to the other.
        field_range_hz = min(400.0, 500.0 / float(np.diff(te_ms).min()))
        self._data = {
            "TE": np.asarray(te_ms, float) / 1000,
            "FieldStrength": float(field_strength_t),
            "PrecessionIsClockwise": 1.0,
            "images": images,
        }
        self._options = {
            "species": [
                {"frequency": [0.0], "relAmps": [1.0]},
                {"frequency": list(shift - water_ppm), "relAmps": list(share / share.sum())},
            ],
            "NUM_FMS": 141 if quick else 201,
            "range_fm": [-field_range_hz, field_range_hz],
            "range_r2star": [0.0, 200.0 if quick else 400.0],
            "NUM_R2STARS": 11 if quick else 41,
            "SUBSAMPLE": 2 if quick else 1,
        }

    def varpro(self) -> dict[str, np.ndarray]:
        """Amplitudes, R2* (`r2starmap`) and field map (`fm`) of the look-up table."""
        found = self._varpro(self._data, self._options)
        return {**found, "r2starmap": found["r2s_init"]}

    def refine(self, method: str, start: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The least squares `method`, COMPLEX or MAGNITUDE, from what `varpro` found."""
        begin = {
            "amp_w": start["water_amp"],
            "amp_f": start["fat_amp"],
            "r2starmap": start["r2starmap"],
            "fm": start["fm"],
            "masksignal": np.ones(self._data["images"].shape[:2]),
        }
        return self._refinements[method](self._data, self._options, begin)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What the library prints goes nowhere, and its log into a temporary folder."""
    before, terminal = os.getcwd(), os.dup(1)
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        os.chdir(folder)
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            os.chdir(before)
            # What C++ still holds in its buffer goes nowhere too.
            ctypes.CDLL(None).fflush(None)
            os.dup2(terminal, 1)
            os.close(terminal)


def maps_of(found: dict[str, np.ndarray]) -> Maps:
    """PDFF as the library's own computeFF has it: below 0 as often as above where there is none."""
    water, fat = found["water_amp"], found["fat_amp"]
    total, apart = np.abs(water + fat), np.abs(water) + np.abs(fat)
    signal = (apart > 0) & (total > 0)
    divisor = np.where(signal, total, 1)
    fatty = np.abs(fat) > np.abs(water)
    fraction = np.where(fatty, np.abs(fat) / divisor, 1 - np.abs(water) / divisor)
    absolute = np.abs(fat) / np.where(signal, apart, 1)
    return Maps(
        pdff_percent=np.where(signal, 100 * fraction, np.nan),
        r2star_per_s=found["r2starmap"],
        field_map_hz=found["fm"],
        absolute_pdff_percent=np.where(signal, 100 * absolute, np.nan),
    )


def _library() -> tuple[Callable, dict[str, Callable]]:
    """The library's functions; here, because benchmarks without a peer must not need it."""
    from pycsemri.fwFit_ComplexLS_1r2star import fwFit_ComplexLS_1r2star
    from pycsemri.fwFit_MagnLS_1r2star import fwFit_MagnLS_1r2star
    from pycsemri.VARPRO_LUT import VARPRO_LUT

    return VARPRO_LUT, {COMPLEX: fwFit_ComplexLS_1r2star, MAGNITUDE: fwFit_MagnLS_1r2star}
