import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from nibabel import orientations
from scipy import ndimage

from liver_jax.biometry import parenchyma


def rotated(spacing_mm, seed=0):
    affine = np.eye(4)
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    affine[:3, :3] = rotation * np.asarray(spacing_mm)
    affine[:3, 3] = [-100, 20, 7]
    return affine


def slab(shape=(6, 6, 6), start=1, end=5):
    mask = np.zeros(shape, bool)
    mask[:, :, start:end] = True
    return mask


def ball(radius_mm, spacing_mm):
    half = [int(np.ceil(radius_mm / step)) + 2 for step in spacing_mm]
    axes = np.ogrid[tuple(slice(-n, n + 1) for n in half)]
    return sum((x * step) ** 2 for x, step in zip(axes, spacing_mm, strict=True)) <= radius_mm**2


def test_depth_is_counted_from_between_the_voxels():
    depth = parenchyma.depth_mm(slab(), np.diag([2.0, 2.0, 8.0, 1.0]))
    assert depth[3, 3].tolist() == [0, 4, 12, 12, 4, 0]


def test_depth_to_a_corner_by_hand():
    mask = np.ones((4, 4, 1), bool)
    mask[0, 0] = False
    depth = parenchyma.depth_mm(mask, np.diag([2.0, 4.0, 3.0, 1.0]))[..., 0]
    # The box outside ends 1 mm and 2 mm from its centre.
    assert depth[:3, 0] == pytest.approx([0, 1, 3])
    assert depth[:3, 1] == pytest.approx([2, np.hypot(1, 2), np.hypot(3, 2)])


def test_the_edge_of_the_grid_is_no_surface():
    assert np.isinf(parenchyma.depth_mm(np.ones((2, 3, 4), bool), np.eye(4))).all()
    cut_off = slab(start=0, end=3)
    depth = parenchyma.depth_mm(cut_off, np.diag([2.0, 2.0, 8.0, 1.0]))
    assert depth[0, 0].tolist() == [20, 12, 4, 0, 0, 0]


def test_thick_sections_at_the_ends_go_when_half_of_them_is_within_the_distance():
    affine = rotated([2.0, 2.0, 8.0])
    assert np.array_equal(parenchyma.erode_mm(slab(), affine, 3.0), slab())
    assert np.array_equal(parenchyma.erode_mm(slab(), affine, 5.0), slab(start=2, end=4))
    assert not parenchyma.erode_mm(slab(), affine, 15.0).any()


@pytest.mark.parametrize("spacing_mm", [(2, 2, 2), (0.9, 0.9, 0.9), (1.5, 1.5, 5), (3, 1.2, 0.8)])
def test_a_ball_loses_the_distance_on_any_grid(spacing_mm):
    mask = ball(30.0, spacing_mm)
    eroded = parenchyma.erode_mm(mask, rotated(spacing_mm), 6.0)
    radius_mm = np.cbrt(eroded.sum() * np.prod(spacing_mm) / (4 / 3 * np.pi))
    # Corners of voxels jut in; on an axis that is fine already half a voxel is not counted.
    assert 24.0 - np.linalg.norm(spacing_mm) / 2 < radius_mm < 24.5


@hypothesis.given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(2.0, 2.0, 2.0), (0.9, 1.4, 0.6), (1.5, 1.5, 5.0)]),
    st.floats(0.5, 9.0),
)
@hypothesis.settings(max_examples=25, deadline=None)
def test_slabs_make_no_difference(seed, spacing_mm, distance_mm):
    rng = np.random.default_rng(seed)
    mask = ndimage.gaussian_filter(rng.normal(size=(9, 8, 40)), (2, 2, 4)) > -0.02
    whole = parenchyma.depth_mm(mask, rotated(spacing_mm)) > distance_mm
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parenchyma, "_SLAB", 7)
        assert np.array_equal(parenchyma.erode_mm(mask, rotated(spacing_mm), distance_mm), whole)


def test_no_distance_takes_nothing_off_and_a_negative_one_is_a_mistake():
    mask = np.random.default_rng(0).random((5, 6, 7)) < 0.5
    assert np.array_equal(parenchyma.erode_mm(mask, np.eye(4), 0.0), mask)
    with pytest.raises(ValueError, match="-1"):
        parenchyma.erode_mm(mask, np.eye(4), -1.0)


@hypothesis.given(st.integers(0, 2**32 - 1))
def test_depth_is_the_distance_to_the_nearest_box_outside(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((5, 4, 6)) < rng.uniform(0.3, 0.98)
    spacing_mm = rng.uniform(1.1, 9.0, 3)
    depth = parenchyma.depth_mm(mask, rotated(spacing_mm, seed))
    outside = np.argwhere(~mask)
    for voxel in np.argwhere(mask):
        gaps_mm = np.maximum(np.abs(outside - voxel) - 0.5, 0) * spacing_mm
        nearest_mm = np.linalg.norm(gaps_mm, axis=1).min(initial=np.inf)
        assert depth[tuple(voxel)] == pytest.approx(nearest_mm)
    assert not depth[~mask].any()


SPACING_MM = (2.0, 2.0, 6.0)
AFFINE = np.diag([*SPACING_MM, 1.0])
FALSE = 0.01  # the share of a mask that noise alone may take


@pytest.fixture(scope="module")
def liver():
    """A block of 100 of noise (SD 4) under a coil's shading, with a tube of 8 mm along x."""
    rng = np.random.default_rng(1)
    mask = np.zeros((50, 44, 14), bool)
    mask[4:46, 4:40, 2:12] = True
    y, z = np.ogrid[:44, :14]
    tube = np.zeros(mask.shape, bool)
    tube[8:42] = np.hypot((y - 20) * 2.0, (z - 7) * 6.0) <= 4
    noise = rng.normal(0, 4, mask.shape)
    shading = np.linspace(0.8, 1.2, 50)[:, None, None]
    return mask, tube, noise, shading


@pytest.mark.parametrize(
    ("contrast", "vessels_are", "found"),
    [
        (1.25, "brighter", True),
        (1.25, "either", True),
        (1.25, "darker", False),
        (0.75, "darker", True),
        (0.75, "either", True),
        (0.75, "brighter", False),
    ],
)
def test_a_vessel_is_found_by_its_contrast(liver, contrast, vessels_are, found):
    mask, tube, noise, shading = liver
    image = 100 * shading * np.where(tube, contrast, 1.0) + noise
    vessels = parenchyma.find_vessels(image, mask, AFFINE, vessels_are)
    hits = (vessels & tube).sum() / tube.sum()
    assert hits > 0.9 if found else hits == 0
    around = ndimage.binary_dilation(tube)  # smoothing carries a vessel into its neighbours
    assert (vessels & ~around).sum() < FALSE * mask.sum()


def test_noise_and_rounding_are_no_vessels(liver):
    mask, _, noise, shading = liver
    vessels = parenchyma.find_vessels(100 * shading + noise, mask, AFFINE, "either")
    assert vessels.sum() < FALSE * mask.sum()
    for value in (0.0, 1 / 3, 1e6):
        assert not parenchyma.find_vessels(np.full(mask.shape, value), mask, AFFINE).any()


def test_without_noise_a_vessel_is_found_to_its_edge(liver):
    mask, tube, _, _ = liver
    image = np.where(tube, 130.0, 100.0)
    vessels = parenchyma.find_vessels(image, mask, AFFINE)
    assert (vessels & tube).sum() == (tube & parenchyma.erode_mm(mask, AFFINE, 5.0)).sum()


def test_the_later_echoes_are_looked_at_and_phase_is_not(liver):
    mask, tube, noise, shading = liver
    te_ms = np.array([1.15, 2.3, 3.45, 4.6, 5.75, 6.9])
    r2star_per_s = np.where(tube, 15.0, 45.0)[..., None]
    clean = 100 * shading[..., None] * np.exp(-r2star_per_s * te_ms / 1000)
    magnitude = clean + noise[..., None] * 0.8
    vessels = parenchyma.find_vessels(magnitude, mask, AFFINE)
    assert (vessels & tube).sum() >= 0.6 * tube.sum()
    turned = magnitude * np.exp(1j * np.linspace(0, 9, 50)[:, None, None, None])
    assert np.array_equal(parenchyma.find_vessels(turned, mask, AFFINE), vessels)


def test_fat_at_the_border_is_not_taken_for_a_vessel(liver):
    mask, _, noise, shading = liver
    rim = mask & (parenchyma.depth_mm(mask, AFFINE) <= parenchyma.BORDER_MM)
    image = 100 * shading * np.where(rim, 1.8, 1.0) + noise
    vessels = parenchyma.find_vessels(image, mask, AFFINE)
    assert not (vessels & rim).any()
    assert vessels.sum() < FALSE * mask.sum()


@hypothesis.given(st.permutations(range(3)), st.tuples(*[st.sampled_from([-1, 1])] * 3))
@hypothesis.settings(max_examples=8)
def test_the_order_in_which_a_grid_is_stored_changes_nothing(liver, axes, flips):
    mask, tube, noise, shading = liver
    image = 100 * shading * np.where(tube, 1.25, 1.0) + noise
    turn = np.column_stack([axes, flips])
    turned = [orientations.apply_orientation(data, turn) for data in (image, mask)]
    affine = AFFINE @ orientations.inv_ornt_aff(turn, mask.shape)
    expected = parenchyma.find_vessels(image, mask, AFFINE)
    found = parenchyma.find_vessels(*turned, affine)
    expected = orientations.apply_orientation(expected, turn)
    assert (found != expected).sum() <= 2  # sums of float32 in another order


@pytest.mark.parametrize("voxels", [0, 1, 30])
def test_small_and_empty_masks(voxels):
    mask = np.zeros((6, 5, 4), bool)
    mask.flat[:voxels] = True
    image = np.random.default_rng(0).normal(size=mask.shape)
    for affine in (np.eye(4), np.diag([20.0, 20.0, 20.0, 1.0])):
        assert not parenchyma.find_vessels(image, mask, affine).any()
        assert not parenchyma.depth_mm(mask, affine)[~mask].any()


def test_arguments_that_do_not_belong_together():
    mask = np.ones((3, 3, 3), bool)
    with pytest.raises(ValueError, match="do not belong together"):
        parenchyma.find_vessels(np.ones((3, 3, 2)), mask, np.eye(4))
    with pytest.raises(ValueError, match="'white'"):
        parenchyma.find_vessels(np.ones((3, 3, 3)), mask, np.eye(4), "white")
