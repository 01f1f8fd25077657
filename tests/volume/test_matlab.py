"""ISMRM fat-water files."""

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from liver_jax.errors import InputError
from liver_jax.volume import matlab

RNG = np.random.default_rng(0)
IMAGES = (RNG.normal(size=(4, 3, 2, 1, 3)) + 1j * RNG.normal(size=(4, 3, 2, 1, 3))).astype("c8")
FIELDS = {
    "images": IMAGES,
    "TE": np.array([0.0012, 0.0024, 0.0036]),
    "FieldStrength": 1.5,
    "PrecessionIsClockwise": 1,
}


def save(path, **changes):
    fields = {name: value for name, value in {**FIELDS, **changes}.items() if value is not None}
    scipy.io.savemat(path, {"imDataParams": fields})
    return path


def test_what_a_file_tells(tmp_path):
    body = np.zeros((4, 3, 2), np.uint8)
    body[1:, :2] = 1
    path = save(tmp_path / "a.mat", voxelSize=[1.5, 2.0, 8.0], mask=body)
    held = matlab.read(path)
    assert held.volume.data.dtype == np.complex64
    np.testing.assert_array_equal(held.volume.data, IMAGES[:, :, :, 0])
    assert held.te_ms == (1.2, 2.4, 3.6)
    assert (held.field_strength_t, held.precession) == (1.5, "clockwise")
    np.testing.assert_array_equal(held.mask, body.astype(bool))
    assert held.mask.dtype == bool
    assert held.spacing_known and held.volume.spacing_mm.tolist() == [1.5, 2.0, 8.0]


@pytest.mark.parametrize("direction", [-1, 0, np.int16(-1)])
def test_what_a_file_leaves_out(tmp_path, direction):
    held = matlab.read(save(tmp_path / "a.mat", PrecessionIsClockwise=direction))
    assert held.precession == "counterclockwise"
    assert held.mask is None
    assert not held.spacing_known and held.volume.spacing_mm.tolist() == [1, 1, 1]


def test_capitals_and_the_mask_of_one_slice(tmp_path):
    body = np.eye(4, 3)
    path = save(tmp_path / "a.mat", images=IMAGES[:, :, :1], TE=None, te=FIELDS["TE"], mask=body)
    held = matlab.read(path)
    np.testing.assert_array_equal(held.mask[..., 0], body.astype(bool))


def test_coils_are_combined_and_phase_between_echoes_is_kept(tmp_path):
    sensitivity = (RNG.normal(size=(4, 3, 2, 5)) + 1j * RNG.normal(size=(4, 3, 2, 5))) / 2
    sensitivity[..., 2] = 3 * np.exp(1j * np.linspace(0, 1, 4))[:, None, None]
    coils = IMAGES * sensitivity[..., None]
    one = matlab.read(save(tmp_path / "a.mat", images=coils.astype("c8"))).volume.data
    # Without noise the combination is the image, times one size and one phase for each voxel ...
    size = np.linalg.norm(sensitivity, axis=3)
    turn = sensitivity[..., 2] / abs(sensitivity[..., 2])  # ... which is the strongest coil's.
    np.testing.assert_allclose(one, IMAGES[:, :, :, 0] * (size * turn)[..., None], rtol=2e-4)


def test_dark_voxels_of_many_coils_are_zero(tmp_path):
    coils = np.zeros((4, 3, 2, 5, 3), "c8")
    coils[0, 0, 0] = 1
    data = matlab.read(save(tmp_path / "a.mat", images=coils)).volume.data
    assert np.isfinite(data).all() and not data[1:].any()
    np.testing.assert_allclose(data[0, 0, 0], 5**0.5, rtol=1e-5)


FAULTS = {
    "no images": ({"images": None}, "has no imDataParams.images"),
    "no TE": ({"TE": None}, "has no imDataParams.TE"),
    "no field": ({"FieldStrength": None}, "has no imDataParams.FieldStrength"),
    "no direction": ({"PrecessionIsClockwise": None}, "has no imDataParams.PrecessionIsClockwise"),
    "four axes": ({"images": IMAGES[:, :, :, 0]}, "images of 4 x 3 x 2 x 3, while they are"),
    "magnitude": ({"images": abs(IMAGES)}, "holds float32 values, not complex ones"),
    "no voxel": ({"images": IMAGES[:0]}, "is empty"),
    "NaN": ({"images": IMAGES * np.nan}, "holds NaN"),
    "huge": ({"images": IMAGES.astype("c16") * 1e300}, "huge values"),
    "TE count": ({"TE": [0.001, 0.002]}, "has 3 echoes and 2 echo times"),
    "TE in ms": ({"TE": [1.2, 2.4, 3.6]}, "echo times up to 3.6, while TE is in seconds"),
    "TE text": ({"TE": "1.2"}, "imDataParams.TE holds <U3 values"),
    "two fields": ({"FieldStrength": [1.5, 3]}, "FieldStrength has 2 values"),
    "direction 2": ({"PrecessionIsClockwise": 2}, "has PrecessionIsClockwise 2"),
    "voxels": ({"voxelSize": [1, 0, 1]}, "has a voxelSize of"),
    "two sizes": ({"voxelSize": [1, 1]}, "has a voxelSize of"),
    "mask": ({"mask": np.ones((3, 4, 2))}, "a mask of 3 x 4 x 2 voxels, .* have 4 x 3 x 2"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_are_one_line_that_names_the_file(tmp_path, case):
    changes, fault = FAULTS[case]
    with pytest.raises(InputError, match=fault) as refused:
        matlab.read(save(tmp_path / "a.mat", **changes))
    assert str(refused.value).startswith(str(tmp_path / "a.mat"))
    assert "\n" not in str(refused.value)


def test_files_that_are_none(tmp_path):
    path = tmp_path / "a.mat"
    with pytest.raises(InputError, match="no such file"):
        matlab.read(path)
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(200))
    with pytest.raises(InputError, match=r"7\.3 \(HDF5\) .*'-v7'"):
        matlab.read(path)
    scipy.io.savemat(path, {"other": 1})
    with pytest.raises(InputError, match="has no struct imDataParams"):
        matlab.read(path)
    scipy.io.savemat(path, {"imDataParams": 1})
    with pytest.raises(InputError, match="has no struct imDataParams"):
        matlab.read(path)
    path.write_text("not a MATLAB file")
    with pytest.raises(InputError, match="cannot be read as a MATLAB file"):
        matlab.read(path)
    with pytest.raises(InputError, match="cannot be read"):
        matlab.read(tmp_path)


@given(share=st.floats(0, 0.999), packed=st.booleans())
def test_files_cut_short_are_refused(tmp_path_factory, share, packed):
    path = tmp_path_factory.mktemp("cut") / "a.mat"
    scipy.io.savemat(path, {"imDataParams": FIELDS}, do_compression=packed)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError) as refused:
        matlab.read(path)
    assert "\n" not in str(refused.value)


@given(place=st.floats(0, 0.999), value=st.integers(0, 255))
def test_damage_is_noticed_by_the_checksum(tmp_path_factory, place, value):
    # As MATLAB saves them: packed. Without packing there is no checksum, and SciPy may crash.
    path = tmp_path_factory.mktemp("damaged") / "a.mat"
    scipy.io.savemat(path, {"imDataParams": FIELDS}, do_compression=True)
    content = bytearray(path.read_bytes())
    content[128 + int(place * (len(content) - 128))] = value
    path.write_bytes(content)
    try:
        np.testing.assert_array_equal(matlab.read(path).volume.data, IMAGES[:, :, :, 0])
    except InputError as error:
        assert "\n" not in str(error)


@pytest.mark.real
def test_real_files(real_data):
    held = matlab.read(real_data / "fatwater" / "ismrm_12.mat")
    assert held.volume.data.shape == (157, 256, 3, 4)
    assert held.te_ms == (1.744, 4.82, 7.896, 10.972)
    assert (held.field_strength_t, held.precession) == (1.5, "clockwise")
    assert held.mask.shape == (157, 256, 3) and 0.2 < held.mask.mean() < 0.9
    held = matlab.read(real_data / "fatwater" / "b0nice_99.mat")
    assert held.volume.data.shape == (256, 256, 1, 6)
    assert held.te_ms == (2.3, 3.2, 4.1, 5.1, 6.0, 7.0)
    assert (held.field_strength_t, held.precession) == (3.0, "counterclockwise")
    assert held.mask is None and not held.spacing_known
