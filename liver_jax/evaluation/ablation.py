"""The data-size ablation: many stage-2 runs merged into one curve for each technique.

Each run folder holds `ablation.json`, `{"arm": "ct", "count": 3, "seed": 1}`, beside its
metrics.json. The Dice is that of the multimodal network on the arm's own technique, on the first
echo where there are several; a failed case counts as 0 (paper, experiment 3). The paper's 0 sets
are the initial network: its point is there where any evaluation in the folder has it as `initial`,
be it that of a run or another one.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from liver_jax.errors import InputError
from liver_jax.evaluation import bootstrap, comparison, curve, paper, results, summary
from liver_jax.evaluation.experiments import select
from liver_jax.evaluation.experiments.plain import plain


@dataclasses.dataclass(frozen=True)
class _Case:
    subject: str
    dice: float | None
    failed: bool


@dataclasses.dataclass(frozen=True)
class _Evaluated:
    """One network's cases, by exam_id, and the file that they come from."""

    path: pathlib.Path
    cases: Mapping[str, _Case]

    @property
    def subjects(self) -> dict[str, str]:
        return {exam: case.subject for exam, case in self.cases.items()}


@dataclasses.dataclass(frozen=True)
class _Point:
    """The networks of one number of sets, by seed; of the initial network, under seed None."""

    count: int
    model: str
    seeds: Mapping[int | None, _Evaluated]

    def dice(self, exams: Sequence[str]) -> np.ndarray:
        """[seed, case]; NaN where undefined."""
        return np.array(
            [[run.cases[exam].dice for exam in exams] for run in self.seeds.values()], np.float64
        )


def merge(folder: pathlib.Path) -> dict:
    """Merges every `folder/*/metrics.json` that has an `ablation.json` beside it.

    Args:
        folder: Holds one folder for each run.

    Returns:
        For JSON: `interval_method`, `plateau_definition`, `phantoms` (all examinations are);

        `arms`, one for each arm: `arm`, `technique`, `exam_ids` and `subject_ids` (of the cases),
        `most` (its largest number of sets), `plateau` (`count` or None, `reason`, `published`),
        `mean_trend` and `sd_trend` (`curve`), `n_failed`;

        `points`, by arm and rising count: `arm`, `technique`, `count`, `model` (`initial` is the
        paper's 0 sets; else `multimodal`), `seeds`, what `curve.describe` says, `n_failed` (seeds x
        cases that failed and count as 0), `against_most` (`curve.against`; None for the most sets),
        `dice` [seed][case], None where undefined, and `published` (`paper.Published` or None);

        `paper`: `comparison.compare_ablation` of these.

    Raises:
        InputError: No run; a damaged file; an unknown arm; two runs of one arm, count and seed;
            runs of one arm that differ in their examinations or in their initial network.
    """
    runs = _find(folder)
    merged: dict = {
        "interval_method": bootstrap.METHOD,
        "plateau_definition": curve.PLATEAU,
        "phantoms": all(results.are_phantoms(results.read(path)) for path in runs.values()),
        "arms": [],
        "points": [],
    }
    others = sorted(set(folder.glob("*/metrics.json")) - set(runs.values()))
    for arm in sorted({arm for arm, _, _ in runs}):
        of_arm = {run[1:]: path for run, path in runs.items() if run[0] == arm}
        points = _read_points(paper.ABLATION_TECHNIQUE[arm], of_arm, others)
        described, points = _merge_arm(arm, points)
        merged["arms"].append(described)
        merged["points"] += points
    merged = plain(merged)
    return merged | {"paper": comparison.compare_ablation(merged)}


def _find(folder: pathlib.Path) -> dict[tuple[str, int, int], pathlib.Path]:
    """The metrics.json of the evaluated runs, by arm, count and seed."""
    runs: dict[tuple[str, int, int], pathlib.Path] = {}
    for path in sorted(folder.glob("*/ablation.json")):
        run = _read_run(path)
        if run in runs:
            arm, count, seed = run
            fault = f"is {arm}={count}, seed={seed}, and so is {runs[run].parent}"
            raise InputError(path.parent, fault, "Keep one of the two folders")
        metrics = path.parent / "metrics.json"
        if metrics.exists():  # else: not evaluated yet
            runs[run] = metrics
    if not runs:
        fault = "holds no run with an ablation.json and a metrics.json"
        raise InputError(folder, fault, "Run launch/sweep.py with this folder first")
    return runs


def _read_run(path: pathlib.Path) -> tuple[str, int, int]:
    remedy = "Remove the folder and run launch/sweep.py again"
    run = results.read_json(path, remedy)
    arm, count, seed = (run.get(key) for key in ("arm", "count", "seed"))
    if arm not in paper.ABLATION_TECHNIQUE or type(count) is not int or type(seed) is not int:
        fault = f"holds arm {arm}, count {count}, seed {seed}: want ct or hbp and two whole numbers"
        raise InputError(path, fault, remedy)
    return arm, count, seed


def _read_points(
    technique: str, runs: Mapping[tuple[int, int], pathlib.Path], others: Sequence[pathlib.Path]
) -> list[_Point]:
    """The points of one arm by rising count; all have the same examinations.

    Args:
        technique: The arm's.
        runs: The metrics.json of each count and seed.
        others: Further ones, which may have the initial network.
    """
    seeds: dict[int, dict[int | None, _Evaluated]] = {}
    initial, first = None, None
    of_path = {path: run for run, path in sorted(runs.items())}
    for path in [*of_path, *others]:
        rows = results.read(path)["cases"]
        before = _Evaluated(path, _cases(rows, "initial", technique))
        if before.cases:
            initial = initial or before
            if before.cases != initial.cases:
                fault = f"has another Dice of the initial network than {initial.path}"
                raise InputError(path, fault, "Evaluate all runs with the same --baseline")
        if path not in of_path:
            continue
        run = _Evaluated(path, _cases(rows, "multimodal", technique))
        if not run.cases:
            fault = f"has no case of technique {technique} by the multimodal network"
            remedy = "Evaluate the run with --checkpoint on a manifest that has this technique"
            raise InputError(path, fault, remedy)
        first = first or run
        _check_same_exams(run, first, technique)
        count, seed = of_path[path]
        seeds.setdefault(count, {})[seed] = run
    points = [_Point(count, "multimodal", of_count) for count, of_count in seeds.items()]
    if initial:
        _check_same_exams(initial, first, technique)
        points.insert(0, _Point(0, "initial", {None: initial}))
    return points


def _check_same_exams(run: _Evaluated, first: _Evaluated, technique: str) -> None:
    """Means over different examinations are no curve."""
    if run.subjects != first.subjects:
        fault = f"has other examinations of technique {technique} than {first.path}"
        raise InputError(run.path, fault, "Evaluate all runs on the same manifest and split")


def _cases(rows: Sequence[dict], model: str, technique: str) -> dict[str, _Case]:
    return {
        row["exam_id"]: _Case(
            row["subject_id"], summary.dice_or_zero(row), row["status"] == "failed"
        )
        for row in select.first_echo(rows)
        if (row["model"], row["technique"]) == (model, technique)
    }


def _merge_arm(arm: str, points: Sequence[_Point]) -> tuple[dict, list[dict]]:
    """The arm as a whole, and each of its points."""
    technique = paper.ABLATION_TECHNIQUE[arm]
    owners = next(iter(points[-1].seeds.values())).subjects
    exams = sorted(owners)
    subjects = [owners[exam] for exam in exams]
    dice = [point.dice(exams) for point in points]
    described = []
    for point, values in zip(points, dice, strict=True):
        is_most = point is points[-1]
        is_initial = point.model == "initial"
        # A stage 2 without the technique is not what the paper has at 0 sets.
        is_published = point.count > 0 or is_initial
        described.append(
            {
                "arm": arm,
                "technique": technique,
                "count": point.count,
                "model": point.model,
                "seeds": [seed for seed in point.seeds if seed is not None],
                **curve.describe(values, subjects, one_network=is_initial),
                "n_failed": sum(
                    case.failed for run in point.seeds.values() for case in run.cases.values()
                ),
                "against_most": None if is_most else curve.against(values, dice[-1], subjects),
                "dice": [[None if np.isnan(one) else float(one) for one in row] for row in values],
                "published": paper.ABLATION[arm].get(point.count) if is_published else None,
            }
        )
    flat = curve.plateau([(point["count"], point["against_most"]) for point in described])
    counts, sds = ([point[key] for point in described] for key in ("count", "sd_cases"))
    return {
        "arm": arm,
        "technique": technique,
        "exam_ids": exams,
        "subject_ids": subjects,
        "most": points[-1].count,
        "plateau": flat | {"published": paper.PLATEAU[arm]},
        "mean_trend": curve.mean_trend(curve.of_subjects(dice, subjects)),
        "sd_trend": curve.sd_trend(counts, sds),
    }, described
