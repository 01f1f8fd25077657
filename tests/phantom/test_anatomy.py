"""Subjects: whole, without holes, reproducible, and the same however they are sampled."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from liver_jax.phantom import anatomy
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue


def _axes(subject, step_mm):
    a, b = subject.body
    low, high = subject.scan_range_mm
    x = np.arange(-a - 15, a + 15, step_mm)[:, None, None]
    y = np.arange(subject.back - b - 15, subject.back + b + 15, step_mm)[None, :, None]
    z = np.arange(low - 20, high + 20, step_mm)[None, None, :]
    return x, y, z


@pytest.fixture(scope="module")
def subjects():
    return [anatomy.draw(np.random.default_rng([7, k]), finding_share=1.0) for k in range(3)]


@pytest.fixture(scope="module")
def painted(subjects):
    return [anatomy.paint(subject, *_axes(subject, 4.0)) for subject in subjects]


def test_the_same_generator_draws_the_same_subject_and_another_another(subjects):
    again = anatomy.draw(np.random.default_rng([7, 0]), finding_share=1.0)
    assert again == subjects[0]
    assert subjects[0] != subjects[1]


def test_every_tissue_is_there(painted):
    found = set(np.unique(np.concatenate([p.ravel() for p in painted])))
    assert found == set(Tissue)


def test_air_lies_only_around_the_body(painted):
    for tissue in painted:
        body = tissue != Tissue.AIR
        for k in range(body.shape[2]):
            assert (ndimage.binary_fill_holes(body[..., k]) == body[..., k]).all()
        assert not body[[0, -1]].any()
        assert not body[:, [0, -1]].any()


def test_the_liver_is_one_piece_within_the_scan_range(subjects, painted):
    for subject, tissue in zip(subjects, painted, strict=True):
        liver = np.isin(tissue, LIVER_TISSUES)
        pieces, _ = ndimage.label(liver, structure=np.ones((3, 3, 3)))
        assert np.bincount(pieces.ravel())[1:].max() > 0.99 * liver.sum()
        low, high = subject.scan_range_mm
        z = _axes(subject, 4.0)[2].ravel()[liver.any(axis=(0, 1))]
        assert low <= z.min() < z.max() <= high


def test_the_liver_lies_on_the_right_and_the_spleen_on_the_left(subjects, painted):
    for subject, tissue in zip(subjects, painted, strict=True):
        x = np.broadcast_to(_axes(subject, 4.0)[0], tissue.shape)
        assert x[tissue == Tissue.LIVER].mean() > 30
        assert x[tissue == Tissue.SPLEEN].mean() < -60


def test_neighbours_touch_the_liver(painted):
    cross = ndimage.generate_binary_structure(3, 1)
    touched = set()
    for tissue in painted:
        liver = tissue == Tissue.LIVER
        border = ndimage.binary_dilation(liver, cross, iterations=2) & ~liver
        touched |= set(np.unique(tissue[border]))
    assert touched >= {
        Tissue.MUSCLE,
        Tissue.BOWEL_WALL,
        Tissue.KIDNEY_CORTEX,
        Tissue.VEIN,
        Tissue.VISCERAL_FAT,
        Tissue.LIVER_VESSEL,
    }


def test_the_stated_volume_is_that_of_another_grid(subjects):
    for subject in subjects:
        shifted = tuple(axis + 1.3 for axis in _axes(subject, 2.5))
        counted = np.isin(anatomy.paint(subject, *shifted), LIVER_TISSUES).sum() * 2.5**3 / 1000
        assert counted == pytest.approx(subject.liver_volume_ml, rel=5e-3)


def test_points_have_one_tissue_however_they_are_asked_for(subjects):
    subject = subjects[0]
    x, y, z = _axes(subject, 7.0)
    whole = anatomy.paint(subject, x, y, z)
    slabs = [anatomy.paint(subject, x, y, part) for part in np.array_split(z, 9, axis=2)]
    np.testing.assert_array_equal(whole, np.concatenate(slabs, axis=2))
    full = np.broadcast_arrays(x, y, z)
    np.testing.assert_array_equal(whole, anatomy.paint(subject, *full))
    turned = [np.transpose(p, (2, 0, 1)) for p in full]
    np.testing.assert_array_equal(np.transpose(whole, (2, 0, 1)), anatomy.paint(subject, *turned))


def test_draws_cover_the_stated_ranges(monkeypatch):
    targets = []

    def keep(subject, target_ml):
        targets.append(target_ml)
        return dataclasses.replace(subject, liver_volume_ml=target_ml)

    # Without the search for the liver's size, which costs most of a draw.
    monkeypatch.setattr(anatomy, "_with_liver_volume", keep)
    fatty = [anatomy.draw(np.random.default_rng([1, k]), 1.0) for k in range(150)]
    lean = [anatomy.draw(np.random.default_rng([2, k]), 0.0) for k in range(150)]
    assert 900 <= min(targets) < max(targets) <= 3000
    assert np.mean(targets) == pytest.approx(1700, abs=90)
    assert np.std(targets) == pytest.approx(480, abs=70)
    # The mean of 55 x Beta(2, 6) is 13.75, the median of the lognormal 3.
    assert np.mean([s.liver_pdff_percent for s in fatty]) == pytest.approx(13.75, abs=2)
    assert np.median([s.liver_pdff_percent for s in lean]) == pytest.approx(3.0, abs=0.4)
    assert all(1.5 <= s.liver_pdff_percent <= 53 for s in fatty + lean)
