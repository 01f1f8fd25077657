"""The fat-water fits where the signal is harder than the accuracy slice, beside pycsemri.

A field that is hard to follow, phase that the signal equation does not know, and few or uneven
echoes.
"""

from collections.abc import Sequence
from typing import Any

from absl import flags

from benchmarks import fatwater, fatwater_methods, fatwater_scenes, fatwater_signal
from liver_jax import cli

USAGE = """
Measures the fat-water fits on hard fields, with phase errors, and with few or uneven echoes.

  pip install pycsemri            # the peer; or leave it out with --methods
  python -m benchmarks.fatwater_stress --output=fatwater_stress.json

  --only=NAMES     of fields, phases, echoes; default all
  --methods=NAMES  as benchmarks.fatwater has it
  --output=FILE    also writes the figures as JSON
"""
# Three to five echoes of the two protocols; as two public scans have them; and uneven ones.
_ECHOES_MS = {
    "2D, first 3": fatwater_signal.TE_2D_MS[:3],
    "2D, first 4": fatwater_signal.TE_2D_MS[:4],
    "2D, first 5": fatwater_signal.TE_2D_MS[:5],
    "3D, first 3": fatwater_signal.TE_3D_MS[:3],
    "3D, first 4": fatwater_signal.TE_3D_MS[:4],
    "3D, first 5": fatwater_signal.TE_3D_MS[:5],
    "2.3 to 7.0, 6 echoes": (2.3, 3.2, 4.1, 5.1, 6.0, 7.0),
    "uneven, 6 echoes": (1.1, 1.7, 2.9, 3.4, 5.0, 6.7),
    "uneven, 4 echoes": (1.1, 2.2, 2.9, 4.6),
}
_PHASES = {
    "none": fatwater_scenes.PhaseError(),
    "odd-even ramp 0.1": fatwater_scenes.PhaseError(odd_even=0.1),
    "odd-even ramp 0.3": fatwater_scenes.PhaseError(odd_even=0.3),
    "first echo 0.3": fatwater_scenes.PhaseError(first=0.3),
    "eddy currents 0.3": fatwater_scenes.PhaseError(eddy=0.3),
    "odd-even 0.3, first 0.3": fatwater_scenes.PhaseError(odd_even=0.3, first=0.3),
}
_SNR = 40.0
_Row = dict[str, Any]


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    flags.DEFINE_list("only", list(_PARTS), "See --help.", values)
    fatwater.define_shared_flags(values)


def main(given: flags.FlagValues = flags.FLAGS) -> None:
    """Measures what is asked for, prints tables and writes the JSON."""
    fatwater.run_parts(_PARTS, given)


def _fields(methods: Sequence[str]) -> list[_Row]:
    """Swaps in a trunk whose field is hard to follow, over every voxel with signal."""
    rows = []
    for field in (1.5, 3.0):
        truth = fatwater_scenes.hard_body(field)
        for protocol, te_ms in fatwater.PROTOCOLS.items():
            clean = fatwater_signal.echoes(truth, te_ms, field)
            images = fatwater_signal.with_noise(clean, _SNR, seed=3)
            for method, maps in fatwater_methods.fit(images, te_ms, field, methods).items():
                figures = fatwater_methods.figures(
                    maps, truth.fat_fraction, truth.r2star_per_s, truth.amplitude > 0
                )
                shared = {"field_strength_t": field, "protocol": protocol, "method": method}
                rows.append({**shared, **figures})
    return rows


def _phases(methods: Sequence[str]) -> list[_Row]:
    """Bias, spread and swaps of the accuracy slice with phase errors."""
    truth = fatwater_scenes.gradients()
    lean = truth.fat_fraction < 0.30
    rows = []
    for protocol, te_ms in fatwater.PROTOCOLS.items():
        clean = fatwater_signal.echoes(truth, te_ms, 3.0)
        images = fatwater_signal.with_noise(clean, _SNR, seed=4)
        for name, error in _PHASES.items():
            found = fatwater_methods.fit(error.applied(images), te_ms, 3.0, methods)
            for method, maps in found.items():
                row = fatwater_methods.figures(maps, truth.fat_fraction, truth.r2star_per_s, lean)
                whole = fatwater_methods.figures(maps, truth.fat_fraction, truth.r2star_per_s)
                shared = {"protocol": protocol, "error": name, "method": method}
                rows.append(
                    {
                        **shared,
                        **row,
                        "bias_everywhere": whole["bias"],
                        "sd_everywhere": whole["sd"],
                    }
                )
    return rows


def _echoes(methods: Sequence[str]) -> list[_Row]:
    """The accuracy slice with other echo times."""
    truth = fatwater_scenes.gradients()
    rows = []
    for name, te_ms in _ECHOES_MS.items():
        clean = fatwater_signal.echoes(truth, te_ms, 3.0)
        images = fatwater_signal.with_noise(clean, _SNR, seed=5)
        for method, maps in fatwater_methods.fit(images, te_ms, 3.0, methods).items():
            figures = fatwater_methods.figures(maps, truth.fat_fraction, truth.r2star_per_s)
            rows.append({"echoes": name, "te_ms": te_ms, "method": method, **figures})
    return rows


_PARTS = {
    "fields": (
        _fields,
        {
            "field_strength_t": "T",
            "protocol": "TEs",
            "method": "method",
            "swaps_percent:.2f": "swaps, %",
            "swaps_marked_percent:.1f": "of them marked, %",
            "bias_of_others:+.2f": "bias without swaps",
            "sd_of_others:.2f": "SD without swaps",
            "missing_percent:.1f": "no result, %",
        },
    ),
    "phases": (
        _phases,
        {
            "protocol": "TEs",
            "error": "phase error, radian",
            "method": "method",
            "bias:+.2f": "bias, PDFF below 30 %",
            "sd:.2f": "SD, PDFF below 30 %",
            "bias_everywhere:+.2f": "bias, everywhere",
            "sd_everywhere:.2f": "SD, everywhere",
            "swaps_percent:.2f": "swaps, %",
        },
    ),
    "echoes": (
        _echoes,
        {
            "echoes": "echo times, ms",
            "method": "method",
            "bias:+.2f": "bias",
            "sd:.2f": "SD",
            "swaps_percent:.2f": "swaps, %",
            "sd_of_others:.2f": "SD without swaps",
            "missing_percent:.1f": "no result, %",
        },
    ),
}

if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
