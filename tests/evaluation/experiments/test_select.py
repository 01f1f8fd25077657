import pytest

from liver_jax.evaluation import summary
from liver_jax.evaluation.experiments import select


def test_ct_is_split_by_contrast_and_every_technique_by_cohort(row):
    rows = [
        row(0.9, exam="e1", cohort="internal", contrast_phase="portal_venous"),
        row(0.8, exam="e2", cohort="external", contrast_phase="Unenhanced"),
        row(0.7, exam="e3"),  # neither is known
        row(0.6, exam="e4", technique="hbp_t1w", cohort="internal", contrast_phase="hepatobiliary"),
    ]
    found = {
        (label.technique, label.cohort, label.contrast): [case["exam_id"] for case in chosen]
        for label, chosen in select.labelled(rows)
    }
    assert found == {
        ("ct", "pooled", "all"): ["e1", "e2", "e3"],
        ("ct", "pooled", "unenhanced"): ["e2"],
        ("ct", "pooled", "enhanced"): ["e1"],
        ("ct", "internal", "all"): ["e1"],
        ("ct", "internal", "enhanced"): ["e1"],
        ("ct", "external", "all"): ["e2"],
        ("ct", "external", "unenhanced"): ["e2"],
        ("hbp_t1w", "pooled", "all"): ["e4"],
        ("hbp_t1w", "internal", "all"): ["e4"],
    }


def test_the_first_echo_holds_single_images(row):
    rows = [row(0.9, exam="e1"), *(row(0.9, exam="e2", echo=echo) for echo in (1, 2))]
    assert [case["echo"] for case in select.first_echo(rows)] == [None, 1]


def test_every_row_is_accounted_for(row):
    rows = [
        row(0.8, exam="e1"),
        row(0.9, exam="e2"),
        row(None, exam="e3", status="empty"),
        row(None, exam="e3", status="failed"),
    ]
    dice = select.described(rows, summary.dice_or_zero)  # failed counts as 0
    assert {key: dice[key] for key in dice if key.startswith("n")} == {
        "n": 4,
        "n_subjects": 3,
        "n_undefined": 1,
        "n_failed": 1,
        "n_counted": 3,
    }
    assert abs(dice["mean"] - 1.7 / 3) < 1e-12
    defined = select.described(rows, lambda case: case["dice"])
    assert (defined["n_undefined"], defined["n_failed"], defined["n_counted"]) == (1, 1, 2)


@pytest.mark.parametrize(
    ("phase", "contrast"),
    [
        *((word, "unenhanced") for word in ("native", "Non-Contrast", "noncontrast", "plain")),
        *((word, "unenhanced") for word in ("pre-contrast", "UNENHANCED", "non enhanced")),
        *((word, "enhanced") for word in ("arterial", "late_arterial", "Portal Venous", "portal")),
        *((word, "enhanced") for word in ("venous phase", "delayed", "contrast-enhanced")),
        *((word, None) for word in ("", " ", "unknown", "other", "phase")),
    ],
)
def test_the_usual_words_for_a_phase(row, phase, contrast):
    found = dict(select.contrasts([row(0.9, contrast_phase=phase)]))
    assert list(found) == (["all", contrast] if contrast else ["all"])
