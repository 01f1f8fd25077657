import numpy as np
import pytest

from liver_jax.evaluation import agreement, paper
from liver_jax.evaluation.against_paper import measurements
from liver_jax.evaluation.experiments.plain import plain


def group(automated, manual, technique="ct", subjects=None, **more):
    subjects = subjects or [f"s{i}" for i in range(len(manual))]
    found = plain(agreement.agree(np.asarray(automated), np.asarray(manual), subjects))
    return {
        "technique": technique, "model": "multimodal", "cohort": "pooled", "contrast": "all",
        "agreement": found, **more,
    }  # fmt: skip


def volumes(groups):
    figures = measurements.volumes(groups, ["multimodal"])
    return {(item["technique"], item["measure"]): item for item in figures}


@pytest.fixture
def like_the_paper():
    """Volumes whose differences have the published mean and spread, in livers half as large."""
    rng = np.random.default_rng(0)
    n, published = 230, paper.VOLUME_ML["ct"]
    manual = rng.normal(published.manual.mean / 2, 100, n)
    manual += published.manual.mean / 2 - manual.mean()
    noise = rng.normal(size=n)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    return manual + (published.bias + published.sd_difference * noise) / 2, manual


def test_volumes_are_compared_as_a_share_of_the_own_livers(like_the_paper):
    found = volumes([group(*like_the_paper)])
    bias = found["ct", "volume_bias"]
    assert bias["unit"] == "% of the mean manual value" and bias["margin"] == 5.0
    assert bias["published"]["value"] == pytest.approx(-58.1 / 16.77)
    assert (bias["published"]["printed"], bias["ours"]["printed"]) == ("-58.1", "-29.1")
    assert bias["difference"] == pytest.approx(0, abs=1e-9)
    # 121.9 mL of 1677 mL in 230 on both sides: 1.645 x 7.27 % x sqrt(2 / 230) = 1.1 %.
    assert bias["interval_90"] == pytest.approx((-1.117, 1.117), abs=0.005)
    for name in ("bias", "lower_limit", "upper_limit"):
        assert found["ct", f"volume_{name}"]["verdict"] == "equivalent"
    # The spread of a limit is sqrt(1 + 1.96^2 / 2) = 1.71 times that of the bias.
    half = np.diff(found["ct", "volume_lower_limit"]["interval_90"])[0] / 2
    assert half == pytest.approx(1.71 * 1.117, abs=0.01)
    absent = found["hbp_t1w", "volume_bias"]
    assert absent["ours"] is None and absent["reason"].startswith("no volume of hbp_t1w")


def test_figures_without_a_margin_have_none(like_the_paper):
    found = volumes([group(*like_the_paper)])
    slope = found["ct", "volume_slope"]
    assert (slope["verdict"], slope["reason"]) == (None, "no margin was set")
    ours = slope["ours"]["value"]
    assert slope["difference"] == pytest.approx(ours - 0.96)
    assert slope["interval_95"] == pytest.approx([x - 0.96 for x in slope["ours"]["interval_95"]])
    manual = found["ct", "volume_manual_mean"]
    assert manual["reason"] == "describes the cohort, not the method"
    assert manual["ours"]["printed"] == "838.5"


def test_narrower_limits_differ_for_the_better(like_the_paper):
    automated, manual = like_the_paper
    found = volumes([group(manual + (automated - manual) / 20, manual)])
    lower = found["ct", "volume_lower_limit"]
    assert (lower["verdict"], lower["is_better"]) == ("different", True)
    wider = volumes([group(manual + 3 * (automated - manual), manual)])
    lower = wider["ct", "volume_lower_limit"]
    assert (lower["verdict"], lower["is_better"]) == ("different", False)


def test_fat_is_of_the_whole_liver_of_all_cohorts():
    rng = np.random.default_rng(0)
    manual = rng.uniform(2, 30, 50)
    right = group(manual + 0.1 + rng.normal(0, 0.3, 50), manual, "spgr2d", region="whole_liver")
    wrong = group(manual + 9, manual, "spgr2d", region="without_vessels")
    part = group(manual + 9, manual, "spgr2d", region="whole_liver") | {"cohort": "internal"}
    figures = measurements.fat([wrong, part, right], ["multimodal"])
    found = {(item["technique"], item["measure"]): item for item in figures}
    bias = found["spgr2d", "pdff_bias"]
    assert bias["ours"]["value"] == pytest.approx(0.1, abs=0.15)
    assert (bias["unit"], bias["margin"]) == ("percentage points", 0.5)
    assert bias["verdict"] == "equivalent" and bias["published"]["n"] is None
    assert found["spgr2d", "pdff_r"]["published"]["value"] == 0.99
    assert ("spgr2d", "pdff_manual_mean") not in found  # the paper has none


def test_one_case_has_a_bias_and_no_verdict():
    bias = volumes([group([1010.0], [1000.0])])["ct", "volume_bias"]
    assert bias["ours"]["value"] == pytest.approx(1.0)
    assert (bias["verdict"], bias["reason"]) == (None, "fewer than two cases")
    lower = volumes([group([1010.0], [1000.0])])["ct", "volume_lower_limit"]
    assert lower["ours"] is None and lower["reason"]


def test_the_standard_error_of_a_limit_tends_to_bland_and_altmans_rule():
    # Stat Methods Med Res 1999;8:135: about 1.71 s / sqrt(n) where n is large.
    assert measurements.limit_spread(2.0, 10_000) == pytest.approx(2 * 1.71, rel=0.002)
    assert measurements.limit_spread(2.0, 1) is None
    assert measurements.limit_spread(None, 85) is None


def test_the_standard_error_of_a_limit_is_the_found_one():
    samples = np.random.default_rng(0).normal(size=(20000, 30))
    limits = samples.mean(axis=1) - 1.96 * samples.std(axis=1, ddof=1)
    found = measurements.limit_spread(1.0, 30) / np.sqrt(30)
    assert found == pytest.approx(limits.std(), rel=0.02)


def test_every_published_figure_is_there():
    figures = list(measurements.volumes([], ["multimodal"]))
    assert len(figures) == 2 * (4 + 4 + 3 + 3 + 1)  # both ranges, line, bias and limits, P
    figures = list(measurements.fat([], ["multimodal"]))
    assert len(figures) == 2 * (2 + 3 + 3 + 1)
