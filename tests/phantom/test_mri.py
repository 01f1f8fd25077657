"""MR images of a cylinder of tissues against the signal equation, and against published values."""

import dataclasses
import signal
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from liver_jax.phantom import mri, sampling
from liver_jax.phantom.institution import Institution
from liver_jax.phantom.mr import protocol as mr_protocol
from liver_jax.phantom.mr import weighting
from liver_jax.phantom.mr.properties import draw_liver_fat, tissue_values
from liver_jax.phantom.person import Finding, Person
from liver_jax.physics import spectra
from liver_jax.physics.tissues import Tissue

T1_MS = {Tissue.SPLEEN: 1328.0, Tissue.MUSCLE: 898.0, Tissue.SUBCUTANEOUS_FAT: 382.0}
R2STAR = {Tissue.SPLEEN: 35.0, Tissue.MUSCLE: 40.0, Tissue.SUBCUTANEOUS_FAT: 45.0}
DENSITY = {Tissue.SPLEEN: 0.85, Tissue.MUSCLE: 0.8, Tissue.SUBCUTANEOUS_FAT: 1.0}
FAT = {Tissue.SPLEEN: 0.009, Tissue.MUSCLE: 0.03, Tissue.SUBCUTANEOUS_FAT: 0.93}
QUIET = mri.Protocol(
    technique="spgr2d",
    field_strength_t=3.0,
    te_ms=mr_protocol.TE_2D_MS,
    tr_ms=150.0,
    flip_angle_deg=10.0,
    snr=np.inf,
    bias_peak_to_peak=0.0,
    scale=10_000.0,
)
QUIET_3D = dataclasses.replace(
    QUIET, technique="spgr3d", te_ms=mr_protocol.TE_3D_MS, tr_ms=7.0, flip_angle_deg=3.0
)
SOMEONE = Person(
    sex="F",
    age=50,
    bmi=26.0,
    findings=frozenset(),
    target_liver_volume_ml=1500.0,
    liver_pdff_percent=10.0,
    liver_pdff_sd_percent=0.0,
    liver_iron_mg_per_g=0.59,
    uptake_mm=0.25,
    child_pugh="",
)
GRID = sampling.Grid((48, 48, 4), (6.0, 6.0, 8.0), (-141.0, -141.0, -12.0))


@dataclasses.dataclass(frozen=True)
class Cylinder:
    """Five tissues in sectors of an endless cylinder of 120 mm radius: the liver fills half."""

    person: Person = SOMEONE
    extent_mm = ((-125.0, -125.0, -200.0), (125.0, 125.0, 200.0))
    liver_range_mm = (-16.0, 16.0)
    liver_volume_ml = 723.8

    def tissue(self, x, y, z):
        angle = np.arctan2(y, x)
        labels = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), Tissue.AIR, np.uint8)
        inside = np.broadcast_to(x**2 + y**2 < 120.0**2, labels.shape)
        sector = np.broadcast_to(np.floor(angle / (np.pi / 4)).astype(int), labels.shape)
        order = (Tissue.SPLEEN, Tissue.MUSCLE, Tissue.SUBCUTANEOUS_FAT, Tissue.ARTERY)
        for number, tissue in enumerate((*(Tissue.LIVER,) * 4, *order), -4):
            labels[inside & (sector == number)] = tissue
        return labels


def _acquire(protocol, person=SOMEONE, seed=0, varied=False, **options):
    generator = np.random.default_rng(seed)
    return mri.acquire(Cylinder(person), GRID, protocol, generator, varied=varied, **options)


def _pure(tissue):
    return np.stack(
        [c.fraction([tissue]) == 1 for _, c in sampling.compositions(Cylinder(), GRID, 5)], axis=2
    )


@pytest.fixture(scope="module")
def quiet():
    return _acquire(QUIET)


@pytest.fixture(scope="module")
def quiet_3d():
    return _acquire(QUIET_3D)


def _weight(t1_ms, tr_ms=150.0, angle=np.pi / 18):
    e1 = np.exp(-tr_ms / t1_ms)
    return np.sin(angle) * (1 - e1) / (1 - e1 * np.cos(angle))


@pytest.mark.parametrize("tissue", list(T1_MS))
def test_tissues_follow_the_signal_equation(quiet, tissue):
    te_s = np.array(mr_protocol.TE_2D_MS) / 1000
    c = spectra.dephasing(spectra.HAMILTON_LIVER, mr_protocol.TE_2D_MS, 3.0)
    water = DENSITY[tissue] * (1 - FAT[tissue]) * _weight(T1_MS[tissue])
    fat = DENSITY[tissue] * FAT[tissue] * _weight(382.0)
    expected = np.abs(water + fat * c) * np.exp(-R2STAR[tissue] * te_s)
    expected *= QUIET.scale / (0.8 * _weight(809.0))
    found = quiet.image[_pure(tissue)].mean(axis=0)
    np.testing.assert_allclose(found, expected, rtol=0.01)


def test_partial_volume_adds_signals_of_opposed_phase(quiet):
    # At 1.15 ms and 3 T fat opposes water: between them lies a dark line.
    first = quiet.image[..., 1, 0].astype(float)
    mixed = _pure(Tissue.SUBCUTANEOUS_FAT)[..., 1] | _pure(Tissue.ARTERY)[..., 1]
    both = (np.hypot(*np.meshgrid(GRID.axis_mm(0), GRID.axis_mm(1))) < 110) & (first > 0)
    darkest = first[both & ~mixed].min()
    assert darkest < 0.4 * first[mixed].min()


@pytest.mark.parametrize("acquired_mm", [None, (7.0, 9.0)])
def test_the_difference_from_a_perfect_image_has_the_snr_asked_for(acquired_mm):
    perfect = dataclasses.replace(QUIET, acquired_mm=acquired_mm)
    noisy = _acquire(dataclasses.replace(perfect, snr=25.0))
    liver = _pure(Tissue.LIVER)
    difference = noisy.image[liver].astype(float) - _acquire(perfect).image[liver]
    # Where the signal is strong, a magnitude's SD is that of either channel.
    assert difference[:, 1].std() == pytest.approx(QUIET.scale / 25, rel=0.04)


@pytest.mark.parametrize(("tissue", "snr"), [(Tissue.AIR, 20.0), (Tissue.SPLEEN, 1.5)])
def test_magnitudes_are_rician_at_any_signal(quiet, tissue, snr):
    noisy = _acquire(dataclasses.replace(QUIET, snr=snr))
    where = _pure(tissue)
    sigma = QUIET.scale / snr
    for echo in (0, 5):
        b = quiet.image[..., echo][where].mean() / sigma
        found = noisy.image[..., echo][where]
        n = np.sqrt(len(found))
        expected, sd = stats.rice.mean(b, scale=sigma), stats.rice.std(b, scale=sigma)
        assert found.mean() == pytest.approx(expected, abs=4 * sd / n)
        assert found.std() == pytest.approx(sd, rel=4 / n)


def test_noise_of_slices_and_echoes_is_independent():
    noisy = _acquire(dataclasses.replace(QUIET, snr=20.0)).image.astype(float)
    air = _pure(Tissue.AIR)[..., 0]
    for first, second in (((0, 0), (1, 0)), ((0, 0), (0, 1)), ((1, 4), (2, 5))):
        a, b = (noisy[:, :, k, echo][air] for k, echo in (first, second))
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(air.sum())


@pytest.mark.parametrize(
    ("tr_ms", "flip_angle_deg", "pdff_percent", "bias"),
    [(150, 10, 10, 0.37), (150, 10, 30, 0.86), (7, 3, 10, 0.70), (7, 5, 20, 2.97)],
)
def test_the_scanners_map_has_the_t1_bias_of_its_protocol(
    tr_ms, flip_angle_deg, pdff_percent, bias
):
    protocol = dataclasses.replace(QUIET, tr_ms=tr_ms, flip_angle_deg=flip_angle_deg)
    person = dataclasses.replace(SOMEONE, liver_pdff_percent=float(pdff_percent))
    images = _acquire(protocol, person)
    liver = _pure(Tissue.LIVER)
    np.testing.assert_allclose(images.true_pdff_percent[liver], pdff_percent, rtol=1e-5)
    # To a tenth of a point, as it is stored.
    np.testing.assert_allclose(images.pdff_percent[liver], pdff_percent + bias, atol=0.06)


def test_the_scanners_map_masks_air_and_stays_within_its_range():
    images = _acquire(dataclasses.replace(QUIET, snr=10.0))
    assert not images.pdff_percent[_pure(Tissue.AIR)].any()
    assert images.pdff_percent.min() == 0
    assert images.pdff_percent.max() <= 100
    fat = images.pdff_percent[_pure(Tissue.SUBCUTANEOUS_FAT)]
    assert fat.mean() == pytest.approx(93, abs=1.5)


def test_truth_has_the_persons_fat_and_iron(quiet):
    liver, artery = _pure(Tissue.LIVER), _pure(Tissue.ARTERY)
    np.testing.assert_allclose(quiet.true_pdff_percent[liver], 10.0, rtol=1e-5)
    assert not quiet.true_pdff_percent[artery].any()
    # 0.59 mg/g: (0.59 + 0.03) / 0.01349.
    np.testing.assert_allclose(quiet.r2star_per_s[liver], 45.96, rtol=1e-3)
    np.testing.assert_allclose(quiet.r2star_per_s[artery], 15.0, rtol=1e-5)
    assert not quiet.r2star_per_s[_pure(Tissue.AIR)].any()
    assert np.isfinite(quiet.field_map_hz).all()


def test_a_mixed_voxel_has_the_fraction_of_its_protons(quiet):
    composition = dict(sampling.compositions(Cylinder(), GRID, 5))[1]
    fat, artery = (composition.fraction([t]) for t in (Tissue.SUBCUTANEOUS_FAT, Tissue.ARTERY))
    both = (fat > 0) & (artery > 0) & (fat + artery == 1)
    assert both.sum() > 5
    # Fat: density 1, 93 %; blood: density 0.9, no fat.
    expected = 93 * fat[both] / (fat[both] + 0.9 * artery[both])
    np.testing.assert_allclose(quiet.true_pdff_percent[..., 1][both], expected, rtol=1e-4)


def test_iron_darkens_late_echoes_as_its_r2star_says():
    protocol = dataclasses.replace(QUIET, field_strength_t=1.5)
    overloaded = dataclasses.replace(SOMEONE, liver_iron_mg_per_g=7.0)
    liver = _pure(Tissue.LIVER)
    healthy, iron = (
        _acquire(protocol, person).image[liver].mean(axis=0) for person in (SOMEONE, overloaded)
    )
    # 7 and 0.59 mg/g at 1.5 T: (7 + 0.16) / 0.02603 = 275.1 and 28.8 1/s.
    expected = np.exp(-(275.1 - 28.8) * np.array(mr_protocol.TE_2D_MS) / 1000)
    np.testing.assert_allclose(iron / healthy, expected, rtol=0.01)
    assert iron[5] < 0.2 * iron[0]


def test_phase_advances_between_echoes_as_the_field_map_says(quiet_3d):
    artery = _pure(Tissue.ARTERY)  # without fat
    phasor = np.exp(1j * quiet_3d.phase_radian[artery])
    advance = np.angle(phasor[:, 1:] * np.conj(phasor[:, :-1]))
    expected = 2 * np.pi * quiet_3d.field_map_hz[artery] * 0.76e-3
    assert np.abs(expected).max() < np.pi
    np.testing.assert_allclose(advance, np.repeat(expected[:, None], 5, axis=1), atol=0.01)


def test_fat_turns_backwards(quiet_3d):
    # The main peak of fat lies 434 Hz below water at 3 T: its phase falls behind that of water.
    def advance(tissue):
        phasor = np.exp(1j * quiet_3d.phase_radian[_pure(tissue)])
        relative = phasor[:, 1] * np.conj(phasor[:, 0])
        field = quiet_3d.field_map_hz[_pure(tissue)] * 0.76e-3
        return np.angle(np.mean(relative * np.exp(-2j * np.pi * field)))

    assert advance(Tissue.ARTERY) == pytest.approx(0, abs=0.01)
    assert -2.4 < advance(Tissue.SUBCUTANEOUS_FAT) < -1.3


class _LiverWithGas(Cylinder):
    """Liver all over, with a bubble of 20 mm radius in the middle."""

    def tissue(self, x, y, z):
        labels = super().tissue(x, y, z)
        labels[labels != Tissue.AIR] = Tissue.LIVER
        labels[np.broadcast_to(x**2 + y**2 + z**2 < 400, labels.shape)] = Tissue.BOWEL_GAS
        return labels


def test_gas_dephases_the_slice_above_it_and_late_echoes_most():
    slice_above = sampling.Grid((49, 49, 1), (5.0, 5.0, 8.0), (-120.0, -120.0, 28.0))
    generator = np.random.default_rng(0)
    images = mri.acquire(_LiverWithGas(), slice_above, QUIET, generator, varied=False)
    # 9.4 ppm x 127.7 MHz x 2/3 is 800 Hz at the bubble's pole; it falls with the cube of the
    # distance: 463 Hz at the slice's lower face, 24 mm from the centre; 292 in its middle; 195.
    above, beside = (24, 24, 0), (40, 24, 0)
    field = images.field_map_hz
    assert field[above] - field[beside] == pytest.approx(292, rel=0.15)
    # sinc(268 Hz x 1.15 ms) is 0.85, sinc(268 Hz x 6.9 ms) -0.08. The lattice blurs the bubble's
    # edge, 4 mm below the slice, so that a little less is lost.
    echoes = images.image.astype(float)
    left = (echoes[above] / echoes[beside])[[0, 5]]
    assert 0.82 < left[0] < 0.96
    assert left[1] < 0.3


def test_echoes_of_alternate_gradients_and_the_first_have_phase_errors(quiet_3d):
    protocol = dataclasses.replace(QUIET_3D, odd_even_phase_radian=0.1, first_echo_phase_radian=0.3)
    found = np.exp(1j * (_acquire(protocol).phase_radian - quiet_3d.phase_radian))
    error = np.angle(found)[_pure(Tissue.LIVER)].mean(axis=0)
    # About the middle of the field of view the ramp is 1.
    np.testing.assert_allclose(error, [0.4, -0.1, 0.1, -0.1, 0.1, -0.1], atol=0.02)


def test_2d_images_and_hepatobiliary_ones_have_no_phase(quiet):
    assert quiet.phase_radian is None
    protocol = mri.draw_protocol("hbp_t1w", 3.0, Institution.HOSPITAL, np.random.default_rng(0))
    images = _acquire(protocol)
    assert images.phase_radian is None
    assert images.pdff_percent is None
    assert images.image.shape == GRID.shape


SMALLEST_FIT = """
import numpy as np
from pycsemri.VARPRO_LUT import VARPRO_LUT

te_s = np.arange(1, 7) * 1.15e-3
data = {"TE": te_s, "FieldStrength": 3.0, "PrecessionIsClockwise": 1.0}
data["images"] = np.ones((4, 4, 6), complex)
species = [{"frequency": [f], "relAmps": [1.0]} for f in (0.0, -3.4)]
ranges = {"range_fm": [-100.0, 100.0], "range_r2star": [0.0, 100.0]}
counts = {"NUM_FMS": 11, "NUM_R2STARS": 3, "SUBSAMPLE": 1}
VARPRO_LUT(data, {"species": species, **ranges, **counts})
"""


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    """Skips where the library is compiled for other processors: it would take us with it."""
    folder = tmp_path_factory.mktemp("peer")
    done = subprocess.run([sys.executable, "-c", SMALLEST_FIT], cwd=folder, capture_output=True)
    if done.returncode == -signal.SIGILL:
        pytest.skip("pycsemri is compiled for instructions that this processor has not")
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("peer")
@pytest.mark.parametrize(("technique", "fit"), [("spgr2d", "magnitude"), ("spgr3d", "complex")])
def test_a_published_fit_returns_the_fat_that_was_put_in(technique, fit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # it writes a log where it runs
    from pycsemri.fwFit_ComplexLS_1r2star import fwFit_ComplexLS_1r2star
    from pycsemri.fwFit_MagnLS_1r2star import fwFit_MagnLS_1r2star
    from pycsemri.VARPRO_LUT import VARPRO_LUT

    protocol = QUIET if technique == "spgr2d" else QUIET_3D
    # As 3D, so that there is a phase for the start of the magnitude fit too.
    images = _acquire(dataclasses.replace(protocol, technique="spgr3d"))
    assert mri.PRECESSION == "clockwise"
    data = {
        "TE": np.array(protocol.te_ms) / 1000,
        "FieldStrength": 3.0,
        "PrecessionIsClockwise": 1.0,
        "images": (images.image * np.exp(1j * images.phase_radian))[:, :, 1],
    }
    species = [
        {"frequency": [0.0], "relAmps": [1.0]},
        {
            "frequency": list(spectra.HAMILTON_LIVER.shift_ppm),
            "relAmps": list(spectra.HAMILTON_LIVER.amplitude),
        },
    ]
    options = {
        "species": species,
        "NUM_FMS": 401,
        "range_fm": [-400.0, 400.0],
        "range_r2star": [0.0, 200.0],
        "NUM_R2STARS": 41,
        "SUBSAMPLE": 1,
    }
    start = VARPRO_LUT(data, options)
    start = {
        "amp_w": start["water_amp"],
        "amp_f": start["fat_amp"],
        "r2starmap": start["r2s_init"],
        "fm": start["fm"],
        "masksignal": np.ones(GRID.shape[:2]),
    }
    refine = fwFit_MagnLS_1r2star if fit == "magnitude" else fwFit_ComplexLS_1r2star
    found = refine(data, options, start)
    water, fat = np.abs(found["water_amp"]), np.abs(found["fat_amp"])
    for tissue in (Tissue.LIVER, Tissue.MUSCLE, Tissue.ARTERY):
        where = _pure(tissue)[..., 1]
        pdff = (100 * fat / np.maximum(water + fat, 1e-9))[where]
        np.testing.assert_allclose(pdff, images.pdff_percent[..., 1][where], atol=0.3)
    r2star = found["r2starmap"][_pure(Tissue.LIVER)[..., 1]]
    np.testing.assert_allclose(r2star, 45.96, atol=1.0)


def test_liver_fat_varies_about_its_mean_and_belongs_to_the_person():
    person = dataclasses.replace(
        SOMEONE,
        findings=frozenset({Finding.STEATOSIS}),
        liver_pdff_percent=20.0,
        liver_pdff_sd_percent=1.5,
    )
    body = Cylinder(person)
    # Another technique on another grid: every second voxel of each slice, the lowest slices.
    coarse = sampling.Grid((24, 24, 2), (12.0, 12.0, 8.0), (-141.0, -141.0, -12.0))
    liver = _pure(Tissue.LIVER)[::2, ::2, :2]
    first = mri.acquire(body, GRID, QUIET, np.random.default_rng(0), samples=1, varied=False)
    second = mri.acquire(body, coarse, QUIET_3D, np.random.default_rng(1), samples=1, varied=False)
    np.testing.assert_allclose(
        first.true_pdff_percent[::2, ::2, :2][liver], second.true_pdff_percent[liver], rtol=1e-5
    )
    found = first.true_pdff_percent[_pure(Tissue.LIVER)]
    assert found.mean() == pytest.approx(20.0, abs=0.3)
    assert found.std() == pytest.approx(1.5, abs=0.3)


@pytest.mark.parametrize("focal", [True, False])
def test_foci_change_the_fat_of_a_part_and_leave_the_mean(focal):
    person = dataclasses.replace(
        SOMEONE,
        findings=frozenset({Finding.STEATOSIS}),
        liver_pdff_percent=25.0,
        liver_pdff_sd_percent=1.0,
    )
    liver = tuple(p.ravel() for p in np.meshgrid(*3 * [np.linspace(-60, 60, 25)]))
    drawn = (draw_liver_fat(person, liver, np.random.default_rng(s)) for s in range(40))
    chosen = next(d for d in drawn if bool(d.foci) == focal)
    change = chosen.change(*liver)
    assert change.mean() == pytest.approx(0, abs=0.02)
    if focal:
        # At least half of the fat is missing in the middle.
        (focus,) = chosen.foci
        assert float(chosen.change(*np.array(focus.centre_mm)[:, None])[0]) < -10
    else:
        assert change.std() == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("scale", [0.85, 0.93, 1.1, 1.18])
@pytest.mark.parametrize(("tr_ms", "angle_deg"), [(150.0, 10.0), (4.0, 15.0)])
def test_signals_at_other_flip_angles_are_interpolated_closely(scale, tr_ms, angle_deg):
    protocol = dataclasses.replace(QUIET, tr_ms=tr_ms, flip_angle_deg=angle_deg)
    table, _ = weighting.signal_tables(tissue_values(SOMEONE, 3.0, False, None), protocol)
    weights = weighting.flip_weights(np.float32(scale))
    assert sum(weights) == pytest.approx(1)
    for tissue in (Tissue.SPLEEN, Tissue.MUSCLE):
        found = sum(w * t for w, t in zip(weights, table[tissue, :, 0, 0], strict=True))
        asked, there = (
            _weight(T1_MS[tissue], tr_ms, np.deg2rad(angle_deg * s)) for s in (1.0, scale)
        )
        assert found / table[tissue, 1, 0, 0] == pytest.approx(there / asked, rel=0.005)


def test_uneven_flip_angles_change_a_t1_weighted_image():
    protocol = dataclasses.replace(QUIET_3D, flip_angle_deg=15.0)
    uneven = dataclasses.replace(protocol, b1_variation=0.15)
    even, found = _acquire(protocol), _acquire(uneven)
    liver = _pure(Tissue.LIVER)
    ratio = found.image[liver][:, 0] / even.image[liver][:, 0]
    assert 0.02 < np.ptp(ratio) < 0.3
    np.testing.assert_array_equal(found.true_pdff_percent, even.true_pdff_percent)


def test_bias_changes_intensity_smoothly_and_leaves_pdff_alone(quiet):
    images = _acquire(dataclasses.replace(QUIET, bias_peak_to_peak=0.5))
    body = ~_pure(Tissue.AIR) & (quiet.image[..., 1] > 2000)
    ratio = images.image[..., 1][body] / quiet.image[..., 1][body]
    assert 1.1 < ratio.max() / ratio.min() <= np.exp(0.5) * 1.01
    liver = _pure(Tissue.LIVER)
    np.testing.assert_allclose(images.pdff_percent[liver], quiet.pdff_percent[liver], atol=0.11)


@pytest.mark.parametrize("field", [1.5, 3.0])
@pytest.mark.parametrize("institution", list(Institution))
def test_hepatobiliary_liver_is_brightest_and_fat_is_dark(field, institution):
    protocol = mri.draw_protocol("hbp_t1w", field, institution, np.random.default_rng(0))
    table, _ = weighting.signal_tables(tissue_values(SOMEONE, field, True, None), protocol)
    passes = weighting.saturation_passes(np.zeros(()), protocol)
    bright = (table[:, 1, :, 0] * passes).sum(axis=1)
    assert bright.argmax() == Tissue.LIVER
    for tissue in (Tissue.LIVER_VESSEL, Tissue.SPLEEN, Tissue.MUSCLE):
        assert bright[Tissue.LIVER] > 1.5 * bright[tissue]
    assert bright[Tissue.SUBCUTANEOUS_FAT] < 0.25 * bright[Tissue.LIVER]


def test_liver_enhances_by_the_published_factor_and_less_where_it_fails():
    # 3 T, TR 4 ms, flip 15 deg: a T1 of 270 ms gives 2.4 times the signal before contrast.
    protocol = dataclasses.replace(QUIET, tr_ms=4.0, flip_angle_deg=15.0, te_ms=(0.0,))
    enhanced = []
    for uptake_mm in (0.2519, 0.057):
        person = dataclasses.replace(SOMEONE, uptake_mm=uptake_mm, liver_pdff_percent=0.0)
        table, _ = weighting.signal_tables(tissue_values(person, 3.0, True, None), protocol)
        enhanced.append(table[Tissue.LIVER, 1, 0, 0])
    assert enhanced[0] == pytest.approx(2.4, abs=0.05)
    # Child-Pugh C, 557 ms: (1 - .99284) / (1 - .99284 x .96593) is 1.375 times that of 809 ms.
    assert enhanced[1] == pytest.approx(1.375, abs=0.01)


def test_fat_suppression_fails_where_the_field_is_off():
    protocol = dataclasses.replace(QUIET, fat_residual=0.1)
    # On resonance; then off by 3.4 ppm at 3 T, where water takes fat's place and fat escapes.
    passes = weighting.saturation_passes(np.array([0.0, 100.0, -434.3]), protocol)
    np.testing.assert_allclose(passes[0], [1.0, 0.1], atol=0.01)
    assert 0.1 < passes[1, 1] < 0.4
    np.testing.assert_allclose(passes[2], [0.1, 1.0], atol=0.01)


def test_breathing_puts_ghosts_into_the_air_in_front_and_spoils_the_map():
    outside = _pure(Tissue.AIR)
    moving = [_acquire(dataclasses.replace(QUIET, motion=grade), seed=3) for grade in range(4)]
    energy = [(images.image[outside].astype(float) ** 2).mean() for images in moving]
    assert energy[0] == 0
    assert 0 < energy[1] < energy[2] < energy[3]
    error = [np.abs(i.pdff_percent - moving[0].pdff_percent)[~outside].mean() for i in moving]
    assert 0 < error[1] < error[3]
    np.testing.assert_array_equal(moving[3].truth.labels, moving[0].truth.labels)


@pytest.mark.parametrize("technique", ["spgr2d", "spgr3d", "hbp_t1w"])
def test_the_same_seed_gives_the_same_bytes_with_any_number_of_threads(technique):
    protocol = mri.draw_protocol(
        technique, 3.0, Institution.REGISTRY, np.random.default_rng(0), motion=2
    )
    one, two = (_acquire(protocol, seed=5, varied=True, threads=threads) for threads in (1, 2))
    for name in ("image", "pdff_percent", "phase_radian", "true_pdff_percent", "field_map_hz"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    other = _acquire(protocol, seed=6, varied=True)
    assert (other.image != one.image).mean() > 0.5


def test_tissue_is_not_flat():
    varied = _acquire(QUIET, varied=True)
    for tissue in (Tissue.LIVER, Tissue.MUSCLE):
        values = varied.image[..., 1][_pure(tissue)]
        assert 0.005 < values.std() / values.mean() < 0.08
    assert (varied.true_pdff_percent >= 0).all()
    assert (varied.true_pdff_percent <= 98.001).all()


@pytest.mark.parametrize("technique", ["spgr2d", "spgr3d", "hbp_t1w"])
@pytest.mark.parametrize("field", [1.5, 3.0])
def test_protocols_have_the_papers_echoes_and_differ_between_institutions(technique, field):
    hospital, registry = (
        mri.draw_protocol(technique, field, place, np.random.default_rng(1))
        for place in (Institution.HOSPITAL, Institution.REGISTRY)
    )
    expected = {
        "spgr2d": (1.15, 2.3, 3.45, 4.6, 5.75, 6.9),
        "spgr3d": (0.9, 1.66, 2.42, 3.18, 3.94, 4.7),
        "hbp_t1w": (1.2,),
    }
    assert hospital.te_ms == registry.te_ms == expected[technique]
    assert (hospital.fat_residual < 1) == (technique == "hbp_t1w")
    assert hospital.contrast_agent == (technique == "hbp_t1w")
    assert hospital.tr_ms < registry.tr_ms
    assert hospital.snr > registry.snr
    assert hospital.motion == 0
