import itertools

import numpy as np
import pytest

from liver_jax.errors import InputError
from liver_jax.report import slices
from liver_jax.volume.geometry import Volume


def scan(shape=(40, 30, 20), spacing=(2.0, 2.0, 5.0)):
    """A scan in RAS whose value tells the place, and a mask on the patient's right in front."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [-40, -30, 100]
    x, y, z = np.mgrid[tuple(slice(n) for n in shape)]
    # R+ is a larger x here: the patient's right.
    mask = (abs(x - 30) < 6) & (abs(y - 22) < 5) & (abs(z - 9) < 7)
    return Volume(np.where(mask, 100.0, 0.0).astype(np.float32), affine), mask


def reoriented(volume, mask, order, flips):
    """The same patient on other axes of the file."""
    data, other, affine = volume.data, mask, volume.affine
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    for new, old in enumerate(order):
        matrix[old, new] = -1 if flips[new] else 1
        if flips[new]:
            matrix[old, 3] = data.shape[old] - 1
    data, other = data.transpose(order), other.transpose(order)
    axes = tuple(axis for axis in range(3) if flips[axis])
    return Volume(np.flip(data, axes), affine @ matrix), np.flip(other, axes)


def test_ct_has_a_fixed_window_and_mr_one_of_its_own():
    image, _ = scan()
    assert slices.window_of(image, "CT") == (-110, 190)
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 1000, (30, 30, 30)).astype(np.float32)
    values[0, 0, 0] = np.inf
    low, high = slices.window_of(Volume(values, np.eye(4)), "MR")
    assert (low, high) == pytest.approx((5, 995), abs=3)


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_window_is_never_empty(value):
    low, high = slices.window_of(Volume(np.full((4, 4, 4), value, np.float32), np.eye(4)), "MR")
    assert high > low


def test_a_scan_that_is_nearly_all_background_has_a_window():
    image, _ = scan()
    image.data[:] = 0
    image.data[3, 3, 3] = 50
    low, high = slices.window_of(image, "MR")
    assert high > low


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(0, 0, 0), (1, 0, 1), (1, 1, 0)])
def test_a_case_looks_the_same_whatever_axes_its_file_has(order, flips):
    image, mask = scan()
    wanted = slices.key_slices(image, "CT", mask, mask)
    turned, other = reoriented(image, mask, order, flips)
    found = slices.key_slices(turned, "CT", other, other)
    for one, same in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(one.grey, same.grey)
        np.testing.assert_array_equal(one.manual, same.manual)
        assert one.level_mm == pytest.approx(same.level_mm)
        # The index is that of the file: the same voxel plane.
        axis = order.index(2)
        index = 19 - same.index if flips[axis] else same.index
        assert index == one.index
        assert one.level_mm == pytest.approx(100 + 5 * one.index)


def test_the_patients_right_is_on_the_left_and_the_front_is_up():
    image, mask = scan()
    planes = slices.axial(mask, image.affine)
    rows, columns = np.nonzero(planes[9])
    assert columns.mean() < planes.shape[2] / 2
    assert rows.mean() < planes.shape[1] / 2


def test_an_oblique_scan_tells_its_levels_in_the_slices_middles():
    image, _ = scan()
    turn = np.deg2rad(20)
    rotation = np.eye(4)
    rotation[1:3, 1:3] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    tilted = Volume(image.data, rotation @ image.affine)
    found = slices.placing(tilted)
    middle = tilted.affine @ [19.5, 14.5, 3, 1]
    assert found.levels_mm[3] == pytest.approx(middle[2])
    assert found.pixel_mm == pytest.approx((2, 2))


def test_the_slices_stand_over_the_height_and_one_is_where_the_masks_differ_most():
    image, mask = scan()
    automated = mask.copy()
    automated[:, :, 4] = False
    found = slices.key_slices(image, "CT", automated, mask)
    indices = [item.index for item in found]
    assert indices == sorted(set(indices)) and len(indices) == slices.COUNT
    assert 4 in indices and all(3 <= index <= 15 for index in indices)
    worst = found[indices.index(4)]
    assert worst.manual.any() and not worst.automated.any()
    assert not any((item.manual ^ item.automated).any() for item in found if item.index != 4)


def test_a_low_liver_has_fewer_slices():
    image, mask = scan()
    mask[:, :, 11:] = mask[:, :, :8] = False
    assert [item.index for item in slices.key_slices(image, "CT", mask, mask)] == [8, 9, 10]


def test_empty_masks_and_a_missing_one_are_shown_too():
    image, mask = scan()
    nothing = np.zeros_like(mask)
    found = slices.key_slices(image, "CT", nothing, nothing)
    assert len(found) == slices.COUNT
    assert found[0].grey.shape == (30, 40)
    found = slices.key_slices(image, "CT", None, mask)
    assert found[0].manual.any() and not found[0].automated.any()


def test_a_large_slice_is_shrunk_with_its_masks_and_keeps_its_size_in_mm():
    image, mask = scan((400, 300, 3), (0.8, 0.8, 5.0))
    x, y, _ = np.mgrid[:400, :300, :3]
    mask = ((x - 200) / 190) ** 2 + ((y - 150) / 140) ** 2 < 1
    found = slices.key_slices(image, "CT", mask, mask)[0]
    assert max(found.grey.shape) == slices.LARGEST_SIDE
    assert found.grey.shape == found.manual.shape
    area_mm2 = found.manual.sum() * np.prod(found.pixel_mm)
    assert area_mm2 == pytest.approx(mask[..., 0].sum() * 0.64, rel=0.01)


def test_long_pixels_become_square_ones():
    image, mask = scan(spacing=(1.0, 3.0, 5.0))
    found = slices.key_slices(image, "CT", mask, mask)[0]
    assert found.pixel_mm == pytest.approx((1, 1), rel=0.02)


def test_grey_levels_are_those_of_the_window():
    values = np.array([[-200.0, -110, 40, 190, 500, np.nan, np.inf]])
    assert slices.windowed(values, -110, 190).tolist() == [[0, 0, 128, 255, 255, 0, 255]]


def test_one_echo_at_a_time():
    with pytest.raises(ValueError, match="one echo"):
        slices.axial(np.zeros((3, 3, 3, 2)), np.eye(4))


def test_slices_are_kept_whole(tmp_path):
    image, mask = scan()
    row = {"exam_id": "a", "echo": 2, "model": "initial"}
    path = tmp_path / "cases" / "initial" / "a_echo2.npz"
    saved = slices.key_slices(image, "CT", np.roll(mask, 1, 0), mask)
    slices.save(path, saved)
    found = slices.loader(tmp_path)(row)
    for one, same in zip(saved, found, strict=True):
        assert (one.index, one.level_mm, one.pixel_mm) == (same.index, same.level_mm, same.pixel_mm)
        for name in ("grey", "automated", "manual"):
            np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
            assert getattr(one, name).dtype == getattr(same, name).dtype
    assert slices.loader(tmp_path)(row | {"echo": None}) == []


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(InputError, match=r"a\.npz: is not a file of key slices"):
        slices.load(path)


@pytest.mark.parametrize("damage", ["cut", "overwritten", "another_format"])
def test_a_damaged_file_is_passed_over_by_the_report(damage, tmp_path):
    image, mask = scan()
    path = tmp_path / "cases" / "initial" / "a.npz"
    slices.save(path, slices.key_slices(image, "CT", mask, mask))
    row = {"exam_id": "a", "echo": None, "model": "initial"}
    assert slices.loader(tmp_path)(row)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "overwritten":
        # Within the packed numbers: neither numpy nor zipfile find it, but zlib.
        content[60:200] = bytes([255]) * 140
        path.write_bytes(content)
    else:
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="is not a file of key slices"):
        slices.load(path)
    assert slices.loader(tmp_path)(row) == []
