"""The mask of a reoriented scan is the reoriented mask, bit for bit, however the scan lies.

The network here looks to one side more than to the other, so that a mirrored slice shows.
"""

import itertools

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import SimpleITK
from hypothesis import strategies as st
from nibabel import orientations

from liver_jax.data import preprocess
from liver_jax.inference import postprocess, predictor
from liver_jax.volume import geometry, nifti, reader
from liver_jax.volume.geometry import Volume

ORIENTATIONS = [
    np.array([*zip(order, flips, strict=True)])
    for order in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]
KERNEL = np.random.default_rng(1).normal(size=(5, 5)).astype(np.float32)
SETTINGS = preprocess.Settings(32, 8.0, -160.0, 240.0, 0.5, 99.5)


@jax.jit
def lopsided(variables, images):
    """Neighbours with weights of which none is like another."""
    kernel = variables[:, :, None, None]
    layout = ("NHWC", "HWIO", "NHWC")
    found = jax.lax.conv_general_dilated(
        images[..., None], kernel, (1, 1), "SAME", dimension_numbers=layout
    )
    return jax.nn.sigmoid(4 * found[..., 0] - 1)


NETWORK = predictor.Predictor(lopsided, jnp.asarray(KERNEL), SETTINGS, 4)


def rotation(angles_deg):
    """About x, then y, then z."""
    total = np.eye(3)
    for axis, angle in enumerate(np.radians(angles_deg)):
        turn = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        total = turn @ total
    return total


def scan(shape=(19, 14, 6), spacing_mm=(9.0, 11.0, 25.0), angles_deg=(0, 0, 0), modality="CT"):
    """A body full of random tissue, air around it."""
    rng = np.random.default_rng(0)
    places = np.meshgrid(*(np.linspace(-1, 1, length) for length in shape[:2]), indexing="ij")
    body = (places[0] ** 2 + places[1] ** 2 < 0.9)[..., None]
    tissue = rng.normal(60, 60, shape)
    data = np.where(body, tissue, -1000.0) if modality == "CT" else np.where(body, abs(tissue), 0)
    affine = np.eye(4)
    affine[:3, :3] = rotation(angles_deg) * spacing_mm
    affine[:3, 3] = [-80.5, 33.25, -412.0]
    return Volume(data.astype(np.float32), affine)


def turned(volume, orientation):
    """The same voxels in the same places of the patient, on other axes."""
    data = orientations.apply_orientation(volume.data, orientation)
    affine = volume.affine @ orientations.inv_ornt_aff(orientation, volume.grid_shape)
    return Volume(np.ascontiguousarray(data), affine)


def mask(volume, modality="CT"):
    found = postprocess.threshold(NETWORK.probability(volume, modality))
    assert found.shape == volume.data.shape
    return found


def check(volume, modality, wanted):
    expected = mask(volume, modality)
    assert 0.02 < expected.mean() < 0.98
    for orientation in wanted:
        same = turned(volume, orientation)
        back = orientations.apply_orientation(expected, orientation)
        np.testing.assert_array_equal(mask(same, modality), back, err_msg=str(orientation))


@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("angles_deg", [(0, 0, 0), (12, -17, 24)])
def test_all_48_orientations(modality, angles_deg):
    assert len({str(orientation) for orientation in ORIENTATIONS}) == 48
    check(scan(angles_deg=angles_deg, modality=modality), modality, ORIENTATIONS)


@hypothesis.given(
    st.tuples(st.integers(9, 24), st.integers(9, 24), st.integers(1, 9)),
    st.tuples(st.floats(6, 15), st.floats(6, 15), st.floats(1, 40)),
    st.tuples(*[st.floats(-20, 20)] * 3),
    st.sampled_from(ORIENTATIONS),
    st.sampled_from(["CT", "MR"]),
)
def test_any_shape_spacing_and_obliquity(shape, spacing_mm, angles_deg, orientation, modality):
    check(scan(shape, spacing_mm, angles_deg, modality), modality, [orientation])


def test_the_network_tells_a_mirrored_scan():
    """Else the tests above would pass with sides exchanged."""
    volume = scan()
    mirrored = Volume(np.ascontiguousarray(volume.data[::-1]), volume.affine)
    assert (mask(mirrored)[::-1] != mask(volume)).mean() > 0.05


@pytest.mark.parametrize("angles_deg", [(0, 0, 0), (12, -17, 24)])
def test_from_file_to_file_and_read_by_another_program(tmp_path, angles_deg):
    """Single precision of the header may move the mask's grid by micrometres, not its voxels."""
    volume = scan(angles_deg=angles_deg)
    expected = mask(volume)
    for orientation in ORIENTATIONS:
        same = turned(volume, orientation)
        nifti.write(tmp_path / "scan.nii.gz", same.data, same)
        read = reader.read([tmp_path / "scan.nii.gz"]).volume
        nifti.write(tmp_path / "mask.nii.gz", mask(read), read)
        back = SimpleITK.ReadImage(tmp_path / "mask.nii.gz")
        found = SimpleITK.GetArrayFromImage(back).T
        np.testing.assert_array_equal(
            found, orientations.apply_orientation(expected, orientation), str(orientation)
        )
        lps = np.eye(4)
        lps[:3, :3] = np.reshape(back.GetDirection(), (3, 3)) * back.GetSpacing()
        lps[:3, 3] = back.GetOrigin()
        placed = Volume(found, np.diag([-1, -1, 1, 1]) @ lps)
        geometry.check_same_grid(same, placed, "mask", "the scan", tolerance_mm=2e-3)
