"""The program prepare: what it prints, and what it refuses in one line."""

import pathlib

import numpy as np
import pytest

from liver_jax.cohort import manifest
from liver_jax.volume import nifti


def test_a_small_cohort_is_written_described_and_shown(run, tmp_path):
    code, out, err = run(
        "prepare",
        *("--cohort=phantom", "--size=tiny", "--counts=ct/test=1,spgr2d/test/external=1"),
        *(f"--output={tmp_path / 'few'}", "--seed=3", "--workers=1"),
    )
    assert code == 0, err
    exams = manifest.read(tmp_path / "few" / "manifest.csv")
    assert [exam.technique for exam in exams] == ["ct", "spgr2d"]
    for exam in exams:
        assert f"{float(exam.extra['true_volume_ml']):.0f}" in out
    assert out.strip().endswith("2 examinations")
    code, out, err = run(
        "prepare", f"--gallery={exams[0].manifest}", f"--output={tmp_path / 'pictures'}"
    )
    assert code == 0, err
    page = pathlib.Path(out.strip())
    assert page.read_text().count("<img") == 2


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--counts=spgr2d=3",), "technique/split=n"),
        (("--counts=ct:arterial/train=1",), "no such contrast phase"),
        (("--size=huge",), "is unknown"),
        (("--anatomies=absent",), "is not a folder"),
        (("--seed=-1",), "negative"),
    ],
)
def test_bad_arguments_get_one_line_and_leave_nothing(run, tmp_path, arguments, fault):
    code, _, err = run(
        "prepare", "--cohort=phantom", f"--output={tmp_path / 'new'}", "--workers=1", *arguments
    )
    assert code == 2
    assert fault in err and len(err.strip().splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_a_folder_without_tables_of_names_is_refused(run, tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "s1.nii.gz").write_bytes(b"")
    code, _, err = run(
        "prepare",
        "--cohort=phantom",
        f"--output={tmp_path / 'new'}",
        f"--anatomies={tmp_path}/maps",
    )
    assert code == 2 and "no label map with a table of names" in err


@pytest.mark.real
def test_a_real_label_map_becomes_a_cohort(run, real_data, tmp_path):
    code, _, err = run(
        "prepare",
        *("--cohort=phantom", "--size=tiny", "--counts=ct/test=1", f"--output={tmp_path / 'new'}"),
        *("--workers=1", f"--anatomies={real_data / 'ct_native'}"),
    )
    assert code == 0, err
    (exam,) = manifest.read(tmp_path / "new" / "manifest.csv")
    assert exam.extra["anatomy"] == "labels"
    # The map ends in the liver's dome, and so does every examination of it, by whole slices.
    assert exam.extra["liver_cut"] == "yes"
    truth = nifti.read_labels(exam.truth_mask)
    volume_ml = (truth.data > 0).sum() * truth.voxel_volume_ml
    assert 0.7 < volume_ml / float(exam.extra["true_volume_ml"]) < 1.01


@pytest.mark.real
def test_a_real_label_map_is_bent_and_kept_to_its_ends(run, real_data, tmp_path):
    code, out, err = run(
        "prepare",
        *("--cohort=anatomies", "--counts=real_shape=2", f"--output={tmp_path / 'new'}"),
        *("--workers=1", f"--anatomies={real_data / 'ct_native'}"),
    )
    assert code == 0 and "2 examinations" in out, err
    exams = manifest.read(tmp_path / "new" / "manifest.csv")
    assert [exam.extra["anatomy"] for exam in exams] == ["labels", "labels"]
    found = [nifti.read_labels(exam.images[0]) for exam in exams]
    livers = [np.isin(labels.data, exams[0].liver_labels) for labels in found]
    for labels, liver in zip(found, livers, strict=True):
        # The map reaches into the pelvis, 150 mm and more below the liver.
        lowest = np.flatnonzero(liver.any(axis=(0, 1)))[0]
        assert lowest * labels.spacing_mm[2] > 150
        assert labels.data[..., 0].any()
    assert livers[0].shape != livers[1].shape or (livers[0] != livers[1]).any()
