"""NRRD and MetaImage against NIfTI, and their headers refused by name before ITK sees them."""

import itertools
import os

import numpy as np
import pytest
import SimpleITK

from liver_jax.errors import InputError
from liver_jax.volume import itk, limits, nifti
from liver_jax.volume.geometry import Volume

OBLIQUE = np.array(
    [[0.96, -0.2, 0.7, -101.3], [0.25, 0.9, -0.9, 33.7], [-0.12, 0.35, 4.8, -7.1], [0, 0, 0, 1]]
)
SUFFIXES = [".nrrd", ".mha", ".mhd"]


def image(data, affine=OBLIQUE):
    """As SimpleITK has it: [z, y, x], LPS."""
    made = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.T))
    lps = np.diag([-1, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    made.SetSpacing(spacing)
    made.SetDirection((lps[:3, :3] / spacing).ravel())
    made.SetOrigin(lps[:3, 3])
    return made


def save(path, data=None, affine=OBLIQUE, packed=True):
    data = np.arange(24, dtype=np.int16).reshape(2, 3, 4) - 9 if data is None else data
    SimpleITK.WriteImage(image(data, affine), path, packed)
    return path


def changed(path, old, new):
    """The file with a part of its header replaced."""
    content = path.read_bytes()
    assert content.count(old) == 1, (old, content[:600])
    path.write_bytes(content.replace(old, new))
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_scan_as_from_nifti(tmp_path, suffix, packed):
    data = np.random.default_rng(0).integers(-1000, 3000, (7, 5, 20)).astype(np.int16)
    for number, (order, flips) in enumerate(
        itertools.product(itertools.permutations(range(3)), [(1, 1, 1), (-1, 1, 1), (-1, -1, 1)])
    ):
        affine = OBLIQUE.copy()
        affine[:3, :3] = OBLIQUE[:3, order] * flips
        path = save(tmp_path / f"{number}{suffix}", data, affine, packed)
        volume = itk.read_image(path)
        np.testing.assert_array_equal(volume.data, data)
        assert volume.data.dtype == np.float32
        np.testing.assert_allclose(volume.affine, affine, atol=1e-9)
        header = itk.read_header(path)
        assert (header.grid_shape, header.echo_count) == ((7, 5, 20), 1)
        np.testing.assert_array_equal(header.affine, volume.affine)


def test_what_itk_wrote_as_nifti_is_read_as_the_same_scan(tmp_path):
    data = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    straight = np.diag([-1.5, 2.0, 3.0, 1.0])  # NIfTI of ITK has no shear
    same = [save(tmp_path / name, data, straight) for name in ("a.nii.gz", "a.nrrd", "a.mha")]
    expected = nifti.read_image(same[0])
    for path in same[1:]:
        found = itk.read_image(path)
        np.testing.assert_array_equal(found.data, expected.data)
        np.testing.assert_allclose(found.affine, expected.affine, atol=1e-4)


@pytest.mark.parametrize("stored", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_type(tmp_path, suffix, stored):
    data = np.arange(24).reshape(2, 3, 4).astype(stored)
    np.testing.assert_array_equal(itk.read_image(save(tmp_path / f"a{suffix}", data)).data, data)


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        (b"left-posterior-superior", (-1, -1, 1)),
        (b"LPS", (-1, -1, 1)),
        (b"right-anterior-superior", (1, 1, 1)),
        (b"left-anterior-superior", (-1, 1, 1)),
    ],
)
def test_the_spaces_of_nrrd(tmp_path, space, signs):
    path = save(tmp_path / "a.nrrd")
    header = b"space: left-posterior-superior"
    changed(path, header, b"space: " + space)
    lps = np.diag([-1, -1, 1, 1]) @ OBLIQUE
    np.testing.assert_allclose(itk.read_image(path).affine, np.diag([*signs, 1]) @ lps, atol=1e-9)


def test_big_endian_and_a_comment(tmp_path):
    data = np.arange(24, dtype=">i2").reshape(2, 3, 4)
    text = """NRRD0004
# by hand
type: int16
dimension: 3
space: RAS
sizes: 2 3 4
space directions: (2,0,0) (0,3,0) (0,0,4)
endian: big
encoding: raw
space origin: (1,2,3)
note:=anything

"""
    path = tmp_path / "a.nrrd"
    path.write_bytes(text.encode() + data.tobytes(order="F"))
    volume = itk.read_image(path)
    np.testing.assert_array_equal(volume.data, data)
    np.testing.assert_array_equal(volume.affine[:3, 3], [1, 2, 3])
    np.testing.assert_array_equal(volume.spacing_mm, [2, 3, 4])


def test_labels(tmp_path):
    labels = np.array([[[0, 1], [5, 3]]], np.uint8)
    for suffix in SUFFIXES:
        volume = itk.read_labels(save(tmp_path / f"a{suffix}", labels))
        assert volume.data.dtype == np.int32
        np.testing.assert_array_equal(volume.data, labels)
    with pytest.raises(InputError, match=r"holds 0\.5, while labels are whole numbers"):
        itk.read_labels(save(tmp_path / "b.nrrd", np.full((2, 2, 2), 0.5, np.float32)))


NRRD = {
    "no sides": (b"space: left-posterior-superior\n", b"", "does not tell .* how the patient lies"),
    "other space": (b"left-posterior-superior", b"scanner-xyz", "how the patient lies"),
    "no origin": (b"space origin", b"space  origin", "how the patient lies"),
    "four axes": (b"dimension: 3", b"dimension: 4", "has 4 dimensions .* while 3 are read"),
    "type": (b"type: short", b"type: block", "of the type 'block'"),
    "text": (b"encoding: gzip", b"encoding: ascii", "encoding 'ascii'"),
    "endian": (b"endian: little\n", b"", "no endian"),
    "huge": (b"sizes: 2 3 4", b"sizes: 99999 99999 99999", "cut short"),
    "negative": (b"sizes: 2 3 4", b"sizes: 2 -3 4", "sizes are '2 -3 4'"),
    "word": (b"origin: (", b"origin: (x,", "space origin is"),
    "nan": (b"origin: (", b"origin: (nan,0,0) #", "damaged|spacing"),
    "elsewhere": (b"encoding:", b"data file: /etc/passwd\nencoding:", "in another file"),
    "skip": (b"encoding:", b"byte skip: -1\nencoding:", "byte skip"),
    "twice": (b"encoding:", b"type: short\nencoding:", "damaged header"),
    "metres": (b"encoding:", b'space units: "m" "m" "m"\nencoding:', "spacing in 'm'"),
    "unended": (b"\n\n", b"\n", "no end of its header|cannot be read|damaged"),
}


@pytest.mark.parametrize("case", NRRD)
def test_nrrd_refused_by_name(tmp_path, case):
    old, new, fault = NRRD[case]
    path = changed(save(tmp_path / "a.nrrd"), old, new)
    for read in (itk.read_image, itk.read_labels):
        with pytest.raises(InputError, match=fault) as refused:
            read(path)
        assert str(refused.value).startswith(f"{path}: ")


METAIMAGE = {
    "no sides": (b"TransformMatrix", b"Matrix", "does not tell .* how the patient lies"),
    "no offset": (b"Offset", b"Start", "how the patient lies"),
    "four axes": (b"NDims = 3", b"NDims = 4", "has 4 dimensions"),
    "channels": (b"NDims = 3", b"NDims = 3\nElementNumberOfChannels = 3", "3 values in each voxel"),
    "type": (b"MET_SHORT", b"MET_STRING", "of the type 'MET_STRING'"),
    "spacing": (b"ElementSpacing = ", b"ElementSpacing = -", "has the ElementSpacing '-0"),
    "no spacing": (b"ElementSpacing", b"Spacing", "has the ElementSpacing ''"),
    "text": (b"BinaryData = True", b"BinaryData = False", "keeps its voxels as text"),
    "huge": (b"DimSize = 2 3 4", b"DimSize = 99999 99999 99999", "cut short"),
    "zero": (b"DimSize = 2 3 4", b"DimSize = 2 0 4", "sizes are '2 0 4'"),
    "skip": (b"NDims = 3", b"NDims = 3\nHeaderSize = 99", "HeaderSize"),
    "list": (b"= LOCAL", b"= LIST", "keeps its voxels in 'LIST', not in one file"),
    "pattern": (b"= LOCAL", b"= a%03d.raw 1 9 1", "not in one file beside it"),
    "elsewhere": (b"= LOCAL", b"= ../secret.raw", "not in one file beside it"),
    "missing": (b"= LOCAL", b"= none.raw", "there is no such file"),
    "twice": (b"NDims = 3", b"NDims = 3\nNDims = 3", "damaged header"),
    "no data": (b"ElementDataFile", b"Data", "is not an NRRD or MetaImage"),
}


@pytest.mark.parametrize("case", METAIMAGE)
def test_metaimage_refused_by_name(tmp_path, case):
    old, new, fault = METAIMAGE[case]
    path = changed(save(tmp_path / "a.mha"), old, new)
    with pytest.raises(InputError, match=fault) as refused:
        itk.read_image(path)
    assert str(refused.value).startswith(f"{path}: ")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_file_cut_anywhere_is_refused(tmp_path, suffix, packed):
    data = np.random.default_rng(0).integers(0, 255, (8, 8, 8)).astype(np.uint8)
    whole = save(tmp_path / f"whole{suffix}", data, packed=packed).read_bytes()
    path = tmp_path / f"cut{suffix}"
    for length in [*range(0, len(whole), 53), len(whole) - 20]:
        path.write_bytes(whole[:length])
        with pytest.raises(InputError) as refused:
            itk.read_image(path)
        assert "\n" not in str(refused.value)


def test_a_header_larger_than_the_bound_takes_no_memory(tmp_path):
    path = changed(
        save(tmp_path / "a.nrrd", packed=False), b"sizes: 2 3 4", b"sizes: 32000 32000 2"
    )
    os.truncate(path, 2**33)  # sparse: it takes no room on the disk
    with pytest.raises(InputError, match=f"at most {limits.MOST_VOXELS} are read"):
        itk.read_image(path)


def test_a_flipped_bit_in_packed_voxels_is_noticed(tmp_path):
    data = np.random.default_rng(0).integers(0, 255, (9, 9, 9)).astype(np.uint8)
    for suffix in (".nrrd", ".mha"):
        path = save(tmp_path / f"a{suffix}", data)
        whole = bytearray(path.read_bytes())
        whole[-200] ^= 16
        path.write_bytes(whole)
        with pytest.raises(InputError, match="cannot be read"):
            itk.read_image(path)


def test_a_scan_of_many_blocks_is_read_as_one(tmp_path, monkeypatch):
    data = np.random.default_rng(0).integers(0, 9, (50, 40, 30)).astype(np.int16)
    for size in (1, 9999, 50 * 40 * 30 * 2):
        monkeypatch.setattr(itk.stream, "_BLOCK_BYTES", size)
        for suffix in SUFFIXES:
            np.testing.assert_array_equal(
                itk.read_image(save(tmp_path / f"a{suffix}", data)).data, data
            )


def test_missing_folder_and_foreign_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        itk.read_image(tmp_path / "none.nrrd")
    (tmp_path / "folder.mha").mkdir()
    with pytest.raises(InputError, match="is not a file"):
        itk.read_image(tmp_path / "folder.mha")
    for content in (b"", b"hello", bytes(2000), b"NRRD0004\n"):
        (tmp_path / "text.nrrd").write_bytes(content)
        with pytest.raises(InputError, match=r"not an NRRD|no end of its header"):
            itk.read_image(tmp_path / "text.nrrd")


def test_nan_is_refused(tmp_path):
    data = np.zeros((2, 3, 40), np.float32)
    data[1, 2, 33] = np.nan
    with pytest.raises(InputError, match=r"NaN or infinite .* at \[1, 2, 33\]"):
        itk.read_image(save(tmp_path / "a.mha", data))


def test_masks_written_here_are_read_by_itk_on_the_same_grid(tmp_path):
    """A grid without shear, as NIfTI's quaternion and ITK have it; single precision."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn * [1.5, 2, 5], [10, -20, 30]
    data = np.zeros((3, 4, 5), bool)
    data[0, 1, 2] = True
    nifti.write(tmp_path / "mask.nii.gz", data, Volume(data, affine))
    back = SimpleITK.ReadImage(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(back).T, data)
    here = back.TransformIndexToPhysicalPoint((0, 1, 2))
    np.testing.assert_allclose(np.array(here) * [-1, -1, 1], affine[:3] @ [0, 1, 2, 1], atol=1e-4)
