"""Vessels of the liver: inside what they supply."""

import numpy as np
import pytest
from scipy import ndimage

from liver_jax.phantom import anatomy, person
from liver_jax.phantom.abdomen.points import Points
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue


@pytest.fixture(scope="module")
def subject():
    generator = np.random.default_rng(21)
    someone = person.draw(generator, {}, person.VolumeRange(1700, 300, 1300, 2200))
    return anatomy.draw(someone, generator)


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
