import copy
import html
import re

import pytest

from liver_jax.report import wording
from liver_jax.report.sections import subgroups


def rows_of(text):
    """The cells of each row of the body, without their marks."""
    return [
        [
            html.unescape(re.sub("<.*?>", " ", cell)).strip()
            for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", text.partition("<tbody>")[2], re.S)
    ]


@pytest.fixture
def of_sex(made_metrics):
    (column,) = [
        column for column in made_metrics["experiments"]["subgroups"] if column["column"] == "sex"
    ]
    return copy.deepcopy(column)


def shown(column):
    return subgroups.show({"experiments": {"subgroups": [column]}})


@pytest.mark.parametrize(
    ("measure", "place", "decimals"),
    [("dice", 3, 3), ("volume_ml_difference", 6, 0), ("pdff_percent_difference", 9, 2)],
)
def test_each_level_has_its_figure_interval_n_and_p(of_sex, measure, place, decimals):
    found = {tuple(row[:3]): row[place : place + 3] for row in rows_of(shown(of_sex))}
    for group in of_sex["groups"]:
        if group["measure"] != measure:
            continue
        for level in group["levels"]:
            where = wording.technique(group["technique"]), wording.model(group["model"])
            figure, n, p_words = found[level["level"], *where]
            assert wording.mean_sd(level["mean"], level["sd"], decimals) in figure
            if level["interval_95"] is not None:
                assert f"({wording.interval(level['interval_95'], decimals)})" in figure
            assert n == str(level["n_counted"])
            tested = group["tests"]["welch"]["p"], group["p_holm"]
            wanted = [wording.p_value(p).removeprefix("P ").removeprefix("= ") for p in tested]
            assert p_words == (wording.DASH if tested[0] is None else f"{wanted[0]} ({wanted[1]})")


def test_a_technique_without_fat_has_a_dash_and_no_column_stands_empty(of_sex):
    ct = next(row for row in rows_of(shown(of_sex)) if row[1] == "CT")
    assert ct[9:] == [wording.DASH, "0", wording.DASH]
    of_sex["groups"] = [group for group in of_sex["groups"] if group["technique"] == "ct"]
    text = shown(of_sex)
    assert "PDFF (points)" not in text and len(rows_of(text)[0]) == 9


@pytest.mark.parametrize("experiments", [{}, {"subgroups": None}, {"subgroups": []}])
def test_no_subgroups_are_said_to_be_none(experiments):
    assert "No case" in subgroups.show({"experiments": experiments})
