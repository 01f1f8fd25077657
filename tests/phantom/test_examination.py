"""One examination: as planned, cut where asked, the same bytes whatever the threads."""

import collections
import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from liver_jax import files
from liver_jax.phantom import design, examination
from liver_jax.volume import nifti

ROOT = pathlib.Path(__file__).resolve().parents[2]


def planned(monkeypatch, counts, seed=0, **changes):
    """Plans of a size that is as `tiny` but for some changes."""
    monkeypatch.setitem(design.SIZES, "other", dataclasses.replace(design.SIZES["tiny"], **changes))
    return design.plans("other", seed, counts)


def facts(folder):
    return json.loads((folder / "exam.json").read_text())


def test_a_cut_field_of_view_is_cut_and_says_so(monkeypatch, tmp_path):
    ends, lost = collections.Counter(), []
    for plan in planned(monkeypatch, "ct/test=6", seed=2, cut_share=1.0):
        folder = tmp_path / plan.exam_id
        examination.write(folder, plan)
        assert facts(folder)["extra"]["liver_cut"] == "yes"
        truth = nifti.read_labels(folder / "truth_mask.nii.gz")
        volume_ml = (truth.data > 0).sum() * truth.voxel_volume_ml
        lost.append(1 - volume_ml / float(facts(folder)["extra"]["true_volume_ml"]))
        head_up = truth.affine[2, 2] > 0
        top = (truth.data[..., -1 if head_up else 0] > 0).any()
        ends["top" if top else "bottom"] += 1
    assert set(ends) == {"top", "bottom"}
    assert min(lost) > -0.01 and max(lost) > 0.03


def test_motion_comes_in_the_shares_asked_for(monkeypatch, tmp_path):
    for motion, grade in (((1.0, 0, 0), "1"), ((0, 1.0, 0), "2"), ((0, 0, 1.0), "3")):
        (plan,) = planned(monkeypatch, "hbp_t1w/test=1", motion=motion)
        examination.write(tmp_path / grade, plan)
        assert facts(tmp_path / grade)["extra"]["motion"] == grade


@pytest.mark.parametrize(
    ("counts", "fields"),
    [
        ("spgr2d/test=1", {3.0}),
        ("spgr3d/test=1", {3.0}),
        ("hbp_t1w/test/external=1", {1.5}),
        ("hbp_t1w/test=30", {1.5, 3.0}),
        ("spgr2d/train=30", {1.5, 3.0}),
    ],
)
def test_field_strengths_are_the_papers(counts, fields):
    plans = design.plans("tiny", 0, counts)
    found = {examination.field_strength_t(p, p.exam_generator()) for p in plans}
    assert found == fields


def test_only_external_mr_is_oblique(tmp_path):
    counts = "spgr2d/test=1,spgr2d/test/external=1,ct/test/external=1"
    angles = []
    for plan in design.plans("tiny", 5, counts):
        examination.write(tmp_path / plan.exam_id, plan)
        mask = nifti.read_labels(tmp_path / plan.exam_id / "mask.nii.gz")
        axes = np.abs(mask.affine[:3, :3] / mask.spacing_mm)
        angles.append(np.degrees(np.arccos(np.clip(axes.max(axis=0).min(), 0, 1))))
    assert angles[0] == pytest.approx(0, abs=0.1) and angles[2] == pytest.approx(0, abs=0.1)
    assert 0.5 < angles[1] < 12


WRITE = """
import pathlib, sys
from liver_jax.phantom import design, examination
(plan,) = design.plans("tiny", 3, "spgr2d/test=1")
examination.write(pathlib.Path(sys.argv[1]), plan, threads=int(sys.argv[2]))
"""


def test_threads_of_any_kind_change_no_byte(tmp_path):
    found = []
    for threads in ("1", "2"):
        folder = tmp_path / threads
        subprocess.run(
            [sys.executable, "-c", WRITE, str(folder), threads],
            check=True,
            cwd=ROOT,
            env=os.environ | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
        )
        found.append({path.name: files.sha256(path) for path in folder.iterdir()})
    assert found[0] == found[1]
