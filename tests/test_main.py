"""Training as a user runs it: resumed, killed, transferred, refused."""

import json
import pathlib
import re
import signal
import sys
import time

import numpy as np
import pytest
from absl import flags

from liver_jax import main
from liver_jax.checkpoint import naming, store
from liver_jax.cohort import manifest
from liver_jax.errors import InputError
from liver_jax.physics.tissues import Tissue
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

ROOT = pathlib.Path(__file__).resolve().parent.parent


def weights(workdir):
    model = store.read_model(store.resolve(pathlib.Path(workdir) / "latest"))
    return {name: leaf for name, leaf in naming.named(model).items()}


def assert_same_weights(first, second):
    first, second = weights(first), weights(second)
    assert first.keys() == second.keys()
    for name, leaf in first.items():
        np.testing.assert_array_equal(leaf, second[name], err_msg=name)


def last_line(text):
    return text.strip().splitlines()[-1]


def test_a_run_resumed_equals_one_that_was_not(program, run, small_run, tmp_path):
    code, out, err = run("main", *small_run("whole", steps=8))
    assert code == 0, err
    # The same config, stopped in the middle: the first part ends at a checkpoint by SIGKILL.
    killed = program("main", *small_run("parts", steps=8))
    wait_for_step(killed, tmp_path / "parts", 4)
    killed.kill()
    killed.wait()
    code, out, err = run("main", *small_run("parts", steps=8))
    assert code == 0, err
    assert "resuming" in out
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    lines = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "parts")
    ]
    for whole, parts in zip(*lines, strict=True):
        whole.pop("slices_per_s", None), parts.pop("slices_per_s", None)
        assert whole == parts
    # And once more: nothing is left to do.
    code, out, _ = run("main", *small_run("parts", steps=8))
    assert (code, "finished already" in out) == (0, True)


@pytest.fixture
def label_maps(tmp_path):
    """A manifest of two small label maps: a liver in a body, as `prepare --cohort=anatomies`."""
    affine = np.diag([8.0, 8.0, 10.0, 1.0])
    exams = []
    for number in range(2):
        x, y, z = np.mgrid[:36, :30, :5]
        body = ((x - 18) / 16) ** 2 + ((y - 15) / 12) ** 2 <= 1
        liver = ((x - 23) / 7) ** 2 + ((y - 15) / 6) ** 2 + (z - 2) ** 2 / 3 <= 1
        labels = np.where(liver, Tissue.LIVER, np.where(body, Tissue.MUSCLE, 0)).astype(np.uint8)
        path = tmp_path / f"labels_{number}.nii.gz"
        nifti.write(path, labels, Volume(labels, affine))
        exam = manifest.Exam(
            exam_id=f"map_{number}",
            subject_id=f"map_{number}",
            modality="MR",
            technique="procedural",
            split="train",
            images=(path,),
            mask=path,
            liver_labels=(int(Tissue.LIVER),),
        )
        exams.append(exam)
    manifest.write(tmp_path / "maps.csv", exams)
    return tmp_path / "maps.csv"


def test_a_run_on_label_maps_is_judged_on_images(run, small_run, blobs, label_maps, tmp_path):
    fields = {
        "data.manifests": f"{label_maps},{blobs}",
        "data.from_labels": True,
        "data.train_subjects": "procedural=2",
        "data.validation": "ct,spgr2d",
    }
    code, _, err = run("main", *small_run(**{k.replace(".", "__"): v for k, v in fields.items()}))
    assert code == 0, err
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    judged = [line["validation"] for line in lines if "validation" in line]
    assert len(judged) == 2 and all(set(found) == {"ct", "spgr2d"} for found in judged)
    record = json.loads((tmp_path / "run/run.json").read_text())["record"]
    assert record["train_exams"] == ["map_0", "map_1"]
    assert record["validation_subjects"] == ["s4"]


def wait_for_step(process, workdir, step):
    for _ in range(3000):
        done = [int(p.name) for p in (workdir / "checkpoints").glob("*") if p.name.isdigit()]
        if done and max(done) >= step:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    raise AssertionError(f"{workdir} never reached step {step}")


def test_sigterm_saves_and_says_run_me_again(program, small_run, tmp_path):
    process = program("main", *small_run(steps=2000, train__validate_every_steps=2000))
    wait_for_step(process, tmp_path / "run", 2)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 75
    assert "stopped on request at step" in last_line(err)
    location = store.resolve(tmp_path / "run" / "latest")
    assert f"at step {location.step} of" in last_line(err)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data.train_subjects": "spgr2d=9"}, "more subjects than the 4"),
        ({"data.train_subjects": "spgr2d"}, "is not technique=number"),
        ({"data.train_subjects": "ct=2,ct=3"}, "each technique once"),
        ({"data.weights": "spgr2d=-1"}, "is not technique=number"),
        ({"data.manifests": "absent.csv"}, "liver_jax.prepare --cohort=phantom --size=demo"),
        ({"init.checkpoint": "absent"}, "liver_jax.main --config=configs/stage1.py:demo"),
        ({"init.checkpoint": "absent.safetensors"}, "absent.safetensors: cannot be read"),
        ({"data.size": 30}, "30 is not divisible by 4"),
        ({"train.steps": 0}, "0 is not positive"),
        ({"model.norm": "layer"}, "'layer' is unknown"),
        ({"data.ct_high_hu": -200.0}, "is not above"),
    ],
)
def test_refuses_before_anything_is_written(small_run, tmp_path, monkeypatch, fields, message):
    arguments = ["main", *small_run(), *(f"--config.{k}={v}" for k, v in fields.items())]
    # ml_collections looks there for the fields, whatever is parsed.
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.chdir(ROOT)
    values = flags.FlagValues()
    main.define_flags(values)
    values(arguments)
    with pytest.raises(InputError, match=re.escape(message)):
        main.main(values)
    assert not (tmp_path / "run").exists()


def test_a_fault_is_one_line_and_exit_code_2(run, small_run):
    for argument, message in (
        ("--config.nothing=1", "the config has no field 'nothing'"),
        ("--config.train.steps=0", "config.train.steps: 0 is not positive"),
    ):
        code, _, err = run("main", *small_run(), argument)
        assert code == 2
        assert message in err
        assert len(err.strip().splitlines()) == 1


def test_a_run_that_stopped_early_is_finished_until_more_is_asked(run, small_run):
    still = {"optimizer__peak_learning_rate": 1e-12, "train__patience_validations": 1}
    code, out, err = run("main", *small_run(steps=16, **still))
    assert code == 0, err
    # The first validation is the best; the second, at step 8, is no better.
    assert "8 steps; best validation Dice" in out
    assert "finished already" in run("main", *small_run(steps=16, **still))[1]
    code, out, err = run("main", *small_run(steps=20, **still))
    assert code == 0, err
    assert "12 steps; best validation Dice" in out


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_batch(run, small_run):
    code, _, err = run("main", *small_run(optimizer__peak_learning_rate=1e30))
    assert code == 1
    line = last_line(err)
    assert "not finite at step" in line
    assert len(re.findall(r"spgr2d_\d slice \d echo \d", line)) == 4
    assert "no checkpoint was saved yet" in line or re.search(r"step \d is saved", line)


def test_refuses_a_batch_that_the_mesh_cannot_share(run, small_run):
    code, _, err = run(
        "main",
        *small_run(train__batch_size=3),
        XLA_FLAGS="--xla_force_host_platform_device_count=2",
    )
    assert code == 2
    assert "3 is not divisible by the mesh's 2 devices" in last_line(err)


def test_refuses_a_checkpoint_of_another_architecture(run, small_run, tmp_path):
    assert run("main", *small_run("stage1"))[0] == 0
    code, _, err = run(
        "main", *small_run("stage2", init__checkpoint=tmp_path / "stage1", model__base_features=8)
    )
    assert code == 2
    assert "another architecture" in last_line(err)
    # Both shapes stand side by side.
    assert re.search(r"\) there, \(.*\) here", last_line(err))


def test_refuses_to_go_on_with_another_config(run, small_run):
    assert run("main", *small_run())[0] == 0
    code, _, err = run("main", *small_run(seed=3))
    assert code == 2
    assert "seed was 0, is 3" in last_line(err)
