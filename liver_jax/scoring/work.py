"""Doing the cases: several examinations side by side, each finished case kept."""

import dataclasses
import itertools
import os
from collections.abc import Mapping, Sequence
from concurrent import futures

import tqdm
from absl import logging

from liver_jax.errors import InputError
from liver_jax.evaluation import cases as measuring
from liver_jax.evaluation import quality, results
from liver_jax.inference.predictor import Predictor
from liver_jax.scoring import masks, pictures
from liver_jax.scoring.case import FIRST_ECHO, Case
from liver_jax.scoring.scan import Scan

# Each holds the scan of one examination: more would need memory rather than save time.
_MOST_WORKERS = 8


def work(
    cases: Sequence[Case], predictors: Mapping[str, Predictor], with_pictures: bool = True
) -> list[dict]:
    """Does the cases that are not done yet.

    A case that raises becomes a `failed` row, and the others go on. A write that fails is no
    property of a case, and raises.

    Args:
        cases: As `plan.plan` lists them.
        predictors: By the name of the model.
        with_pictures: Whether to make each case's pictures and page for the report.

    Returns:
        One row for each case, in order.

    Raises:
        OSError: Something cannot be written.
    """
    groups = [list(group) for _, group in itertools.groupby(cases, lambda case: case.exam.exam_id)]
    workers = max(1, min(len(os.sched_getaffinity(0)), _MOST_WORKERS, len(groups)))
    rows = []
    with (
        futures.ThreadPoolExecutor(workers) as pool,
        tqdm.tqdm(total=len(cases), desc="evaluating", unit="case", delay=2) as bar,
    ):
        running = [pool.submit(_examination, group, predictors, with_pictures) for group in groups]
        try:
            for future in running:
                rows += future.result()
                bar.update(len(rows) - bar.n)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return rows


def _examination(
    cases: Sequence[Case], predictors: Mapping[str, Predictor], with_pictures: bool
) -> list[dict]:
    """All cases of one examination."""
    scan = Scan(cases[0].exam)
    figures: dict[Case, dict] = {}
    for model in dict.fromkeys(case.model for case in cases):
        own = [case for case in cases if case.model == model]
        stored = {case: results.reuse(case.figures, case.fingerprint, case.mask) for case in own}
        # All echoes together: how much their masks disagree is one of the figures of each.
        anew = None in stored.values()
        figures |= {} if anew else stored
        unshown = [
            case
            for case in own
            if with_pictures
            and (anew or not pictures.are_made(case, scan, _row(case, stored[case])))
        ]
        if not anew and not unshown:
            continue
        if model in predictors:
            made = masks.of_network(own, scan, predictors[model])
        else:
            made = masks.of_folder(own, scan)
        for case in own:
            if anew:
                figures[case] = _measure(case, scan, made[case.echo])
                if figures[case]["status"] == "failed":
                    case.figures.unlink(missing_ok=True)
                    pictures.remove(case)
                    continue
                results.keep(case.figures, figures[case], case.fingerprint, case.mask)
            if case in unshown and isinstance(made[case.echo], masks.Automated):
                row = _row(case, figures[case])
                pictures.of_case(case, scan, made[case.echo].mask, row)
    return [_row(case, figures[case]) for case in cases]


def _measure(case: Case, scan: Scan, automated: masks.Automated | Exception) -> dict:
    """The figures of one case; `failed` with its reason if it raises."""
    try:
        if isinstance(automated, Exception):
            raise automated
        pdff_map, pdff_fault = scan.pdff
        if pdff_map and case.echo not in FIRST_ECHO:
            # For repeatability between echoes; the experiments take the first, as the paper.
            pdff_map = dataclasses.replace(pdff_map, find_vessels=None)
        affine = scan.manual.affine
        figures = measuring.measure(automated.mask, scan.manual.data, affine, pdff_map, pdff_fault)
        signals, flags = quality.of_mask(automated.mask, affine)
        figures["quality"] = quality.complete(automated.doubts | signals)
        figures["flags"] += flags
        return figures
    except InputError as error:
        return _failed(str(error))
    except Exception as error:
        logging.exception("%s failed", case.name)
        return _failed(f"{type(error).__name__}: {error}")


def _failed(reason: str) -> dict:
    return measuring.failed(reason) | {"quality": quality.complete({})}


def _row(case: Case, figures: dict) -> dict:
    exam = case.exam
    done = figures["status"] != "failed"
    return {
        "exam_id": exam.exam_id,
        "subject_id": exam.subject_id,
        "session": exam.session,
        "modality": exam.modality,
        "technique": exam.technique,
        "contrast_phase": exam.contrast_phase,
        "cohort": exam.cohort,
        "site": exam.site,
        "field_strength_t": exam.field_strength_t,
        "columns": dict(exam.extra),
        "model": case.model,
        "echo": case.echo,
        "te_ms": exam.te_ms[case.echo - 1] if case.echo and exam.te_ms else None,
        **figures,
        "mask_file": os.path.relpath(case.mask, case.output) if done else None,
    }
