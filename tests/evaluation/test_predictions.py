import numpy as np
import pytest

from liver_jax.errors import InputError
from liver_jax.evaluation import predictions
from liver_jax.volume import geometry, nifti

GRID = geometry.Volume(np.zeros((3, 4, 2), np.float32), np.diag([1.0, 1.0, 5.0, 1.0]))
CASES = [("ct_1", None), ("mr_1", 1)]


def put(folder, *names):
    for name in names:
        (folder / name).touch()
    return folder


def save(path, data, like=GRID):
    nifti.write(path, np.asarray(data), like)
    return path


@pytest.mark.parametrize("second", ["mr_1.nii", "mr_1_echo1.nii.gz"])
def test_finds_one_mask_for_each_case(tmp_path, second):
    put(tmp_path, "ct_1.nii.gz", second, "dataset.json", ".hidden.nii.gz")
    assert predictions.find(tmp_path, CASES) == {
        ("ct_1", None): tmp_path / "ct_1.nii.gz",
        ("mr_1", 1): tmp_path / second,
    }


def test_every_echo_has_its_own_name(tmp_path):
    cases = [("mr_1", echo) for echo in (1, 2, 3)]
    put(tmp_path, "mr_1.nii.gz", "mr_1_echo2.nii.gz", "mr_1_echo3.nii.gz")
    found = predictions.find(tmp_path, cases)
    assert [found[case].name for case in cases[1:]] == ["mr_1_echo2.nii.gz", "mr_1_echo3.nii.gz"]
    assert predictions.name(cases[1]) == "mr_1_echo2"


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (
            ["ct_1.nii", "ct_1.nii.gz", "mr_1.nii"],
            "two masks for one case: ct_1.nii and ct_1.nii.gz",
        ),
        (["ct_1.nii", "mr_1.nii", "mr_1_echo1.nii"], "two masks for one case"),
        (["ct_1.nii", "mr_1.nii", "ct_2.nii"], "no case of this evaluation is named ct_2.nii"),
        (["ct_1.nii", "mr_1.nii", "ct_1_echo1.nii"], "is named ct_1_echo1.nii"),
        (["ct_1.nii", "mr_1.nii", "mr_1_echo2.nii"], "is named mr_1_echo2.nii"),
        (["ct_1.nii"], "there is no mask for mr_1_echo1"),
        ([], "there is no mask for ct_1, mr_1_echo1"),
    ],
)
def test_refuses_what_does_not_match(tmp_path, names, fault):
    with pytest.raises(InputError, match=fault):
        predictions.find(put(tmp_path, *names), CASES)


def test_refuses_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        predictions.find(tmp_path / "masks", CASES)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_reads_zeros_and_ones_of_any_type(tmp_path, dtype):
    mask = np.arange(24).reshape(3, 4, 2) % 3 == 0
    path = save(tmp_path / "a.nii.gz", mask.astype(dtype))
    read = predictions.read_mask(path, GRID, "the image")
    assert read.dtype == bool
    np.testing.assert_array_equal(read, mask)


@pytest.mark.parametrize(
    ("value", "fault"),
    [(np.float32(0.4), "0.4"), (np.int16(5), "holds the labels 5,"), (np.int16(-1), "-1")],
)
def test_refuses_probabilities_and_foreign_labels(tmp_path, value, fault):
    data = np.ones((3, 4, 2), np.asarray(value).dtype)
    data[1, 2, 1] = value
    path = save(tmp_path / "a.nii", data)
    with pytest.raises(InputError, match=fault) as refused:
        predictions.read_mask(path, GRID, "the image")
    assert str(path) in str(refused.value)


def test_refuses_another_grid(tmp_path):
    shifted = geometry.Volume(GRID.data, GRID.affine + np.eye(4, k=3) * 2)
    path = save(tmp_path / "a.nii", np.ones((3, 4, 2), np.uint8), shifted)
    with pytest.raises(InputError, match="another grid than the image"):
        predictions.read_mask(path, GRID, "the image")


def test_names_five_and_counts_the_rest():
    assert predictions.some(range(5)) == "0, 1, 2, 3, 4"
    assert predictions.some("abcdefg") == "a, b, c, d, e and 2 more"
