"""Times the fat-water fits after compilation beside pycsemri's, and their peak memory.

The two take turns, run by run, so that a busy machine disturbs both. Volumes run in a process of
their own, so that the peak memory is theirs. JAX takes the accelerator that it finds; the JSON
names it.
"""

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from absl import flags

from benchmarks import fatwater_scenes, fatwater_signal, fresh_process
from liver_jax import cli, files

USAGE = """
Times the fat-water fits of one slice and of volumes, and measures peak memory.

  pip install pycsemri            # the peer; or leave it out with --nopeer
  python -m benchmarks.fatwater_speed --output=fatwater_speed.json

  --threads=N    processor cores that all may use; default 2
  --runs=N       timed runs of each, after one that compiles; default 7
  --slices=LIST  slices of 256 x 256 of each volume; default 3,6,12,24
  --nopeer       pycsemri need not be installed
  --output=FILE  also writes the figures as JSON
"""
_SLICE, _VOLUME = 96, 256
_SPACING_MM = (1.5, 1.5, 5.0)
_TE_MS = {"magnitude": fatwater_signal.TE_2D_MS, "complex": fatwater_signal.TE_3D_MS}


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    flags.DEFINE_integer("threads", 2, "See --help.", lower_bound=1, flag_values=values)
    flags.DEFINE_integer("runs", 7, "See --help.", lower_bound=1, flag_values=values)
    flags.DEFINE_list("slices", ["3", "6", "12", "24"], "See --help.", values)
    flags.DEFINE_bool("peer", True, "See --help.", values)
    flags.DEFINE_string("output", None, "See --help.", values)


def main(given: flags.FlagValues = flags.FLAGS) -> None:
    """Times, prints as it goes and writes the JSON."""
    # Threads are settled when the libraries load, and processes inherit both.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    slice_rows = fresh_process.in_a_process(_time_slice, given.runs, given.peer)
    for name, row in slice_rows.items():
        print(f"{name:38} 96 x 96 x 6        {row['median_s']:8.3f} s", flush=True)
    volumes = []
    for kind in _TE_MS:
        for count in map(int, given.slices):
            row = {"kind": kind, "slices": count}
            row |= fresh_process.in_a_process(_time_volume, kind, count, min(given.runs, 3))
            volumes.append(row)
            words = f"{kind:38} 256 x 256 x {count} x 6"
            print(f"{words:57} {row['median_s']:8.3f} s   {row['peak_gib']:.2f} GiB", flush=True)
    machine = {"processor": platform.processor() or platform.machine(), "threads": given.threads}
    machine["load_average"] = os.getloadavg()[0]
    if given.output:
        files.write_json(
            given.output, {"machine": machine, "slice": slice_rows, "volumes": volumes}
        )


def _time_slice(runs: int, peer: bool) -> dict[str, Any]:
    """Median seconds of each fit of the accuracy slice with six echoes."""
    contenders = {kind: _ours(kind, _echoes(kind, _SLICE, 1)[:, :, 0]) for kind in _TE_MS}
    if peer:
        contenders |= _peers()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for run in range(runs + 1):
        for name, fit in contenders.items():
            start = time.perf_counter()
            fit()
            if run:  # the first compiles
                seconds[name].append(time.perf_counter() - start)
    return {
        name: {"median_s": statistics.median(values), "runs_s": values}
        for name, values in seconds.items()
    }


def _time_volume(kind: str, slices: int, runs: int) -> dict[str, Any]:
    """Seconds of a volume after compilation, and the process's peak memory, echoes included."""
    import jax

    fit = _ours(kind, _echoes(kind, _VOLUME, slices))
    start = time.perf_counter()
    fit()
    first = time.perf_counter() - start
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        fit()
        seconds.append(time.perf_counter() - start)
    return {
        "median_s": statistics.median(seconds),
        "runs_s": seconds,
        "first_s": first,
        "device": str(jax.devices()[0]),
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def _echoes(kind: str, size: int, slices: int) -> np.ndarray:
    """Echoes [row, column, slice, 6] in single precision, SNR 40, each slice with its own noise."""
    truth = fatwater_scenes.gradients(size)
    clean = fatwater_signal.echoes(truth, _TE_MS[kind], 3.0)
    volume = np.empty((size, size, slices, clean.shape[-1]), np.complex64)
    for k in range(slices):
        volume[:, :, k] = fatwater_signal.with_noise(clean, 40.0, seed=k)
    return np.abs(volume) if kind == "magnitude" else volume


def _ours(kind: str, echoes: np.ndarray) -> Callable[[], Any]:
    """From the echoes in this machine's memory to maps in it."""
    import jax

    from liver_jax.biometry import fatwater

    def fit() -> list[np.ndarray]:
        if kind == "magnitude":
            found = fatwater.fit_magnitude(echoes, _TE_MS[kind], 3.0)
        else:
            spacing = _SPACING_MM[: echoes.ndim - 1]
            found = fatwater.fit_complex(echoes, _TE_MS[kind], 3.0, spacing_mm=spacing)
        return jax.device_get([found.pdff_percent, found.r2star_per_s])

    return fit


def _peers() -> dict[str, Callable[[], Any]]:
    """VARPRO_LUT at its quick setting, and each refinement from what it found."""
    from benchmarks import fatwater_peers

    contenders = {}
    for kind, te_ms in _TE_MS.items():
        images = fatwater_signal.echoes(fatwater_scenes.gradients(_SLICE), te_ms, 3.0)
        images = fatwater_signal.with_noise(images, 40.0, seed=0)
        peer = fatwater_peers.Peer(images, te_ms, 3.0, quick=True)
        with fatwater_peers.quiet():
            start = peer.varpro()
        method = fatwater_peers.MAGNITUDE if kind == "magnitude" else fatwater_peers.COMPLEX
        steps = {
            f"{kind} echoes, {fatwater_peers.VARPRO}": peer.varpro,
            f"{kind} echoes, {method} alone": lambda p=peer, m=method, s=start: p.refine(m, s),
        }
        contenders |= {name: _quietly(step) for name, step in steps.items()}
    return contenders


def _quietly(step: Callable[[], Any]) -> Callable[[], Any]:
    from benchmarks import fatwater_peers

    def quiet_step() -> Any:
        with fatwater_peers.quiet():
            return step()

    return quiet_step


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
