"""Implicit shapes: distances and volumes against closed forms."""

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from liver_jax.phantom import shapes


def _volume(distance, half_mm, step_mm):
    axis = np.arange(-half_mm, half_mm, step_mm) + step_mm / 2
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    return float((distance(x, y, z) < 0).sum()) * step_mm**3


def test_distance_to_a_sphere_is_exact():
    sphere = shapes.Ellipsoid((1.0, 2.0, 3.0), (5.0, 5.0, 5.0))
    points = np.array([1.0, 1.0]), np.array([2.0, 2.0]), np.array([11.0, 3.0])
    np.testing.assert_allclose(shapes.ellipsoid_distance(sphere, *points), [3.0, -5.0])


@pytest.mark.parametrize("yaw_deg", [0.0, 33.0])
def test_volume_of_an_ellipsoid(yaw_deg):
    ellipsoid = shapes.Ellipsoid((0.0, 0.0, 0.0), (20.0, 14.0, 9.0), yaw_deg)
    found = _volume(lambda *p: shapes.ellipsoid_distance(ellipsoid, *p), 24, 0.5)
    assert found == pytest.approx(4 / 3 * math.pi * 20 * 14 * 9, rel=5e-3)


def test_yaw_turns_the_first_axis_towards_the_second():
    ellipsoid = shapes.Ellipsoid((0.0, 0.0, 0.0), (10.0, 1.0, 1.0), 90.0)
    inside = shapes.ellipsoid_distance(
        ellipsoid, np.array([0.0, 9.0]), np.array([9.0, 0.0]), np.zeros(2)
    )
    assert inside[0] < 0 < inside[1]


def test_volume_of_a_capsule():
    found = _volume(
        lambda *p: shapes.segment_distance((-8.0, 0.0, 0.0), (8.0, 0.0, 0.0), (6.0, 6.0), *p),
        16,
        0.3,
    )
    assert found == pytest.approx(math.pi * 36 * 16 + 4 / 3 * math.pi * 216, rel=5e-3)


@hypothesis.settings(deadline=None, max_examples=30)
@hypothesis.given(
    strategies.tuples(*[strategies.floats(-50, 50)] * 3),
    strategies.tuples(*[strategies.floats(1, 40)] * 3),
    strategies.floats(-180, 180),
    strategies.integers(0, 10_000),
)
def test_boxes_hold_their_ellipsoids(centre, semi_axes, yaw_deg, seed):
    ellipsoid = shapes.Ellipsoid(centre, semi_axes, yaw_deg)
    low, high = shapes.ellipsoid_box(ellipsoid)
    points = np.random.default_rng(seed).uniform(-100, 100, (3, 500))
    inside = points[:, shapes.squared_radius(ellipsoid, *points) < 1]
    assert (inside >= np.array(low)[:, None] - 1e-6).all()
    assert (inside <= np.array(high)[:, None] + 1e-6).all()


def test_a_spline_passes_through_its_knots_in_even_steps():
    knots = np.array([(0.0, 0.0, 0.0, 5.0), (10.0, 0.0, 0.0, 3.0), (10.0, 20.0, 0.0, 1.0)])
    path = shapes.spline(knots, 2.0)
    for knot in knots:
        assert np.abs(path - knot).sum(axis=1).min() == pytest.approx(0, abs=1e-9)
    steps = np.linalg.norm(np.diff(path[:, :3], axis=0), axis=1)
    assert len(steps) == 5 + 10
    assert steps.max() < 3.0


def test_boxes_of_vessels_hold_their_parts():
    vessels = shapes.smooth_tube([(0, 0, 0), (30, 10, 5), (40, 40, -20)], (6.0, 4.0, 2.0), 5.0)
    assert vessels.boxes.shape == (len(vessels.parts), 2, 3)
    points = np.random.default_rng(0).uniform(-30, 60, (3, 4000))
    for part, (low, high) in zip(vessels.parts, vessels.boxes, strict=True):
        inside = points[:, shapes.segment_distance(part.start, part.end, part.radii, *points) < 0]
        assert (inside >= low[:, None] - 1e-9).all()
        assert (inside <= high[:, None] + 1e-9).all()


def test_an_ellipsoid_grows():
    grown = shapes.Ellipsoid((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), 10.0).grown(2.0)
    assert grown == shapes.Ellipsoid((1.0, 2.0, 3.0), (6.0, 7.0, 8.0), 10.0)
