"""configs/public.py from downloads in miniature to metrics.json, with the docstring's commands."""

import json
import pathlib
import time

import numpy as np
import pytest

from liver_jax.cohort import manifest

ROOT = pathlib.Path(__file__).resolve().parents[3]
SMALL = {
    "data.size": 32,
    "data.spacing_mm": 12.0,
    "model.base_features": 4,
    "model.depth": 2,
    "optimizer.warmup_steps": 2,
    "train.batch_size": 4,
    "train.steps": 6,
    "train.validate_every_steps": 6,
    "train.checkpoint_every_steps": 6,
}


@pytest.fixture
def downloads(people, write_dicom, write_png, write_nifti, tmp_path):
    """CHAOS, ATLAS and LiTS of a few people each, as far as the commands need them."""
    root = tmp_path / "downloads"
    for number, body in enumerate(people("spgr2d", 4), 1):
        folder = root / "chaos_mr" / "Train_Sets" / "MR" / str(number) / "T1DUAL"
        for echo, phase in enumerate(("OutPhase", "InPhase")):
            names = [f"IMG-{2 * z + echo:05d}.dcm" for z in range(body.image.shape[2])]
            options = {"modality": "MR", "te_ms": [2.3 * (echo + 1)]}
            place = folder / "DICOM_anon" / phase
            write_dicom(place, body.echoes[echo], body.affine, names, **options)
        for z, name in enumerate(names):
            picture = folder / "Ground" / name.replace("dcm", "png")
            write_png(picture, body.labels(liver=63)[..., z])
    for number, body in enumerate(people("hbp_t1w", 4)):
        folder = root / "atlas" / "atlas-train-dataset-1.0.1" / "train"
        write_nifti(folder / "imagesTr" / f"im{number}.nii.gz", body.image, body.affine)
        labels = body.labels(liver=1, tumour=2)
        write_nifti(folder / "labelsTr" / f"lb{number}.nii.gz", labels, body.affine, np.uint8)
    for number, body in enumerate(people("ct", 6)):
        if number < 4:
            folder = root / "chaos_ct" / "Train_Sets" / "CT" / str(number + 1)
            names = [f"i{z:04d},0000b.dcm" for z in range(body.image.shape[2])]
            write_dicom(folder / "DICOM_anon", body.image, body.affine, names)
            for z in range(len(names)):
                picture = folder / "Ground" / f"liver_GT_{z:03d}.png"
                write_png(picture, 255 * body.liver[..., z])
        else:
            folder = root / "lits" / "Training Batch 2"
            write_nifti(folder / f"volume-{number}.nii", body.image, body.affine)
            labels = body.labels(liver=1, tumour=2)
            write_nifti(folder / f"segmentation-{number}.nii", labels, body.affine, np.uint8)
    return root


@pytest.mark.slow
def test_from_the_downloads_to_the_figures(run, downloads, tmp_path):
    data = tmp_path / "data"

    def succeed(name, *arguments):
        start = time.perf_counter()
        code, _, err = run(name, *arguments)
        print(name, time.perf_counter() - start)
        assert code == 0, err

    for cohort in ("chaos_mr", "chaos_ct", "atlas", "lits"):
        split = ("--split=test",) if cohort == "lits" else ()
        places = (f"--source={downloads / cohort}", f"--output={data / cohort}")
        succeed("prepare", f"--cohort={cohort}", *places, *split)
        if not split:
            assign = f"--assign_splits={data / cohort / 'manifest.csv'}"
            succeed("prepare", assign, f"--output={data / cohort / 'split.csv'}")

    def train(stage, cohorts, subjects, initial):
        fields = SMALL | {
            "data.manifests": ",".join(str(data / name / "split.csv") for name in cohorts),
            "data.cache": tmp_path / "slices",
            "data.train_subjects": subjects,
            "init.checkpoint": initial,
        }
        succeed(
            "main",
            f"--config={ROOT / 'configs' / 'public.py'}:stage={stage},size=demo",
            f"--workdir={tmp_path / f'stage{stage}'}",
            *(f"--config.{name}={value}" for name, value in fields.items()),
        )

    train(1, ["chaos_mr"], "t1dual=2", "none")
    cohorts = ["chaos_mr", "chaos_ct", "atlas"]
    train(2, cohorts, "t1dual=2,ct=2,ce_t1w=2", tmp_path / "stage1")
    manifests = [data / name / "split.csv" for name in cohorts] + [data / "lits" / "manifest.csv"]
    succeed(
        "evaluate",
        f"--manifest={','.join(map(str, manifests))}",
        f"--checkpoint={tmp_path / 'stage2'}",
        f"--baseline={tmp_path / 'stage1'}",
        *("--echoes=all", "--noreport", f"--output={tmp_path / 'eval'}"),
    )
    rows = json.loads((tmp_path / "eval" / "metrics.json").read_text())["cases"]
    assert {row["status"] for row in rows} <= {"ok", "empty"}
    tested = {(row["cohort"], row["technique"]) for row in rows}
    assert tested == {
        *(("chaos_mr", "t1dual"), ("chaos_ct", "ct"), ("atlas", "ce_t1w"), ("lits", "ct"))
    }
    lits = manifest.read(data / "lits" / "manifest.csv")
    assert {row["exam_id"] for row in rows if row["cohort"] == "lits"} == {e.exam_id for e in lits}
    assert {row["te_ms"] for row in rows if row["technique"] == "t1dual"} == {2.3, 4.6}
