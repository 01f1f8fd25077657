import base64
import json

import numpy as np
import pytest

from liver_jax.report import encoding


def decoded(text, size):
    """The runs, read independently of what wrote them (as assets/masks.js does)."""
    labels, value, shift = [], 0, 0
    for byte in base64.b64decode(text):
        value |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            labels += [value % 4] * (value // 4)
            value = shift = 0
    assert len(labels) == size
    return np.array(labels)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 40, 50), (2, 300, 300)])
def test_masks_come_back_from_their_runs(shape):
    rng = np.random.default_rng(len(shape))
    automated = rng.random(shape) < 0.5
    manual = np.zeros(shape, bool)  # runs of all lengths, also beyond 2 ** 14
    manual[..., : shape[-1] // 2] = True
    for one, other in ((automated, manual), (manual, manual), (np.zeros(shape, bool),) * 2):
        text = encoding.runs(one, other)
        labels = decoded(text, one.size)
        np.testing.assert_array_equal(labels & 1, one.ravel())
        np.testing.assert_array_equal(labels >> 1, other.ravel())


def test_masks_on_other_memory_orders_have_the_same_runs():
    rng = np.random.default_rng(0)
    automated, manual = rng.random((2, 4, 5, 6)) < 0.5
    assert encoding.runs(np.asfortranarray(automated), manual) == encoding.runs(automated, manual)


def test_no_text_ends_the_script_that_holds_it():
    text = encoding.json_text({"reason": "</script><!-- \u2028 é"})
    assert "<" not in text and "\u2028" not in text
    assert json.loads(text) == {"reason": "</script><!-- \u2028 é"}
    with pytest.raises(ValueError):
        encoding.json_text(float("nan"))


def test_what_is_put_into_a_template_is_not_looked_at_again():
    assert encoding.filled("{{A}} {{B}}", {"A": "{{B}}", "B": "x"}) == "{{B}} x"
    with pytest.raises(ValueError, match="B"):
        encoding.filled("{{A}} {{B}}", {"A": ""})
