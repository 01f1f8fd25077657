"""How many labelled sets a network needs: from the weights that come along, and from none.

Each run is stage 2's, but trained on so many CT and as many hepatobiliary sets and on nothing else.
Dice is that of `zero_shot`, over a phantom's test examinations.
"""

import collections
import itertools
import pathlib
import subprocess
import sys
from typing import Any

from absl import flags

from benchmarks import zero_shot
from liver_jax import cli, files
from liver_jax.inference.predictor import Predictor

USAGE = """
Dice against the number of labelled sets of CT and of hepatobiliary MRI.

  python -m benchmarks.few_shot --workdir=runs/few_shot

  --initial=A,B    initial weights of the runs; default builtin,none
  --counts=A,B     sets of each technique; default 1,2,5,10
  --seeds=N        seeds 0 to N-1: other subjects, other training randomness; default 1
  --steps=N        of each run; default 400
  --peak=R         peak learning rate; default the config's
  --manifest=FILE  default data/phantom_demo/manifest.csv
  --workdir=FOLDER where the runs are; what is done is not done again
  --output=FILE    also writes the figures as JSON
"""


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    flags.DEFINE_list("initial", ["builtin", "none"], "See --help.", values)
    flags.DEFINE_list("counts", ["1", "2", "5", "10"], "See --help.", values)
    for name, default in {"seeds": 1, "steps": 400}.items():
        flags.DEFINE_integer(name, default, "See --help.", 1, flag_values=values)
    flags.DEFINE_float("peak", None, "See --help.", flag_values=values)
    flags.DEFINE_string("manifest", "data/phantom_demo/manifest.csv", "See --help.", values)
    for name in ("workdir", "output"):
        flags.DEFINE_string(name, None, "See --help.", values)
    flags.mark_flag_as_required("workdir", values)


def main(given: flags.FlagValues = flags.FLAGS) -> None:
    """Trains, measures, prints a line for each group and writes the JSON."""
    told = []
    for seed, count, initial in itertools.product(
        range(given.seeds), map(int, given.counts), given.initial
    ):
        name = f"{pathlib.PurePath(initial).name}_{count:02d}_seed{seed}"
        run = pathlib.Path(given.workdir) / name
        _train(run, initial, count, seed, given)
        groups = _measured(run, given.manifest)
        told.append({"initial": initial, "sets": count, "seed": seed, "groups": groups})
        for group, rows in groups.items():
            print(f"{name:20} {zero_shot.words(group, rows)}", flush=True)
        if given.output:
            files.write_json(given.output, told)


def _train(run: pathlib.Path, initial: str, count: int, seed: int, given: flags.FlagValues) -> None:
    command = [
        *(sys.executable, "-m", "liver_jax.main", "--config=configs/stage2.py:demo"),
        *(f"--workdir={run}", f"--config.init.checkpoint={initial}"),
        *(f"--config.seed={seed}", f"--config.data.subject_seed={seed}"),
        f"--config.data.manifests={given.manifest}",
        f"--config.data.train_subjects=ct={count},hbp_t1w={count}",
        *("--config.data.weights=ct=1,hbp_t1w=1", f"--config.train.steps={given.steps}"),
        f"--config.train.validate_every_steps={given.steps // 2}",
    ]
    if given.peak:
        command.append(f"--config.optimizer.peak_learning_rate={given.peak}")
    subprocess.run(command, check=True)


def _measured(run: pathlib.Path, manifest: str) -> dict[str, list[dict[str, Any]]]:
    kept = run / "few_shot.json"
    if kept.exists():
        return files.read_json(kept)
    predictor = Predictor.from_checkpoint(run)
    groups: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    for case in zero_shot.phantom_cases(manifest, "test"):
        mask, _ = zero_shot.found(predictor, case)
        groups[case.group].append(zero_shot.figures(case, mask))
    files.write_json(kept, groups)
    return groups


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
