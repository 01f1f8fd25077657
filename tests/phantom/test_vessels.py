"""Vessel trees: connected, tapering, and inside what they supply."""

import numpy as np
import pytest
from scipy import ndimage

from liver_jax.phantom import anatomy, person, vessels
from liver_jax.phantom.points import Points
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue


@pytest.fixture(scope="module")
def tree():
    generator = np.random.default_rng(0)
    targets = generator.uniform(-60, 60, (40, 3))
    trunk = [[(0.0, 0.0, -80.0), (0.0, 0.0, -20.0)], [(0.0, 0.0, -20.0), (30.0, 0.0, 10.0)]]
    return targets, vessels.grow(trunk, targets, (1.0, 6.0), generator)


@pytest.fixture(scope="module")
def subject():
    generator = np.random.default_rng(21)
    someone = person.draw(generator, {}, person.VolumeRange(1700, 300, 1300, 2200))
    return anatomy.draw(someone, generator)


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
    narrow = vessels.grow([[(0.0, 0.0, -80.0), (0.0, 0.0, 0.0)]], targets, (1.0, 2.0), generator)
    assert max(max(part.radii) for part in narrow.parts) == 2.0


def test_twigs_of_the_liver_end_in_it(subject):
    for tree in (subject.circulation.portal_tree, subject.circulation.hepatic_veins):
        starts = {part.start for part in tree.parts}
        twigs = np.array([part.end for part in tree.parts if part.end not in starts])
        assert len(twigs) >= 20
        # Shapes live behind the warp: find where it takes points of a grid to.
        tissue, places = _behind_the_warp(subject, twigs)
        near = np.linalg.norm(places[None] - twigs[:, None], axis=2).argmin(axis=1)
        assert np.isin(tissue[near], LIVER_TISSUES).mean() > 0.95


def _behind_the_warp(subject, twigs):
    low, high = twigs.min(axis=0) - 12, twigs.max(axis=0) + 12
    axes = (np.arange(a, b, 3.0) for a, b in zip(low, high, strict=True))
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    points = Points.of(subject.grain, x, y, z)
    places = np.column_stack([p.ravel() for p in (points.x, points.y, points.z)])
    return subject.tissue(x, y, z).ravel(), places


def test_liver_vessels_hang_together_and_reach_their_trunks(subject):
    (left, back, _), (right, front, _) = subject.extent_mm
    low, high = subject.liver_range_mm
    x = np.arange(left, right, 1.5)[:, None, None]
    y = np.arange(back, front, 1.5)[None, :, None]
    z = np.arange(low, high, 1.5)[None, None, :]
    tissue = subject.tissue(x, y, z)
    blood = np.isin(tissue, (Tissue.LIVER_VESSEL, Tissue.VEIN, Tissue.PORTAL_VEIN))
    pieces, _ = ndimage.label(blood, structure=np.ones((3, 3, 3)))
    in_liver = tissue == Tissue.LIVER_VESSEL
    share = np.bincount(pieces[in_liver]) / in_liver.sum()
    assert np.sort(share)[-2:].sum() > 0.8  # the portal and the hepatic venous tree
    liver = np.isin(tissue, LIVER_TISSUES)
    surface = liver & ~ndimage.binary_erosion(liver, iterations=2)
    assert (in_liver & ~surface).sum() > 0.8 * in_liver.sum()


def test_great_vessels_run_through_every_slice(subject):
    (left, back, _), (right, front, _) = subject.extent_mm
    low, high = subject.liver_range_mm
    x = np.arange(left, right, 2.0)[:, None, None]
    y = np.arange(back, front, 2.0)[None, :, None]
    tissue = subject.tissue(x, y, np.linspace(low, high - 25, 8)[None, None, :])
    for k in range(8):
        near_spine = np.abs(y[..., 0] - subject.spine.y - 25) < 40
        for vessel, side in ((Tissue.ARTERY, -1), (Tissue.VEIN, 1)):
            area = ((tissue[..., k] == vessel) & near_spine & (side * x[..., 0] > -8)).sum() * 4
            assert 120 < area < 1500
