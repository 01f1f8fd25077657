"""Sub-groups: do Dice, volume and PDFF agree equally well in every part of the cohort?

First echoes only, cohorts pooled. `run` returns a list, for each column

- `column`, `kind`, `levels`, `cuts`: as `levels.Levels`; `n_exams`, and `n_without`: examinations
  that have no value there;
- `groups`: for each technique, model and `measure` (`dice`, failed cases 0; `volume_ml_difference`
  and `pdff_percent_difference`, automated - manual) that has a value: `levels`, each with `level`
  and the figures of `select.described`; `tests` between levels (`hypothesis.between_groups`) on the
  means of each subject in a level, None with a reason where a subject is in several of the levels
  compared (sessions, contrast phases): its means are not independent; `p_holm`: P of its Welch
  test, corrected over the measures, techniques and models of this column;
- `interactions`:
  - `kind` `model`, for each technique and measure: does the multimodal minus the initial network's
    value differ between levels? `tests` between levels of these differences, as above;
  - `kind` `technique`, for each model and measure: does a level matter more in one technique than
    in another? `test`: Wald test (F) of the product terms in least squares on technique, level and
    their product; covariance clustered by subject (Liang and Zeger, Biometrika 1986, 73:13; the
    small-sample form of Stata and statsmodels).
  Each has `n`, the values, `n_subjects`, and `p_holm`: P of the Welch or the Wald test, corrected
  over all interactions of this column.
"""

import collections
import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import statsmodels.formula.api as formulas

from liver_jax.evaluation import hypothesis, summary
from liver_jax.evaluation.estimate import Test
from liver_jax.evaluation.experiments import fat, levels, networks, select, volumes
from liver_jax.evaluation.experiments.plain import plain

Measure = Callable[[dict], float | None]


def _volume_ml_difference(row: dict) -> float | None:
    return pair[0] - pair[1] if (pair := volumes.pair(row)) else None


def _pdff_percent_difference(row: dict) -> float | None:
    return pair[0] - pair[1] if (pair := fat.pair(row)) else None


_MEASURES: Mapping[str, Measure] = {
    "dice": summary.dice_or_zero,
    "volume_ml_difference": _volume_ml_difference,
    "pdff_percent_difference": _pdff_percent_difference,
}
_WALD = "Wald test (F) of technique x level, least squares, covariance clustered by subject"


def run(rows: Sequence[dict], columns: Sequence[str]) -> list[dict]:
    """Compares sub-groups; the module's docstring says what it returns.

    Args:
        rows: The rows of `cases[]`.
        columns: Which columns to split by.

    Raises:
        InputError: There is no such column.
    """
    levels.check(rows, columns)
    rows = select.first_echo(rows)
    return plain([_of_column(rows, column) for column in dict.fromkeys(columns)])


def _of_column(rows: Sequence[dict], column: str) -> dict:
    found = levels.of_column(rows, column)
    exams = {row["exam_id"] for row in rows}
    split = [row for row in rows if row["exam_id"] in found.of_exam]
    groups, interactions = [], []
    for technique in summary.techniques(split):
        of_technique = [row for row in split if row["technique"] == technique]
        for measure in _MEASURES:
            for model in summary.models(of_technique):
                if group := _compare(select.of_model(of_technique, model), measure, found):
                    label = {"technique": technique, "model": model, "measure": measure}
                    groups.append(label | group)
            if between := _model_by_level(of_technique, measure, found):
                label = {"kind": "model", "technique": technique, "measure": measure}
                interactions.append(label | between)
    for model in summary.models(split):
        for measure in _MEASURES:
            if within := _technique_by_level(select.of_model(split, model), measure, found):
                label = {"kind": "technique", "model": model, "measure": measure}
                interactions.append(label | within)
    _correct(groups)
    _correct(interactions)
    return {
        "column": column,
        "kind": found.kind,
        "levels": list(found.names),
        "cuts": list(found.cuts),
        "n_exams": len(exams),
        "n_without": len(exams - set(found.of_exam)),
        "groups": groups,
        "interactions": interactions,
    }


def _correct(found: Sequence[dict]) -> None:
    """Gives each its `p_holm`, corrected over all of them."""
    tests = [item["tests"].welch if "tests" in item else item["test"] for item in found]
    for item, p in zip(found, hypothesis.holm([test.p for test in tests]), strict=True):
        item["p_holm"] = p


def _compare(rows: Sequence[dict], measure: str, found: levels.Levels) -> dict | None:
    value = _MEASURES[measure]
    values = [
        (found.of_exam[row["exam_id"]], row["subject_id"], value(row))
        for row in rows
        if value(row) is not None
    ]
    if not values:
        return None
    described = []
    for level in found.names:
        chosen = [row for row in rows if found.of_exam[row["exam_id"]] == level]
        described.append({"level": level, **select.described(chosen, value)})
    return {"levels": described, "tests": _between(values)}


def _model_by_level(rows: Sequence[dict], measure: str, found: levels.Levels) -> dict | None:
    value = _MEASURES[measure]
    differences = [
        (found.of_exam[after["exam_id"]], after["subject_id"], value(after) - value(before))
        for before, after in networks.paired_rows(rows)
        if value(after) is not None and value(before) is not None
    ]
    if not differences:
        return None
    n_subjects = len({subject for _, subject, _ in differences})
    return {"n": len(differences), "n_subjects": n_subjects, "tests": _between(differences)}


def _between(values: Sequence[tuple[str, str, float]]) -> hypothesis.BetweenGroups:
    """Tests between levels, on one number for each level and subject.

    Both tests take these as independent: none where a subject is in several of the levels compared.
    """
    of_subject: dict[tuple[str, str], list[float]] = {}
    for level, subject, value in values:
        of_subject.setdefault((level, subject), []).append(value)
    means = [statistics.fmean(own) for own in of_subject.values()]
    found = hypothesis.between_groups(means, [level for level, _ in of_subject])
    compared = [subject for level, subject in of_subject if level in found.counts]
    levels_of = collections.Counter(compared)
    n_shared = sum(count > 1 for count in levels_of.values())
    if not n_shared:
        return found
    reason = f"not independent: {n_shared} of {len(levels_of)} subjects are in several levels"
    welch, kruskal = (
        Test(test.method, None, (), None, test.n, reason) for test in (found.welch, found.kruskal)
    )
    return dataclasses.replace(found, welch=welch, kruskal=kruskal)


def _technique_by_level(rows: Sequence[dict], measure: str, found: levels.Levels) -> dict | None:
    value = _MEASURES[measure]
    table = pd.DataFrame(
        [
            (row["technique"], found.of_exam[row["exam_id"]], row["subject_id"], value(row))
            for row in rows
            if value(row) is not None
        ],
        columns=["technique", "level", "subject", "value"],
    )
    if table["technique"].nunique() < 2 or table["level"].nunique() < 2:
        return None
    counts = {"n": len(table), "n_subjects": int(table["subject"].nunique())}
    return counts | {"test": _wald(table)}


def _wald(table: pd.DataFrame) -> Test:
    n_subjects = int(table["subject"].nunique())

    def undefined(reason: str) -> Test:
        return Test(_WALD, None, (), None, n_subjects, reason)

    cells = table.groupby(["technique", "level"])["value"]
    shape = table["technique"].nunique(), table["level"].nunique()
    if len(cells) < shape[0] * shape[1] or cells.count().min() < 2:
        return undefined("a technique has fewer than two cases in a level")
    if n_subjects <= shape[0] * shape[1]:
        return undefined("no more subjects than groups")
    if cells.apply(np.ptp).max() == 0:
        return undefined("no spread within the groups")
    fitted = formulas.ols("value ~ C(technique) * C(level)", table).fit(
        cov_type="cluster",
        cov_kwds={"groups": pd.factorize(table["subject"])[0]},
        use_t=True,
    )
    names = [name for name in fitted.params.index if ":" in name]
    covariance = fitted.cov_params().loc[names, names].to_numpy()
    if np.linalg.matrix_rank(covariance) < len(names):
        return undefined("the covariance of the product terms is singular")
    product = np.eye(len(fitted.params))[[fitted.params.index.get_loc(name) for name in names]]
    test = fitted.f_test(product)
    df = (float(test.df_num), float(test.df_denom))
    return Test(_WALD, float(test.fvalue), df, float(test.pvalue), n_subjects)
