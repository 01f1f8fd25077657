import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from nibabel import orientations

from liver_jax.biometry import couinaud, parenchyma
from liver_jax.volume import nifti

AFFINE = np.diag([4.0, 4.0, 6.0, 1.0])
LABEL = {segment: label for label, segment in enumerate(couinaud.SEGMENTS, 1)}


@pytest.fixture(scope="module")
def liver():
    """A wedge: thick on the right, thin and in front on the left, with uneven borders."""
    rng = np.random.default_rng(2)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in (52, 44, 26)], indexing="ij")
    back = -0.9 + 0.9 * (1 - x) / 2
    mask = (y > back) & (y < 0.85) & (np.abs(z) < 0.4 + 0.2 * (x + 1)) & (np.abs(x) < 0.92)
    edge = rng.random(mask.shape) < 0.05
    return mask & ~(edge & (parenchyma.depth_mm(mask, AFFINE) < 5))


def middle(labels, segment):
    return np.argwhere(labels == LABEL[segment]).mean(axis=0)


def test_every_voxel_is_in_one_segment_and_none_outside(liver):
    labels = couinaud.partition(liver, AFFINE)
    assert labels.dtype == np.uint8
    assert np.array_equal(labels > 0, liver)
    assert set(np.unique(labels[liver])) == set(range(1, 10))


def test_the_segments_lie_where_anatomy_has_them(liver):
    labels = couinaud.partition(liver, AFFINE)
    right, front, head = 0, 1, 2
    for left_of, right_of in [("2", "4a"), ("4a", "8"), ("3", "4b"), ("4b", "5")]:
        assert middle(labels, left_of)[right] < middle(labels, right_of)[right]
    for behind, before in [("7", "8"), ("6", "5"), ("1", "4a"), ("1", "4b")]:
        assert middle(labels, behind)[front] < middle(labels, before)[front]
    for below, above in [("3", "2"), ("4b", "4a"), ("5", "8"), ("6", "7")]:
        highest = np.argwhere(labels == LABEL[below])[:, head].max()
        assert highest < np.argwhere(labels == LABEL[above])[:, head].min()


def test_the_sections_have_their_shares_of_the_volume(liver):
    counts = np.bincount(couinaud.partition(liver, AFFINE).ravel(), minlength=10) / liver.sum()
    sections = [counts[[LABEL[name] for name in names]].sum() for names in ("23", "58", "67")]
    assert counts[LABEL["1"]] == pytest.approx(0.04, abs=0.003)
    assert sections == pytest.approx([0.96 * 0.18, 0.96 * 0.36, 0.96 * 0.30], abs=0.02)


@hypothesis.settings(max_examples=10)
@hypothesis.given(
    st.permutations(range(3)), st.tuples(*[st.sampled_from([-1, 1])] * 3), st.integers(0, 99)
)
def test_a_grid_stored_in_another_order_is_cut_alike(liver, axes, flips, seed):
    rng = np.random.default_rng(seed)
    tilt = np.linalg.qr(np.eye(3) + 0.15 * rng.normal(size=(3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3] = tilt * np.sign(np.diag(tilt)) @ np.diag([4.0, 4.0, 6.0])
    affine[:3, 3] = rng.uniform(-300, 300, 3)
    turn = np.column_stack([axes, flips])
    turned = orientations.apply_orientation(liver, turn)
    turned_affine = affine @ orientations.inv_ornt_aff(turn, liver.shape)

    expected = orientations.apply_orientation(couinaud.partition(liver, affine), turn)
    assert np.array_equal(couinaud.partition(turned, turned_affine), expected)
    straight, other = couinaud.nine_rois(liver, affine), couinaud.nine_rois(turned, turned_affine)
    assert np.array_equal(other.labels, orientations.apply_orientation(straight.labels, turn))
    for one, two in zip(straight.circles, other.circles, strict=True):
        assert two[:2] == pytest.approx(one[:2]) if one.reason is None else two == one
        if one.centre:
            places = [affine @ [*one.centre, 1], turned_affine @ [*two.centre, 1]]
            assert places[0] == pytest.approx(places[1])


def test_the_patient_not_the_grid_says_what_is_right(liver):
    mirrored = np.diag([-4.0, 4.0, 6.0, 1.0])  # the same voxels, now thick on the left
    labels = couinaud.partition(liver, mirrored)
    assert middle(labels, "7")[0] < middle(labels, "2")[0]


def test_circles_are_clear_of_border_vessels_and_each_other(liver):
    vessels = np.zeros(liver.shape, bool)
    vessels[:, 24:26] = True
    rois = couinaud.nine_rois(liver, AFFINE, vessels)
    segments = couinaud.partition(liver, AFFINE)
    depth_mm = parenchyma.depth_mm(liver, AFFINE)
    assert [circle.segment for circle in rois.circles] == list(couinaud.SEGMENTS)
    for label, circle in enumerate(rois.circles, 1):
        inside = rois.labels == label
        if circle.reason:
            assert not inside.any()
            continue
        assert inside[circle.centre]
        assert not (inside & vessels).any()
        assert (segments[inside] == label).all()
        assert (depth_mm[inside] > parenchyma.BORDER_MM).all()
        assert len(np.unique(np.nonzero(inside)[2])) == 1
        assert 10 <= circle.diameter_mm <= 20
    assert sum(circle.reason is None for circle in rois.circles) >= 7


def test_a_circle_of_20_mm_by_hand():
    mask = np.ones((60, 60, 30), bool)  # a cube, in which there is room everywhere
    rois = couinaud.nine_rois(mask, np.diag([4.0, 4.0, 6.0, 1.0]))
    for label, circle in enumerate(rois.circles, 1):
        assert circle.diameter_mm == 20
        # (i, j) with i^2 + j^2 <= 2.5^2
        assert (rois.labels == label).sum() == 21
    small = couinaud.nine_rois(mask, np.diag([4.0, 4.0, 6.0, 1.0]), diameter_mm=10.0)
    assert np.bincount(small.labels.ravel())[1:].tolist() == [5] * 9


def test_a_small_liver_has_smaller_circles_or_none_with_the_reason():
    x, y, z = np.ogrid[-20:21, -20:21, -20:21]
    for radius in range(6, 20):
        rois = couinaud.nine_rois(x**2 + y**2 + z**2 <= radius**2, np.diag([2.0, 2.0, 2.0, 1.0]))
        for label, circle in enumerate(rois.circles, 1):
            assert (circle.reason is None) == (rois.labels == label).any()
            assert circle.reason in (None, "no circle of 10 mm fits")


ODD = {
    "empty": np.s_[:0],
    "one voxel": np.s_[3, 4, 2],
    "one section": np.s_[:, :, 3],
    "one plane from left to right": np.s_[:, 4, :],
    "one row": np.s_[:, 4, 2],
    "two corners": np.s_[::7, ::8, ::5],
    "everything": np.s_[:],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_masks_are_cut_without_complaint(name):
    mask = np.zeros((8, 9, 6), bool)
    mask[ODD[name]] = True
    for affine in (AFFINE, np.diag([30.0, 30.0, 30.0, 1.0])):
        labels = couinaud.partition(mask, affine)
        assert np.array_equal(labels > 0, mask)
        rois = couinaud.nine_rois(mask, affine)
        assert not rois.labels[~mask].any()
        for circle in rois.circles:
            assert (circle.diameter_mm is None) == (circle.reason is not None)


def test_one_section_has_no_upper_segments():
    mask = np.ones((60, 60, 1), bool)
    circles = {circle.segment: circle for circle in couinaud.nine_rois(mask, AFFINE).circles}
    for upper in ("2", "4a", "7", "8"):
        assert circles[upper].reason == "the liver's shape leaves its region empty"
    for lower in ("1", "3", "4b", "5", "6"):
        assert circles[lower].diameter_mm == 20


def test_arguments_that_cannot_be():
    mask = np.ones((3, 3, 3), bool)
    with pytest.raises(ValueError, match="differ in shape"):
        couinaud.nine_rois(mask, AFFINE, np.ones((3, 3, 1), bool))
    with pytest.raises(ValueError, match="at least 10"):
        couinaud.nine_rois(mask, AFFINE, diameter_mm=5.0)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "label"),
    [("mr_t2spir/chaos01_label.nii.gz", 1), ("mr_t2spir/chaos03_label.nii.gz", 1)],
)
def test_nine_circles_fit_into_real_livers(real_data, name, label):
    volume = nifti.read_labels(real_data / name)
    rois = couinaud.nine_rois(volume.data == label, volume.affine)
    assert [circle.diameter_mm for circle in rois.circles] == [20.0] * 9
