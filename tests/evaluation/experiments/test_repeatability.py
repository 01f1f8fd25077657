import numpy as np
import pytest

from liver_jax.evaluation.experiments import repeatability


def scan(row, subject, session, automated, manual=None, **fields):
    fields = {"technique": "spgr2d", "echo": 1, "volume_ml_manual": manual} | fields
    name = f"{subject}{session}{fields['technique']}"
    return row(
        0.9, exam=name, subject_id=subject, session=session, volume_ml_auto=automated, **fields
    )


def only(groups, **wanted):
    (found,) = (group for group in groups if wanted.items() <= group.items())
    return found


def test_scan_and_rescan(row):
    rows = [
        scan(row, "a", "1", 1010.0, 1000.0),
        scan(row, "a", "2", 990.0, 1004.0),
        scan(row, "b", "1", 1500.0, 1500.0),
        scan(row, "b", "2", 1540.0, 1500.0),
        scan(row, "c", "1", 800.0, 800.0),
        scan(row, "c", "2", None, None, status="failed"),
        scan(row, "d", "1", 999.0, 999.0),  # once only
        scan(row, "a", "2", 9999.0, 1000.0, echo=2),  # not the first echo
    ]
    result = repeatability.run(rows)
    found = only(result["between_sessions"], mask="automated", cohort="pooled")
    assert (found["technique"], found["measure"], found["unit"]) == ("spgr2d", "volume_ml", "mL")
    assert (found["n"], found["n_units"], found["n_single"]) == (4, 2, 1)
    assert (found["n_undefined"], found["n_failed"]) == (0, 1)
    sd = np.sqrt((200 + 800) / 2)
    assert found["within_subject_sd"]["value"] == pytest.approx(sd)
    assert found["repeatability_coefficient"]["value"] == pytest.approx(2.7718 * sd, rel=1e-4)
    manual = only(result["between_sessions"], mask="manual", cohort="pooled")
    assert manual["within_subject_sd"]["value"] == pytest.approx(2.0)


@pytest.mark.parametrize(
    "other",
    [
        {"technique": "spgr3d"},
        {"model": "initial"},
        {"contrast_phase": "late"},
        {"session": "1", "exam": "again"},
    ],
)
def test_what_is_no_rescan(row, other):
    first = scan(row, "a", "1", 1000.0)
    second = first | {"exam_id": "a2", "session": "2", "volume_ml_auto": 1100.0}
    assert len(repeatability.run([first, second])["between_sessions"]) == 1
    result = repeatability.run([first, second | other])
    assert result["between_sessions"] == [] and result["reason"]


def test_two_examinations_in_one_session_count_as_their_mean(row):
    rows = [
        scan(row, "a", "1", 1000.0),
        scan(row, "a", "1", 1020.0) | {"exam_id": "again"},
        scan(row, "a", "2", 1030.0),
    ]
    (found,) = repeatability.run(rows)["between_sessions"]
    assert (found["n"], found["mean"]) == (2, 1020.0)
    assert found["within_subject_sd"]["value"] == pytest.approx(np.sqrt(200))


def test_between_echoes(row):
    rows = [
        scan(row, subject, "1", volume + step, volume, echo=echo, pdff_percent_auto=fat)
        for subject, volume in (("a", 1000.0), ("b", 1500.0))
        for echo, step, fat in ((1, -10.0, 8.0), (2, 0.0, None), (3, 10.0, None))
    ]
    result = repeatability.run(rows)
    (found,) = result["between_echoes"]  # the manual mask is the same, and PDFF is known once
    assert (found["measure"], found["mask"], found["n"], found["df"]) == (
        "volume_ml",
        "automated",
        6,
        4,
    )
    assert found["within_subject_sd"]["value"] == pytest.approx(10.0)
    assert result["between_sessions"] == [] and result["reason"] is None
