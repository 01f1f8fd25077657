"""Each finding shows the tissue and the shape that it promises."""

import dataclasses
import functools

import numpy as np
import pytest
from scipy import ndimage

from liver_jax.phantom import anatomy, person
from liver_jax.phantom.person import Finding
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue

_VOLUME = person.VolumeRange(1700, 500, 900, 3000)
_STEP_MM = 3.0


def _drawn(seed, *findings, volume_ml=1700.0):
    generator = np.random.default_rng([11, seed])
    someone = person.draw(generator, {}, _VOLUME)
    someone = dataclasses.replace(
        someone, findings=frozenset(findings), target_liver_volume_ml=volume_ml, bmi=27.0
    )
    return anatomy.draw(someone, generator)


def _axes(subject, step_mm=_STEP_MM):
    (left, back, _), (right, front, _) = subject.extent_mm
    low, high = subject.liver_range_mm
    return (
        np.arange(left, right, step_mm)[:, None, None],
        np.arange(back, front, step_mm)[None, :, None],
        np.arange(low - 10, high + 20, step_mm)[None, None, :],
    )


@functools.cache
def _painted(seed, *findings):
    subject = _drawn(seed, *findings)
    return subject.tissue(*_axes(subject))


def _ml(tissue, *wanted):
    return np.isin(tissue, wanted).sum() * _STEP_MM**3 / 1000


def _diameters_mm(tissue, *wanted):
    """Of balls as large as the pieces, the largest first."""
    pieces, count = ndimage.label(np.isin(tissue, wanted), structure=np.ones((3, 3, 3)))
    volumes = np.bincount(pieces.ravel(), minlength=count + 1)[1:] * _STEP_MM**3
    return np.sort(2 * (3 * volumes / (4 * np.pi)) ** (1 / 3))[::-1]


@pytest.mark.parametrize("seed", range(4))
def test_lesions_are_a_few_masses_within_the_liver(seed):
    found = _drawn(seed, Finding.LESIONS).findings.lesions
    assert 1 <= len(found) <= 6
    for lesion in found:
        assert 5 * 0.75 <= 2 * np.mean(lesion.core.semi_axes) <= 35 * 1.25
    tissue = _painted(seed, Finding.LESIONS)
    assert (_diameters_mm(tissue, Tissue.LESION) < 60).all()  # neighbours may merge
    mass = tissue == Tissue.LESION
    border = tissue[ndimage.binary_dilation(mass) & ~mass]
    assert np.isin(border, LIVER_TISSUES).mean() > 0.6


@pytest.mark.parametrize("seed", range(4))
def test_a_large_lesion_has_an_ill_defined_rim(seed):
    tissue = _painted(seed, Finding.LARGE_LESION)
    core, whole = (
        _diameters_mm(tissue, *kinds)[0]
        for kinds in ((Tissue.LESION,), (Tissue.LESION, Tissue.INFILTRATE))
    )
    assert 25 < core < whole < 125
    assert _ml(tissue, Tissue.INFILTRATE) > 0.1 * _ml(tissue, Tissue.LESION)
    # The rim keeps most of the core off the liver.
    mass = tissue == Tissue.LESION
    border = tissue[ndimage.binary_dilation(mass) & ~mass]
    border = border[np.isin(border, LIVER_TISSUES)]
    assert (border == Tissue.INFILTRATE).mean() > 0.7


def test_a_large_lesion_is_less_round_than_a_ball():
    tissue = _painted(0, Finding.LARGE_LESION)
    whole = np.isin(tissue, (Tissue.LESION, Tissue.INFILTRATE))
    faces = sum(np.abs(np.diff(whole.astype(np.int8), axis=k)).sum() for k in range(3))
    ball = np.pi * _diameters_mm(tissue, Tissue.LESION, Tissue.INFILTRATE)[0] ** 2
    # Faces of voxels overstate a ball's surface by 1.5.
    assert faces * _STEP_MM**2 > 1.2 * 1.5 * ball


def test_cysts_come_in_clusters_and_have_no_rim():
    tissue = _painted(1, Finding.CYSTS)
    cysts = _drawn(1, Finding.CYSTS).findings.cysts
    assert len(cysts) > 1
    apart = [np.linalg.norm(np.subtract(cysts[0].centre, c.centre)) for c in cysts[1:]]
    assert min(apart) < 40
    assert _ml(tissue, Tissue.CYST) > 0.1
    assert not _ml(tissue, Tissue.LESION, Tissue.INFILTRATE)


def test_ascites_bathes_the_liver_and_the_flanks():
    dry, wet = _painted(2), _painted(2, Finding.ASCITES)
    assert not _ml(dry, Tissue.FLUID)
    assert 150 < _ml(wet, Tissue.FLUID) < 6000
    liver = np.isin(wet, LIVER_TISSUES)
    around = wet[ndimage.binary_dilation(liver, iterations=2) & ~liver]
    assert (around == Tissue.FLUID).mean() > 0.2
    sides = (wet == Tissue.FLUID).any(axis=(1, 2))
    assert sides[: len(sides) // 3].any()
    assert sides[-(len(sides) // 3) :].any()


def test_an_effusion_lies_behind_the_lungs():
    subject = _drawn(3, Finding.EFFUSION)
    tissue = _painted(3, Finding.EFFUSION)
    _, y, _ = _axes(subject)
    y = np.broadcast_to(y, tissue.shape)
    assert _ml(tissue, Tissue.FLUID) > 30
    assert y[tissue == Tissue.FLUID].mean() < y[tissue == Tissue.LUNG].mean() - 30
    fluid = tissue == Tissue.FLUID
    assert (tissue[ndimage.binary_dilation(fluid) & ~fluid] == Tissue.LUNG).mean() > 0.1


@pytest.mark.parametrize("seed", range(3))
def test_splenomegaly_enlarges_the_spleen(seed):
    plain, big = (_ml(_painted(seed, *f), Tissue.SPLEEN) for f in ((), (Finding.SPLENOMEGALY,)))
    assert big > 1.6 * plain


def test_cirrhosis_roughens_the_surface():
    def faces_per_surface(*findings):
        liver = np.isin(_painted(4, *findings), LIVER_TISSUES)
        faces = sum(np.abs(np.diff(liver.astype(np.int8), axis=k)).sum() for k in range(3))
        return faces / liver.sum() ** (2 / 3)

    # At the same volume: nodules add surface.
    assert faces_per_surface(Finding.CIRRHOSIS) > 1.05 * faces_per_surface()


def test_cirrhosis_moves_volume_from_the_right_to_the_left():
    def right_share(*findings):
        tissue = _painted(5, *findings)
        x = _axes(_drawn(5, *findings))[0]
        liver = np.isin(tissue, LIVER_TISSUES)
        return (liver & (x > 60)).sum() / liver.sum()

    assert right_share(Finding.CIRRHOSIS) < right_share()


def test_a_resection_takes_a_lobe():
    """Over several subjects, since chance decides which."""
    left_reach, right_reach = [], []
    for seed in range(6):
        subject = _drawn(seed, Finding.RESECTION)
        x, y, z = _axes(subject, 5.0)
        liver = np.isin(subject.tissue(x, y, z), LIVER_TISSUES).any(axis=(1, 2))
        half = subject.trunk.a
        left_reach.append(x.ravel()[liver].min() / half)
        right_reach.append(x.ravel()[liver].max() / half)
        removed_left = subject.liver.cut.normal[0] < 0
        # What is left keeps off the wall on the side that is gone.
        assert left_reach[-1] > -0.45 if removed_left else right_reach[-1] < 0.85
    assert max(left_reach) > -0.3
    assert min(right_reach) < 0.8
