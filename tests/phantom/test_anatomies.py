import numpy as np
import pytest

from liver_jax.cohort import check, manifest
from liver_jax.errors import InputError
from liver_jax.phantom import anatomies
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue
from liver_jax.volume import nifti


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return anatomies.write(tmp_path_factory.mktemp("maps"), "procedural=2", 5, 1, False)


def test_each_is_a_body_with_a_liver(cohort):
    exams = manifest.read(cohort)
    assert [exam.exam_id for exam in exams] == ["procedural_00000", "procedural_00001"]
    assert not check.check(str(cohort), progress=False).faults
    volumes_ml = []
    for exam in exams:
        labels = nifti.read_labels(exam.images[0])
        assert exam.technique == anatomies.PROCEDURAL and exam.extra["anatomy"] == "procedural"
        assert set(np.unique(labels.data)) <= set(map(int, Tissue))
        # Air on all sides, and none above or below: the body goes on.
        assert not labels.data[[0, -1]].any() and not labels.data[:, [0, -1]].any()
        liver = np.isin(labels.data, LIVER_TISSUES)
        assert not liver[..., 0].any()
        assert (labels.data == Tissue.LIVER_VESSEL).any()
        volumes_ml.append(liver.sum() * labels.spacing_mm.prod() / 1000)
        assert 500 < volumes_ml[-1] < 5400
    assert volumes_ml[0] != volumes_ml[1]


def test_what_is_missing_is_drawn_again_and_the_same(cohort):
    exams = manifest.read(cohort)
    before = [nifti.read_labels(exam.images[0]).data for exam in exams]
    kept = exams[0].images[0].stat().st_mtime_ns
    exams[1].images[0].unlink()
    assert anatomies.write(cohort.parent, "procedural=2", 5, 1, False) == cohort
    after = [nifti.read_labels(exam.images[0]).data for exam in exams]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert exams[0].images[0].stat().st_mtime_ns == kept


@pytest.mark.parametrize(
    ("counts", "fault"),
    [
        ("procedural", "is not source=n"),
        ("procedural=1,procedural=2", "each source once"),
        ("invented=3", "is not source=n"),
        ("real_shape=3", "no label maps are given"),
    ],
)
def test_counts_that_cannot_be_are_refused(tmp_path, counts, fault):
    with pytest.raises(InputError, match=fault):
        anatomies.write(tmp_path, counts, 0, 1, False)
    assert not list(tmp_path.iterdir())


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(InputError, match="seed=-1: is negative"):
        anatomies.write(tmp_path, "procedural=1", -1, 1, False)
    assert not list(tmp_path.iterdir())


def test_another_seed_needs_another_folder(cohort, tmp_path):
    with pytest.raises(InputError, match="another seed"):
        anatomies.write(cohort.parent, "procedural=2", 6, 1, False)
    (tmp_path / "manifest.csv").touch()
    with pytest.raises(InputError, match=r"holds another manifest\.csv"):
        anatomies.write(tmp_path, "procedural=1", 0, 1, False)
