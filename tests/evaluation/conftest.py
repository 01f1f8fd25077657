"""A row of `cases[]`, as short as a test needs it."""

from collections.abc import Callable

import pytest

from liver_jax.evaluation import cases


def _row(dice, model="multimodal", technique="ct", exam="e1", echo=None, status="ok", **figures):
    return {
        "exam_id": exam,
        "subject_id": f"s-{exam[:2]}",
        "session": "",
        "modality": "CT" if technique == "ct" else "MR",
        "technique": technique,
        "contrast_phase": "",
        "cohort": "",
        "site": "",
        "field_strength_t": None,
        "columns": {},
        "model": model,
        "echo": echo,
        "te_ms": None,
        "status": status,
        **dict.fromkeys(cases.FIGURES),
        "dice": dice,
        "flags": [],
        "mask_file": None,
        **figures,
    }


@pytest.fixture
def row() -> Callable[..., dict]:
    return _row
