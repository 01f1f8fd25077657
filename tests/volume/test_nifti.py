import gzip
import itertools
import tracemalloc

import hypothesis
import nibabel as nib
import numpy as np
import pytest
from hypothesis import strategies as st

from liver_jax.errors import InputError
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

AFFINE = np.diag([1.5, 2.0, 8.0, 1.0])
OBLIQUE = np.array(
    [[0.96, -0.2, 0.7, -101.3], [0.25, 0.9, -0.9, 33.7], [-0.12, 0.35, 4.8, -7.1], [0, 0, 0, 1]]
)
STORED = ["u1", "i1", "<i2", ">i2", "u2", "i4", "u4", "i8", "<f4", ">f4", "f8"]


def save(path, data, affine=AFFINE, edit=None):
    """A file as another program might write it; `edit` changes the finished header."""
    data = np.asarray(data)
    image = nib.Nifti1Image(data, affine, dtype=data.dtype)
    nib.save(image, path)
    if edit:
        packed = path.suffix == ".gz"
        content = path.read_bytes()
        content = bytearray(gzip.decompress(content) if packed else content)
        header = nib.Nifti1Header(bytes(content[:348]), check=False)
        edit(header)
        content[:348] = header.binaryblock
        path.write_bytes(gzip.compress(content) if packed else bytes(content))
    return path


def signed_permutations():
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((1, -1), repeat=3):
            yield order, flips


@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_all_48_orientations_come_back_exactly(tmp_path, suffix, oblique):
    rng = np.random.default_rng(0)
    for number, (order, flips) in enumerate(signed_permutations()):
        affine = (OBLIQUE if oblique else AFFINE).astype(np.float32).astype(np.float64)
        affine[:3, :3] = affine[:3, order] * flips
        volume = Volume(rng.normal(size=(3, 4, 2)).astype(np.float32), affine)
        path = tmp_path / f"{number}{suffix}"
        nifti.write(path, volume.data, volume)
        back = nifti.read_image(path)
        np.testing.assert_array_equal(back.data, volume.data)
        np.testing.assert_array_equal(back.affine, affine)
        # Another reader agrees, by either form of the affine that is set.
        image = nib.load(path)
        np.testing.assert_array_equal(image.affine, affine)
        np.testing.assert_array_equal(image.get_fdata(), volume.data)
        if image.header["qform_code"]:
            np.testing.assert_allclose(image.get_qform(), affine, atol=1e-3)
        assert image.header.get_zooms() == pytest.approx(volume.spacing_mm)


@hypothesis.given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(STORED),
    st.lists(st.integers(1, 4), min_size=3, max_size=4),
    st.sampled_from([".nii", ".nii.gz"]),
)
@hypothesis.settings(deadline=None, max_examples=80)
def test_any_type_and_shape_comes_back_exactly(tmp_path_factory, seed, stored, shape, suffix):
    rng = np.random.default_rng(seed)
    lowest = 0 if np.dtype(stored).kind == "u" else -100
    data = rng.integers(lowest, 100, shape).astype(stored)
    if data.dtype.kind == "f":
        data += (rng.integers(0, 8, shape) / 8).astype(stored)
    affine = np.vstack([rng.normal(size=(3, 4)), [0, 0, 0, 1]]) + np.diag([4, 4, 4, 0])
    hypothesis.assume(abs(np.linalg.det(affine[:3, :3])) > 1)
    affine = affine.astype(np.float32).astype(np.float64)
    path = tmp_path_factory.mktemp("any") / f"scan{suffix}"
    nifti.write(path, data, Volume(data, affine))
    back = nifti.read_image(path)
    np.testing.assert_array_equal(back.data, data[..., 0] if shape[3:] == [1] else data)
    np.testing.assert_array_equal(back.affine, affine)
    assert back.data.dtype == np.float32
    assert nib.load(path).get_data_dtype() == data.dtype.newbyteorder("=")
    header = nifti.read_header(path)
    assert header.shape == back.data.shape
    np.testing.assert_array_equal(header.spacing_mm, back.spacing_mm)
    assert header.echo_count == back.echo_count
    nifti.write(path, back.data, back)
    again = nifti.read_image(path)
    np.testing.assert_array_equal(again.data, back.data)
    np.testing.assert_array_equal(again.affine, back.affine)


@pytest.mark.parametrize(("slope", "intercept"), [(1, -1024), (0.5, 0), (2.5, -7.25), (-1, 3)])
@pytest.mark.parametrize("stored", ["i2", "u1", "f4", "i8"])
def test_slope_and_intercept(tmp_path, stored, slope, intercept):
    raw = np.arange(24).reshape(2, 3, 4).astype(stored)

    def edit(header):
        header["scl_slope"], header["scl_inter"] = slope, intercept

    path = save(tmp_path / "scaled.nii.gz", raw, edit=edit)
    volume = nifti.read_image(path)
    np.testing.assert_array_equal(volume.data, np.arange(24).reshape(2, 3, 4) * slope + intercept)
    np.testing.assert_array_equal(volume.data, nib.load(path).get_fdata())
    nifti.write(path, volume.data, volume)
    np.testing.assert_array_equal(nifti.read_image(path).data, volume.data)


@pytest.mark.parametrize("slope", [0, np.nan])
def test_no_slope_means_the_stored_values(tmp_path, slope):
    path = save(tmp_path / "a.nii", np.full((2, 2, 2), 7, np.int16), edit=_set("scl_slope", slope))
    assert (nifti.read_image(path).data == 7).all()


def _set(field, value):
    def edit(header):
        header[field] = value

    return edit


def _pixdim(axis, value):
    def edit(header):
        header["pixdim"][axis] = value

    return edit


def test_nifti_2_and_big_endian(tmp_path):
    data = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    nib.save(nib.Nifti2Image(data, OBLIQUE), tmp_path / "two.nii.gz")
    two = nifti.read_image(tmp_path / "two.nii.gz")
    np.testing.assert_array_equal(two.affine, OBLIQUE)
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    nib.save(nib.Nifti1Image(data, AFFINE, header), tmp_path / "big.nii")
    for volume in (two, nifti.read_image(tmp_path / "big.nii")):
        np.testing.assert_array_equal(volume.data, data)


def test_a_qform_alone_places_the_scan(tmp_path):
    turned = np.eye(4)
    turned[:2, :2] = [[0, -2], [1.5, 0]]
    turned[:3, 3] = [10, -20, 30]
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), turned)
    image.header["sform_code"] = 0
    nib.save(image, tmp_path / "q.nii")
    np.testing.assert_allclose(nifti.read_image(tmp_path / "q.nii").affine, turned, atol=1e-5)
    path = save(tmp_path / "q0.nii", np.zeros((2, 2, 2), np.uint8), edit=_q_only)
    np.testing.assert_allclose(nifti.read_image(path).affine, AFFINE, atol=1e-5)


def _q_only(header):
    header["sform_code"], header["qform_code"], header["pixdim"][0] = 0, 1, 0


def test_sheared_grids_are_told_by_the_sform_alone(tmp_path):
    sheared = AFFINE.copy()
    sheared[1, 2] = 3.0
    data = np.zeros((40, 40, 10), np.uint8)
    nifti.write(tmp_path / "s.nii", data, Volume(data, sheared))
    header = nib.load(tmp_path / "s.nii").header
    assert (header["sform_code"], header["qform_code"]) == (1, 0)
    np.testing.assert_array_equal(nifti.read_image(tmp_path / "s.nii").affine, sheared)


def test_written_headers(tmp_path):
    data = np.ones((3, 3, 3), bool)
    nifti.write(tmp_path / "new" / "mask.nii.gz", data, Volume(data, OBLIQUE))
    header = nib.load(tmp_path / "new" / "mask.nii.gz").header
    assert header.get_data_dtype() == np.uint8
    assert header.get_xyzt_units()[0] == "mm"
    assert header["sform_code"] == 1
    assert header.get_slope_inter() in ((None, None), (1.0, 0.0))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mask.nii.gz"]


def test_the_same_mask_gives_the_same_bytes(tmp_path):
    data = np.ones((3, 3, 3), bool)
    for name in ("a", "b"):
        nifti.write(tmp_path / name / "mask.nii.gz", data, Volume(data, OBLIQUE))
    one, two = (tmp_path / name / "mask.nii.gz" for name in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()


def test_what_was_written_is_compared_as_another_program_reads_it(tmp_path):
    path, volume = tmp_path / "m.nii.gz", Volume(np.zeros((4, 3, 2), bool), OBLIQUE)
    volume.data[1, 2, 1] = True
    nifti.write(path, volume.data, volume)
    nifti.check_written(path, volume.data, volume)
    with pytest.raises(ValueError, match="something else"):
        nifti.check_written(path, ~volume.data, volume)
    with pytest.raises(ValueError, match="something else"):
        nifti.check_written(path, volume.data[..., :1], volume)
    moved = OBLIQUE.copy()
    moved[2, 3] += 0.01
    with pytest.raises(ValueError, match="somewhere else"):
        nifti.check_written(path, volume.data, Volume(volume.data, moved))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match="cannot be read back"):
        nifti.check_written(path, volume.data, volume)


def test_write_keeps_what_a_type_cannot_hold_from_disk(tmp_path):
    like = Volume(np.zeros((2, 2, 2)), AFFINE)
    with pytest.raises(ValueError, match="cannot hold"):
        nifti.write(tmp_path / "a.nii", np.full((2, 2, 2), 0.5), like, np.uint8)
    with pytest.raises(ValueError, match="cannot hold"):
        nifti.write(tmp_path / "a.nii", np.full((2, 2, 2), np.nan), like)
    with pytest.raises(ValueError, match="grid"):
        nifti.write(tmp_path / "a.nii", np.zeros((2, 2, 3)), like)
    with pytest.raises(InputError, match=r"\.nii or \.nii\.gz"):
        nifti.write(tmp_path / "a.png", np.zeros((2, 2, 2)), like)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    like = Volume(np.zeros((2, 2, 2), np.uint8), AFFINE)
    nifti.write(tmp_path / "a.nii", like.data, like)
    before = (tmp_path / "a.nii").read_bytes()

    def full(image, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib, "save", full)
    with pytest.raises(InputError, match="No space left on device"):
        nifti.write(tmp_path / "a.nii", like.data, like)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [before]


def test_singleton_fourth_axis_is_three_dimensional(tmp_path):
    path = save(tmp_path / "a.nii.gz", np.zeros((2, 3, 4, 1), np.int16))
    assert nifti.read_image(path).data.shape == (2, 3, 4)
    assert nifti.read_labels(path).data.shape == (2, 3, 4)
    assert nifti.read_header(path).shape == (2, 3, 4)
    assert nifti.read_header(path).echo_count == 1


REFUSED = {
    "no affine": (np.zeros((2, 2, 2)), _set("sform_code", 0), "no affine"),
    "zero spacing": (np.zeros((2, 2, 2)), _pixdim(3, 0), "spacing of 1.5 x 2 x 0 mm"),
    "negative spacing": (np.zeros((2, 2, 2)), _pixdim(1, -1.5), "spacing of -1.5 x 2 x 8 mm"),
    "nan spacing": (np.zeros((2, 2, 2)), _pixdim(2, np.nan), "spacing of 1.5 x nan x 8 mm"),
    "zero column": (np.zeros((2, 2, 2)), _set("srow_z", [0, 0, 0, 0]), "spacing of 1.5 x 2 x 0"),
    "infinite affine": (np.zeros((2, 2, 2)), _set("srow_x", [np.inf, 0, 0, 0]), "spacing of inf"),
    "flat": (np.zeros((2, 2, 2)), _set("srow_y", [2, 0, 0, 0]), "spacing"),
    "two spacings": (np.zeros((2, 2, 2)), _pixdim(3, 5), "two spacings: .*8 mm .*5 mm"),
    "micrometres": (np.zeros((2, 2, 2)), _set("xyzt_units", 3), "micrometres"),
    "2D": (np.zeros((4, 4)), None, "2 axes"),
    "5D": (np.zeros((2, 2, 2, 1, 3)), None, "5 axes"),
    "nan voxel": (np.array([[[0.0, np.nan]]]), None, r"NaN or infinite .* at \[0, 0, 1\]"),
    "inf voxel": (np.array([[[-np.inf]]]), None, "NaN or infinite"),
    "complex": (np.zeros((2, 2, 2), np.complex64), None, "complex"),
    "colour": (np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")]), None, "colour"),
    "2**24 + 1": (np.full((2, 2, 2), 2**24 + 1, np.int32), None, "16777217, which float32"),
    "2**60 + 1": (np.full((2, 2, 2), 2**60 + 1, np.int64), None, "float32 cannot hold"),
    "1e39": (np.full((2, 2, 2), 1e39), None, r"1e\+39, which float32 cannot hold"),
    "damaged dim": (np.zeros((2, 2, 2)), _set("dim", [3, 2, -2, 2, 1, 1, 1, 1]), "damaged"),
    "damaged type": (np.zeros((2, 2, 2)), _set("datatype", 12345), "damaged"),
    "damaged slope": (np.zeros((2, 2, 2)), _set("scl_inter", np.inf), "damaged"),
    "damaged offset": (np.zeros((2, 2, 2)), _set("vox_offset", 100), "damaged"),
    "absurd": (np.zeros((2, 2, 2)), _set("dim", [3, 32000, 32000, 32000, 1, 1, 1, 1]), "cut short"),
}


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(tmp_path, case, suffix):
    data, edit, fault = REFUSED[case]
    if data.dtype.names:
        data = data.astype(nib.nifti1.data_type_codes.dtype["RGB"])
    if case == "damaged slope":
        data = data.astype(np.int16)
    path = save(tmp_path / f"scan{suffix}", data, edit=edit)
    with pytest.raises(InputError, match=fault) as refused:
        nifti.read_image(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert "\n" not in str(refused.value)


def test_whole_numbers_that_float32_holds_are_read(tmp_path):
    for number, value in enumerate([2**24, 2**24 + 2, -(2**31), 2**40]):
        path = save(tmp_path / f"{number}.nii", np.full((2, 2, 2), value, np.int64))
        assert nifti.read_image(path).data[0, 0, 0] == value


def test_fractions_are_rounded_to_float32(tmp_path):
    path = save(tmp_path / "a.nii", np.full((2, 2, 2), 0.1, np.float64))
    assert nifti.read_image(path).data[0, 0, 0] == np.float32(0.1)


def test_missing_folder_and_foreign_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        nifti.read_image(tmp_path / "none.nii.gz")
    with pytest.raises(InputError, match="not a regular file"):
        nifti.read_image(tmp_path)
    (tmp_path / "scan.nrrd").write_bytes(b"NRRD")
    with pytest.raises(InputError, match=r"not a \.nii or \.nii\.gz"):
        nifti.read_image(tmp_path / "scan.nrrd")
    for content in (b"", b"hello", bytes(1000)):
        (tmp_path / "text.nii").write_bytes(content)
        with pytest.raises(InputError, match="not a NIfTI file"):
            nifti.read_image(tmp_path / "text.nii")
    (tmp_path / "plain.nii.gz").write_bytes(bytes(1000))
    with pytest.raises(InputError, match="cannot be read"):
        nifti.read_image(tmp_path / "plain.nii.gz")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_file_cut_anywhere_is_refused(tmp_path, suffix):
    data = np.random.default_rng(0).integers(0, 255, (8, 8, 8)).astype(np.uint8)
    whole = save(tmp_path / f"whole{suffix}", data).read_bytes()
    path = tmp_path / f"cut{suffix}"
    for length in [*range(0, len(whole), 37), len(whole) - 9, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut short|cannot be read|not a NIfTI"):
            nifti.read_image(path)


def test_a_flipped_bit_in_packed_voxels_is_noticed(tmp_path):
    path = save(tmp_path / "a.nii.gz", np.random.default_rng(0).integers(0, 255, (9, 9, 9), "u1"))
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 16
    path.write_bytes(whole)
    with pytest.raises(InputError, match="cannot be read"):
        nifti.read_image(path)


@hypothesis.given(st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), max_size=12))
@hypothesis.settings(deadline=None, max_examples=300)
def test_a_damaged_header_is_read_or_refused(tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("damaged") / "a.nii"
    content = bytearray(save(path, np.arange(8, dtype=np.int16).reshape(2, 2, 2)).read_bytes())
    for place, value in changes:
        content[place] = value
    path.write_bytes(content)
    for reader in (nifti.read_header, nifti.read_image, nifti.read_labels):
        try:
            reader(path)
        except InputError as error:
            assert str(path) in str(error)


def test_labels(tmp_path):
    labels = np.array([[[0, 1], [5, -3]]])
    for number, stored in enumerate(["i1", "i2", "f4", "f8", "i8"]):
        volume = nifti.read_labels(save(tmp_path / f"{number}.nii", labels.astype(stored)))
        assert volume.data.dtype == np.int32
        np.testing.assert_array_equal(volume.data, labels)
    # A slope of 1/255 as float32 holds it gives 1.0000000591, which is meant as 1.
    path = save(tmp_path / "s.nii", labels.astype("i2") * 255, edit=_set("scl_slope", 1 / 255))
    np.testing.assert_array_equal(nifti.read_labels(path).data, labels)


def test_labels_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds 0\.5, while labels are whole numbers"):
        nifti.read_labels(save(tmp_path / "a.nii", np.full((2, 2, 2), 0.5, np.float32)))
    with pytest.raises(InputError, match="beyond int32"):
        nifti.read_labels(save(tmp_path / "b.nii", np.full((2, 2, 2), 2**31, np.int64)))
    with pytest.raises(InputError, match="NaN"):
        nifti.read_labels(save(tmp_path / "c.nii", np.full((2, 2, 2), np.nan)))
    with pytest.raises(InputError, match="has 3 volumes"):
        nifti.read_labels(save(tmp_path / "d.nii", np.zeros((2, 2, 2, 3), np.uint8)))


def test_a_scan_larger_than_the_bound_is_refused_before_memory_is_taken(tmp_path):
    path = save(tmp_path / "a.nii", np.zeros((2, 2, 2), np.uint8))
    content = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    header["dim"] = [3, 32000, 32000, 2, 1, 1, 1, 1]
    content[:348] = header.binaryblock
    with open(path, "wb") as file:
        file.write(content)
        file.truncate(352 + 2 * 32000**2)  # sparse: it takes no room on the disk
    with pytest.raises(InputError, match=r"32000 x 32000 x 2 voxels .* at most 536870912 are"):
        nifti.read_image(path)


def test_a_file_that_goes_on_after_its_voxels_is_not_read_without_end(tmp_path, monkeypatch):
    path = save(tmp_path / "a.nii.gz", np.zeros((2, 2, 2), np.uint8))
    path.write_bytes(path.read_bytes() + gzip.compress(bytes(3 * 2**20)))
    assert nifti.read_image(path).data.shape == (2, 2, 2)
    monkeypatch.setattr(nifti.stream.limits, "MOST_BYTES_BESIDE", 2**20)
    with pytest.raises(InputError, match="goes on for more than"):
        nifti.read_image(path)


def test_a_scan_of_many_blocks_is_read_as_one(tmp_path, monkeypatch):
    data = np.random.default_rng(0).normal(size=(5, 4, 7, 3)).astype(np.float32)
    path = save(tmp_path / "a.nii.gz", data)
    for size in (1, 5 * 4 * 4, 5 * 4 * 7 * 4, 2 * 5 * 4 * 7 * 4):
        monkeypatch.setattr(nifti.stream, "_BLOCK_BYTES", size)
        np.testing.assert_array_equal(nifti.read_image(path).data, data)


def test_reading_does_not_hold_the_scan_twice(tmp_path):
    path = save(tmp_path / "a.nii.gz", np.zeros((256, 256, 200), np.int16))
    tracemalloc.start()
    volume = nifti.read_image(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.8 * volume.data.nbytes


@pytest.mark.parametrize(("place", "value"), [((0, 0), 1e-3), ((0, 3), 1e9), ((2, 2), 5000)])
def test_a_grid_that_no_scan_has_is_refused(tmp_path, place, value):
    affine = AFFINE.copy()
    affine[place] = value
    with pytest.raises(InputError, match=r"spacing of|from its origin"):
        nifti.read_image(save(tmp_path / "a.nii", np.zeros((2, 2, 2)), affine))
