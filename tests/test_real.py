"""Real scans beside phantom rows: check, stage 2, evaluation, masks on the scans' own grids."""

import json
import os
import pathlib
import subprocess
import sys

import nibabel
import numpy as np
import pytest

from benchmarks import zero_shot
from liver_jax.cohort import manifest
from liver_jax.inference.predictor import Predictor
from liver_jax.phantom import cohort as phantom

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPLITS = {"01": "train", "02": "train", "03": "validation", "05": "test", "08": "test"}
STEPS = 120


def program(name, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", f"liver_jax.{name}", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def real_rows(folder):
    """The five T2-SPIR examinations with manual masks, and the CT (labelled by a tool) to train."""
    exams = [
        manifest.Exam(
            exam_id=f"chaos{number}",
            subject_id=f"chaos{number}",
            modality="MR",
            technique="t2spir",
            split=split,
            images=(folder / "mr_t2spir" / f"chaos{number}_image.nii.gz",),
            mask=folder / "mr_t2spir" / f"chaos{number}_label.nii.gz",
            liver_labels=(1,),
        )
        for number, split in SPLITS.items()
    ]
    native = manifest.Exam(
        exam_id="ct_native",
        subject_id="ct_native",
        modality="CT",
        technique="ct",
        contrast_phase="unenhanced",
        split="train",
        images=(folder / "ct_native" / "ct.nii.gz",),
        mask=folder / "ct_native" / "labels.nii.gz",
        liver_labels=(5,),
    )
    return [*exams, native]


@pytest.mark.real
@pytest.mark.slow
def test_real_scans_beside_phantoms_from_manifest_to_masks(real_data, tmp_path):
    phantoms = phantom.write(tmp_path / "phantom", "tiny", 0, 1, False)
    rows = tmp_path / "real.csv"
    manifest.write(rows, real_rows(real_data))
    assert "0 faults" in program("prepare", f"--check={rows}")
    program(
        "main",
        "--config=configs/stage2.py:demo",
        f"--workdir={tmp_path / 'run'}",
        "--config.init.checkpoint=none",
        f"--config.data.manifests={phantoms},{rows}",
        f"--config.data.cache={tmp_path / 'slices'}",
        "--config.data.train_subjects=spgr2d=2,ct=3,hbp_t1w=2,t2spir=2",
        "--config.data.weights=spgr2d=1,ct=1,hbp_t1w=1,t2spir=5",
        f"--config.train.steps={STEPS}",
        f"--config.train.validate_every_steps={STEPS}",
    )
    output = tmp_path / "eval"
    program(
        "evaluate", f"--manifest={rows}", f"--checkpoint={tmp_path / 'run'}", f"--output={output}"
    )
    cases = json.loads((output / "metrics.json").read_text())["cases"]
    assert [case["exam_id"] for case in cases] == ["chaos05", "chaos08"]
    for case in cases:
        assert case["status"] == "ok"
        # Two training examinations and a minute: no more than that the liver is found.
        assert case["dice"] > 0.4
        image = nibabel.load(real_data / "mr_t2spir" / f"{case['exam_id']}_image.nii.gz")
        mask = nibabel.load(output / case["mask_file"])
        assert mask.shape == image.shape
        np.testing.assert_allclose(mask.affine, image.affine, atol=1e-5)
        volume_ml = np.asarray(mask.dataobj).sum() * np.prod(image.header.get_zooms()) / 1000
        assert case["volume_ml_auto"] == pytest.approx(volume_ml, rel=1e-4)


@pytest.mark.real
@pytest.mark.slow
def test_the_weights_that_come_along_find_livers_they_never_saw(real_data):
    """The floors; what is reached is in the model card."""
    predictor = Predictor.from_checkpoint("builtin")
    dice, below_ml = {}, {}
    for case in zero_shot.real_cases(real_data):
        mask, _ = zero_shot.found(predictor, case)
        figures = zero_shot.figures(case, mask)
        dice.setdefault(case.group, []).append(figures["dice"])
        below_ml[case.name] = figures["volume_ml_below_liver"]
    assert dice["ct_dicom"][0] > 0.92
    assert len(dice["mr_t2spir"]) == 5
    assert min(dice["mr_t2spir"]) > 0.6 and np.mean(dice["mr_t2spir"]) > 0.78
    assert below_ml["ct_native"] < 10
