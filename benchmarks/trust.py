"""How far the score, the flags and the interval of `predict` are right, on examinations with masks.

Runs `predict` as a user does, with every network on every manifest, and sets what it says of its
masks beside the masks that a reader drew.
"""

import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags
from scipy import stats

from liver_jax import cli, files
from liver_jax.biometry import volumetry
from liver_jax.cohort import manifest
from liver_jax.evaluation import overlap
from liver_jax.examine import trust
from liver_jax.volume import nifti

USAGE = """
Sets the quality score, the flags and the volume's interval of predict beside readers' masks.

  python -m benchmarks.trust --manifests=A,B --checkpoints=X,Y --folder=runs/trust

  --manifests=LIST     manifests whose examinations have masks; each is reported on its own
  --checkpoints=LIST   networks; an examination counts once with each
  --folder=FOLDER      where predict writes; what is done already is not done again
  --echo=K             as predict's: 1 (default) or consensus
  --bad=DICE           a mask below is bad; default 0.85
  --output=FILE        also writes the figures and every row as JSON
"""


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    for name in ("manifests", "checkpoints"):
        flags.DEFINE_list(name, None, "See --help.", values)
    for name in ("folder", "output"):
        flags.DEFINE_string(name, None, "See --help.", values)
    flags.DEFINE_string("echo", "1", "See --help.", values)
    flags.DEFINE_float("bad", 0.85, "See --help.", 0.0, 1.0, flag_values=values)
    for name in ("manifests", "checkpoints", "folder"):
        flags.mark_flag_as_required(name, values)


def main(given: flags.FlagValues = flags.FLAGS) -> None:
    """Runs, prints a table and writes the JSON."""
    told = {}
    for path in given.manifests:
        rows = []
        for number, checkpoint in enumerate(given.checkpoints):
            name = pathlib.Path(path).parent.name
            output = pathlib.Path(given.folder) / f"{name}_{given.echo}_{number}"
            rows += list(_rows(path, checkpoint, output, given.echo))
        told[path] = {"summary": _summary(rows, given.bad), "rows": rows}
        print(_line(path, told[path]["summary"], given.bad), flush=True)
    if given.output:
        files.write_json(given.output, told)


def _rows(path: str, checkpoint: str, output: pathlib.Path, echo: str) -> Iterator[dict[str, Any]]:
    """What predict says of each examination that has a mask, and the truth."""
    command = [sys.executable, "-m", "liver_jax.predict", f"--manifest={path}", f"--echo={echo}"]
    command += [f"--checkpoint={checkpoint}", f"--output={output}", "--nopictures"]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    for exam in manifest.read(path):
        record = json.loads((output / exam.exam_id / "measurements.json").read_text())
        if exam.mask is None or record["status"] not in ("ok", "empty"):
            continue
        drawn = nifti.read_labels(exam.mask)
        theirs = np.isin(drawn.data, exam.liver_labels)
        ours = nifti.read_labels(output / exam.exam_id / "mask.nii.gz").data > 0
        yield {
            "exam_id": exam.exam_id,
            "checkpoint": checkpoint,
            "dice": overlap.dice(overlap.count(ours, theirs)) or 0.0,
            "score": record["quality"]["score"],
            "flags": [flag["flag"] for flag in record["flags"]],
            "volume_ml": volumetry.volume_ml(ours, drawn.affine),
            "volume_ml_reader": volumetry.volume_ml(theirs, drawn.affine),
            "interval_ml": record["volume_interval_ml"],
        }


def _summary(rows: Sequence[Mapping[str, Any]], bad: float) -> dict[str, Any]:
    """Counts, with how they are made in their names."""
    good_rows = [row for row in rows if row["dice"] >= bad]
    bad_rows = [row for row in rows if row["dice"] < bad]
    given = [row for row in rows if row["interval_ml"]]
    held = [
        row["interval_ml"]["low"] <= row["volume_ml_reader"] <= row["interval_ml"]["high"]
        for row in given
    ]
    scored = [row for row in rows if row["score"] is not None]
    rho = None
    if len(scored) > 2:
        pairs = np.array([[row["score"], row["dice"]] for row in scored])
        rho = float(stats.spearmanr(*pairs.T).statistic)
    limits = None
    if given:
        found = stats.binomtest(sum(held), len(held)).proportion_ci(method="exact")
        limits = [float(found.low), float(found.high)]
    return {
        "rows": len(rows),
        "examinations": len({row["exam_id"] for row in rows}),
        "bad": len(bad_rows),
        "bad_with_low_confidence": sum("low_confidence" in row["flags"] for row in bad_rows),
        "bad_with_any_flag": sum(bool(row["flags"]) for row in bad_rows),
        "good_with_low_confidence": sum("low_confidence" in row["flags"] for row in good_rows),
        "good_with_any_flag": sum(bool(row["flags"]) for row in good_rows),
        "spearman_score_dice": rho,
        "intervals": len(given),
        "intervals_that_hold": sum(held),
        "intervals_that_hold_95": limits,
        "low_confidence_below": trust.LOW_CONFIDENCE,
    }


def _line(path: str, told: Mapping[str, Any], bad: float) -> str:
    good = told["rows"] - told["bad"]
    rho = "-" if told["spearman_score_dice"] is None else f"{told['spearman_score_dice']:.2f}"
    return (
        f"{path}: {told['rows']} masks of {told['examinations']} examinations; low_confidence on "
        f"{told['bad_with_low_confidence']} of {told['bad']} with a Dice below {bad:g}, on "
        f"{told['good_with_low_confidence']} of {good} others (any flag: "
        f"{told['bad_with_any_flag']}, {told['good_with_any_flag']}); Spearman {rho}; the interval "
        f"holds {told['intervals_that_hold']} of {told['intervals']}"
    )


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
