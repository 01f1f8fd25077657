"""The sweep's commands, and what it refuses."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def sweep(folder, *arguments):
    return subprocess.run(
        [sys.executable, ROOT / "launch" / "sweep.py", f"--output={folder}", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_trains_and_evaluates_each_size_of_set_and_seed(tmp_path):
    (tmp_path / "ct01_seed1").mkdir()
    (tmp_path / "ct01_seed1" / "metrics.json").write_text("{}")
    done = sweep(tmp_path, "--arm=ct", "--size=demo", "--seeds=2", "--counts=1,3", "--dry_run")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    trained = [line for line in lines if "liver_jax.main" in line]
    assert [line.split("ablation.py:")[1].split()[0] for line in trained] == [
        "size=demo,ct=1,seed=0",
        "size=demo,ct=3,seed=0",
        "size=demo,ct=3,seed=1",
    ]
    assert sum("liver_jax.evaluate" in line for line in lines) == 3
    assert sum("done already" in line for line in lines) == 1
    assert all("--config.init.checkpoint=runs/demo/stage1" in line for line in trained)


def test_the_whole_curve_is_the_default(tmp_path):
    done = sweep(tmp_path, "--arm=hbp", "--seeds=3", "--dry_run")
    assert done.stdout.count("liver_jax.main") == 3 * 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--arm: it is missing"),
        (("--arm=ct", "--counts=0,3"), "not a list of numbers from 1 to 10"),
        (("--arm=ct", "--counts=x"), "not a list of numbers from 1 to 10"),
        (("--arm=mr",), "flags:"),
        (("--arm=ct", "--seeds=0"), "flags:"),
    ],
)
def test_refuses_in_one_line(tmp_path, arguments, message):
    done = sweep(tmp_path, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
