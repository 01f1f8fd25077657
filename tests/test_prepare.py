"""The program prepare: what it prints, and what it refuses in one line."""

import pathlib

import numpy as np
import pytest
from absl import flags

from liver_jax import prepare
from liver_jax.cohort import manifest
from liver_jax.errors import InputError
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume


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
def test_bad_arguments_are_refused_and_leave_nothing(tmp_path, arguments, fault):
    with pytest.raises(InputError, match=fault):
        in_process("--cohort=phantom", f"--output={tmp_path / 'new'}", "--workers=1", *arguments)
    assert not (tmp_path / "new").exists()


def test_a_folder_without_tables_of_names_is_refused(tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "s1.nii.gz").write_bytes(b"")
    with pytest.raises(InputError, match="no label map with a table of names"):
        in_process(
            *("--cohort=phantom", f"--output={tmp_path / 'new'}"), f"--anatomies={tmp_path}/maps"
        )


def write_lits(folder, *numbers):
    """LiTS of a few tiny cases."""
    affine = np.diag([3.0, 3.0, 5.0, 1.0])
    for number in numbers:
        image = np.random.default_rng(number).integers(-100, 200, (9, 8, 5)).astype(np.int16)
        mask = (np.indices(image.shape).sum(0) < 6).astype(np.uint8)
        for name, data in (("volume", image), ("segmentation", mask)):
            path = folder / "Training Batch 1" / f"{name}-{number}.nii"
            path.parent.mkdir(parents=True, exist_ok=True)
            nifti.write(path, data, Volume(data, affine))


def test_a_download_becomes_a_cohort_and_its_folds(run, capsys, tmp_path):
    write_lits(tmp_path / "LiTS", *range(6))
    (tmp_path / "LiTS" / "Training Batch 1" / "segmentation-4.nii").unlink()
    arguments = ("--cohort=lits", f"--source={tmp_path / 'LiTS'}", f"--output={tmp_path / 'lits'}")
    code, out, err = run("prepare", *arguments)
    assert code == 0, err
    assert "5 examinations of 5 subjects (the whole download has 131)" in out
    assert "1: there is no mask for its image: 4" in out
    path = tmp_path / "lits" / "manifest.csv"
    assert len(manifest.read(path)) == 5
    folds = f"--output={tmp_path / 'folds'}"
    in_process(f"--assign_splits={path}", "--folds=5", folds)
    assert "3 train, 1 validation, 1 test (subjects)" in capsys.readouterr().out
    exams = manifest.read(tmp_path / "folds" / "fold5.csv")
    assert exams[0].images[0].samefile(tmp_path / "LiTS" / "Training Batch 1" / "volume-0.nii")
    target = tmp_path / "as_fold1.csv"
    splits = f"--splits={tmp_path / 'folds' / 'fold1.csv'}"
    in_process(f"--assign_splits={path}", splits, f"--output={target}")
    assert [e.split for e in manifest.read(target)] == [
        e.split for e in manifest.read(tmp_path / "folds" / "fold1.csv")
    ]


def in_process(*arguments):
    """Does what the program does, without the start of a process."""
    values = flags.FlagValues()
    prepare.define_flags(values)
    values(["prepare", *arguments])
    return prepare.main(values)


def test_a_download_may_have_a_comma_in_its_name(capsys, tmp_path):
    write_lits(tmp_path / "Doe, J", 0)
    in_process("--cohort=lits", f"--source={tmp_path / 'Doe, J'}", f"--output={tmp_path / 'out'}")
    assert "1 examination of 1 subject" in capsys.readouterr().out


def test_the_cohorts_are_listed(capsys):
    in_process("--cohort=help")
    out = capsys.readouterr().out
    for name in ("lits", "chaos_mr", "nnunet", "bids", "folders"):
        assert f"\n{name} " in out


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--cohort=lits", "--source=LiTS"), "--output: it is missing"),
        (("--cohort=lits", "--output=new"), "--source: it is missing"),
        (("--cohort=lits", "--output=new", "--source=absent"), "no such file or folder"),
        (("--cohort=chaos", "--output=new"), "--cohort=help"),
        (("--cohort=atlas", "--output=new", "--source=LiTS"), "It looks like --cohort=lits"),
        (("--cohort=folders", "--output=new", "--images=LiTS", "--masks=LiTS"), "--modality"),
        (("--cohort=nnunet", "--output=new", "--source=LiTS"), "dataset.json"),
        (("--cohort=bids", "--output=new", "--source=LiTS", "--liver_labels=x"), "--liver_labels"),
    ],
)
def test_what_is_no_download_is_refused(tmp_path, arguments, fault):
    write_lits(tmp_path / "LiTS", 0)
    given = [part.replace("=LiTS", f"={tmp_path / 'LiTS'}") for part in arguments]
    given = [part.replace("=new", f"={tmp_path / 'new'}") for part in given]
    with pytest.raises(InputError, match=fault):
        in_process(*given)
    assert not (tmp_path / "new" / "manifest.csv").exists()


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
