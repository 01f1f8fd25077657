import numpy as np
import pytest
from scipy import stats

from liver_jax.evaluation.experiments import networks


def pair(row, exam, before, after, technique="ct", **fields):
    return [
        row(before, "initial", technique, exam, **fields),
        row(after, "multimodal", technique, exam, **fields),
    ]


def only(groups, **wanted):
    (found,) = (group for group in groups if wanted.items() <= group.items())
    return found


def test_the_difference_and_its_tests(row):
    before, after = [0.8, 0.7, 0.9, 0.6], [0.95, 0.9, 0.94, 0.93]
    rows = [
        case
        for index, (first, second) in enumerate(zip(before, after, strict=True))
        for case in pair(row, f"e{index}", first, second)
    ]
    (group,) = networks.run(rows)["groups"]
    difference = np.subtract(after, before)
    assert (group["technique"], group["cohort"], group["contrast"]) == ("ct", "pooled", "all")
    assert group["paired"]["difference"]["value"] == pytest.approx(difference.mean())
    assert group["paired"]["sd_difference"] == pytest.approx(difference.std(ddof=1))
    assert group["paired"]["t_test"]["p"] == pytest.approx(stats.ttest_rel(after, before).pvalue)
    assert group["paired"]["cohens_d_z"]["value"] == pytest.approx(
        difference.mean() / difference.std(ddof=1)
    )
    assert (group["initial"]["mean"], group["multimodal"]["mean"]) == pytest.approx((0.75, 0.93))
    assert group["p_bonferroni"] == group["paired"]["t_test"]["p"]


def test_p_is_corrected_for_the_techniques_of_the_cohort(row):
    rows = []
    for technique, cohorts in {
        "ct": ("internal", "external"),
        "spgr2d": ("internal", "external"),
        "hbp_t1w": ("external",),
    }.items():
        for cohort in cohorts:
            for index, (before, after) in enumerate([(0.8, 0.9), (0.8, 0.85), (0.7, 0.9)]):
                name = f"{index}{cohort[0]}{technique}"
                rows += pair(row, name, before, after, technique, cohort=cohort)
    rows += pair(row, "one", 0.8, 0.9, "t2", cohort="internal")  # too few for a test
    groups = networks.run(rows)["groups"]
    for cohort, tested in (("pooled", 3), ("internal", 2), ("external", 3)):
        group = only(groups, technique="ct", cohort=cohort)
        assert group["bonferroni_m"] == tested
        assert group["p_bonferroni"] == pytest.approx(
            min(1.0, tested * group["paired"]["t_test"]["p"])
        )
    assert only(groups, technique="t2", cohort="internal")["p_bonferroni"] is None


def test_unenhanced_ct_stands_apart(row):
    rows = pair(row, "a", 0.8, 0.9, contrast_phase="portal_venous")
    rows += pair(row, "b", 0.5, 0.6, contrast_phase="unenhanced")
    groups = networks.run(rows)["groups"]
    means = {group["contrast"]: group["multimodal"]["mean"] for group in groups}
    assert means == pytest.approx({"all": 0.75, "unenhanced": 0.6, "enhanced": 0.9})


def test_every_case_is_accounted_for(row):
    rows = [
        *pair(row, "a", 0.8, 0.9),
        *pair(row, "b", 0.6, 0.9),
        *pair(row, "c", None, None, status="empty"),
        *pair(row, "d", 0.9, None),
        row(0.9, "initial", exam="e"),
        row(0.9, "another_tool", exam="a"),
    ]
    rows[7]["status"] = "failed"
    (group,) = networks.run(rows)["groups"]
    counts = {key: group[key] for key in ("n", "n_undefined", "n_failed", "n_unpaired")}
    assert counts == {"n": 4, "n_undefined": 1, "n_failed": 1, "n_unpaired": 1}
    assert group["paired"]["n"] == 3
    assert group["paired"]["difference"]["value"] == pytest.approx((0.1 + 0.3 - 0.9) / 3)
    assert group["paired_without_failed"]["difference"]["value"] == pytest.approx(0.2)


def test_what_the_second_stage_forgets(row):
    rows = pair(row, "a", 0.94, 0.92, "spgr2d", echo=1, cohort="internal")
    rows += pair(row, "a", 0.5, 0.9, "spgr2d", echo=2, cohort="internal")  # another echo
    result = networks.run([*rows, *pair(row, "b", 0.1, 0.9)])
    assert result["forgetting"]["paired"]["difference"]["value"] == pytest.approx(-0.02)
    assert result["forgetting"]["cohort"] == "pooled"


def test_one_network_gives_a_reason(row):
    result = networks.run([row(0.9, "initial"), row(0.9, "another_tool")])
    assert result == {"reason": result["reason"], "groups": [], "forgetting": None}
    assert "multimodal" in result["reason"]
