import copy
import csv
import io
import re

import pytest

from liver_jax.evaluation import summary
from liver_jax.evaluation.experiments import run
from liver_jax.report import table, tables

ESTIMATE = {"value": -1.25, "interval_95": [-2.0, -0.5], "exact_interval_95": None, "reason": "few"}


def small(lines=(("a_1", "5 %"),), records=()):
    return table.Table("some_name", "50 % & more", records, ("Name", "Share"), lines)


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def metrics(made_rows):
    rows = made_rows(subjects=4)
    return {
        "cases": rows,
        "summary": summary.summarise(rows),
        "experiments": run.run(rows, ("sex",)),
        "paper": {"figures": []},
    }


@pytest.fixture(scope="module")
def made(metrics):
    return {item.name: item for item in tables.all(metrics)}


def test_a_nested_record_becomes_one_row():
    record = {"n": 3, "bias": ESTIMATE, "flags": ["a", "b"], "test": {"df": [1.0, 4.0], "p": 0.5}}
    assert table.flat(record) == {
        "n": 3,
        "bias": -1.25,
        "bias_interval_95_low": -2.0,
        "bias_interval_95_high": -0.5,
        "bias_exact_interval_95_low": None,
        "bias_exact_interval_95_high": None,
        "bias_reason": "few",
        "flags": "a;b",
        "test_df": "1.0;4.0",
        "test_p": 0.5,
    }


def test_csv_keeps_full_precision_and_leaves_the_undefined_empty():
    records = [{"name": 'a,"b"', "value_ml": 1 / 3}, {"name": "c", "value_ml": None, "more": 1}]
    first, second = read(table.csv_text(small(records=records)))
    assert first["name"] == 'a,"b"' and float(first["value_ml"]) == 1 / 3
    assert first["more"] == "" and second["value_ml"] == ""


def test_latex_of_a_small_table():
    assert table.latex_text(small()) == (
        "% \\usepackage{booktabs}\n"
        "\\begin{table}\n"
        "\\caption{50 \\% \\& more}\n"
        "\\label{tab:some-name}\n"
        "\\footnotesize\n"
        "\\begin{tabular}{lr}\n"
        "\\toprule\n"
        "Name & Share \\\\\n"
        "\\midrule\n"
        "a\\_1 & 5 \\% \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
        "\\end{table}\n"
    )


def test_a_long_table_goes_over_pages():
    text = table.latex_text(small(lines=[("a", "b")] * 41))
    assert "\\begin{longtable}{lr}" in text and "tabular" not in text
    assert text.count("a & b") == 41


def test_every_sign_of_latex_is_escaped():
    escaped = table.escape("\\ & % $ # _ { } ~ ^ < ± − ² –")
    assert escaped == (
        r"\textbackslash{} \& \% \$ \# \_ \{ \} \textasciitilde{} \textasciicircum{} "
        r"$<$ $\pm$ $-$ \textsuperscript{2} --"
    )


def test_lines_that_do_not_fit_their_header_are_a_defect():
    with pytest.raises(ValueError, match="some_name: 1 cells under 2"):
        table.latex_text(small(lines=[("a",)]))


def test_files(tmp_path):
    paths = table.write([small()], tmp_path / "tables")
    assert [path.name for path in paths] == ["some_name.csv", "some_name.tex"]
    assert paths[1].read_text() == table.latex_text(small())


def test_all_tables_are_there(made):
    assert list(made) == [
        "cases",
        "measures",
        "networks",
        "echoes",
        "sequences",
        "agreement_volume",
        "agreement_pdff",
        "agreement_pdff_without_vessels",
        "outliers",
        "repeatability",
        "subgroups",
        "failure",
    ]


def test_all_tables_are_sound_latex(made):
    for item in made.values():
        text = table.latex_text(item)
        plain = text.replace("\\{", "").replace("\\}", "")
        assert plain.count("{") == plain.count("}"), item.name
        for line in text.splitlines():
            if line.endswith(" \\\\") and "caption" not in line:
                assert len(re.findall(r"(?<!\\)&", line)) == len(item.header) - 1, line
        assert not re.search(r"None|nan|[^\x00-\x7f]", text), item.name


def test_cases_have_one_row_each_with_columns_of_their_own(metrics, made):
    found = read(table.csv_text(made["cases"]))
    assert len(found) == len(metrics["cases"])
    for row, case in zip(found, metrics["cases"], strict=True):
        assert row["columns_sex"] == case["columns"]["sex"]
        assert row["dice"] == ("" if case["dice"] is None else str(case["dice"]))


def test_networks_are_laid_out_as_in_the_paper(metrics, made):
    item = made["networks"]
    assert list(item.header) == ["Dice", "2D SPGR", "3D SPGR", "CT", "HBP T1w"]
    names = [line[0] for line in item.lines]
    assert names == [
        "initial CNN", "n", "multimodal CNN", "n", "Difference", "95% interval", "P", "d_z",
    ]  # fmt: skip
    group = next(
        group
        for group in metrics["experiments"]["networks"]["groups"]
        if (group["technique"], group["cohort"], group["contrast"]) == ("hbp_t1w", "pooled", "all")
    )
    mean, sd = group["paired"]["difference"]["value"], group["paired"]["sd_difference"]
    assert item.lines[4][4] == f"{mean:.2f} ± {sd:.2f}"


def test_agreement_has_a_record_for_each_group(metrics, made):
    groups = metrics["experiments"]["volumes"]["groups"]
    found = read(table.csv_text(made["agreement_volume"]))
    assert [float(row["agreement_bias"]) for row in found] == [
        group["agreement"]["bias"]["value"] for group in groups
    ]
    assert {"agreement_lower_limit_exact_interval_95_low", "n_failed"} <= set(found[0])


def test_another_tools_masks_alone_have_their_tables(metrics):
    rows = [row | {"model": "tool_x"} for row in metrics["cases"] if row["model"] == "multimodal"]
    alone = metrics | {
        "cases": rows,
        "summary": summary.summarise(rows),
        "experiments": run.run(rows, ()),
    }
    made = {item.name: item for item in tables.all(alone)}
    assert [line[0] for line in made["networks"].lines] == ["tool_x", "n"]
    assert "subgroups" not in made


def test_published_figures_stand_beside_ours(metrics):
    figure = {
        "experiment": 4,
        "measure": "volume_bias",
        "technique": "ct",
        "model": "multimodal",
        "sets": None,
        "unit": "% of the mean manual volume",
        "published": {"value": -3.5, "printed": "-58.1"},
        "ours": None,
        "difference": None,
        "interval_95": None,
        "interval_90": None,
        "margin": 5.0,
        "verdict": None,
        "reason": "no case",
    }
    ours = {"value": -2.0, "n": 9, "printed": "-33.0 +/- 2.0"}
    both = [figure, figure | {"ours": ours, "difference": 1.5, "verdict": "equivalent"}]
    item = tables.paper(both)
    assert item.lines[0][5:8] == ["-58.1", "–", "–"]
    assert item.lines[1][5:9] == ["-58.1", "-33.0 ± 2.0", "9", "1.50"]
    assert item.lines[1][-1] == "equivalent"


def test_ablation():
    point = {
        "arm": "ct",
        "technique": "ct",
        "model": "multimodal",
        "count": 2,
        "mean": 0.9,
        "interval_95": [0.88, 0.92],
        "sd_cases": 0.1,
        "sd_seeds": 0.004,
        "n_cases": 12,
        "n_seeds": 3,
        "dice": [[0.9]],
        "seed_means": [0.9],
        "published": {"mean": 0.91, "sd": 0.1},
    }
    initial = copy.deepcopy(point) | {"count": 0, "n_seeds": 0, "sd_seeds": None, "published": None}
    (item,) = tables.of_ablation({"points": [initial, point]})
    assert item.lines[0] == ["CT", "0", "0.90 ± 0.10", "0.88, 0.92", "–", "12", "–", "–"]
    assert item.lines[1][-4:] == ["0.004", "12", "3", "0.91 ± 0.10"]
