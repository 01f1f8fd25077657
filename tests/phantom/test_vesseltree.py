"""Trees: connected, tapering by their power law, and reaching what they supply."""

import numpy as np
import pytest

from liver_jax.phantom import vesseltree


@pytest.fixture(scope="module")
def tree():
    generator = np.random.default_rng(0)
    targets = generator.uniform(-60, 60, (40, 3))
    trunk = [[(0.0, 0.0, -80.0), (0.0, 0.0, -20.0)], [(0.0, 0.0, -20.0), (30.0, 0.0, 10.0)]]
    return targets, vesseltree.grow(trunk, targets, (1.0, 6.0), generator)


def test_every_part_starts_where_another_ends(tree):
    _, grown = tree
    ends = {part.end for part in grown.parts} | {(0.0, 0.0, -80.0)}
    assert all(part.start in ends for part in grown.parts)


def test_every_target_is_reached(tree):
    targets, grown = tree
    ends = np.array([part.end for part in grown.parts])
    nearest = np.linalg.norm(targets[:, None] - ends, axis=2).min(axis=1)
    np.testing.assert_allclose(nearest, 0, atol=1e-9)


def test_vessels_taper_and_branch_by_the_power_law(tree):
    _, grown = tree
    for part in grown.parts:
        assert part.radii[0] >= part.radii[1] >= 1.0 - 1e-9
    radius = {part.end: part.radii[1] for part in grown.parts}
    for end, r in radius.items():
        children = [part.radii[1] for part in grown.parts if part.start == end]
        if children and r < 5.99:
            assert r ** (7 / 3) == pytest.approx(sum(c ** (7 / 3) for c in children))
    assert max(radius.values()) > 2.5


def test_a_tree_is_as_thick_as_it_is_allowed_to_be(tree):
    targets, _ = tree
    generator = np.random.default_rng(0)
    narrow = vesseltree.grow([[(0.0, 0.0, -80.0), (0.0, 0.0, 0.0)]], targets, (1.0, 2.0), generator)
    assert max(max(part.radii) for part in narrow.parts) == 2.0
