"""CT images: attenuation from the table, noise of the right SD and spectrum, a couch outside."""

import dataclasses
import itertools

import numpy as np
import pytest

from liver_jax.phantom import ct, ct_noise, person, sampling
from liver_jax.phantom.institution import Institution
from liver_jax.phantom.person import Person
from liver_jax.physics import tissues
from liver_jax.physics.tissues import Tissue

PERSON = Person("F", 40, 23.0, frozenset(), 1500.0, 5.0, 0.0, 0.6, 0.25, "")


@dataclasses.dataclass(frozen=True)
class Cylinder:
    """An elliptic body of 360 x 240 mm: skin, fat, and in it liver and spleen, a half each."""

    person: Person = PERSON
    extent_mm: tuple = ((-180.0, -120.0, -1e3), (180.0, 120.0, 1e3))
    liver_range_mm: tuple[float, float] = (-100.0, 100.0)
    liver_volume_ml: float = 1500.0

    def tissue(self, x, y, z):
        radius = np.hypot(x / 180, y / 120) + 0 * z
        inner = np.where(x > 0, Tissue.LIVER, Tissue.SPLEEN)
        return np.select(
            [radius < 0.8, radius < 0.98, radius < 1],
            [inner, Tissue.SUBCUTANEOUS_FAT, Tissue.SKIN],
            Tissue.AIR,
        ).astype(np.uint8)


BODY = Cylinder()
GRID = sampling.Grid((104, 104, 4), (4.0, 4.0, 5.0), (-206.0, -206.0, -7.5))


def protocol(phase="unenhanced", institution=Institution.HOSPITAL, seed=0, **changes):
    drawn = ct.draw_protocol(phase, institution, 5.0, np.random.default_rng(seed))
    plain = {
        "noise_hu": 0.0,
        "offset_hu": 0.0,
        "shading_hu": 0.0,
        "texture": 0.0,
        "padding_hu": None,
    }
    return dataclasses.replace(drawn, **(plain | changes))


def inner(tissue, grid=GRID):
    """Voxels well inside a tissue of the body, [x, y]."""
    x, y = grid.axis_mm(0)[:, None], grid.axis_mm(1)[None, :]
    radius = np.hypot(x / 180, y / 120)
    if tissue is Tissue.AIR:
        return (radius > 1.1) & (y > 0) & (np.abs(x) < 190)
    if tissue is Tissue.SUBCUTANEOUS_FAT:
        return np.abs(radius - 0.89) < 0.02
    return (radius < 0.7) & (x > 12 if tissue is Tissue.LIVER else x < -12)


@pytest.mark.parametrize("phase", ["unenhanced", "portal_venous"])
def test_without_noise_and_texture_a_tissue_has_its_attenuation(phase):
    plan = protocol(phase)
    images = ct.acquire(BODY, GRID, plan, np.random.default_rng(2))
    hu = ct.attenuation_hu(PERSON, phase, plan.kvp, np.random.default_rng(2))
    assert images.image.dtype == np.int16
    for tissue in (Tissue.AIR, Tissue.LIVER, Tissue.SPLEEN, Tissue.SUBCUTANEOUS_FAT):
        values = images.image[inner(tissue)]
        assert values.size > 100
        assert np.abs(values - hu[tissue]).max() <= 0.51, tissue


def test_texture_and_noise_keep_the_means():
    hu = ct.attenuation_hu(PERSON, "unenhanced", 120, np.random.default_rng(2))
    plan = protocol(kvp=120, noise_hu=10.0, texture=1.0, offset_hu=3.0)
    image = ct.acquire(BODY, GRID, plan, np.random.default_rng(2)).image
    for tissue in (Tissue.LIVER, Tissue.SPLEEN):
        assert image[inner(tissue)].mean() == pytest.approx(hu[tissue] + 3, abs=1.5)
        assert image[inner(tissue)].std() > 5


@pytest.mark.parametrize("phase", ["unenhanced", "portal_venous"])
def test_attenuation_averages_to_the_table_over_draws(phase):
    average = dataclasses.replace(PERSON, age=54, bmi=28.5)
    drawn = [
        ct.attenuation_hu(average, phase, 120, np.random.default_rng(seed)) for seed in range(300)
    ]
    for tissue in (Tissue.SPLEEN, Tissue.ARTERY, Tissue.SUBCUTANEOUS_FAT, Tissue.MUSCLE):
        mean, sd = getattr(tissues.CT[tissue], phase)
        values = np.array([hu[tissue] for hu in drawn])
        assert values.mean() == pytest.approx(mean, abs=0.25 * sd)
        assert values.std() == pytest.approx(sd, rel=0.25)


def liver_hu(phase="unenhanced", **findings):
    someone = dataclasses.replace(PERSON, **findings)
    return ct.attenuation_hu(someone, phase, 120, np.random.default_rng(0))[Tissue.LIVER]


def test_fat_darkens_and_iron_brightens_the_liver():
    lean, fatty = liver_hu(liver_pdff_percent=5.0), liver_hu(liver_pdff_percent=15.0)
    assert lean - fatty == pytest.approx(18.5, abs=1e-3)
    healthy, loaded = liver_hu(liver_iron_mg_per_g=0.6), liver_hu(liver_iron_mg_per_g=6.6)
    assert loaded - healthy == pytest.approx(9, abs=1e-3)


def test_cirrhosis_takes_enhancement_only():
    assert liver_hu(child_pugh="C") == liver_hu()
    mean = tissues.CT[Tissue.LIVER].portal_venous[0] - tissues.CT[Tissue.LIVER].unenhanced[0]
    lost = liver_hu("portal_venous") - liver_hu("portal_venous", child_pugh="C")
    assert lost == pytest.approx(0.2 * mean, rel=1e-3)


def test_one_bolus_enhances_all_organs_and_a_softer_beam_shows_more_of_it():
    drawn = np.array(
        [
            ct.attenuation_hu(PERSON, "portal_venous", 120, np.random.default_rng(seed))
            for seed in range(200)
        ]
    )
    assert np.corrcoef(drawn[:, Tissue.SPLEEN], drawn[:, Tissue.ARTERY])[0, 1] > 0.5
    assert abs(np.corrcoef(drawn[:, Tissue.SPLEEN], drawn[:, Tissue.MUSCLE])[0, 1]) < 0.25
    assert (drawn[:, Tissue.LIVER_VESSEL] >= drawn[:, Tissue.LIVER] + 20).all()
    soft = ct.attenuation_hu(PERSON, "portal_venous", 100, np.random.default_rng(0))
    hard = ct.attenuation_hu(PERSON, "portal_venous", 140, np.random.default_rng(0))
    assert soft[Tissue.ARTERY] > hard[Tissue.ARTERY] + 20
    assert soft[Tissue.CYST] == hard[Tissue.CYST]


def test_uneven_fat_spreads_the_liver_alone():
    uneven = Cylinder(dataclasses.replace(PERSON, liver_pdff_percent=20, liver_pdff_sd_percent=4))
    grid = dataclasses.replace(GRID, shape=(104, 104, 30), first_mm=(-206.0, -206.0, -75.0))
    plan = protocol(texture=1.0)
    flat = ct.acquire(BODY, grid, plan, np.random.default_rng(3)).image
    image = ct.acquire(uneven, grid, plan, np.random.default_rng(3)).image
    spread = (image - flat)[inner(Tissue.LIVER)].std()
    assert spread == pytest.approx(4 * 1.85, rel=0.35)
    assert np.abs(image - flat)[inner(Tissue.SPLEEN)].max() <= 1


def test_noise_in_the_middle_of_30_cm_of_water_has_the_sd_asked_for():
    x, y = np.mgrid[:200, :200] * 2.0 - 199
    water = np.where(np.hypot(x, y) < 150, 0.0, -1000.0)
    noise = ct_noise.Noise((200, 200), 2.0, 1.3, 0.5, 0.0, np.random.default_rng(0))
    drawn = np.stack([noise.layer(water, np.zeros(200)) for _ in range(40)])
    assert drawn.dtype == np.float32
    assert drawn.mean() == pytest.approx(0, abs=0.01)
    middle, rim = np.hypot(x, y) < 20, np.abs(np.hypot(x, y) - 140) < 8
    assert drawn[:, middle].std() == pytest.approx(1, rel=0.05)
    assert 0.6 < drawn[:, rim].std() < 0.9


def test_a_wide_body_has_more_noise_and_draws_it_out_sideways():
    x, y = np.mgrid[:200, :200] * 2.5 - 249
    sizes = (100.0, 100.0), (220.0, 130.0)
    sd, ratio = [], []
    for half_x, half_y in sizes:
        water = np.where(np.hypot(x / half_x, y / half_y) < 1, 0.0, -1000.0)
        noise = ct_noise.Noise((200, 200), 2.5, 1.3, 0.5, 0.0, np.random.default_rng(0))
        middle = np.stack([noise.layer(water, np.zeros(200)) for _ in range(20)])[:, 80:120, 80:120]
        sd.append(middle.std())
        ratio.append(np.diff(middle, axis=2).std() / np.diff(middle, axis=1).std())
    assert sd[1] > 1.3 * sd[0]
    assert ratio[0] == pytest.approx(1, abs=0.03)
    assert ratio[1] > ratio[0] + 0.05  # it changes faster from front to back


def test_arms_beside_the_image_streak_it_at_their_height():
    noise = ct_noise.Noise((160, 160), 2.5, 1.3, 0.5, 0.0, np.random.default_rng(0))
    water, beside = np.zeros((160, 160)), np.zeros(160)
    beside[20:60] = 160.0
    drawn = np.stack([noise.layer(water, beside) for _ in range(20)])
    level, other = drawn[:, 60:100, 30:50], drawn[:, 60:100, 110:130]
    assert level.std() > 1.1 * other.std()
    across, along = (np.diff(level, axis=axis).std() for axis in (1, 2))
    assert along > 1.1 * across


@pytest.mark.parametrize("iterative", [0.0, 1.0])
@pytest.mark.parametrize("shape", [(256, 256), (192, 161)])
def test_the_noise_has_the_spectrum_of_its_kernel(shape, iterative):
    noise = ct_noise.Noise(shape, 0.8, 1.2, iterative, 0.0, np.random.default_rng(0))
    water = np.full(shape, -1000.0)
    power = sum(np.abs(np.fft.fft2(noise.layer(water, np.zeros(shape[1])))) ** 2 for _ in range(30))
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n, 0.8) for n in shape), indexing="ij"))
    wanted = ct_noise.spectrum(frequency, 1.2, iterative)
    bands = np.linspace(0.02, 0.5, 9)
    measured, expected = (
        np.array(
            [p[(frequency >= a) & (frequency < b)].mean() for a, b in itertools.pairwise(bands)]
        )
        for p in (power, wanted)
    )
    # Directions differ (a square image lets through more along its diagonals), frequencies not.
    np.testing.assert_allclose(measured / measured.sum(), expected / expected.sum(), atol=0.02)


def test_neighbouring_slices_share_noise_as_asked():
    noise = ct_noise.Noise((128, 128), 1.0, 1.2, 0.5, 0.4, np.random.default_rng(0))
    water = np.zeros((128, 128))
    drawn = np.stack([noise.layer(water, np.zeros(128)) for _ in range(40)])
    for lag, wanted in ((1, 0.4), (2, 0.16)):
        pairs = np.corrcoef(drawn[lag:].ravel(), drawn[:-lag].ravel())
        assert pairs[0, 1] == pytest.approx(wanted, abs=0.03)


@pytest.mark.parametrize("institution", Institution)
def test_couch_and_arms_lie_outside_the_body_and_out_of_the_truth(institution):
    plan = protocol(institution=institution, arms_down=True)
    images = ct.acquire(BODY, GRID, plan, np.random.default_rng(2))
    bare = protocol(
        institution=institution,
        couch=dataclasses.replace(plan.couch, mattress_mm=1e4),
    )
    without = ct.acquire(BODY, GRID, bare, np.random.default_rng(2))
    for name in ("labels", "liver", "vessels", "lesions"):
        np.testing.assert_array_equal(getattr(images.truth, name), getattr(without.truth, name))
    x, y = GRID.axis_mm(0)[:, None], GRID.axis_mm(1)[None, :]
    body = np.hypot(x / 180, y / 120) < 0.95
    np.testing.assert_array_equal(images.image[body], without.image[body])
    added = (images.image != without.image).any(axis=2)
    assert added[np.broadcast_to(y < -124, added.shape)].sum() > 100  # the couch
    assert images.image[np.abs(GRID.axis_mm(0)) > 190].max() > 0  # an arm
    above = np.broadcast_to((y > 60) & (np.abs(x) < 185), added.shape)
    assert not added[above].any()


def test_the_registry_pads_what_its_round_field_of_view_leaves_out():
    plan = protocol(institution=Institution.REGISTRY, padding_hu=-2000)
    image = ct.acquire(BODY, GRID, plan, np.random.default_rng(0)).image
    assert (image[0, 0] == -2000).all()
    x, y = GRID.axis_mm(0)[:, None], GRID.axis_mm(1)[None, :]
    assert image[np.hypot(x, y) < 200].min() >= -1024


def test_institutions_differ_and_thin_slices_are_noisier():
    def drawn(institution, slice_mm):
        return [
            ct.draw_protocol("unenhanced", institution, slice_mm, np.random.default_rng(seed))
            for seed in range(100)
        ]

    hospital, registry = (drawn(institution, 5.0) for institution in Institution)
    assert min(p.kernel_fwhm_mm for p in hospital) > max(p.kernel_fwhm_mm for p in registry)
    assert np.mean([p.kvp for p in registry]) < np.mean([p.kvp for p in hospital])
    assert all(8 <= p.noise_hu <= 15 for p in hospital + registry)
    thin = drawn(Institution.REGISTRY, 1.0)
    assert all(15 <= p.noise_hu <= 27 for p in thin)
    assert 5 < sum(p.arms_down for p in hospital) < 30


def test_the_same_seed_gives_the_same_bytes_whatever_the_threads():
    plan = protocol(noise_hu=12.0, texture=1.0, arms_down=True)
    one, same, two = (
        ct.acquire(BODY, GRID, plan, np.random.default_rng(4), threads=threads).image
        for threads in (1, 1, 3)
    )
    other = ct.acquire(BODY, GRID, plan, np.random.default_rng(5)).image
    np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(one, two)
    assert (one != other).mean() > 0.3


def test_muscle_of_a_cohort_has_the_published_density():
    volume = person.VolumeRange(1677, 540, 577, 5186)
    for phase, mean, sd in (("unenhanced", 55, 6), ("portal_venous", 64, 7)):
        drawn = []
        for seed in range(400):
            generator = np.random.default_rng([8, seed])
            someone = person.draw(generator, {}, volume)
            drawn.append(ct.attenuation_hu(someone, phase, 120, generator)[Tissue.MUSCLE])
        assert np.mean(drawn) == pytest.approx(mean, abs=1.5)
        assert sd * 0.8 < np.std(drawn) < sd * 1.6
