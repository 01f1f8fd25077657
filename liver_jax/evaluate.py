"""Masks against manual masks: a checkpoint's, or those that any other tool made."""

import errno
import os
import pathlib
from collections.abc import Mapping, Sequence

from absl import flags

from liver_jax import cli, files
from liver_jax.cohort import manifest
from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError
from liver_jax.evaluation import ablation, comparison, predictions, results, summary, tables
from liver_jax.evaluation.experiments import levels, run
from liver_jax.examine import share
from liver_jax.examine.share import Share
from liver_jax.inference.predictor import Predictor
from liver_jax.model import compiler
from liver_jax.report import publish
from liver_jax.scoring import pictures, plan, work
from liver_jax.scoring.provenance import provenance

USAGE = """
python -m liver_jax.evaluate --checkpoint=runs/stage2 --baseline=runs/stage1 --output=runs/eval
python -m liver_jax.evaluate --manifest=mine.csv --predictions=masks --output=runs/eval
python -m liver_jax.evaluate --ablation=runs/ablation
python -m liver_jax.evaluate --compare_to_paper --output=runs/eval

Compares automated with manual masks on each scan's own grid. OUTPUT/metrics.json has every case
and the paper's experiments; OUTPUT/report/index.html shows them, with figures and tables as files
beside it. Finished cases are not redone. PDFF is the mean over the manifest's map, or over one
fitted to the echoes; where neither can be used the case is compared all the same, and flagged.

  --manifest=A.csv,B.csv  the examinations (default: data/phantom/manifest.csv)
  --split=NAME            which of them (default: test; --split= takes those without a split)
  --checkpoint=RUN        the network to evaluate, `multimodal` in the results: its best checkpoint,
                          or RUN/latest; an exported file; builtin: the weights that come along.
                          Examinations it was trained on are refused
  --baseline=RUN          a second one to set beside it, `initial` in the results
  --predictions=DIR       masks of 0 and 1 made by any tool, <exam_id>.nii.gz, one for each
                          examination; <exam_id>_echo<k>.nii.gz for echo k; needs no checkpoint
  --echoes=first|all      of examinations with several echoes (default: first; experiment 1 and
                          repeatability between echoes need all)
  --subgroups=A,B         columns of the manifest to compare within (default: sex, site, scanner,
                          field_strength_t, steatosis_grade, as far as there are such)
  --ablation=DIR          merges the runs of launch/sweep.py: DIR/ablation.json and its figures;
                          with --checkpoint or --predictions it goes into their report
  --compare_to_paper      prints each published figure, ours, the difference and the verdict; alone,
                          of the metrics.json in OUTPUT
  --noreport              metrics.json only
  --shard=i/n             a share of the cases, kept and no more; under srun or a Slurm array each
                          process takes its own. At the end the same command alone puts all together
  --output=DIR            default: runs/eval; masks of checkpoints are kept in DIR/masks

Exit codes: 0 finished; 1 every case failed, or a defect; 2 refused input or flags.
"""

_ALL = Share()
# A folder that cannot be made or written into.
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOENT)


def evaluate(
    exams: Sequence[Exam],
    output: pathlib.Path,
    predictors: Mapping[str, Predictor],
    predictions_folder: pathlib.Path | None = None,
    all_echoes: bool = False,
    subgroups: Sequence[str] | None = None,
    curves: dict | None = None,
    report: bool = True,
    shared: Share = _ALL,
) -> dict | None:
    """Evaluates every case, writes `output`/metrics.json and the report.

    Everything that can be known to be at fault is refused before the first case is begun. After
    that a case that raises becomes a `failed` row, and the others go on.

    Args:
        exams: The examinations, each with a manual mask.
        output: Where results go: metrics.json, masks/, cases/, report/.
        predictors: By the name of the model.
        predictions_folder: Masks made elsewhere; its name is the model's.
        all_echoes: Whether every echo is a case, or only the first.
        subgroups: Columns of the manifest; None for the usual ones that are there.
        curves: The data-size ablation, as `ablation.merge` returns it.
        report: Whether to write the report.
        shared: Which of the examinations to do. What is kept of the shares is put together, each
            case once, by an evaluation of all of them, which does what is missing.

    Returns:
        What metrics.json holds; None of a share that is not the whole.

    Raises:
        InputError: As `plan.plan`; a sub-group that no examination has; the disk is full.
    """
    fields = [{"columns": exam.extra} for exam in exams]
    levels.check(fields, subgroups or ())
    cases = plan.plan(exams, output, predictors, predictions_folder, all_echoes)
    try:
        if shared != _ALL:
            mine = {exam.exam_id for exam in shared.of(exams)}
            work.work([case for case in cases if case.exam.exam_id in mine], predictors, report)
            return None
        rows = work.work(cases, predictors, report)
        summarised = summary.summarise(rows)
        chosen = levels.usual(rows) if subgroups is None else subgroups
        of_sizes = curves and {name: value for name, value in curves.items() if name != "paper"}
        found = run.run(rows, chosen) | {"ablation": of_sizes}
        metrics = {
            "cases": rows,
            "summary": summarised,
            "experiments": found,
            "paper": comparison.compare(summarised, found, curves),
            "provenance": provenance(exams, predictors, predictions_folder),
        }
        results.write(output / "metrics.json", metrics)
        if report:
            pictures.of_worst(cases, rows)
            publish.publish(output, metrics)
    except OSError as error:
        if error.errno not in (*files.DISK_FULL, *_NOT_WRITABLE):
            raise
        fault = f"cannot be written: {error.strerror}"
        remedy = "Free some space or choose another --output; finished cases are kept"
        raise InputError(output, fault, remedy) from error
    return metrics


def words(metrics: dict, output: pathlib.Path) -> str:
    """What the terminal shows at the end: the table, what to know about it, where the rest lies."""
    groups, pair = metrics["summary"]["groups"], metrics["summary"]["forgetting"]
    lines = [tables.dice(groups)]
    if pair and pair["n"]:
        lines.append(tables.forgetting(pair))
    failed = [row for row in metrics["cases"] if row["status"] == "failed"]
    if failed:
        where = f"{failed[0]['exam_id']}, {failed[0]['model']}: {failed[0]['reason']}"
        lines.append(f"{len(failed)} failed, counted as Dice 0 ({where})")
    without = [row for row in metrics["cases"] if "pdff_unavailable" in row["flags"]]
    if without:
        where = f"{without[0]['exam_id']}, {without[0]['model']}: {without[0]['reason']}"
        lines.append(f"{len(without)} without the PDFF that was to be had ({where})")
    if empty := [row["exam_id"] for row in metrics["cases"] if "manual_empty" in row["flags"]]:
        some = predictions.some(dict.fromkeys(empty))
        lines.append(f"No liver in the manual mask of {some}: is liver_labels right?")
    if undefined := sum(group["measures"]["dice"]["n_undefined"] for group in groups):
        lines.append(f"{undefined} undefined (both masks empty), not counted")
    if results.are_phantoms(metrics):
        lines.append("These are figures of phantoms, not of patients.")
    if (page := output / "report" / "index.html").exists():
        lines.append(f"Report: {page}")
    return "\n".join([*lines, f"Everything else: {output / 'metrics.json'}"])


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags; a function, so that several binaries can be imported at once."""
    flags.DEFINE_string("manifest", "data/phantom/manifest.csv", "The examinations.", values)
    flags.DEFINE_string("split", "test", "Which of them.", values)
    flags.DEFINE_string("checkpoint", None, "The network to evaluate.", values)
    flags.DEFINE_string("baseline", None, "A second network to set beside it.", values)
    flags.DEFINE_string("predictions", None, "A folder of masks made by any tool.", values)
    flags.DEFINE_enum("echoes", "first", ["first", "all"], "Which echoes.", values)
    flags.DEFINE_list("subgroups", None, "Columns of the manifest.", values)
    flags.DEFINE_string("ablation", None, "A folder of runs to merge.", values)
    flags.DEFINE_bool("compare_to_paper", False, "Print the comparison.", values)
    flags.DEFINE_bool("report", True, "Write the report.", values)
    flags.DEFINE_string("shard", None, "Which share of the cases.", values)
    flags.DEFINE_string("output", "runs/eval", "Where results go.", values)


def main(given: flags.FlagValues = flags.FLAGS) -> int:
    """Does what the flags ask; returns the exit code."""
    if given.baseline and not given.checkpoint:
        fault = "it is set beside --checkpoint, which is not given"
        raise InputError("--baseline", fault, "Give both, or --checkpoint alone")
    if not given.output:
        raise InputError("--output", "it is empty", "Name the folder for the results")
    compiler.keep_compiled()
    output = pathlib.Path(given.output)
    curves = _merge_ablation(given) if given.ablation else None
    if given.checkpoint or given.predictions:
        shared = share.parse(given.shard) if given.shard else share.from_environment(os.environ)
        metrics = _evaluate(given, output, curves, shared)
        if metrics is None:
            print(
                f"share {shared.index + 1} of {shared.count} is done and kept in {output}. When "
                "all are, the same command alone, without --shard, writes metrics.json."
            )
            return cli.FINISHED
        print(words(metrics, output))
    elif curves:
        if given.compare_to_paper:
            print(tables.paper(curves["paper"]))
        return cli.FINISHED
    elif given.compare_to_paper:
        metrics = results.read(output / "metrics.json")
    else:
        fault = "neither --checkpoint nor --predictions is given"
        raise InputError("flags", fault, "Name a run folder or a folder of masks; see --help")
    if given.compare_to_paper:
        print(tables.paper(metrics["paper"]))
    every_case_failed = all(row["status"] == "failed" for row in metrics["cases"])
    return cli.FAILED if every_case_failed else cli.FINISHED


def _merge_ablation(given: flags.FlagValues) -> dict:
    folder = pathlib.Path(given.ablation)
    curves = ablation.merge(folder)
    files.write_json(folder / "ablation.json", curves)
    print(tables.ablation(curves["points"]))
    print(tables.plateaus(curves["arms"], curves["points"]))
    if given.report:
        publish.ablation(folder, curves)
        print(f"Figures and tables: {folder / 'report'}")
    print(f"Everything else: {folder / 'ablation.json'}")
    return curves


def _evaluate(
    given: flags.FlagValues, output: pathlib.Path, curves: dict | None, shared: Share
) -> dict | None:
    exams = plan.select(manifest.read_many(given.manifest), given.split)
    runs = {"initial": given.baseline, "multimodal": given.checkpoint}
    predictors = {
        model: Predictor.from_checkpoint(folder) for model, folder in runs.items() if folder
    }
    folder = pathlib.Path(given.predictions) if given.predictions else None
    echoes = given.echoes == "all"
    return evaluate(
        exams, output, predictors, folder, echoes, given.subgroups, curves, given.report, shared
    )


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
