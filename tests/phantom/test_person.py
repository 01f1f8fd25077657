"""People: findings as often as asked, values within their ranges, iron that follows R2*."""

import dataclasses
import math

import numpy as np
import pytest

from liver_jax.phantom import person
from liver_jax.phantom.person import Finding

VOLUME = person.VolumeRange(1677, 540, 577, 5186)


def people(count, prevalence, **options):
    return [
        person.draw(np.random.default_rng([3, k]), prevalence, VOLUME, **options)
        for k in range(count)
    ]


def test_volumes_have_the_mean_the_spread_and_the_range_asked_for():
    drawn = np.array([p.target_liver_volume_ml for p in people(1500, {})])
    assert drawn.mean() == pytest.approx(1677, rel=0.03)
    assert drawn.std() == pytest.approx(540, rel=0.08)
    assert drawn.min() >= 577 and drawn.max() <= 5186


def test_larger_people_have_larger_livers():
    found = people(1500, {})
    correlation = np.corrcoef(
        [p.bmi for p in found], [math.log(p.target_liver_volume_ml) for p in found]
    )[0, 1]
    assert correlation == pytest.approx(0.4, abs=0.06)


def test_fat_fractions_follow_their_distributions():
    fatty, lean = people(400, {Finding.STEATOSIS: 1.0}), people(400, {})
    # The mean of 55 x Beta(2, 6) is 13.75, the median of the lognormal 3.
    assert np.mean([p.liver_pdff_percent for p in fatty]) == pytest.approx(13.75, abs=1)
    assert np.median([p.liver_pdff_percent for p in lean]) == pytest.approx(3.0, abs=0.2)
    assert all(1.5 <= p.liver_pdff_percent <= 53 for p in fatty + lean)
    for someone in fatty + lean:
        assert (Finding.STEATOSIS in someone.findings) == (someone.liver_pdff_percent >= 5)
    capped = people(100, {Finding.STEATOSIS: 1.0}, highest_pdff_percent=20)
    values = [p.liver_pdff_percent for p in capped]
    assert max(values) < 20 and len(set(values)) == len(values)


def test_findings_come_as_often_as_asked_and_portal_hypertension_with_cirrhosis():
    prevalence = {Finding.CYSTS: 0.3, Finding.CIRRHOSIS: 0.5, Finding.ASCITES: 0.05}
    found = people(1500, prevalence)
    share = np.mean([Finding.CYSTS in p.findings for p in found])
    assert share == pytest.approx(0.3, abs=0.04)
    ascites = {
        sick: np.mean([Finding.ASCITES in p.findings for p in found if bool(p.child_pugh) == sick])
        for sick in (True, False)
    }
    assert ascites[True] == pytest.approx(0.20, abs=0.04)
    assert ascites[False] == pytest.approx(0.05, abs=0.03)
    assert {p.child_pugh for p in found} == {"", "A", "B", "C"}
    assert not any(Finding.RESECTION in p.findings for p in found)


def test_uptake_falls_with_the_grade():
    found = people(1500, {Finding.CIRRHOSIS: 0.5})
    mean = {
        grade: np.mean([p.uptake_mm for p in found if p.child_pugh == grade])
        for grade in ("", "A", "B", "C")
    }
    assert mean[""] > mean["A"] > mean["B"] > mean["C"] > 0.02


@pytest.mark.parametrize(
    ("iron_mg_per_g", "field", "expected"),
    [(1.8, 1.5, 75.3), (3.2, 1.5, 129.1), (15.0, 1.5, 582.4), (0.59, 3.0, 45.96)],
)
def test_r2star_is_the_published_one_of_the_iron(iron_mg_per_g, field, expected):
    (someone,) = people(1, {})
    ill = dataclasses.replace(someone, liver_iron_mg_per_g=iron_mg_per_g)
    assert ill.liver_r2star_per_s(field) == pytest.approx(expected, abs=0.1)
