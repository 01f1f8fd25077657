"""The cohort on disk: complete, readable, reproducible to the byte, resumable."""

import collections
import json
import shutil

import numpy as np
import pytest

from liver_jax import files
from liver_jax.cohort import check, manifest
from liver_jax.errors import InputError
from liver_jax.phantom import cohort
from liver_jax.volume import geometry, nifti, reader


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    output = tmp_path_factory.mktemp("cohort") / "tiny"
    return cohort.write(output, "tiny", seed=4, workers=1, progress=False)


@pytest.fixture(scope="module")
def exams(written):
    return manifest.read(written)


def _hashes(folder):
    return {
        str(path.relative_to(folder)): files.sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_it_has_the_promised_examinations(exams):
    counts = collections.Counter((e.technique, e.split) for e in exams)
    assert counts == {
        ("spgr2d", "train"): 4,
        ("ct", "train"): 2,
        ("hbp_t1w", "train"): 2,
        ("spgr2d", "validation"): 1,
        ("ct", "validation"): 1,
        ("hbp_t1w", "validation"): 1,
        ("spgr2d", "test"): 2,
        ("spgr3d", "test"): 1,
        ("ct", "test"): 2,
        ("hbp_t1w", "test"): 2,
    }
    assert {e.contrast_phase for e in exams if e.technique == "ct"} == {
        "portal_venous",
        "unenhanced",
    }


def test_no_subject_is_in_two_splits_and_3d_patients_have_2d_too(exams):
    splits = collections.defaultdict(set)
    for exam in exams:
        splits[exam.subject_id].add(exam.split)
    assert all(len(found) == 1 for found in splits.values())
    two_d = {e.subject_id for e in exams if e.technique == "spgr2d"}
    assert {e.subject_id for e in exams if e.technique == "spgr3d"} <= two_d


def test_every_examination_reads_back_with_a_whole_liver_of_its_volume(exams):
    for exam in exams:
        image, mask = manifest.load_image(exam), manifest.load_mask(exam)
        assert image.echo_count == (6 if exam.technique.startswith("spgr") else 1)
        assert len(exam.te_ms) == (0 if exam.modality == "CT" else image.echo_count)
        truth = nifti.read_labels(exam.truth_mask)
        for axis in range(3):
            assert not truth.data.take([0, -1], axis=axis).any()
        volume_ml = truth.data.sum() * truth.voxel_volume_ml
        assert volume_ml == pytest.approx(float(exam.extra["true_volume_ml"]), rel=0.03)
        for beside in (exam.vessel_mask, exam.lesion_mask):
            inside = nifti.read_labels(beside).data > 0
            assert not (inside & (truth.data == 0)).any()
        assert mask.data.any()


def test_two_readers_err_and_differ(exams):
    for exam in exams:
        truth = nifti.read_labels(exam.truth_mask).data > 0
        readers = [manifest.load_mask(exam).data, nifti.read_labels(exam.reader2_mask).data > 0]
        assert (readers[0] != readers[1]).any()
        for drawn in readers:
            dice = 2 * (drawn & truth).sum() / (drawn.sum() + truth.sum())
            assert 0.85 < dice < 1


def test_label_maps_lie_beside_with_their_names(written, exams):
    lines = (written.parent / "label_map.tsv").read_text().splitlines()
    names = dict(line.split("\t") for line in lines[1:])
    for exam in exams:
        labels = nifti.read_labels(exam.truth_mask.parent / "label_map.nii.gz")
        assert {str(value) for value in np.unique(labels.data)} <= set(names)
        truth = nifti.read_labels(exam.truth_mask).data > 0
        liver = np.isin(labels.data, [int(v) for v, n in names.items() if n == "liver"])
        assert liver.sum() > 0.8 * truth.sum()


def test_3d_spgr_is_complex_and_2d_is_magnitude(exams):
    for exam in exams:
        assert bool(exam.phase_images) == (exam.technique == "spgr3d")
        if not exam.phase_images:
            continue
        assert exam.precession in ("clockwise", "counterclockwise")
        phase = reader.read(exam.phase_images).volume
        assert phase.echo_count == 6
        largest = {"radian": np.pi, "scanner": 4096}[exam.phase_unit]
        assert 0.5 * largest < np.abs(phase.data).max() <= largest


def test_the_whole_cohort_passes_its_own_check(written):
    assert not check.check(written).faults


def test_the_liver_is_on_the_right_whatever_the_axes(exams):
    codes = set()
    for exam in exams:
        mask = manifest.load_mask(exam)
        codes.add(mask.axis_codes)
        canonical = geometry.to_canonical(mask)
        x = np.argwhere(canonical.data)[:, 0].mean()
        assert x > 0.52 * canonical.grid_shape[0]
    assert len(codes) > 1


def test_pdff_maps_are_in_percent_near_the_truth_in_either_unit(exams):
    units = set()
    for exam in exams:
        pdff = manifest.load_pdff_percent(exam)
        if exam.technique in ("ct", "hbp_t1w"):
            assert pdff is None
            continue
        units.add(exam.pdff_unit)
        inside = pdff.data[nifti.read_labels(exam.truth_mask).data > 0]
        # The median: voxels at the border hold a part of the fat around the liver.
        assert np.median(inside) == pytest.approx(float(exam.extra["true_pdff_percent"]), abs=3)
        assert inside.min() >= 0
        assert inside.max() <= 100
        for name in ("true_pdff_map", "true_r2star_map", "true_field_map"):
            nifti.read_image(exam.pdff_map.parent / f"{name}.nii.gz")
    assert units == {"percent", "permille"}


@pytest.mark.slow
def test_another_number_of_processes_writes_the_same_bytes(written, tmp_path):
    again = cohort.write(tmp_path / "tiny", "tiny", seed=4, workers=2, progress=False)
    assert _hashes(again.parent) == _hashes(written.parent)


def test_a_run_goes_on_where_it_stopped(written, tmp_path):
    output = tmp_path / "tiny"
    shutil.copytree(written.parent, output)
    expected = _hashes(output)
    removed = output / "exams" / "P0002-spgr2d"
    shutil.rmtree(removed)
    (output / "exams" / "P0005-ct" / "mask.nii.gz").unlink()
    (output / "manifest.csv").unlink()
    (output / "exams" / ".partial-P0002-spgr2d-abc").mkdir()
    kept = output / "exams" / "P0000-spgr2d" / "mask.nii.gz"
    before = kept.stat().st_mtime_ns
    cohort.write(output, "tiny", seed=4, workers=1, progress=False)
    assert _hashes(output) == expected
    assert kept.stat().st_mtime_ns == before
    assert not list(output.glob("exams/.partial-*"))


@pytest.mark.parametrize(("size", "seed"), [("tiny", 5), ("demo", 4)])
def test_a_folder_with_another_cohort_is_refused(written, size, seed):
    with pytest.raises(InputError, match="another phantom cohort"):
        cohort.write(written.parent, size, seed=seed, workers=1, progress=False)


def test_a_folder_with_a_manifest_of_ones_own_is_refused(tmp_path):
    (tmp_path / "manifest.csv").write_text("exam_id\n")
    with pytest.raises(InputError, match="not a phantom's"):
        cohort.write(tmp_path, "tiny", seed=0, workers=1, progress=False)
    assert not (tmp_path / "phantom.json").exists()


def test_bad_arguments_leave_nothing_behind(tmp_path):
    with pytest.raises(InputError, match="negative"):
        cohort.write(tmp_path / "new", "tiny", seed=-1, workers=1, progress=False)
    assert not (tmp_path / "new").exists()


def test_an_output_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        cohort.write(tmp_path / "file", "tiny", seed=0, workers=1, progress=False)


def test_the_record_names_the_seed(written):
    record = json.loads((written.parent / "phantom.json").read_text())
    assert (record["size"], record["seed"]) == ("tiny", 4)


def test_other_counts_and_the_description_of_what_was_drawn(tmp_path):
    path = cohort.write(
        tmp_path / "few", "tiny", 1, 1, False, counts="ct:unenhanced/test/external=2"
    )
    exams = manifest.read(path)
    assert [(e.technique, e.contrast_phase, e.cohort, e.site) for e in exams] == [
        ("ct", "unenhanced", "external", "registry")
    ] * 2
    volumes = [float(e.extra["true_volume_ml"]) for e in exams]
    line = cohort.describe(exams).splitlines()[1]
    assert line.split()[:3] == ["ct", "external", "2"]
    assert f"{np.mean(volumes):.0f} +/- {np.std(volumes, ddof=1):.0f}" in line
    with pytest.raises(InputError, match="another phantom cohort"):
        cohort.write(tmp_path / "few", "tiny", 1, 1, False)
