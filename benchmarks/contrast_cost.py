"""What it costs to draw the contrasts of a batch, beside the training step that it is part of."""

import argparse
import json
import pathlib
import statistics
import time

import jax
import numpy as np

from configs import anycontrast
from liver_jax.data import contrast, label_slices
from liver_jax.model import compiler
from liver_jax.physics.tissues import Tissue
from liver_jax.train import loop, optimizer, settings, sharding, state


def main() -> None:
    """Measures, prints and writes the JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.contrast_cost", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--size", default="demo", help="demo or paper; default demo")
    parser.add_argument("--runs", type=int, default=20, help="batches of each, taking turns")
    parser.add_argument("--output", type=pathlib.Path, help="a JSON file for the figures")
    given = parser.parse_args()
    config = anycontrast.get_config(given.size)
    mesh, model, tx = sharding.make_mesh(), loop.build_model(config), optimizer.make(config)
    ranges = settings.contrasts(config)
    key = jax.random.key(config.seed)
    draw = jax.jit(
        lambda labels, examples: contrast.render(key, labels, examples, ranges),
        compiler_options=compiler.options(),
    )
    step = loop.build_step(config, model, tx, mesh)
    variables = state.variables_of(model, key, config.data.size)
    held = jax.device_put(
        state.create(variables, tx, config.optimizer.ema_decay), sharding.replicated(mesh)
    )
    seconds: dict[str, list[float]] = {"contrast": [], "step": []}
    for run in range(given.runs + 1):
        batch = sharding.to_devices(mesh, _batch(config, run))
        started = time.perf_counter()
        jax.block_until_ready(draw(batch["labels"], batch["example"]))
        drawn = time.perf_counter()
        held, outcome = step(held, batch)
        jax.block_until_ready((held, outcome))
        if run:  # the first compiles
            seconds["contrast"].append(drawn - started)
            seconds["step"].append(time.perf_counter() - drawn)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    share = 100 * medians["contrast"] / medians["step"]
    result = {"size": given.size, "runs": given.runs, "median_s": medians, "share_percent": share}
    print(json.dumps(result, indent=2))
    if given.output:
        given.output.write_text(json.dumps(result, indent=2) + "\n")


def _batch(config, run: int) -> dict[str, np.ndarray]:
    """Blocks of random tissues: what they show makes no difference to the time."""
    n, size = config.train.batch_size, label_slices.FINER * config.data.size
    random = np.random.default_rng(run)
    blocks = random.integers(0, len(Tissue), (n, 3, size // 16, size // 16)).astype(np.uint8)
    return {
        "labels": np.repeat(np.repeat(blocks, 16, axis=2), 16, axis=3),
        "example": np.arange(run * n, (run + 1) * n, dtype=np.uint32),
        "stop": np.zeros(n, bool),
    }


if __name__ == "__main__":
    main()
