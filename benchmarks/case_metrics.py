"""Times all figures of one pair of masks beside SimpleITK, and their peak memory.

Both get the same masks, 512 x 512 x 300 voxels, and must agree before they are timed. Each runs in
a process of its own, so that the peak memory is its own; its masks are included. SimpleITK uses
all the threads that it is given; here one pair takes one, and several pairs run side by side.

SimpleITK has no surface Dice by area and no area of a cut, so it does less: overlap, contours, the
distance map of each, from which average, largest and 95th percentile follow, volumes, components.
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

from benchmarks import fresh_process
from liver_jax import cli, files

USAGE = """
Times every figure of a pair of masks (512 x 512 x 300) beside SimpleITK, with peak memory.

  pip install SimpleITK            # the peer; or leave it out with --nopeer
  python -m benchmarks.case_metrics --output=evaluation.json

  --threads=N    processor cores that each may use; default 2
  --runs=N       timed runs of each; default 3
  --slices=N     sections of the pair; default 300
  --nopeer       SimpleITK need not be installed
  --output=FILE  also writes the figures as JSON
"""
_ROWS, _COLUMNS = 512, 512
_SPACING_MM = (0.75, 0.75, 1.0)
# A liver (centre, half axes in mm, ripple), and what is found: nearly the same as by two readers;
# in the wrong place; a body's worth of it.
_LIVER = ((150, 190, 150), (100, 80, 85), 0.05)
_FOUND = {
    "two readers": ((151, 190, 150), (99, 81, 85), 0.06),
    "in the wrong place": ((220, 200, 130), (120, 60, 100), 0.05),
    "the whole body": ((192, 192, 150), (180, 120, 145), 0.05),
}


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    flags.DEFINE_integer("threads", 2, "See --help.", lower_bound=1, flag_values=values)
    flags.DEFINE_integer("runs", 3, "See --help.", lower_bound=1, flag_values=values)
    flags.DEFINE_integer("slices", 300, "See --help.", lower_bound=8, flag_values=values)
    flags.DEFINE_bool("peer", True, "See --help.", values)
    flags.DEFINE_string("output", None, "See --help.", values)


def main(given: flags.FlagValues = flags.FLAGS) -> None:
    """Times, prints as it goes and writes the JSON."""
    # Threads are settled when the libraries load, and processes inherit both.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    rows = []
    for pair in _FOUND:
        found = {}
        for name in ("liver_jax", "SimpleITK") if given.peer else ("liver_jax",):
            timed = fresh_process.in_a_process(
                _measure, name, pair, given.slices, given.runs, given.threads
            )
            found[name] = timed.pop("figures")
            rows.append({"pair": pair, "program": name, **timed})
            seconds, mib = f"{timed['median_s']:7.2f} s", f"{timed['peak_mib']:6.0f} MiB"
            seconds += f" ({timed['median_processor_s']:.2f} s of processor)"
            print(
                f"{pair:20} {name:10} {seconds}  {mib}, masks {timed['masks_mib']:.0f}", flush=True
            )
        if given.peer:
            _check_agree(pair, found["liver_jax"], found["SimpleITK"])
    machine = {"processor": platform.processor() or platform.machine(), "threads": given.threads}
    machine["load_average"] = os.getloadavg()[0]
    if given.output:
        files.write_json(given.output, {"machine": machine, "rows": rows})


def _measure(program: str, pair: str, slices: int, runs: int, threads: int) -> dict[str, Any]:
    """Median seconds of all figures of a pair, peak memory of the process, and the figures."""
    automated, manual = (_ellipsoid(*shape, slices) for shape in (_FOUND[pair], _LIVER))
    prepare = {"liver_jax": _ours, "SimpleITK": _simpleitk}[program]
    figures_of = prepare(automated, manual, threads)
    start_mib = _peak_mib()
    seconds, processor_s = [], []
    for _ in range(runs):
        start, start_processor = time.perf_counter(), time.process_time()
        figures = figures_of()
        seconds.append(time.perf_counter() - start)
        processor_s.append(time.process_time() - start_processor)
    return {
        "median_s": statistics.median(seconds),
        "runs_s": seconds,
        "median_processor_s": statistics.median(processor_s),
        "peak_mib": _peak_mib(),
        "masks_mib": start_mib,
        "figures": figures,
    }


def _ellipsoid(
    centre_mm: tuple[float, ...], half_axes_mm: tuple[float, ...], ripple: float, slices: int
) -> np.ndarray:
    """A rippled ellipsoid, bool [x, y, z]; made section by section, to need no memory."""
    x_mm = np.arange(_ROWS)[:, None] * _SPACING_MM[0]
    y_mm = np.arange(_COLUMNS)[None] * _SPACING_MM[1]
    mask = np.zeros((_ROWS, _COLUMNS, slices), bool)
    for k in range(slices):
        z_mm = k * _SPACING_MM[2] * 300 / slices
        axes = zip((x_mm, y_mm, z_mm), centre_mm, half_axes_mm, strict=True)
        inside = sum(((at - centre) / half) ** 2 for at, centre, half in axes)
        waves = np.sin(x_mm / 7) + np.sin(y_mm / 9) + np.sin(z_mm / 11)
        mask[:, :, k] = inside + ripple * waves <= 1
    return mask


def _ours(automated: np.ndarray, manual: np.ndarray, threads: int) -> Callable[[], dict]:
    from liver_jax.evaluation import cases

    del threads  # one pair is one thread's work
    return lambda: cases.measure(automated, manual, np.diag([*_SPACING_MM, 1.0]))


def _simpleitk(automated: np.ndarray, manual: np.ndarray, threads: int) -> Callable[[], dict]:
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    images = []
    for mask in (automated, manual):
        images.append(SimpleITK.GetImageFromArray(mask.T.astype(np.uint8)))
        images[-1].SetSpacing(_SPACING_MM)
    return lambda: _figures_by_simpleitk(SimpleITK, *images)


def _figures_by_simpleitk(sitk: Any, automated: Any, manual: Any) -> dict:
    overlaps = sitk.LabelOverlapMeasuresImageFilter()
    overlaps.Execute(manual, automated)
    found = {"dice": overlaps.GetDiceCoefficient(1), "iou": overlaps.GetJaccardCoefficient(1)}
    outlines = [sitk.BinaryContour(mask, fullyConnected=False) for mask in (automated, manual)]
    directed_mm = []
    for source, target in (outlines, outlines[::-1]):
        away = sitk.SignedMaurerDistanceMap(target, squaredDistance=False, useImageSpacing=True)
        away_mm = sitk.GetArrayViewFromImage(away)[sitk.GetArrayViewFromImage(source) > 0]
        directed_mm.append(np.maximum(away_mm.astype(np.float64), 0))
    pooled_mm = np.concatenate(directed_mm)
    found |= {"assd_mm": float(pooled_mm.mean()), "mssd_mm": float(pooled_mm.max())}
    found["hd95_mm"] = float(max(np.percentile(away_mm, 95) for away_mm in directed_mm))
    for name, mask in (("auto", automated), ("manual", manual)):
        shape = sitk.LabelShapeStatisticsImageFilter()
        shape.ComputePerimeterOff()
        shape.Execute(mask)
        found[f"volume_ml_{name}"] = shape.GetPhysicalSize(1) / 1000
        parts = sitk.ConnectedComponentImageFilter()
        parts.FullyConnectedOn()
        parts.Execute(mask)
        found[f"component_count_{name}"] = parts.GetObjectCount()
    return found


def _check_agree(pair: str, ours: dict, theirs: dict) -> None:
    """Distances of SimpleITK are float32; everything else is the same number."""
    for name, value in theirs.items():
        if not np.isclose(ours[name], value, rtol=1e-5):
            raise AssertionError(f"{pair}, {name}: {ours[name]} here, {value} by SimpleITK")


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
