"""DICOM through the reader that takes any scan: folders, zips, echoes in several folders."""

import shutil

import numpy as np
import pytest

from liver_jax.errors import InputError
from liver_jax.volume import nifti, reader
from liver_jax.volume.geometry import Volume


@pytest.fixture
def echoes():
    """Magnitudes of three echoes, float32 `[6, 5, 4, 3]`."""
    return np.arange(6 * 5 * 4 * 3, dtype=np.float32).reshape(6, 5, 4, 3)


@pytest.fixture
def folders(tmp_path, write_series, echoes):
    """A folder for each echo, the last one first."""
    made = []
    for echo, te_ms in ((2, 6.9), (0, 2.3), (1, 4.6)):
        made.append(tmp_path / f"echo{echo}")
        write_series(made[-1], echoes[..., echo], modality="MR", te_ms=[te_ms])
    return made


def test_a_folder_and_its_zip_are_the_same_scan(tmp_path, write_series, ct_values):
    write_series(tmp_path / "series", ct_values)
    archive = shutil.make_archive(str(tmp_path / "any name"), "zip", tmp_path / "series")
    shutil.move(archive, tmp_path / "scan.dat")  # what it is is told by its content
    found = [reader.read([tmp_path / name]) for name in ("series", "scan.dat")]
    for source in found:
        np.testing.assert_array_equal(source.volume.data, ct_values)
        assert source.modality == "CT"
    hashes = {reader.sha256(tmp_path / name) for name in ("series", "scan.dat")}
    assert len(hashes) == 1
    header = reader.read_header(tmp_path / "scan.dat")
    assert (header.grid_shape, header.echo_count, header.modality) == ((7, 5, 4), 1, "CT")
    np.testing.assert_array_equal(header.affine, found[0].volume.affine)
    assert len(reader.files_of(tmp_path / "series")) == 4
    with pytest.raises(InputError, match="is DICOM, while masks are read from NIfTI"):
        reader.read_labels(tmp_path / "series")


def test_echoes_in_several_folders_are_sorted_by_their_times(folders, echoes):
    source = reader.read(folders)
    np.testing.assert_array_equal(source.volume.data, echoes)
    assert source.te_ms == (2.3, 4.6, 6.9)
    assert source.field_strength_t == 1.5
    header = reader.read_headers(folders)
    assert (header.grid_shape, header.echo_count) == ((6, 5, 4), 3)
    assert header.te_ms == (2.3, 4.6, 6.9)
    assert (header.modality, header.field_strength_t) == ("MR", 1.5)


def test_echoes_that_do_not_belong_together_are_refused(tmp_path, folders, write_series, echoes):
    same_te, other_field, other_grid = (tmp_path / name for name in ("te", "field", "grid"))
    write_series(same_te, echoes[..., 0], modality="MR", te_ms=[4.6])
    field = {"MagneticFieldStrength": 3}
    write_series(other_field, echoes[..., 0], modality="MR", te_ms=[8.0], series=field)
    write_series(other_grid, echoes[:4, ..., 0], modality="MR", te_ms=[8.0])
    nifti.write(tmp_path / "a.nii", echoes, Volume(echoes, np.eye(4)))
    for other, fault in [
        (same_te, "echo times of the 4 series are 6.9, 2.3, 4.6, 4.6 ms"),
        (other_field, "field: has field_strength_t 3.0, while the first echo echo2 has 1.5"),
        (other_grid, "grid: has 4 x 5 x 4 voxels"),
        (tmp_path / "a.nii", "echo2: is DICOM, while other echoes are not"),
    ]:
        with pytest.raises(InputError, match=fault):
            reader.read([*folders, other])


def test_a_damaged_zip_and_an_empty_folder_are_refused_by_name(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.zip").write_bytes(b"PK\3\4" + bytes(50))
    for name in ("empty", "cut.zip"):
        for call in (reader.read_header, reader.sha256, lambda path: reader.read([path])):
            with pytest.raises(InputError, match=name) as refused:
                call(tmp_path / name)
            assert "\n" not in str(refused.value)
