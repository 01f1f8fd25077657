"""Subjects: whole, without holes, reproducible, and the same however they are sampled."""

import dataclasses
import functools

import numpy as np
import pytest
from scipy import ndimage

from liver_jax.phantom import anatomy, person
from liver_jax.phantom.person import Finding
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue

_VOLUME = person.VolumeRange(1700, 500, 900, 3000)
_STEP_MM = 4.0
_CROSS = ndimage.generate_binary_structure(3, 1)
_IN_PLANE = _CROSS & np.array([False, True, False])


def _drawn(seed, *findings, **changes):
    """A subject with these findings and no others; `changes` to the person."""
    generator = np.random.default_rng([7, seed])
    someone = person.draw(generator, dict.fromkeys(findings, 1.0), _VOLUME)
    someone = dataclasses.replace(someone, findings=frozenset(findings), **changes)
    return anatomy.draw(someone, generator)


def _axes(subject, step_mm):
    """An open grid that holds the body, and the liver with some room above and below."""
    (left, back, _), (right, front, _) = subject.extent_mm
    low, high = subject.liver_range_mm
    x = np.arange(left - step_mm, right + 2 * step_mm, step_mm)[:, None, None]
    y = np.arange(back - step_mm, front + 2 * step_mm, step_mm)[None, :, None]
    z = np.arange(low - 20, high + 20, step_mm)[None, None, :]
    return x, y, z


@dataclasses.dataclass(frozen=True)
class _Painted:
    subject: anatomy.Subject
    tissue: np.ndarray

    def ml(self, *tissues):
        return np.isin(self.tissue, tissues).sum() * _STEP_MM**3 / 1000

    def mean_mm(self, axis, tissue):
        places = np.broadcast_to(_axes(self.subject, _STEP_MM)[axis], self.tissue.shape)
        return places[self.tissue == tissue].mean()


@functools.cache
def _painted(seed, *findings):
    subject = _drawn(seed, *findings)
    return _Painted(subject, subject.tissue(*_axes(subject, _STEP_MM)))


@pytest.fixture(scope="module")
def cohort():
    """One without findings, one with the medical ones, one with the surgical ones."""
    return [
        _painted(0),
        _painted(1, Finding.CIRRHOSIS, Finding.ASCITES, Finding.SPLENOMEGALY, Finding.EFFUSION),
        _painted(2, Finding.LESIONS, Finding.LARGE_LESION, Finding.CYSTS),
        _painted(3, Finding.RESECTION),
    ]


def test_the_same_generator_draws_the_same_subject_and_another_another():
    assert _drawn(0) == _drawn(0)
    assert _drawn(0) != _drawn(1)


def test_every_tissue_is_there(cohort):
    found = set(np.unique(np.concatenate([p.tissue.ravel() for p in cohort])))
    assert found == set(Tissue)


def test_a_subject_without_findings_has_no_tissue_of_one(cohort):
    of_findings = {Tissue.LESION, Tissue.CYST, Tissue.INFILTRATE, Tissue.FLUID}
    assert not of_findings & set(np.unique(cohort[0].tissue).tolist())


def test_air_lies_only_around_the_body(cohort):
    for painted in cohort:
        body = painted.tissue != Tissue.AIR
        for k in range(body.shape[2]):
            assert (ndimage.binary_fill_holes(body[..., k]) == body[..., k]).all()
        assert not body[[0, -1]].any()
        assert not body[:, [0, -1]].any()


def test_the_body_fills_its_extent(cohort):
    for painted in cohort:
        (left, back, _), (right, front, _) = painted.subject.extent_mm
        x, y, _ = _axes(painted.subject, _STEP_MM)
        body = painted.tissue != Tissue.AIR
        width = np.ptp(x.ravel()[body.any(axis=(1, 2))])
        depth = np.ptp(y.ravel()[body.any(axis=(0, 2))])
        assert 0.88 * (right - left) < width < right - left
        assert 0.88 * (front - back) < depth < front - back


def test_skin_covers_the_body():
    subject = _drawn(8)
    x, y, _ = _axes(subject, 0.8)
    low, high = subject.liver_range_mm
    tissue = subject.tissue(x, y, np.linspace(low, high, 3)[None, None, :])
    body = tissue != Tissue.AIR
    surface = body & ~ndimage.binary_erosion(body, _IN_PLANE)
    assert (tissue[surface] == Tissue.SKIN).all()


def test_the_liver_is_one_piece_within_its_range(cohort):
    for painted in cohort:
        liver = np.isin(painted.tissue, LIVER_TISSUES)
        pieces, _ = ndimage.label(liver, structure=np.ones((3, 3, 3)))
        assert np.bincount(pieces.ravel())[1:].max() > 0.98 * liver.sum()
        low, high = painted.subject.liver_range_mm
        z = _axes(painted.subject, _STEP_MM)[2].ravel()[liver.any(axis=(0, 1))]
        assert low <= z.min() < low + 2 * _STEP_MM
        assert high - 2 * _STEP_MM < z.max() <= high


def test_organs_lie_on_their_sides(cohort):
    for painted in cohort[:3]:
        assert painted.mean_mm(0, Tissue.LIVER) > 25
        assert painted.mean_mm(0, Tissue.SPLEEN) < -50
        assert painted.mean_mm(0, Tissue.ARTERY) < 0
        assert painted.mean_mm(0, Tissue.BILE) > 0
        assert painted.mean_mm(1, Tissue.CORD) < painted.mean_mm(1, Tissue.ARTERY)
        assert painted.mean_mm(1, Tissue.KIDNEY_CORTEX) < painted.mean_mm(1, Tissue.BOWEL_FLUID)
        assert painted.mean_mm(2, Tissue.LUNG) > painted.mean_mm(2, Tissue.LIVER)


def test_organs_have_the_size_of_organs(cohort):
    plain = cohort[0]
    assert 80 < plain.ml(Tissue.SPLEEN) < 400  # normal: 100 to 350 mL
    assert 150 < plain.ml(Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA) < 450  # two, of 150 mL each
    assert 8 < plain.ml(Tissue.BILE) < 80
    assert 20 < plain.ml(Tissue.PANCREAS) < 120  # 70 +/- 25 mL
    # Vessels that imaging shows fill a few per cent of a liver.
    assert 0.005 < plain.ml(Tissue.LIVER_VESSEL) / plain.subject.liver_volume_ml < 0.08


def test_neighbours_touch_the_liver(cohort):
    touched = set()
    for painted in cohort:
        liver = painted.tissue == Tissue.LIVER
        border = ndimage.binary_dilation(liver, _CROSS, iterations=2) & ~liver
        touched |= set(np.unique(painted.tissue[border]))
    assert touched >= {
        Tissue.MUSCLE,
        Tissue.BOWEL_WALL,
        Tissue.KIDNEY_CORTEX,
        Tissue.VEIN,
        Tissue.VISCERAL_FAT,
        Tissue.LIVER_VESSEL,
        Tissue.BILE,
    }


def test_gas_and_bowel_contents_stay_behind_a_wall():
    subject = _drawn(4)
    low, high = subject.liver_range_mm
    x, y, _ = _axes(subject, 1.0)
    z = np.linspace(low, high, 7)[None, None, 1:-1]
    tissue = subject.tissue(x, y, z)
    contents = [Tissue.BOWEL_GAS, Tissue.BOWEL_FLUID, Tissue.STOOL]
    inside = np.isin(tissue, contents)
    outside = tissue[ndimage.binary_dilation(inside, _IN_PLANE) & ~inside]
    assert (outside == Tissue.BOWEL_WALL).mean() > 0.97


def test_visceral_fat_is_not_smooth():
    subject = _drawn(5, bmi=36.0, sex="M")
    low, high = subject.liver_range_mm
    x, y, _ = _axes(subject, 1.0)
    tissue = subject.tissue(x, y, np.linspace(low, high, 5)[None, None, 1:-1])
    fat = tissue == Tissue.VISCERAL_FAT
    # Strands and vessels that a closing by 2 mm swallows.
    filled = ndimage.binary_closing(fat, _IN_PLANE, iterations=2) & ~fat
    assert filled.sum() > 0.01 * fat.sum()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_stated_volume_is_that_of_another_grid(seed):
    subject = _drawn(seed, *([Finding.CIRRHOSIS] if seed == 1 else []))
    shifted = tuple(axis + 1.3 for axis in _axes(subject, 3.0))
    counted = np.isin(subject.tissue(*shifted), LIVER_TISSUES).sum() * 3.0**3 / 1000
    assert counted == pytest.approx(subject.liver_volume_ml, rel=5e-3)


@pytest.mark.parametrize("volume_ml", [577.0, 600.0, 1200.0, 2300.0, 3500.0, 5300.0, 5445.0])
@pytest.mark.parametrize("finding", [None, Finding.CIRRHOSIS, Finding.RESECTION])
def test_livers_of_any_size_meet_their_target(volume_ml, finding):
    subject = _drawn(6, *([finding] if finding else []), target_liver_volume_ml=volume_ml)
    assert subject.liver_volume_ml == pytest.approx(volume_ml, rel=0.02)


def test_a_heavy_person_is_wider_and_has_more_fat():
    def measured(bmi, sex):
        return np.mean([one(seed, bmi, sex) for seed in range(4)], axis=0)

    def one(seed, bmi, sex):
        subject = _drawn(seed, bmi=bmi, sex=sex)
        (left, back, _), (right, front, _) = subject.extent_mm
        tissue = subject.tissue(*_axes(subject, 8.0))
        under_skin, visceral = (
            (tissue == fat).sum() / tissue.shape[2]
            for fat in (Tissue.SUBCUTANEOUS_FAT, Tissue.VISCERAL_FAT)
        )
        return np.array([right - left, front - back, under_skin, visceral])

    thin, heavy = measured(19.0, "F"), measured(41.0, "F")
    assert (heavy > 1.15 * thin).all()
    assert thin[0] < 330 < heavy[0]
    man = measured(41.0, "M")
    assert man[2] < heavy[2]
    assert man[3] > heavy[3]


def test_points_have_one_tissue_however_they_are_asked_for():
    subject = _drawn(1, Finding.CIRRHOSIS, Finding.ASCITES)
    x, y, z = _axes(subject, 8.0)
    whole = subject.tissue(x, y, z)
    slabs = [subject.tissue(x, y, part) for part in np.array_split(z, 9, axis=2)]
    np.testing.assert_array_equal(whole, np.concatenate(slabs, axis=2))
    full = np.broadcast_arrays(x, y, z)
    np.testing.assert_array_equal(whole, subject.tissue(*full))
    turned = [np.transpose(p, (2, 0, 1)) for p in full]
    np.testing.assert_array_equal(np.transpose(whole, (2, 0, 1)), subject.tissue(*turned))
    # A handful of points that are no lattice; rounding may move one across a border.
    chosen = np.random.default_rng(0).permutation(whole.size)[:4000]
    scattered = subject.tissue(*(p.reshape(-1, 1, 1)[chosen] for p in full))
    assert (scattered.ravel() != whole.ravel()[chosen]).sum() <= 4


def test_points_far_away_are_air():
    subject = _drawn(0)
    far = np.full((1, 1, 1), 900.0)
    assert subject.tissue(far, far, np.zeros((1, 1, 3))).tolist() == [[[Tissue.AIR] * 3]]
