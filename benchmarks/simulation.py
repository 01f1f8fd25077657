"""Times simulated examinations at the paper's size, each in a process of its own.

An examination is everything: the subject's shape, the images, two readers, the maps, the files.
"""

import json
import multiprocessing
import multiprocessing.connection
import pathlib
import resource
import statistics
import tempfile
import time

from absl import flags

from liver_jax import cli, files
from liver_jax.phantom import design, examination
from liver_jax.volume import nifti

USAGE = """
Times simulated examinations of size `paper` and their peak memory.

  python -m benchmarks.simulation --output=simulation.json

  --count=N      examinations of each technique; default 3
  --threads=N    slices painted at once; default 2
  --output=FILE  also writes the figures as JSON
"""
# The voxels that the seconds are scaled to.
_REFERENCE = {
    "spgr2d": (256, 256, 24),
    "spgr3d": (256, 256, 32),
    "hbp_t1w": (320, 256, 60),
    "ct": (512, 512, 100),
}


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    flags.DEFINE_integer("count", 3, "See --help.", lower_bound=1, flag_values=values)
    flags.DEFINE_integer("threads", 2, "See --help.", lower_bound=1, flag_values=values)
    flags.DEFINE_string("output", None, "See --help.", values)


def main(given: flags.FlagValues = flags.FLAGS) -> None:
    """Makes the examinations and prints the table."""
    rows = []
    for technique, shape in _REFERENCE.items():
        plans = design.plans("paper", 0, f"{technique}/test={given.count}")
        runs = [_in_a_process(plan, given.threads) for plan in plans]
        voxels = shape[0] * shape[1] * shape[2]
        scaled = statistics.median(r["seconds"] * voxels / r["voxels"] for r in runs)
        peak = max(run["peak_gib"] for run in runs)
        row = {"technique": technique, "shape": shape, "seconds": scaled, "peak_gib": peak}
        rows.append({**row, "runs": runs})
        words = " x ".join(map(str, shape))
        print(f"{technique:8} {words:16} {scaled:6.1f} s   {peak:.2f} GiB   (n = {len(runs)})")
    if given.output:
        files.write_json(given.output, {"threads": given.threads, "rows": rows})


def _in_a_process(plan: design.Plan, threads: int) -> dict[str, float]:
    """One examination in a fresh process, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_timed, args=(plan, threads, sender))
    process.start()
    sender.close()
    measured = json.loads(receiver.recv())
    process.join()
    return measured


def _timed(plan: design.Plan, threads: int, sender: multiprocessing.connection.Connection) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / plan.exam_id
        start = time.perf_counter()
        examination.write(folder, plan, threads)
        seconds = time.perf_counter() - start
        x, y, z = nifti.read_header(folder / "mask.nii.gz").grid_shape
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sender.send(json.dumps({"seconds": seconds, "voxels": x * y * z, "peak_gib": peak}))


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
