"""Complex echoes from magnitude and phase."""

import numpy as np
import pytest

from liver_jax.errors import InputError
from liver_jax.volume import phase
from liver_jax.volume.geometry import Volume

AFFINE = np.diag([1.5, 2.0, 8.0, 1.0])
ANGLE = np.linspace(-np.pi, np.pi, 24, endpoint=False).reshape(2, 2, 2, 3)
MAGNITUDE = Volume(np.linspace(0, 9, 24, dtype=np.float32).reshape(2, 2, 2, 3), AFFINE)


def combine(angle, unit, magnitude=MAGNITUDE, affine=AFFINE):
    other = Volume(np.asarray(angle, np.float32), affine)
    return phase.combine(magnitude, other, unit, "m.nii", "p.nii")


@pytest.mark.parametrize(
    ("angle", "unit"),
    [
        (ANGLE, "radian"),
        (ANGLE % (2 * np.pi), "radian"),
        (np.rint(ANGLE * 4096 / np.pi), "scanner"),
    ],
)
def test_magnitude_and_phase_make_complex_values(angle, unit):
    volume = combine(angle, unit)
    assert volume.data.dtype == np.complex64
    np.testing.assert_allclose(volume.data, MAGNITUDE.data * np.exp(1j * ANGLE), atol=4e-3)
    np.testing.assert_array_equal(volume.affine, AFFINE)


@pytest.mark.parametrize(
    ("angle", "unit", "fault"),
    [
        (ANGLE * 4096 / np.pi, "radian", "beyond two pi. Write scanner"),
        (np.rad2deg(ANGLE), "radian", "beyond two pi"),
        (ANGLE, "scanner", "looks like radian"),
        (ANGLE % (2 * np.pi), "scanner", "looks like radian"),
        (ANGLE * 32768 / np.pi, "scanner", "beyond 4096"),
        ((ANGLE + np.pi) * 2048 / np.pi, "scanner", "half of the circle is missing"),
    ],
)
def test_a_phase_that_has_not_the_range_of_its_unit_is_refused(angle, unit, fault):
    with pytest.raises(InputError, match=rf"p\.nii: has values .* named {unit}: .*{fault}"):
        combine(angle, unit)


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(InputError, match=r"p\.nii: 2 phase images for 3 magnitude"):
        combine(ANGLE[..., :2], "radian")
    with pytest.raises(InputError, match=r"p\.nii: lies on another grid than the magnitude m"):
        combine(ANGLE, "radian", affine=AFFINE + np.eye(4, k=3))


def test_real_parts_and_empty_images_are_no_magnitude():
    real = Volume((MAGNITUDE.data * np.cos(ANGLE)).astype(np.float32), AFFINE)
    with pytest.raises(InputError, match=r"m\.nii: holds values from -.* which no magnitude does"):
        combine(ANGLE, "radian", real)
    with pytest.raises(InputError, match="has no value above 0"):
        combine(ANGLE, "radian", Volume(0 * MAGNITUDE.data, AFFINE))
    undershoot = MAGNITUDE.data.copy()
    undershoot[0, 0, 0, 0] = -0.05
    combine(ANGLE, "radian", Volume(undershoot, AFFINE))
