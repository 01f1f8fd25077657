import numpy as np
import pytest

from liver_jax.cohort import manifest
from liver_jax.data import label_slices, preprocess, slices
from liver_jax.errors import InputError
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

SETTINGS = preprocess.Settings(16, 4.0, -160.0, 240.0, 0.5, 99.5)


@pytest.fixture
def exam(tmp_path):
    """A label map of 40 x 30 x 6 voxels of 2 x 2 x 3 mm, stored as LPS."""

    def write(data):
        path = tmp_path / "labels.nii.gz"
        affine = np.diag([-2.0, -2.0, 3.0, 1.0])
        nifti.write(path, data, Volume(data, affine))
        return manifest.Exam(
            exam_id="a",
            subject_id="a",
            modality="MR",
            technique="procedural",
            split="train",
            images=(path,),
            mask=path,
            liver_labels=tuple(map(int, LIVER_TISSUES)),
        )

    return write


def body():
    labels = np.zeros((40, 30, 6), np.uint8)
    labels[2:-2, 2:-2] = Tissue.MUSCLE
    labels[5:13, 8:22, 1:4] = Tissue.LIVER  # the patient's right: the first axis runs to the right
    return labels


def test_labels_stay_labels_on_a_grid_twice_as_fine(exam):
    found, pixel_mm = label_slices.labels_of(exam(body()), SETTINGS)
    assert found.shape == (6, 32, 32) and found.dtype == np.uint8
    assert pixel_mm == pytest.approx(5.0, abs=0.2)  # 80 mm of body on 16 pixels
    assert set(np.unique(found)) <= {Tissue.AIR, Tissue.MUSCLE, Tissue.LIVER}
    assert [int((plane == Tissue.LIVER).any()) for plane in found] == [0, 1, 1, 1, 0, 0]
    area = (found[2] == Tissue.LIVER).sum() * (pixel_mm / 2) ** 2
    assert area == pytest.approx(8 * 14 * 4, rel=0.15)


def test_they_lie_where_the_images_lie(exam):
    """Half a pixel or more of liver is where the preprocessing puts the mask."""
    one = exam(body())
    found, _ = label_slices.labels_of(one, SETTINGS)
    fine = (found == Tissue.LIVER).reshape(6, 16, 2, 16, 2).mean(axis=(2, 4))
    image = manifest.load_image(one)
    seen = Volume((image.data > 0).astype(np.float32), image.affine)
    placement = preprocess.place(seen, "MR", SETTINGS)
    mask = preprocess.mask_slices(manifest.load_mask(one), placement)
    assert ((fine >= 0.5) == mask).mean() > 0.98


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda labels: labels.astype(np.float32) / 2, "no label map of tissues"),
        (lambda labels: labels + 40, "no label map of tissues"),
        (lambda labels: np.minimum(labels, Tissue.MUSCLE), "no liver"),
    ],
)
def test_what_is_no_label_map_is_refused(exam, change, fault):
    with pytest.raises(InputError, match=fault):
        label_slices.labels_of(exam(change(body())), SETTINGS)


def test_records_hold_them_beside_those_of_images(exam, tmp_path):
    one = exam(body())
    store = slices.open_or_build([one], SETTINGS, tmp_path / "cache", from_labels=True)
    (entry,) = store.index
    assert (entry.slice_count, entry.echo_count, entry.liver_slices) == (6, 1, (1, 2, 3))
    found, _ = label_slices.labels_of(one, SETTINGS)
    for number, plane in enumerate(found):
        np.testing.assert_array_equal(store.source[number]["labels"], plane)
    images = slices.open_or_build([one], SETTINGS, tmp_path / "cache")
    assert images.source[0]["image"].shape == (1, 16, 16)
