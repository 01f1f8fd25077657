"""The data-size curves: many stage-2 runs merged into one figure for each number of sets.

Each run folder holds `ablation.json`, `{"arm": "ct", "count": 3, "seed": 1}`, beside its
metrics.json. The Dice is that of the multimodal network on the arm's own technique, on the first
echo where there are several; a failed case counts as 0 (paper, experiment 3).
"""

import dataclasses
import pathlib

import numpy as np

from liver_jax.errors import InputError
from liver_jax.evaluation import paper, results, summary


def merge(folder: pathlib.Path) -> dict:
    """Merges every `folder/*/metrics.json` that has an `ablation.json` beside it.

    Args:
        folder: Holds one folder for each run.

    Returns:
        `points`, one for each arm and count: `n_cases` (pooled over the seeds), `n_seeds`,
        `n_undefined`, `mean` and `sd_cases` over the pooled cases, `sd_seeds` (of the seeds'
        means), and `published`. A spread of fewer than two values is None.

    Raises:
        InputError: No run; a damaged file; an unknown arm; two runs of one arm, count and seed.
    """
    runs: dict[tuple[str, int, int], pathlib.Path] = {}
    for path in sorted(folder.glob("*/ablation.json")):
        run = _read_run(path)
        if run in runs:
            arm, count, seed = run
            fault = f"is {arm}={count}, seed={seed}, and so is {runs[run]}"
            raise InputError(path.parent, fault, "Keep one of the two folders")
        if (path.parent / "metrics.json").exists():  # else: not evaluated yet
            runs[run] = path.parent
    if not runs:
        fault = "holds no run with an ablation.json and a metrics.json"
        raise InputError(folder, fault, "Run launch/sweep.py with this folder first")
    points = []
    for arm, count in sorted({(arm, count) for arm, count, _ in runs}):
        seeds = [
            _dice(runs[run], paper.ABLATION_TECHNIQUE[arm])
            for run in runs
            if run[:2] == (arm, count)
        ]
        points.append({"arm": arm, "count": count, **_describe(seeds)})
        published = paper.ABLATION[arm].get(count)
        points[-1]["published"] = dataclasses.asdict(published) if published else None
    return {"points": points}


def _read_run(path: pathlib.Path) -> tuple[str, int, int]:
    remedy = "Remove the folder and run launch/sweep.py again"
    run = results.read_json(path, remedy)
    arm, count, seed = (run.get(key) for key in ("arm", "count", "seed"))
    if arm not in paper.ABLATION_TECHNIQUE or type(count) is not int or type(seed) is not int:
        fault = f"holds arm {arm}, count {count}, seed {seed}: want ct or hbp and two whole numbers"
        raise InputError(path, fault, remedy)
    return arm, count, seed


def _dice(run: pathlib.Path, technique: str) -> list[float | None]:
    rows = [
        row
        for row in results.read(run / "metrics.json")["cases"]
        if (row["model"], row["technique"]) == ("multimodal", technique)
        and row["echo"] in (None, 1)
    ]
    if not rows:
        fault = f"has no case of technique {technique} by the multimodal network"
        remedy = "Evaluate the run with --checkpoint on a manifest that has this technique"
        raise InputError(run / "metrics.json", fault, remedy)
    return [summary.dice_or_zero(row) for row in rows]


def _describe(seeds: list[list[float | None]]) -> dict:
    defined = [[value for value in values if value is not None] for values in seeds]
    pooled = [value for values in defined for value in values]
    means = [float(np.mean(values)) for values in defined if values]
    return {
        "n_cases": len(pooled),
        "n_seeds": len(seeds),
        "n_undefined": sum(map(len, seeds)) - len(pooled),
        "mean": float(np.mean(pooled)) if pooled else None,
        "sd_cases": float(np.std(pooled, ddof=1)) if len(pooled) > 1 else None,
        "sd_seeds": float(np.std(means, ddof=1)) if len(means) > 1 else None,
    }
