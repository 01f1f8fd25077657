"""The static field against closed forms, and what the shim leaves."""

import numpy as np
import pytest
from scipy import ndimage

from liver_jax.phantom import noise
from liver_jax.phantom.mr import fieldmap
from liver_jax.phantom.mr.lattice import Lattice
from liver_jax.physics.tissues import Tissue


@pytest.fixture(scope="module")
def sphere():
    """A sphere of radius 10 points and 1 ppm in the middle of a cube; offsets from its middle."""
    steps = np.arange(96) - 48.0
    x, y, z = steps[:, None, None], steps[None, :, None], steps[None, None, :]
    # Points near the surface count in part, so that the sphere has no stairs.
    inside = np.clip(10.5 - np.sqrt(x**2 + y**2 + z**2), 0, 1)
    return fieldmap.dipole_field(inside, (1.0, 1.0, 1.0)), inside


def _at(field, x, y, z):
    return field[48 + x, 48 + y, 48 + z]


@pytest.mark.parametrize("point", [(0, 0, 20), (0, 0, -16), (20, 0, 0), (0, 18, 0), (12, 0, 12)])
def test_outside_a_sphere_is_a_dipole(sphere, point):
    # dB / B0 = dchi / 3 (a / r)^3 (3 cos^2 - 1), with the Lorentz correction.
    field, inside = sphere
    radius_cubed = 3 * inside.sum() / (4 * np.pi)
    r = np.linalg.norm(point)
    expected = radius_cubed / r**3 * (3 * (point[2] / r) ** 2 - 1) / 3
    # Neighbouring periods of the cube add a little: (10 / 96)^3 of 1 ppm.
    assert _at(field, *point) == pytest.approx(expected, abs=0.003)


def test_inside_a_sphere_the_corrected_field_is_even_and_nearly_nothing(sphere):
    field, _ = sphere
    core = field[44:53, 44:53, 44:53]
    assert np.abs(core).max() < 0.01


def test_the_magic_angle_feels_nothing(sphere):
    # 3 cos^2 = 1 where z^2 = (x^2 + y^2) / 2: (14, 14, 14) lies on it.
    field, _ = sphere
    assert abs(_at(field, 14, 14, 14)) < 0.003


def test_an_infinite_cylinder_along_b0_has_a_third_inside_and_nothing_outside():
    steps = np.arange(64) - 32.0
    cylinder = (steps[:, None] ** 2 + steps[None, :] ** 2 < 64).astype(np.float32)
    field = fieldmap.dipole_field(np.repeat(cylinder[..., None], 8, axis=2), (1, 1, 1))
    # The mean over the period is taken away: a third of the cylinder's share of the area.
    offset = cylinder.mean() / 3
    np.testing.assert_allclose(field, (cylinder[..., None] / 3 - offset) * np.ones(8), atol=1e-5)


def test_the_shim_removes_a_polynomial_and_leaves_what_is_none():
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (12, 10, 8)), indexing="ij")
    region = x + y < 1
    polynomial = 3 + 2 * x - y + 4 * z * x - 2 * y * y
    np.testing.assert_allclose(fieldmap.shimmed(polynomial, region), 0, atol=1e-4)
    cubic = x**3 - 0.6 * x
    left = fieldmap.shimmed(polynomial + cubic, region)[region]
    assert 0.05 < left.std() <= cubic[region].std() + 1e-6


def _gas_in_a_block(gas_radius: float) -> Lattice:
    """Tissue 240 mm wide with a sphere of gas at the origin, points of 4 mm."""
    steps = 4.0 * np.arange(-30, 31)
    x, y, z = steps[:, None, None], steps[None, :, None], steps[None, None, :]
    labels = np.full((61, 61, 61), Tissue.MUSCLE, np.uint8)
    labels[x**2 + y**2 + z**2 < gas_radius**2] = Tissue.BOWEL_GAS
    return Lattice(labels, (-120.0, -120.0, -120.0), 4.0)


def _hz(field_map, *point):
    return float(field_map.at(*(np.full((1, 1), p) for p in point))[0, 0])


@pytest.mark.parametrize("field_strength_t", [1.5, 3.0])
def test_gas_in_tissue_raises_the_field_above_and_lowers_it_beside(field_strength_t):
    lattice = _gas_in_a_block(20.0)
    none = _gas_in_a_block(0.0)
    maps = [
        fieldmap.compute(body, (-120.0, 120.0), field_strength_t, np.random.default_rng(0))
        for body in (lattice, none)
    ]
    # What the gas does is the difference: everything else is the same in both.
    above, beside = (_hz(maps[0], *p) - _hz(maps[1], *p) for p in ((0, 0, 36), (36, 0, 0)))
    volume = (lattice.labels == Tissue.BOWEL_GAS).sum() * 4.0**3
    pole_hz = 9.4 * 42.577 * field_strength_t * 2 / 3 * volume * 3 / (4 * np.pi) / 36**3
    # The shim takes a part of it, the same everywhere near the gas.
    assert above - beside == pytest.approx(1.5 * pole_hz, rel=0.08)
    assert above > 0 > beside


def test_the_body_is_shimmed():
    lattice = _gas_in_a_block(0.0)
    field_map = fieldmap.compute(lattice, (-60.0, 60.0), 3.0, np.random.default_rng(0))
    steps = np.arange(-80.0, 81.0, 20.0)
    hz = field_map.at(steps[:, None, None], steps[None, :, None], steps[None, None, 2:-2])
    assert abs(hz.mean()) < 30
    assert 5 < hz.std() < 60
    again = fieldmap.compute(lattice, (-60.0, 60.0), 3.0, np.random.default_rng(0))
    np.testing.assert_array_equal(again.spline_hz, field_map.spline_hz)


def test_the_field_does_not_jump_where_the_body_ends():
    steps = 4.0 * np.arange(-30, 31)
    labels = np.zeros((61, 61, 40), np.uint8)
    labels[steps[:, None] ** 2 + steps[None, :] ** 2 < 80.0**2] = Tissue.MUSCLE
    field_map = fieldmap.compute(
        Lattice(labels, (-120.0, -120.0, -78.0), 4.0), (-40, 40), 3.0, np.random.default_rng(0)
    )
    # Across the side of a cylinder it is 400 Hz (9.4 ppm / 3), on whose far side no proton is.
    assert abs(_hz(field_map, 86, 0, 0) - _hz(field_map, 74, 0, 0)) < 40


def test_a_layer_of_an_upright_grid_has_the_values_of_its_points():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(20, 18, 16)).astype(np.float32)
    spline = ndimage.spline_filter(values, order=3, output=np.float32, mode="nearest")
    remainder = noise.draw(generator, (200, 400), 2.0)
    field = fieldmap.FieldMap(spline, (0.0, 0.0, 0.0), 4.0, remainder)
    # To the very ends of the lattice.
    x, y = np.linspace(0, 76, 50)[:, None], np.linspace(0, 68, 40)[None, :]
    for height in (0.0, 33.0, 60.0):
        z = np.full((1, 1), height)
        slow = field.at(*np.broadcast_arrays(x, y, z))
        np.testing.assert_allclose(field.at(x, y, z), slow, atol=1e-5)
