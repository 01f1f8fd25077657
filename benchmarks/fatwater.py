"""How exact the fat-water fits are, beside pycsemri and an exhaustive search, on the same echoes.

The echoes come from a second implementation of the signal (fatwater_signal), so that an error that
the fit and the project's own signal share cannot hide.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import flags

from benchmarks import fatwater_bound, fatwater_methods, fatwater_scenes, fatwater_signal
from liver_jax import cli, files

USAGE = """
Measures bias, spread and swaps of the fat-water fits on simulated echoes.

  pip install pycsemri            # the peer; or leave it out with --methods
  python -m benchmarks.fatwater --output=fatwater.json

  --only=NAMES     of slice, vials, spectra, errors; default all
  --methods=NAMES  default all: complex, magnitude, "magnitude, regularised", VARPRO_LUT, complexLS,
                   magnLS, "exhaustive search"; separated by semicolons
  --output=FILE    also writes the figures as JSON
"""
PROTOCOLS = {"2D": fatwater_signal.TE_2D_MS, "3D": fatwater_signal.TE_3D_MS}
_FIELDS_T = (1.5, 3.0)
_SNR = 40.0
_Row = dict[str, Any]


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    flags.DEFINE_list("only", list(_PARTS), "See --help.", values)
    define_shared_flags(values)


def define_shared_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """The flags that the other fat-water benchmarks have too."""
    methods = ";".join(fatwater_methods.ALL)
    flags.DEFINE_string("methods", methods, "See --help.", values)
    flags.DEFINE_string("output", None, "See --help.", values)


def main(given: flags.FlagValues = flags.FLAGS) -> None:
    """Measures what is asked for, prints tables and writes the JSON."""
    run_parts(_PARTS, given)


def run_parts(parts: dict[str, Any], given: flags.FlagValues) -> None:
    """Runs the parts named, printing tables and writing the rows as JSON as they come."""
    methods = given.methods.split(";")
    result = {}
    for name in given.only:
        measure, columns = parts[name]
        result[name] = measure(methods)
        print(f"\n{name}\n\n{fatwater_methods.table(result[name], columns)}", flush=True)
        if given.output:
            files.write_json(given.output, result)


def _slice(methods: Sequence[str]) -> list[_Row]:
    """The smooth slice at 3 T."""
    truth = fatwater_scenes.gradients()
    rows = []
    for protocol, te_ms in PROTOCOLS.items():
        clean = fatwater_signal.echoes(truth, te_ms, 3.0)
        for snr in (np.inf, 40.0, 15.0):
            shared = {"protocol": protocol, "snr": "none" if np.isinf(snr) else f"{snr:.0f}"}
            found = fatwater_methods.fit(
                fatwater_signal.with_noise(clean, snr, seed=0), te_ms, 3.0, methods
            )
            for method, maps in found.items():
                figures = fatwater_methods.figures(maps, truth.fat_fraction, truth.r2star_per_s)
                rows.append({**shared, "method": method, **figures})
                if maps.absolute_pdff_percent is not None:
                    maps = dataclasses.replace(maps, pdff_percent=maps.absolute_pdff_percent)
                    figures = fatwater_methods.figures(maps, truth.fat_fraction, truth.r2star_per_s)
                    rows.append({**shared, "method": f"{method}, absolute", **figures})
            for kind in ("complex", "one_phase", "magnitude") if np.isfinite(snr) else ():
                pdff, r2star = fatwater_bound.bound(truth, te_ms, 3.0, snr, kind)
                sd = float(np.sqrt((pdff**2).mean()))
                bounds = {
                    "sd": sd,
                    "sd_of_others": sd,
                    "r2star_sd": float(np.sqrt((r2star**2).mean())),
                }
                rows.append({**shared, "method": f"bound, {kind}", **bounds})
    return rows


def _vials(methods: Sequence[str]) -> list[_Row]:
    """Mean of each vial against what was put in: slope, intercept and R2 over all vials."""
    truth, size = fatwater_scenes.vials(), fatwater_scenes.VIAL_SIZE
    put_in = 100 * fatwater_scenes.of_blocks(truth.fat_fraction, size)[..., 0].ravel()
    rows = []
    for field in _FIELDS_T:
        for protocol, te_ms in PROTOCOLS.items():
            clean = fatwater_signal.echoes(truth, te_ms, field)
            images = fatwater_signal.with_noise(clean, _SNR, seed=1)
            for method, maps in fatwater_methods.fit(images, te_ms, field, methods).items():
                vials = fatwater_scenes.of_blocks(maps.pdff_percent, size)
                valid = np.isfinite(vials)
                share = valid.mean(axis=-1).ravel()
                means = np.where(valid, vials, 0).sum(-1) / np.maximum(valid.sum(-1), 1)
                seen = share > 0
                x, y = put_in[seen], means.ravel()[seen]
                slope, intercept = np.polyfit(x, y, 1)
                rows.append(
                    {
                        "field_strength_t": field,
                        "protocol": protocol,
                        "method": method,
                        "slope": float(slope),
                        "intercept": float(intercept),
                        "r_squared": float(np.corrcoef(x, y)[0, 1] ** 2),
                        "bias": float((y - x).mean()),
                        "worst_vial": float(np.abs(y - x).max()),
                        "missing_percent": float(100 * (1 - valid.mean())),
                    }
                )
    return rows


def _spectra(methods: Sequence[str]) -> list[_Row]:
    """Bias where fat's true spectrum is another than the fit believes; no noise, R2* 40 1/s."""
    fat = np.array((0.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0))
    width = 16
    fraction = np.repeat(fat / 100, width)[None] * np.ones((width, 1))
    zero = np.zeros(fraction.shape)
    truth = fatwater_signal.Truth(fraction, zero + 40, zero + 20, zero + 0.3, zero + 1)
    rows = []
    for field in _FIELDS_T:
        for protocol, te_ms in PROTOCOLS.items():
            for spectrum in fatwater_signal.SPECTRA:
                images = fatwater_signal.echoes(truth, te_ms, field, spectrum)
                for method, maps in fatwater_methods.fit(images, te_ms, field, methods).items():
                    parts = np.split(maps.pdff_percent, len(fat), axis=1)
                    medians = [_median(part) for part in parts]
                    row = {"spectrum": spectrum, "method": method}
                    for put_in, median in zip(fat, medians, strict=True):
                        row[f"bias_at_{put_in:.0f}"] = None if median is None else median - put_in
                    rows.append({"field_strength_t": field, "protocol": protocol, **row})
    return rows


def _errors(methods: Sequence[str]) -> list[_Row]:
    """Standard errors as stated beside the spread of repeats, swaps left out."""
    truth, size = fatwater_scenes.repeats(), fatwater_scenes.REPEAT_SIZE
    names = ("pdff_percent", "r2star_per_s")
    stated_names = ("pdff_standard_error_percent", "r2star_standard_error_per_s")
    rows = []
    for protocol, te_ms in PROTOCOLS.items():
        clean = fatwater_signal.echoes(truth, te_ms, 3.0)
        images = fatwater_signal.with_noise(clean, _SNR, seed=2)
        own = [method for method in methods if method in fatwater_methods.OURS]
        for method, maps in fatwater_methods.fit(images, te_ms, 3.0, own).items():
            good = np.isfinite(maps.pdff_percent)
            good &= ~fatwater_methods.swapped(maps, truth.fat_fraction)
            good = fatwater_scenes.of_blocks(good, size)
            for name, stated_name in zip(names, stated_names, strict=True):
                values, stated = (
                    np.ma.array(fatwater_scenes.of_blocks(getattr(maps, key), size), mask=~good)
                    for key in (name, stated_name)
                )
                ratio = (np.sqrt((stated**2).mean(axis=-1)) / values.std(axis=-1)).ravel()
                rows.append(
                    {
                        "protocol": protocol,
                        "method": method,
                        "quantity": name,
                        "ratio": float(np.ma.median(ratio)),
                        "least": float(ratio.min()),
                        "greatest": float(ratio.max()),
                    }
                )
    return rows


def _median(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else None


_PARTS = {
    "slice": (
        _slice,
        {
            "protocol": "TEs",
            "snr": "SNR",
            "method": "method",
            "bias:+.3f": "bias",
            "sd:.3f": "SD",
            "swaps_percent:.2f": "swaps, %",
            "swaps_marked_percent:.1f": "of them marked, %",
            "others_marked_percent:.1f": "others marked, %",
            "sd_of_others:.2f": "SD without swaps",
            "r2star_sd:.1f": "R2* SD, 1/s",
            "missing_percent:.1f": "no result, %",
        },
    ),
    "vials": (
        _vials,
        {
            "field_strength_t": "T",
            "protocol": "TEs",
            "method": "method",
            "slope:.3f": "slope",
            "intercept:+.2f": "intercept",
            "r_squared:.5f": "R2",
            "bias:+.2f": "bias",
            "worst_vial:.2f": "worst vial",
            "missing_percent:.1f": "no result, %",
        },
    ),
    "spectra": (
        _spectra,
        {
            "field_strength_t": "T",
            "protocol": "TEs",
            "spectrum": "true spectrum",
            "method": "method",
            **{f"bias_at_{fat}:+.2f": f"PDFF {fat} %" for fat in (0, 5, 10, 20, 30, 50, 100)},
        },
    ),
    "errors": (
        _errors,
        {
            "protocol": "TEs",
            "method": "method",
            "quantity": "of",
            "ratio:.2f": "stated / found, median",
            "least:.2f": "least",
            "greatest:.2f": "greatest",
        },
    ),
}

if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
