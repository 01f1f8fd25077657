"""Runs a data-size ablation: one training and one evaluation for each set size and seed.

Finished runs are skipped and an interrupted one is resumed: the same command goes on.
"""

import itertools
import os
import pathlib
import shlex
import signal
import subprocess
import sys

from absl import flags

_ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_ROOT))

from liver_jax import cli, files  # noqa: E402 - found only with the root on the path
from liver_jax.errors import InputError  # noqa: E402
from liver_jax.examine import share  # noqa: E402

USAGE = """
Runs a curve of the data-size ablation (paper, Experiments 3).

  python launch/sweep.py --arm=ct --size=demo --seeds=3

  --arm=ct|hbp         which technique's number of training sets is varied
  --size=demo|paper    the size of every run; default paper
  --seeds=N            seeds 0 to N-1: other subjects, other training randomness; default 3
  --counts=A,B,...     the set sizes; default 1 to 10 for ct, 1 to 20 for hbp
  --manifest=FILE      the cohort; default the config's
  --initial=FOLDER     the initial CNN; default the config's
  --output=FOLDER      one run folder for each run; default runs/ablation (demo: runs/demo/ablation)
  --steps=N            steps of each run; default the config's
  --shard=I/N          every N-th run alone, from the I-th: a job for each of N machines
  --dry_run            print the commands only

Afterwards: python -m liver_jax.evaluate --ablation=FOLDER
"""

_LARGEST = {"ct": 10, "hbp": 20}
_ARM = flags.DEFINE_enum("arm", None, sorted(_LARGEST), "Technique.")
_SIZE = flags.DEFINE_enum("size", "paper", ["demo", "paper"], "Size.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Number of seeds.", lower_bound=1)
_COUNTS = flags.DEFINE_string("counts", None, "Set sizes.")
_MANIFEST = flags.DEFINE_string("manifest", None, "Cohort.")
_INITIAL = flags.DEFINE_string("initial", None, "Initial CNN.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder of the runs.")
_STEPS = flags.DEFINE_integer("steps", None, "Steps of each run.", lower_bound=1)
_SHARD = flags.DEFINE_string("shard", "1/1", "Which share of the runs.")
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print only.")


def main() -> int | None:
    """Runs what is not done yet; a run that fails ends the sweep with its exit code."""
    if _ARM.value is None:
        raise InputError("--arm", "it is missing", "Give --arm=ct or --arm=hbp.")
    demo = _SIZE.value == "demo"
    manifest = _MANIFEST.value or f"data/{'phantom_demo' if demo else 'phantom'}/manifest.csv"
    initial = _INITIAL.value or ("runs/demo/stage1" if demo else "runs/stage1")
    output = pathlib.Path(_OUTPUT.value or ("runs/demo/ablation" if demo else "runs/ablation"))
    config = os.path.relpath(_ROOT / "configs" / "ablation.py")
    counts, part = _counts(), share.parse(_SHARD.value)
    for seed, count in part.of(list(itertools.product(range(_SEEDS.value), counts))):
        run = output / f"{_ARM.value}{count:02d}_seed{seed}"
        if (run / "metrics.json").exists():
            print(f"{run}: done already")
            continue
        arguments = f"size={_SIZE.value},{_ARM.value}={count},seed={seed}"
        train = [
            *("-m", "liver_jax.main", f"--config={config}:{arguments}"),
            *(f"--workdir={run / 'training'}", f"--config.data.manifests={manifest}"),
            f"--config.init.checkpoint={initial}",
        ]
        if _STEPS.value:
            train.append(f"--config.train.steps={_STEPS.value}")
        evaluate = [
            *("-m", "liver_jax.evaluate", f"--manifest={manifest}"),
            *(f"--checkpoint={run / 'training'}", f"--output={run}", "--noreport"),
        ]
        if (seed, count) == (0, counts[0]):  # once: it is the curve's point of no sets
            evaluate.append(f"--baseline={initial}")
        if not _DRY_RUN.value:
            about = {"arm": _ARM.value, "count": count, "seed": seed}
            files.write_json(run / "ablation.json", about)
        for command in (train, evaluate):
            print(f"$ python {shlex.join(command)}", flush=True)
            if not _DRY_RUN.value and (code := _run(command)):
                return code
    return None


def _run(command: list[str]) -> int:
    """One program to its end. It hears a request to stop too, and saves before it goes."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    }
    process = subprocess.Popen([sys.executable, *command], env=environment)
    handlers = {
        signal.SIGINT: signal.SIG_IGN,  # the terminal tells the program itself
        signal.SIGTERM: lambda number, _: process.send_signal(number),
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    code = process.wait()
    for number, handler in before.items():
        signal.signal(number, handler)
    return 128 - code if code < 0 else code


def _counts() -> list[int]:
    largest = _LARGEST[_ARM.value]
    if _COUNTS.value is None:
        return list(range(1, largest + 1))
    try:
        counts = [int(count) for count in _COUNTS.value.split(",")]
    except ValueError:
        counts = []
    if not counts or not all(1 <= count <= largest for count in counts):
        raise InputError(
            "--counts",
            f"{_COUNTS.value!r} is not a list of numbers from 1 to {largest}",
            "Write --counts=1,2,5,10.",
        )
    return counts


if __name__ == "__main__":
    cli.run(main, USAGE)
