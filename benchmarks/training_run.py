"""Times what surrounds the training step: the mesh, a save, and the start of a run.

Three figures for the demo's network and batch: a step with the shardings of a mesh of one device
beside the same step jitted plainly; how long a save keeps the loop waiting; and the seconds from
the start of `liver_jax.main` to its first step, cold and warm, new and resumed.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import jax
import numpy as np

from configs import stage1
from liver_jax.checkpoint import store
from liver_jax.model import compiler
from liver_jax.train import loop, optimizer, sharding, state
from liver_jax.train.log import METRICS


def main() -> None:
    """Measures, prints and writes the JSON."""
    flags = _parse()
    config = stage1.get_config("demo")
    mesh = sharding.make_mesh()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        result = _steps_and_save(config, mesh, folder, flags.pairs)
        if flags.manifest:
            result["start_s"] = _starts(flags.manifest.absolute(), folder)
    print(json.dumps(result, indent=2))
    if flags.output:
        flags.output.write_text(json.dumps(result, indent=2) + "\n")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_run",
        description="Times the mesh, a save and the start of a run, at the demo's size.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--manifest", type=pathlib.Path, help="a cohort, to time the start of a run on")
    add("--pairs", type=int, default=60, help="steps of each kind, taking turns")
    add("--output", type=pathlib.Path, help="a JSON file for the figures")
    return parser.parse_args()


def _steps_and_save(
    config: Any, mesh: jax.sharding.Mesh, folder: pathlib.Path, pairs: int
) -> dict[str, Any]:
    model, tx = loop.build_model(config), optimizer.make(config)
    batch = _batch(config)

    def new() -> state.TrainState:
        variables = state.variables_of(model, jax.random.key(0), config.data.size)
        return state.create(variables, tx, config.optimizer.ema_decay)

    meshed = loop.build_step(config, model, tx, mesh)
    plain = jax.jit(meshed.__wrapped__, donate_argnums=0, compiler_options=compiler.options())
    kinds = {
        "meshed": (meshed, lambda: sharding.to_devices(mesh, batch)),
        "plain": (plain, lambda: batch),
    }
    states = {kind: new() for kind in kinds}
    states["meshed"] = jax.device_put(states["meshed"], sharding.replicated(mesh))
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for pair in range(pairs + 1):
        # The order changes, so that neither always comes second.
        for kind in sorted(kinds, reverse=bool(pair % 2)):
            step, feed = kinds[kind]
            started = time.perf_counter()
            states[kind], outcome = step(states[kind], feed())
            jax.block_until_ready((states[kind], outcome))
            if pair:  # the first compiles
                seconds[kind].append(time.perf_counter() - started)
    medians = {kind: statistics.median(values) for kind, values in seconds.items()}
    ratios = [meshed / plain for meshed, plain in zip(*seconds.values(), strict=True)]
    waits = []
    meta = {"config": config.to_dict()}
    checkpoints = store.Checkpoints(folder / "saved")
    for number in range(1, 6):
        started = time.perf_counter()
        checkpoints.save(number, states["meshed"], meta, None)
        waits.append(time.perf_counter() - started)
        checkpoints.wait()
    checkpoints.close()
    save_s, every = statistics.median(waits), config.train.checkpoint_every_steps
    return {
        "step_s": medians,
        "pairs": pairs,
        "mesh_overhead_percent": 100 * (statistics.median(ratios) - 1),
        "mesh_overhead_quartiles_percent": [
            100 * (quartile - 1) for quartile in statistics.quantiles(ratios, n=4)
        ],
        "save_blocks_s": save_s,
        "saves_s": waits,
        "checkpoint_every_steps": every,
        "save_share_of_each_step_percent": 100 * save_s / (every * medians["meshed"]),
    }


def _batch(config: Any) -> dict[str, np.ndarray]:
    random, n, size = np.random.default_rng(0), config.train.batch_size, config.data.size
    return {
        "image": random.random((n, size, size), np.float32),
        "mask": random.integers(0, 2, (n, size, size)).astype(np.uint8),
        "example": np.arange(n, dtype=np.uint32),
        "stop": np.zeros(n, bool),
    }


def _starts(manifest: pathlib.Path, folder: pathlib.Path) -> dict[str, float]:
    """Seconds to the first line of the log; slice records exist but for the first start."""
    found = {}
    for name, run in (("cold_with_slice_records", "a"), ("new_warm", "b"), ("resumed_warm", "b")):
        command = [
            *(sys.executable, "-m", "liver_jax.main", "--config=configs/stage1.py:demo"),
            *(f"--workdir={folder / run}", f"--config.data.cache={folder / 'slices'}"),
            *(f"--config.data.manifests={manifest}", "--config.train.log_every_steps=1"),
        ]
        environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
        log = folder / run / METRICS
        before = log.read_bytes().count(b"\n") if log.exists() else 0
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        while not log.exists() or log.read_bytes().count(b"\n") <= before:
            if process.poll() is not None:
                sys.exit(f"{name}: liver_jax.main ended with {process.returncode}")
            time.sleep(0.02)
        found[name] = time.perf_counter() - started
        process.terminate()
        process.wait()
    return found


if __name__ == "__main__":
    main()
