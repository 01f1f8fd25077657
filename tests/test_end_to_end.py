"""The whole way on a tiny phantom: cohort, stage 1, stage 2, evaluation, prediction."""

import json
import pathlib

import nibabel
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SMALL = {
    "data.size": 48,
    "data.spacing_mm": 8.0,
    "model.base_features": 4,
    "model.depth": 2,
    "optimizer.warmup_steps": 2,
    "train.batch_size": 4,
    "train.steps": 6,
    "train.validate_every_steps": 6,
    "train.checkpoint_every_steps": 6,
    "train.log_every_steps": 2,
}


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    """A phantom cohort and both stages."""
    folder = tmp_path_factory.mktemp("whole")
    cohort = ("--cohort=phantom", "--size=tiny", f"--output={folder / 'phantom'}", "--workers=1")
    succeed(run, "prepare", *cohort)
    train(run, folder, "stage1", "spgr2d=4")
    out = train(
        run, folder, "stage2", "spgr2d=2,ct=2,hbp_t1w=2", initial=folder / "stage1" / "latest"
    )
    assert "loaded" in out
    assert "reinitialised" in out
    return folder


def succeed(run, name, *arguments):
    code, out, err = run(name, *arguments)
    assert code == 0, err
    return out


def train(run, folder, stage, subjects, initial="none", name=None, **other):
    fields = SMALL | {
        "data.manifests": folder / "phantom" / "manifest.csv",
        "data.cache": folder / "slices",
        "data.train_subjects": subjects,
        "init.checkpoint": initial,
        **other,
    }
    return succeed(
        run,
        "main",
        f"--config={ROOT / 'configs' / stage}.py:demo",
        f"--workdir={folder / (name or stage)}",
        *(f"--config.{name}={value}" for name, value in fields.items()),
    )


def evaluation(folder, output):
    return (
        f"--manifest={folder / 'phantom' / 'manifest.csv'}",
        f"--checkpoint={folder / 'stage2'}",
        f"--baseline={folder / 'stage1'}",
        f"--output={output}",
    )


def test_stage_2_answers_for_what_stage_1_has_seen(folder):
    records = [
        json.loads((folder / stage / "run.json").read_text())["record"]
        for stage in ("stage1", "stage2")
    ]
    assert set(records[0]["train_subjects"]) < set(records[1]["train_subjects"])
    assert set(records[0]["train_image_sha256"]) < set(records[1]["train_image_sha256"])
    assert records[1]["initial"].startswith(str(folder / "stage1"))


def test_evaluation_writes_every_case_of_both_networks(run, folder, tmp_path):
    out = succeed(run, "evaluate", *evaluation(folder, tmp_path))
    for technique in ("spgr2d", "spgr3d", "ct", "hbp_t1w"):
        assert technique in out
    assert "phantoms" in out
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert {case["model"] for case in metrics["cases"]} == {"initial", "multimodal"}
    assert all(case["status"] in ("ok", "empty") for case in metrics["cases"])
    # Again: nothing is predicted anew, the figures are the same.
    masks = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nii.gz")}
    succeed(run, "evaluate", *evaluation(folder, tmp_path))
    assert masks == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nii.gz")}
    assert json.loads((tmp_path / "metrics.json").read_text())["cases"] == metrics["cases"]


def test_evaluation_refuses_examinations_that_were_trained_on(run, folder, tmp_path):
    code, _, err = run("evaluate", *evaluation(folder, tmp_path / "eval"), "--split=train")
    assert code == 2
    assert "trained on" in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "eval").exists()


def test_predict_writes_a_mask_on_the_scans_own_grid(run, folder, tmp_path):
    scan = next((folder / "phantom" / "exams").glob("*-ct/image.nii.gz"))
    arguments = (f"--input={scan}", "--modality=CT", f"--checkpoint={folder / 'stage2'}")
    code, _, err = run("predict", *arguments, f"--output={tmp_path}")
    # Six steps of training may well find no liver; that has a code of its own.
    assert code in (0, 3), err
    measured = json.loads((tmp_path / "measurements.json").read_text())
    assert measured["status"] == ("ok" if code == 0 else "empty")
    assert (measured["volume_ml"] is None) == (code == 3)
    image, mask = nibabel.load(scan), nibabel.load(tmp_path / "mask.nii.gz")
    assert mask.shape == image.shape
    np.testing.assert_array_equal(mask.affine, image.affine)
    assert np.count_nonzero(np.asarray(mask.dataobj)) == measured["mask_voxels"]


def test_the_network_that_comes_along_is_used_without_being_asked(run, folder, tmp_path):
    scan = next((folder / "phantom" / "exams").glob("*-ct/image.nii.gz"))
    succeed(run, "predict", f"--input={scan}", "--modality=CT", f"--output={tmp_path}")
    found, truth = (
        np.asarray(nibabel.load(path).dataobj) > 0
        for path in (tmp_path / "mask.nii.gz", scan.with_name("mask.nii.gz"))
    )
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.8
    assert "anycontrast" in json.loads((tmp_path / "measurements.json").read_text())["checkpoint"]


def test_a_stage_starts_from_the_network_that_comes_along(run, folder):
    its = {"model.base_features": 16, "model.depth": 4, "train.steps": 1}
    sets = "spgr2d=2,ct=2,hbp_t1w=2"
    out = train(run, folder, "stage2", sets, "builtin", "from_builtin", **its)
    assert "weights from" in out and "anycontrast" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["skipped", "0", "0"] in rows and ["reinitialised", "0", "0"] in rows
    record = json.loads((folder / "from_builtin" / "run.json").read_text())["record"]
    assert "anycontrast" in record["initial"]


def test_predict_refuses_what_it_cannot_read(run, folder, tmp_path):
    torn = tmp_path / "torn.nii.gz"
    torn.write_bytes(b"\x1f\x8b not a scan")
    arguments = ("--modality=MR", f"--checkpoint={folder / 'stage2'}", f"--output={tmp_path / 'o'}")
    code, _, err = run("predict", f"--input={torn}", *arguments)
    assert code == 2
    assert "torn.nii.gz" in err
    assert not (tmp_path / "o").exists()
