"""Times `predict` from cold start, with its split and peak memory, beside a peer.

Every run is a process of its own, started as a user starts it. Ours and the peer's take turns, so
that a busy machine disturbs both.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from benchmarks import prediction_scans
from liver_jax import cli, files

USAGE = """
Times predict from cold start on scans of stated sizes: seconds, their split, peak memory.

  python -m benchmarks.prediction --checkpoint=RUN --scans=FOLDER --output=prediction.json

  --checkpoint=RUN     a network of size `paper`; how it was trained does not change the times
  --scans=FOLDER       where the scans are made, once (2 GB)
  --peer_python=PATH   a Python with torch, TotalSegmentator, nibabel, safetensors; else no peer
  --rows=LIST          some of the rows alone; default: all
  --threads=N          processor cores that all may use; default 2
  --runs=N             runs of each, of which the median is taken; default 3
  --output=FILE        also writes the figures as JSON
"""
_CT, _MR = ("--modality=CT",), ("--modality=MR",)
_ECHOES = ("--te_ms=1.15,2.3,3.45,4.6,5.75,6.9", "--field_strength_t=3")
# By name: the scan, predict's flags, and whether the peer does the same.
_ROWS: Mapping[str, tuple[str, tuple[str, ...], bool]] = {
    "CT 512 x 512 x 100": ("ct_100", _CT, True),
    "CT 512 x 512 x 458": ("ct_458", _CT, True),
    "the same, DICOM in and out": ("ct_458_dicom", (), False),
    "MRI 256 x 256 x 24, first echo": ("mr_24", _MR, True),
    "the same, PDFF from its six echoes": ("mr_24", (*_MR, *_ECHOES), False),
    "MRI, consensus of six echoes": ("mr_24", (*_MR, "--echo=consensus"), False),
    "CT 512 x 512 x 100, augmented": ("ct_100", (*_CT, "--augmented"), False),
    "MRI, first echo, augmented": ("mr_24", (*_MR, "--augmented"), False),
}
_MANY = (2, 8)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    for name in ("checkpoint", "scans", "peer_python", "output"):
        flags.DEFINE_string(name, None, "See --help.", values)
    flags.DEFINE_list("rows", list(_ROWS), "See --help.", values)
    flags.DEFINE_integer("threads", 2, "See --help.", lower_bound=1, flag_values=values)
    flags.DEFINE_integer("runs", 3, "See --help.", lower_bound=1, flag_values=values)
    for name in ("checkpoint", "scans"):
        flags.mark_flag_as_required(name, values)


def main(given: flags.FlagValues = flags.FLAGS) -> None:
    """Runs, prints as it goes and writes the JSON."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    scans = prediction_scans.write(pathlib.Path(given.scans))
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        scratch = pathlib.Path(temporary)
        weights = scratch / "network.safetensors"
        if given.peer_python:
            _predict(given.checkpoint, f"--export={weights}")
        for name, (scan, options, has_peer) in _ROWS.items():
            if name not in given.rows:
                continue
            ours, peers = [], []
            for run in range(given.runs):
                output = scratch / f"{scan}_{run}"
                arguments = (f"--input={scans[scan]}", f"--output={output}", *options)
                measured = _predict(given.checkpoint, *arguments)
                record = json.loads((output / "measurements.json").read_text())
                told = {key: record[key] for key in ("seconds", "volume_ml", "mask_sha256")}
                ours.append(measured | told)
                if given.peer_python and has_peer:
                    modality = "CT" if scan.startswith("ct") else "MR"
                    mask = scratch / "peer.nii.gz"
                    words = (scans[scan], weights, mask, modality, given.threads)
                    peers.append(
                        _run([given.peer_python, "-m", "benchmarks.prediction_peer", *words])
                    )
            rows.append({"row": name, "ours": _median(ours), "runs": ours})
            if peers:
                rows[-1] |= {"peer": _median(peers), "peer_runs": peers}
            print(_line(rows[-1]), flush=True)
        many = [_many(given.checkpoint, scans["mr_24"], count, scratch) for count in _MANY]
    for row in many:
        words = f"{row['scans']} MRI scans in one folder"
        print(f"{words:38}{row['wall_s']:7.1f} s {row['peak_gib']:6.2f} GiB", flush=True)
    if given.output:
        machine = {"threads": given.threads, "load_average": os.getloadavg()}
        files.write_json(given.output, {"rows": rows, "many": many, "machine": machine})


def _predict(checkpoint: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "liver_jax.predict", f"--checkpoint={checkpoint}"]
    return _run([*command, *arguments], told=False)


def _run(command: Sequence[object], told: bool = True) -> dict[str, Any]:
    """Seconds and peak memory of a process, and the JSON that it prints."""
    start = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    if status:
        sys.exit(f"{command[2]} ended with {os.waitstatus_to_exitcode(status)}")
    measured = {"wall_s": wall_s, "peak_gib": usage.ru_maxrss / 2**20}
    return measured | (json.loads(printed.splitlines()[-1]) if told else {})


def _median(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    for run in runs:  # the interpreter, the imports, the network: what no stage tells of
        run["seconds"]["start"] = run["wall_s"] - sum(run["seconds"].values())
    return {
        "wall_s": statistics.median(run["wall_s"] for run in runs),
        "peak_gib": max(run["peak_gib"] for run in runs),
        "seconds": {
            stage: statistics.median(run["seconds"][stage] for run in runs)
            for stage in runs[0]["seconds"]
        },
    }


def _many(checkpoint: str, scan: pathlib.Path, count: int, scratch: pathlib.Path) -> dict[str, Any]:
    """A folder with one scan so many times, each under another name."""
    folder = scratch / f"folder_{count}"
    folder.mkdir()
    for number in range(count):
        (folder / f"scan_{number}.nii.gz").symlink_to(scan.resolve())
    output = scratch / f"many_{count}"
    arguments = (f"--folder={folder}", f"--output={output}", *_MR)
    return {"scans": count} | _predict(checkpoint, *arguments)


def _line(row: Mapping[str, Any]) -> str:
    lines = []
    for name, held in ((row["row"], row["ours"]), ("  the peer", row.get("peer"))):
        if held:
            split = ", ".join(f"{stage} {spent:.1f}" for stage, spent in held["seconds"].items())
            lines.append(f"{name:38}{held['wall_s']:7.1f} s {held['peak_gib']:6.2f} GiB   {split}")
    return "\n".join(lines)


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
