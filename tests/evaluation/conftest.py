"""A row of `cases[]`, as short as a test needs it."""

from collections.abc import Callable

import pytest

from liver_jax.evaluation import cases


def _row(dice, model="multimodal", technique="ct", exam="e1", echo=None, status="ok", **figures):
    return {
        "exam_id": exam,
        "subject_id": f"s-{exam[:2]}",
        "technique": technique,
        "model": model,
        "echo": echo,
        "status": status,
        **dict.fromkeys(cases.FIGURES),
        "dice": dice,
        **figures,
    }


@pytest.fixture
def row() -> Callable[..., dict]:
    return _row
