import numpy as np
import pytest
from statsmodels.stats import weightstats

from liver_jax.evaluation import paper
from liver_jax.evaluation.against_paper import figure

WHAT = {"experiment": 2, "measure": "dice"}
PUBLISHED = paper.Published(0.94, 0.06, 230)


def ours(value=0.93, sd=0.05, n=60, subjects=60, interval=(0.91, 0.95)):
    return {
        "value": value, "sd": sd, "n": n, "n_subjects": subjects, "interval_95": interval
    }  # fmt: skip


def sample(mean, sd, n):
    """Numbers with exactly this mean and standard deviation."""
    values = np.random.default_rng(0).normal(size=n)
    return mean + sd * (values - values.mean()) / values.std(ddof=1)


def test_the_verdict_is_that_of_statsmodels_on_two_samples():
    result = figure.mean_dice(WHAT, PUBLISHED, ours(), "-")
    pair = sample(0.93, 0.05, 60), sample(0.94, 0.06, 230)
    p = weightstats.ttost_ind(*pair, -0.02, 0.02, usevar="unequal")[0]
    assert result["p"] == pytest.approx(p, rel=1e-9)
    means = weightstats.CompareMeans(*map(weightstats.DescrStatsW, pair))
    for level, alpha in ((95, 0.05), (90, 0.10)):
        interval = means.tconfint_diff(alpha, usevar="unequal")
        assert result[f"interval_{level}"] == pytest.approx(interval, rel=1e-9)
    assert result["difference"] == pytest.approx(-0.01) and result["margin"] == 0.02
    assert result["verdict"] == "inconclusive" and result["is_better"] is False
    assert result["published"]["printed"] == "0.94 +/- 0.06"
    assert result["ours"]["printed"] == "0.930 +/- 0.050"


@pytest.mark.parametrize(
    ("mean", "verdict"), [(0.939, "equivalent"), (0.92, "inconclusive"), (0.88, "different")]
)
def test_verdicts(mean, verdict):
    result = figure.mean_dice(WHAT, PUBLISHED, ours(mean, 0.02, 500, 500), "-")
    assert result["verdict"] == verdict


def test_a_subject_counts_once():
    many = figure.mean_dice(WHAT, PUBLISHED, ours(0.935, 0.05, 300, 300), "-")
    few = figure.mean_dice(WHAT, PUBLISHED, ours(0.935, 0.05, 300, 30), "-")
    one_each = figure.mean_dice(WHAT, PUBLISHED, ours(0.935, 0.05, 30, 30), "-")
    assert few["interval_90"] == one_each["interval_90"]
    assert (many["verdict"], few["verdict"]) == ("equivalent", "inconclusive")


def test_what_cannot_be_compared_says_why():
    absent = figure.mean_dice(WHAT, PUBLISHED, None, "no case")
    assert (absent["ours"], absent["verdict"], absent["reason"]) == (None, None, "no case")
    undefined = figure.mean_dice(WHAT, PUBLISHED, ours(None, None, 0, 0, None), "-")
    assert (undefined["ours"], undefined["reason"]) == (None, "no cases")
    lone = figure.mean_dice(WHAT, PUBLISHED, ours(0.9, None, 1, 1, None), "-")
    assert lone["difference"] == pytest.approx(-0.04)
    assert (lone["verdict"], lone["reason"]) == (None, "fewer than two cases")
    assert lone["ours"]["printed"] == "0.900 +/- -"


def test_a_figure_without_a_margin():
    published = {"value": 0.96, "printed": "0.96"}
    own = {"value": 0.98, "interval_95": (0.95, 1.01), "printed": "0.980", "reason": None}
    result = figure.without_verdict(WHAT, published, own, "no margin was set", "-")
    assert result["interval_95"] == pytest.approx([-0.01, 0.05])
    assert (result["verdict"], result["reason"]) == (None, "no margin was set")
    undefined = own | {"value": None, "interval_95": None, "reason": "no spread"}
    result = figure.without_verdict(WHAT, published, undefined, "no margin was set", "-")
    assert (result["ours"], result["difference"], result["reason"]) == (None, None, "no spread")


@pytest.mark.parametrize(("p", "printed"), [(0.0004, "< 0.001"), (0.0415, "0.042")])
def test_p_values_have_no_difference(p, printed):
    test = {"statistic": 3.21, "p": p, "n": 40, "reason": None}
    result = figure.p_value(WHAT, paper.PublishedTest(0.001, is_bound=True), test, "-")
    assert (result["published"]["printed"], result["ours"]["printed"]) == ("< 0.001", printed)
    assert result["difference"] is result["verdict"] is None
    f = figure.f_value(WHAT, paper.PublishedTest(0.23, f=1.29), test, "-")
    assert (f["published"]["value"], f["ours"]["value"]) == (1.29, 3.21)
    undefined = test | {"p": None, "reason": "too few"}
    assert figure.p_value(WHAT, paper.PublishedTest(0.2), undefined, "-")["reason"] == "too few"
    assert figure.p_value(WHAT, paper.PublishedTest(0.2), None, "none")["reason"] == "none"


def test_all_figures_have_the_same_fields():
    fields = set(figure.mean_dice(WHAT, PUBLISHED, None, "-"))
    assert fields == set(figure.mean_dice(WHAT, PUBLISHED, ours(), "-"))
    assert fields == set(figure.p_value(WHAT, paper.PublishedTest(0.2), None, "-"))
