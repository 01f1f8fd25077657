"""Files of any format but DICOM through one door; DICOM is in dicom/test_door.py."""

import os

import numpy as np
import pytest
import SimpleITK

from liver_jax import files
from liver_jax.errors import InputError
from liver_jax.volume import itk, nifti, reader
from liver_jax.volume.geometry import Volume

AFFINE = np.diag([1.5, 2.0, 8.0, 1.0])
DATA = np.arange(2 * 3 * 4 * 6, dtype=np.float32).reshape(2, 3, 4, 6)


def save(path, data, affine=AFFINE):
    if nifti.is_nifti_name(path):
        nifti.write(path, data, Volume(data, affine))
        return path
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.T))
    lps = np.diag([-1, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing)
    image.SetDirection((lps[:3, :3] / spacing).ravel())
    image.SetOrigin(lps[:3, 3])
    SimpleITK.WriteImage(image, path, True)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"])
def test_one_file(tmp_path, suffix):
    path = save(tmp_path / f"a{suffix}", DATA[..., 0])
    source = reader.read([path])
    np.testing.assert_array_equal(source.volume.data, DATA[..., 0])
    np.testing.assert_array_equal(source.volume.affine, AFFINE)
    assert (source.modality, source.origin, source.te_ms, source.notes) == (None, None, (), ())
    header = reader.read_header(path)
    assert (header.grid_shape, header.echo_count, header.te_ms) == ((2, 3, 4), 1, ())
    np.testing.assert_array_equal(header.spacing_mm, [1.5, 2, 8])
    labels = reader.read_labels(path)
    assert labels.data.dtype == np.int32
    np.testing.assert_array_equal(labels.data, DATA[..., 0])


@pytest.mark.parametrize("suffixes", [[".nii.gz"] * 6, [".nrrd", ".mha", ".nii", ".mhd"] * 2])
def test_echoes_from_one_file_or_many(tmp_path, suffixes):
    together = save(tmp_path / "all.nii.gz", DATA)
    apart = [
        save(tmp_path / f"{echo}{suffix}", DATA[..., echo])
        for echo, suffix in zip(range(6), suffixes, strict=False)
    ]
    for paths in ([together], apart):
        source = reader.read(paths)
        np.testing.assert_array_equal(source.volume.data, DATA)
        assert source.volume.data.dtype == np.float32
        header = reader.read_headers(paths)
        assert (header.grid_shape, header.echo_count) == ((2, 3, 4), 6)
    assert reader.read(apart[:1]).volume.data.shape == (2, 3, 4)
    for read in (reader.read, reader.read_headers):
        with pytest.raises(InputError, match=r"all\.nii\.gz: has 6 volumes"):
            read([apart[0], together])
        off = save(tmp_path / "moved.nii.gz", DATA[..., 0], AFFINE + 4 * np.eye(4, k=3))
        with pytest.raises(InputError, match=r"moved\.nii\.gz: lies on another grid than the fir"):
            read([apart[0], off])


def test_what_is_no_scan_is_refused_by_name(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.csv").write_text("a,b\n" * 100)
    os.mkfifo(tmp_path / "pipe.nii")  # to read it would be to wait
    for name, fault in [
        ("none.nii.gz", "no such file"),
        ("empty", "DICOM"),
        ("text.csv", "is not a scan that can be read"),
        ("pipe.nii", "is not a scan that can be read"),
    ]:
        for call in (reader.read_header, reader.read_labels, reader.sha256):
            with pytest.raises(InputError, match=fault):
                call(tmp_path / name)
        with pytest.raises(InputError, match=fault):
            reader.read([tmp_path / name])


def test_a_series_is_chosen_of_dicom_only(tmp_path):
    path = save(tmp_path / "a.nii.gz", DATA)
    with pytest.raises(InputError, match="--series: is for DICOM"):
        reader.read([path], "3")


def test_a_hash_is_that_of_the_content(tmp_path):
    one = save(tmp_path / "a.nii.gz", DATA)
    assert reader.sha256(one) == files.sha256(one)
    pair = save(tmp_path / "a.mhd", DATA[..., 0])
    before = reader.sha256(pair)
    voxels = itk.read_header(pair).voxels
    assert reader.files_of(pair) == [pair, voxels]
    voxels.write_bytes(voxels.read_bytes()[:-1] + b"x")
    assert reader.sha256(pair) != before
