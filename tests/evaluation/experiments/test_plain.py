import dataclasses
import json

import numpy as np
import pytest

from liver_jax.evaluation.experiments.plain import plain


@dataclasses.dataclass
class Outer:
    inner: object
    bounds: tuple


def test_it_is_what_json_gives_back():
    found = plain(
        {"a": Outer(Outer(None, ()), (1, 2.5)), "b": [np.float64(0.5), np.int64(3), True]}
    )
    assert found == {
        "a": {"inner": {"inner": None, "bounds": []}, "bounds": [1, 2.5]},
        "b": [0.5, 3, True],
    }
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("number", [float("nan"), float("inf"), np.float64("nan")])
def test_what_is_no_figure_is_refused(number):
    with pytest.raises(ValueError):
        plain({"deep": [Outer(number, ())]})


def test_what_json_has_not_is_refused():
    with pytest.raises(TypeError):
        plain({"array": np.zeros(3)})
