import numpy as np
import pytest

from liver_jax.biometry import r2star


def test_r2star_is_summarised_in_its_unit_and_has_no_threshold():
    mask = np.zeros((30, 30, 12), bool)
    mask[2:28, 2:28, 2:10] = True
    r2star_per_s = np.full(mask.shape, 40.0)
    vessels = np.zeros(mask.shape, bool)
    vessels[14:16] = True
    r2star_per_s[vessels] = 14.0
    found = r2star.summarise(r2star_per_s, mask, np.diag([4.0, 4.0, 6.0, 1.0]), vessels)
    assert found.quantity == "r2star_per_s"
    assert found.mean.value == pytest.approx(40 - 26 * 2 / 26)
    assert found.mean_without_vessels.value == pytest.approx(40)
    assert found.median.value == 40
    assert found.threshold is None
    assert found.share_above.value is None
    assert found.share_above.reason == "no threshold is set for r2star_per_s"
