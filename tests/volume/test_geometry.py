import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from nibabel import orientations

from liver_jax.errors import InputError
from liver_jax.volume import geometry
from liver_jax.volume.geometry import Volume

# The 48 ways in which three axes can point: 6 orders times 8 choices of sides.
ORIENTATIONS = [
    tuple(zip(order, flips, strict=True))
    for order in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


def rotation(angles):
    """Turns about the three axes, in radians."""
    result = np.eye(3)
    for axis, angle in enumerate(angles):
        one, two = [other for other in range(3) if other != axis]
        turn = np.eye(3)
        turn[one, one] = turn[two, two] = np.cos(angle)
        turn[one, two], turn[two, one] = -np.sin(angle), np.sin(angle)
        result = result @ turn
    return result


def affine_of(orientation, spacing=(1.25, 0.8, 5.0), angles=(0.0, 0.0, 0.0), origin=(-90, 12.5, 3)):
    linear = np.zeros((3, 3))
    for axis, (world, sign) in enumerate(orientation):
        linear[world, axis] = sign * spacing[axis]
    affine = np.eye(4)
    affine[:3, :3] = rotation(angles) @ linear
    affine[:3, 3] = origin
    return affine


def world_of_each_voxel(volume):
    """Where each value lies: {value: position in mm}, for data whose values are all different."""
    index = np.argwhere(np.ones(volume.grid_shape, bool))
    position = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    return dict(zip(volume.data[tuple(index.T)].tolist(), position, strict=True))


def test_properties_of_a_plain_grid():
    volume = Volume(np.zeros((2, 3, 4)), np.diag([1.5, 2.0, 8.0, 1.0]))
    np.testing.assert_array_equal(volume.spacing_mm, [1.5, 2.0, 8.0])
    assert volume.grid_shape == (2, 3, 4)
    assert volume.voxel_volume_ml == pytest.approx(0.024)  # 1.5 x 2 x 8 = 24 cubic millimetres
    assert volume.axis_codes == ("R", "A", "S")
    assert volume.echo_count == 1
    assert Volume(np.zeros((2, 3, 4, 6)), np.eye(4)).echo_count == 6


def test_sheared_voxels_keep_their_true_volume():
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[1, 2] = 3.0  # a tilted gantry: the step in z also moves in y; base times height stays
    volume = Volume(np.zeros((2, 2, 2)), affine)
    assert volume.voxel_volume_ml == pytest.approx(0.024)
    assert volume.spacing_mm[2] == pytest.approx(5.0)


def test_wrong_shapes_are_a_defect():
    with pytest.raises(ValueError, match="axes"):
        Volume(np.zeros((2, 2)), np.eye(4))
    with pytest.raises(ValueError, match="axes"):
        Volume(np.zeros((2, 2, 2)), np.eye(3))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("angles", [(0, 0, 0), (0.2, -0.3, 0.15)])
def test_canonical_and_back(orientation, angles):
    volume = Volume(
        np.arange(2 * 3 * 4, dtype=np.int32).reshape(2, 3, 4), affine_of(orientation, angles=angles)
    )
    canonical = geometry.to_canonical(volume)
    assert canonical.axis_codes == ("R", "A", "S")
    assert sorted(canonical.spacing_mm) == pytest.approx(sorted(volume.spacing_mm))
    before, after = world_of_each_voxel(volume), world_of_each_voxel(canonical)
    for value, position in before.items():
        np.testing.assert_allclose(after[value], position, atol=1e-9)
    np.testing.assert_array_equal(geometry.from_canonical(canonical.data, volume), volume.data)


def test_known_orientation():
    # LPS, the habit of DICOM: x to the left and y to the back, so both axes turn.
    data = np.array([[[1], [2]], [[3], [4]]])
    canonical = geometry.to_canonical(Volume(data, np.diag([-1.0, -1.0, 1.0, 1.0])))
    np.testing.assert_array_equal(canonical.data[..., 0], [[4, 3], [2, 1]])
    np.testing.assert_array_equal(canonical.affine[:3, 3], [-1, -1, 0])


@hypothesis.given(
    st.sampled_from(ORIENTATIONS),
    st.tuples(*[st.floats(-np.pi, np.pi)] * 3),
    st.tuples(*[st.integers(1, 4)] * 3),
    st.integers(0, 3),
)
@hypothesis.settings(deadline=None, max_examples=100)
def test_back_undoes_canonical_for_any_affine(orientation, angles, shape, echoes):
    shape = (*shape, echoes) if echoes else shape
    data = np.arange(np.prod(shape)).reshape(shape)
    volume = Volume(data, affine_of(orientation, angles=angles))
    canonical = geometry.to_canonical(volume)
    np.testing.assert_array_equal(geometry.from_canonical(canonical.data, volume), data)
    np.testing.assert_allclose(
        np.sort(geometry.corners_mm(canonical), axis=0),
        np.sort(geometry.corners_mm(volume), axis=0),
        atol=1e-9,
    )


def test_from_canonical_refuses_another_shape():
    like = Volume(np.zeros((2, 3, 4)), affine_of(ORIENTATIONS[13]))
    with pytest.raises(ValueError, match="canonical shape"):
        geometry.from_canonical(np.zeros((5, 3, 4)), like)


def test_corners_are_outer_corners():
    corners = geometry.corners_mm(Volume(np.zeros((1, 2, 3)), np.diag([1.0, 1.0, 2.0, 1.0])))
    np.testing.assert_array_equal(corners.min(axis=0), [-0.5, -0.5, -1.0])
    np.testing.assert_array_equal(corners.max(axis=0), [0.5, 1.5, 5.0])


def test_same_grid_within_the_tolerance():
    image = Volume(np.zeros((4, 4, 2)), np.diag([2.0, 2.0, 5.0, 1.0]))
    moved = image.affine.copy()
    moved[0, 3] += 0.09
    geometry.check_same_grid(image, Volume(image.data, moved), "mask.nii.gz", "the image")
    moved[0, 3] += 0.02
    with pytest.raises(InputError, match=r"mask\.nii\.gz: .*0\.11 mm apart.*0\.1 mm is allowed"):
        geometry.check_same_grid(image, Volume(image.data, moved), "mask.nii.gz", "the image")


def test_a_small_error_of_spacing_adds_up_to_the_far_corner():
    image = Volume(np.zeros((200, 2, 2)), np.eye(4))
    other = Volume(image.data, np.diag([1.001, 1.0, 1.0, 1.0]))
    with pytest.raises(InputError, match="another grid"):
        geometry.check_same_grid(image, other, "mask.nii.gz", "the image")


def test_single_slices_of_different_thickness_differ():
    image = Volume(np.zeros((4, 4, 1)), np.diag([1.0, 1.0, 5.0, 1.0]))
    other = Volume(image.data, np.diag([1.0, 1.0, 6.0, 1.0]))
    with pytest.raises(InputError, match="another grid"):
        geometry.check_same_grid(image, other, "mask.nii.gz", "the image")


def test_mirrored_or_reshaped_masks_are_refused():
    image = Volume(np.zeros((4, 4, 2)), np.eye(4))
    mirrored = np.diag([-1.0, 1.0, 1.0, 1.0])
    mirrored[0, 3] = 3  # covers the same space, with its voxels in the opposite order
    with pytest.raises(InputError, match="in their places, on axes turned otherwise"):
        geometry.check_same_grid(image, Volume(image.data, mirrored), "m.nii", "the image")
    mirrored[0, 3] = 0
    with pytest.raises(InputError, match="another grid"):
        geometry.check_same_grid(image, Volume(image.data, mirrored), "m.nii", "the image")
    with pytest.raises(InputError, match="has 4 x 4 x 3 voxels, while the image has 4 x 4 x 2"):
        geometry.check_same_grid(image, Volume(np.zeros((4, 4, 3)), np.eye(4)), "m", "the image")


def test_orientation_table_is_complete():
    codes = {orientations.ornt2axcodes(np.array(orientation)) for orientation in ORIENTATIONS}
    assert len(codes) == 48
