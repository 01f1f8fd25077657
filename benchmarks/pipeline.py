"""The input pipeline alone: slices read, decoded and batched in a second, without a network."""

import json
import pathlib
import tempfile
import time

from absl import flags

from configs import stage2
from liver_jax import cli
from liver_jax.cohort import manifest
from liver_jax.data import pipeline, slices
from liver_jax.train import settings

USAGE = """
Times the input pipeline alone on the training split of a manifest.

  python -m benchmarks.pipeline --manifest=data/phantom_demo/manifest.csv

  --manifest=FILE     the examinations; default data/phantom_demo/manifest.csv
  --size=demo|paper   the grid, the batch and the threads; default demo
  --batches=N         timed batches, after ten for warming up; default 500
"""


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    flags.DEFINE_string("manifest", "data/phantom_demo/manifest.csv", "See --help.", values)
    flags.DEFINE_enum("size", "demo", ["demo", "paper"], "See --help.", values)
    flags.DEFINE_integer("batches", 500, "See --help.", lower_bound=1, flag_values=values)


def main(given: flags.FlagValues = flags.FLAGS) -> None:
    """Builds the records in a folder of its own, then reads batch after batch."""
    config = stage2.get_config(given.size)
    exams = [exam for exam in manifest.read(pathlib.Path(given.manifest)) if exam.split == "train"]
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        store = slices.open_or_build(exams, settings.preprocessing(config), folder)
        built_s = time.perf_counter() - begin
        weights = settings.pairs(config.data.weights, "data.weights", float)
        dataset = pipeline.make_dataset(store, store.index, weights, config.data.liver_fraction, 0)
        size = config.train.batch_size
        batches = pipeline.batches(dataset, size, 0, 0, 1, config.data.threads)
        for _ in range(10):
            next(batches)
        begin = time.perf_counter()
        for _ in range(given.batches):
            next(batches)
        elapsed_s = time.perf_counter() - begin
    figures = {
        "examinations": len(exams),
        "records": len(store.source),
        "build_s": round(built_s, 1),
        "slices_per_s": round(given.batches * size / elapsed_s),
        "threads": config.data.threads,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
