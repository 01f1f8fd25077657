"""Kills a training run, or a batch of predictions, again and again: is anything lost?

The same work is done once undisturbed. Every kill is at a moment drawn from a seed: during the
build of the slice records, a step, a save, or a scan. What comes out must be the same bits.
"""

import hashlib
import json
import os
import pathlib
import random
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from absl import flags

from liver_jax import cli, files

USAGE = """
Kills a run again and again and compares what comes out with an undisturbed run, bit for bit.

  python -m benchmarks.soak --what=train --folder=runs/soak \\
      --arguments="--config=configs/stage1.py:demo --config.train.steps=400"
  python -m benchmarks.soak --what=predict --folder=runs/soak \\
      --arguments="--manifest=M --checkpoint=RUN"

  --what=train|predict   which program
  --arguments=FLAGS      its flags, without --workdir, --config.data.cache and --output
  --folder=FOLDER        where both runs are made
  --kills=N              how many; default 30
  --processes=N          of the training run, on this machine; a kill hits one of them; default 1
  --longest_s=S          a kill comes so many seconds after a start, at most; default 40
  --seed=N               of the moments and signals; default 0
  --output=FILE          also writes the figures as JSON
"""
_STOPPED = 75
# The others of its run notice within minutes that one was killed; joining, they wait five.
_GRACE_S = 420


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    flags.DEFINE_enum("what", None, ["train", "predict"], "See --help.", flag_values=values)
    for name in ("folder", "arguments", "output"):
        flags.DEFINE_string(name, None, "See --help.", values)
    for name, default in {"kills": 30, "processes": 1, "seed": 0}.items():
        flags.DEFINE_integer(name, default, "See --help.", flag_values=values)
    flags.DEFINE_float("longest_s", 40.0, "See --help.", 1.0, flag_values=values)
    for name in ("what", "folder", "arguments"):
        flags.mark_flag_as_required(name, values)


def main(given: flags.FlagValues = flags.FLAGS) -> int:
    """Runs both, prints what was found and writes the JSON."""
    folder, chance = pathlib.Path(given.folder).absolute(), random.Random(given.seed)
    ends: dict[str, int] = {}
    kills = []
    while True:
        started = time.monotonic()
        processes = _start(given, folder / "killed")
        pause_s, number = chance.uniform(0.5, given.longest_s), len(kills) + 1
        name = chance.choice(["SIGKILL", "SIGTERM"])
        victim = chance.choice(processes)
        if number > given.kills:
            pause_s = float("inf")
        while time.monotonic() - started < pause_s and any(p.poll() is None for p in processes):
            time.sleep(0.02)
        if pause_s < float("inf") and victim.poll() is None:
            victim.send_signal(getattr(signal, name))
            kills.append({"signal": name, "after_s": pause_s})
        codes = [_ended(process) for process in processes]
        for code in codes:
            ends[str(code)] = ends.get(str(code), 0) + 1
        print(f"start {sum(ends.values())}: {len(kills)} kills, exit codes {codes}", flush=True)
        allowed = {0, _STOPPED, -signal.SIGKILL, -signal.SIGABRT, -signal.SIGTERM, 130}
        if not set(codes) <= allowed:
            sys.exit(f"an end that should not be: {codes}")
        if set(codes) == {0}:
            break
    for process in _start(given, folder / "whole"):
        if code := process.wait():
            sys.exit(f"the undisturbed run ended with {code}")
    found = _differences(given.what, folder / "killed", folder / "whole")
    result = {"kills": kills, "exit_codes": ends, "differences": found}
    told = "the same bits" if not found else f"{len(found)} differences: {found[:3]}"
    print(f"{len(kills)} kills, {sum(ends.values())} ends {ends}; {told}")
    if given.output:
        files.write_json(given.output, result)
    return cli.FAILED if found else cli.FINISHED


def _start(given: flags.FlagValues, output: pathlib.Path) -> list[subprocess.Popen]:
    words = [sys.executable, "-m"]
    rest = shlex.split(given.arguments)
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(output.parent / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    if given.what == "predict":
        command = [*words, "liver_jax.predict", f"--output={output}", *rest]
        return [_process(command, environment)]
    cache = f"--config.data.cache={output}-slices"
    command = [*words, "liver_jax.main", f"--workdir={output}", *rest, cache]
    if given.processes == 1:
        return [_process(command, environment)]
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    joining = [f"--coordinator={address}", f"--processes={given.processes}"]
    return [
        _process([*command, *joining, f"--process={number}"], environment)
        for number in range(given.processes)
    ]


def _process(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)


def _ended(process: subprocess.Popen) -> int:
    """Its exit code; what hangs is a fault."""
    try:
        return process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        sys.exit("a process did not end after one of its run was killed")


def _differences(what: str, killed: pathlib.Path, whole: pathlib.Path) -> list[str]:
    if what == "predict":
        first, second = (_masks(folder) for folder in (killed, whole))
    else:
        first, second = (_arrays(folder) for folder in (killed, whole))
    return [name for name in sorted({*first, *second}) if first.get(name) != second.get(name)]


def _masks(folder: pathlib.Path) -> dict[str, Any]:
    """What stays of each scan: the mask's bytes, and the figures without times."""
    found = {}
    for path in sorted(folder.glob("*/measurements.json")):
        record = json.loads(path.read_text())
        kept = {name: record[name] for name in record if name not in ("seconds", "finished_utc")}
        found[path.parent.name] = json.dumps(kept, sort_keys=True)
        mask = path.with_name("mask.nii.gz")
        if mask.exists():
            found[f"{path.parent.name}/mask"] = files.sha256(mask)
    leftovers = [path for path in folder.rglob(".partial*")]
    return found | {f"leftover {path.name}": True for path in leftovers}


def _arrays(folder: pathlib.Path) -> dict[str, str]:
    """Every array of the last checkpoint, the optimiser's too, by its hash."""
    from liver_jax.checkpoint import naming, store

    location = store.resolve(folder / "latest")
    arrays = naming.named(store._arrays(location, store._metadata(location)))
    return {name: hashlib.sha256(leaf.tobytes()).hexdigest() for name, leaf in arrays.items()}


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
