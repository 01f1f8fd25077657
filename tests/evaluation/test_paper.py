"""The published figures against each other: a misprint here would be a false standard."""

import numpy as np
import pytest
from scipy import stats

from liver_jax.evaluation import paper

AGREEMENT = [*paper.VOLUME_ML.values(), *paper.PDFF_PERCENT.values()]


def test_the_margins_are_those_fixed_before_any_result():
    assert paper.MARGINS == {"dice": 0.02, "volume_percent": 5.0, "pdff_points": 0.5}


def test_the_published_table_agrees_with_itself():
    for technique in paper.TECHNIQUES:
        difference = (
            paper.DICE[technique, "multimodal"].mean - paper.DICE[technique, "initial"].mean
        )
        # Means are rounded to two digits, so a difference of two may be off by one.
        assert paper.DICE_DIFFERENCE[technique].mean == pytest.approx(difference, abs=0.0101)
    for arm, technique in paper.ABLATION_TECHNIQUE.items():
        curve = paper.ABLATION[arm]
        for count, network in ((0, "initial"), (paper.PLATEAU[arm], "multimodal")):
            same = paper.DICE[technique, network]
            assert (curve[count].mean, curve[count].sd) == (same.mean, same.sd)
            assert curve[count].n_taken == same.n
        assert max(curve) == paper.PLATEAU[arm]


@pytest.mark.parametrize("published", paper.VOLUME_ML.values())
def test_volumes_agree_with_themselves(published):
    manual, automated = published.manual, published.automated
    assert published.bias == pytest.approx(automated.mean - manual.mean, abs=0.5)
    middle = (published.lower_limit + published.upper_limit) / 2
    assert published.bias == pytest.approx(middle, abs=1)
    # The line goes through both means; its slope is rounded to two digits.
    line = published.slope * manual.mean + published.intercept
    assert line == pytest.approx(automated.mean, abs=0.005 * manual.mean)
    slope = np.sqrt(published.r_squared) * automated.sd / manual.sd
    assert published.slope == pytest.approx(slope, abs=0.006)


@pytest.mark.parametrize("published", AGREEMENT)
def test_the_published_p_goes_with_bias_limits_and_n(published):
    n = published.n or published.n_taken
    t = abs(published.bias) / (published.sd_difference / np.sqrt(n))
    p = 2 * stats.t.sf(t, n - 1)
    if published.bias_test.is_bound:
        assert p < published.bias_test.p
    else:
        assert p == pytest.approx(published.bias_test.p, abs=0.01)


def test_all_168_examinations_would_make_the_2d_fat_fraction_significant():
    published = paper.PDFF_PERCENT["spgr2d"]  # so fewer are taken
    t = published.bias / (published.sd_difference / np.sqrt(168))
    assert 2 * stats.t.sf(t, 167) == pytest.approx(0.0015, abs=0.0003)
