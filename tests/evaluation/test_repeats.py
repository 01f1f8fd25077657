import json

import numpy as np
import pytest

from liver_jax.evaluation import repeats

# Peak expiratory flow of 20 children, four times each (Bland and Altman, BMJ 1996, 312:1654).
FLOW_L_PER_MIN = [
    *((190, 220, 200, 200), (220, 200, 240, 230), (260, 260, 240, 280), (210, 300, 280, 265)),
    *((270, 265, 280, 270), (280, 280, 270, 275), (260, 280, 280, 300), (275, 275, 275, 305)),
    *((280, 290, 300, 290), (320, 290, 300, 290), (300, 300, 310, 300), (270, 250, 330, 370)),
    *((320, 330, 330, 330), (335, 320, 335, 375), (350, 320, 340, 365), (360, 320, 350, 345)),
    *((330, 340, 380, 390), (335, 385, 360, 370), (400, 420, 425, 420), (430, 460, 480, 470)),
]


def scatter(table, subjects=None):
    units = [f"unit {index}" for index, row in enumerate(table) for _ in row]
    owners = [
        subjects[index] if subjects else f"subject {index}"
        for index, row in enumerate(table)
        for _ in row
    ]
    return repeats.scatter([value for row in table for value in row], units, owners)


def test_the_published_example():
    # Published: within-subject variance 460.52, standard deviation 21.5, repeatability 60 L/min.
    flow = scatter(FLOW_L_PER_MIN)
    assert (flow.n, flow.n_units, flow.n_subjects, flow.df) == (80, 20, 20, 60)
    assert flow.within_subject_sd.value**2 == pytest.approx(460.52, abs=0.005)
    assert round(flow.within_subject_sd.value, 1) == 21.5
    assert round(flow.repeatability_coefficient.value, -1) == 60
    assert flow.repeatability_coefficient.value == pytest.approx(2.77 * 21.46, abs=0.05)
    # 60 degrees of freedom: chi-square 40.482 and 83.298 (any printed table).
    exact = flow.within_subject_sd.exact_interval_95
    assert exact == pytest.approx(
        (21.46 * (60 / 83.298) ** 0.5, 21.46 * (60 / 40.482) ** 0.5), rel=1e-4
    )


def test_icc_against_pingouin():
    # pingouin 0.7.0: ICC(1,1) = 0.8876663544, interval 0.80 to 0.95.
    icc = scatter(FLOW_L_PER_MIN).icc_1
    assert icc.value == pytest.approx(0.8876663544, abs=1e-9)
    assert tuple(round(bound, 2) for bound in icc.exact_interval_95) == (0.80, 0.95)
    assert icc.interval_95[0] < icc.value < icc.interval_95[1]


def test_numbers_that_a_hand_can_check():
    # Variances 2 and 8, means 10 and 20; the third unit has one measurement only.
    found = scatter([(9, 11), (18, 22), (5,)])
    assert (found.n, found.n_single, found.n_units, found.df, found.mean) == (4, 1, 2, 2, 15.0)
    assert found.within_subject_sd.value == pytest.approx(np.sqrt(5))
    assert found.within_subject_cv_percent.value == pytest.approx(
        100 * np.sqrt((2 / 100 + 8 / 400) / 2)
    )
    # Between: 2 x 2 x 5^2 / 1 = 100; within: 5; (100 - 5) / (100 + 5).
    assert found.icc_1.value == pytest.approx(95 / 105)


def test_unequal_numbers_of_repeats_are_weighed_by_their_degrees_of_freedom():
    found = scatter([(1.0, 3.0), (10.0, 11.0, 12.0)])
    assert found.df == 3
    assert found.within_subject_sd.value == pytest.approx(np.sqrt((2 + 2) / 3))
    # k = (5 - (4 + 9) / 5) / 1 = 2.4; between: 2 (2 - 7.4)^2 + 3 (11 - 7.4)^2 = 97.2
    between, within = 97.2, 4 / 3
    assert found.icc_1.value == pytest.approx((between - within) / (between + 1.4 * within))
    assert found.icc_1.exact_interval_95 is None
    assert "differ in their number" in found.icc_1.reason


def test_the_bootstrap_draws_subjects():
    table = [(0.0, 1.0), (0.0, 2.0), (0.0, 3.0), (0.0, 9.0)]
    alone = scatter(table, ["a", "a", "a", "a"]).within_subject_sd
    assert alone.interval_95 is None and "fewer than two subjects" in alone.reason
    low, high = scatter(table, ["a", "a", "a", "b"]).within_subject_sd.interval_95
    assert low == pytest.approx(np.sqrt((0.5 + 2 + 4.5) / 3))  # only a; 1 draw in 4
    assert high == pytest.approx(np.sqrt(40.5))  # only b


@pytest.mark.parametrize(
    "table",
    [
        [],
        [(1.0,)],
        [(1.0,), (2.0,)],
        [(0.0, 0.0)],
        [(0.0, 1.0)] * 2,
        [(3.0, 3.0), (4.0, 4.0)],
        [(5.0, 5.0), (5.0, 5.0)],
        [(-1.0, 2.0), (1.0, 1.0)],
        [(0.1,) * 3, (0.1,) * 3],
    ],
)
def test_what_cannot_be_said_is_none_with_a_reason(table):
    found = scatter(table)
    for name in ("within_subject_sd", "repeatability_coefficient", "icc_1"):
        estimate = getattr(found, name)
        json.dumps(
            [estimate.value, estimate.interval_95, estimate.exact_interval_95], allow_nan=False
        )
        if None in (estimate.value, estimate.interval_95):
            assert estimate.reason
    if all(sum(row) > 0 for row in table) and found.n:
        assert found.within_subject_cv_percent.value is not None
    else:
        assert found.within_subject_cv_percent.value is None
        assert found.within_subject_cv_percent.reason


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError):
        repeats.scatter([1.0, 2.0], ["a"], ["a"])
