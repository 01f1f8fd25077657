"""Times the training step and the forward pass beside a PyTorch U-Net of the same shape.

Both have the same weights, operations, loss, optimiser, batch and threads, and must give the same
logits and the same losses before anything is timed. Each run is the median of some steps after a
warm-up; the two take turns, run by run, so that a busy machine disturbs both.
"""

import argparse
import collections
import functools
import json
import os
import pathlib
import platform
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-4


def main() -> None:
    """Parses the flags, measures, prints the table and writes the JSON."""
    flags = _parse()
    # Threads are settled when the libraries load, hence before their imports.
    cores = sorted(os.sched_getaffinity(0))[: flags.threads]
    os.sched_setaffinity(0, cores)
    os.environ["OMP_NUM_THREADS"] = str(flags.threads)
    contenders = {"jax": _jax_side(flags)}
    if not flags.jax_only:
        contenders["torch"] = _torch_side(flags, contenders["jax"]["params"])
        _check_equal(contenders, flags.dtype)
    load_before = os.getloadavg()[0]
    runs = collections.defaultdict(list)
    for run in range(flags.runs):
        for what in ("train", "forward"):
            for name, contender in contenders.items():
                runs[f"{what}_{name}_s"].append(_median_s(contender[what], flags.steps))
        print(f"run {run + 1} of {flags.runs} done", file=sys.stderr, flush=True)
    medians = {key: statistics.median(values) for key, values in runs.items()}
    result = {
        "settings": {key: str(value) for key, value in vars(flags).items()},
        "parameters": contenders["jax"]["parameters"],
        "versions": {name: contender["version"] for name, contender in contenders.items()},
        "machine": {
            "processor": _processor(),
            "cores_used": len(cores),
            "load_average_before": load_before,
            "load_average_after": os.getloadavg()[0],
        },
        "runs_s": runs,
        "median_s": medians,
        "ratio": {
            what: medians[f"{what}_jax_s"] / medians[f"{what}_torch_s"]
            for what in ("train", "forward")
            if not flags.jax_only
        },
    }
    print(_table(result))
    if flags.output:
        flags.output.write_text(json.dumps(result, indent=2) + "\n")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.train_step",
        description="Times the training step and the forward pass beside PyTorch's, on the CPU.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--size", type=int, default=128, help="rows and columns of an image")
    add("--base", type=int, default=16, help="features of the first level")
    add("--depth", type=int, default=4, help="poolings")
    add("--batch", type=int, default=8, help="images in a batch")
    add("--dtype", default="float32", choices=("float32", "bfloat16"), help="JAX's arithmetic")
    add("--threads", type=int, default=2, help="processor cores that both may use")
    add("--runs", type=int, default=5, help="runs of each network, taking turns")
    add("--steps", type=int, default=5, help="timed steps of a run, after a warm-up of two")
    add("--jax_only", action="store_true", help="leave PyTorch out (it need not be installed)")
    add("--output", type=pathlib.Path, help="write the result here as JSON")
    return parser.parse_args()


def _median_s(step: Callable[[], Any], steps: int) -> float:
    """The median time of one step in seconds, after two that are not counted."""
    times = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def _jax_side(flags: argparse.Namespace) -> dict[str, Any]:
    """The network of this project with optax's AdamW."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax

    from liver_jax.model import compiler, losses, unet

    network = unet.UNet(flags.base, flags.depth, dtype=jnp.dtype(flags.dtype))
    images, labels = _batch(flags)
    weights = jnp.ones(flags.batch)
    tx = optax.adamw(LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    init = jax.jit(network.init, static_argnames="train")
    params = init(jax.random.key(0), images, train=True)["params"]
    start = jax.tree.map(np.asarray, params)
    state = [params, tx.init(params)]

    def train_step(params, moments, images, labels, weights):
        def loss_of(params):
            logits = network.apply({"params": params}, images, train=True)
            return losses.dice_cross_entropy(logits, labels, weights, 1.0)

        (loss, _), gradients = jax.value_and_grad(loss_of, has_aux=True)(params)
        updates, moments = tx.update(gradients, moments, params)
        return optax.apply_updates(params, updates), moments, loss

    options = compiler.options()
    compiled = jax.jit(train_step, donate_argnums=(0, 1), compiler_options=options)

    @functools.partial(jax.jit, compiler_options=options)
    def forward(params, images):
        return network.apply({"params": params}, images, train=False)

    def train() -> float:
        state[0], state[1], loss = compiled(*state, images, labels, weights)
        return float(loss)

    return {
        "train": train,
        "forward": lambda: np.asarray(forward(state[0], images)),
        "params": start,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(start)),
        "version": jax.__version__,
    }


def _torch_side(flags: argparse.Namespace, params: dict[str, Any]) -> dict[str, Any]:
    """The peer: the same network of PyTorch's own layers and its AdamW, from the same weights."""
    import numpy as np
    import torch
    from torch.nn import functional

    from benchmarks import torch_unet

    torch.set_num_threads(flags.threads)
    network = torch_unet.with_weights(params)
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    images, labels = (torch.from_numpy(array) for array in _batch(flags))
    images, labels = images.movedim(-1, 1), labels.float()

    def train() -> float:
        optimiser.zero_grad(set_to_none=True)
        logits = network(images)
        probability = torch.sigmoid(logits)
        dice = (2 * (probability * labels).sum() + 1) / (probability.sum() + labels.sum() + 1)
        loss = functional.binary_cross_entropy_with_logits(logits, labels) + (1 - dice)
        loss.backward()
        optimiser.step()
        return loss.item()

    def forward() -> np.ndarray:
        with torch.inference_mode():
            return network(images).numpy()

    return {
        "train": train,
        "forward": forward,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "version": torch.__version__,
    }


def _batch(flags: argparse.Namespace) -> tuple[Any, Any]:
    """Images [batch, row, column, 1] and labels [batch, row, column], the same for both."""
    import numpy as np

    rng = np.random.default_rng(0)
    shape = (flags.batch, flags.size, flags.size)
    return rng.normal(size=(*shape, 1)).astype(np.float32), rng.integers(0, 2, shape, np.int32)


def _check_equal(contenders: dict[str, dict[str, Any]], dtype: str) -> None:
    """Exits unless both have as many parameters, the same logits and the same losses."""
    mine, peer = contenders["jax"], contenders["torch"]
    if mine["parameters"] != peer["parameters"]:
        sys.exit(f"parameters differ: {mine['parameters']} (JAX), {peer['parameters']} (PyTorch)")
    tolerance = 1e-3 if dtype == "float32" else 0.3
    difference = abs(mine["forward"]() - peer["forward"]()).max()
    losses = [(mine["train"](), peer["train"]()) for _ in range(2)]
    if difference > tolerance or any(abs(a - b) > tolerance for a, b in losses):
        sys.exit(f"the networks differ: logits by {difference:.2g}, losses of two steps {losses}")


def _processor() -> str:
    """The processor's name, as Linux tells it."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _table(result: dict[str, Any]) -> str:
    """Median seconds of each, and their ratio."""
    rows = [f"{'':10}{'JAX s':>10}{'PyTorch s':>12}{'JAX / PyTorch':>16}"]
    for what in ("train", "forward"):
        mine, peer = (result["median_s"].get(f"{what}_{name}_s") for name in ("jax", "torch"))
        row = f"{what:10}{mine:>10.3f}"
        rows.append(row + (f"{peer:>12.3f}{mine / peer:>16.2f}" if peer else ""))
    return "\n".join(rows)


if __name__ == "__main__":
    main()
