"""Exit codes and what reaches the terminal, seen as a shell sees them."""

import pathlib
import subprocess
import sys

import pytest

from liver_jax import cli

ROOT = pathlib.Path(__file__).parents[1]

PROGRAM = """
from absl import flags
from ml_collections import config_flags
from liver_jax import cli
from liver_jax.errors import InputError

NAME = flags.DEFINE_string("name", "nobody", "Whom to greet.")
COUNT = flags.DEFINE_integer("count", 1, "How often.")
CONFIG = config_flags.DEFINE_config_file("config", None, lock_config=True)


def main():
    {body}


cli.run(main, "Greets.\\n\\n  --name  whom to greet\\n")
"""

CONFIG = """
from ml_collections import config_dict


def get_config():
    return config_dict.create(rate=0.1)
"""


@pytest.fixture
def program(tmp_path):
    """Runs a program whose `main` has the given body, in a folder of its own."""

    def run(body: str, *arguments: str) -> subprocess.CompletedProcess:
        script = tmp_path / "program.py"
        script.write_text(PROGRAM.format(body=body))
        (tmp_path / "config.py").write_text(CONFIG)
        return subprocess.run(
            [sys.executable, str(script), "--config=config.py", *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    return run


def assert_refused(done: subprocess.CompletedProcess) -> None:
    assert done.returncode == cli.REFUSED == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr


def test_finished_is_0_and_flags_arrive(program):
    done = program("print(NAME.value, COUNT.value, CONFIG.value.rate)", "--name=Ada", "--count=2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Ada 2 0.1\n", "")


def test_a_returned_code_is_the_exit_code(program):
    assert program("return 3").returncode == 3


def test_input_error_is_one_line_and_2(program):
    done = program('raise InputError("scan.nii.gz", "no affine", "Convert it again.")')
    assert_refused(done)
    assert done.stderr == "scan.nii.gz: no affine. Convert it again.\n"


def test_stopped_is_75_with_its_message(program):
    done = program('raise cli.Stopped("stopped at step 12, everything saved")')
    assert done.returncode == cli.STOPPED == 75
    assert done.stderr == "stopped at step 12, everything saved\n"


def test_stopped_ends_at_once_whatever_threads_do(program):
    done = program(
        "import threading; threading.Thread(target=threading.Event().wait).start(); "
        'raise cli.Stopped("stopped")'
    )
    assert done.returncode == cli.STOPPED and done.stderr.splitlines() == ["stopped"]


def test_a_defect_is_1_with_its_traceback_in_the_log_only(program, tmp_path):
    done = program('raise RuntimeError("first line\\nsecond line")', "--name=Ada")
    assert done.returncode == cli.FAILED == 1
    assert done.stderr.count("\n") == 1
    assert "RuntimeError: first line second line" in done.stderr
    assert "Traceback" not in done.stderr
    log = tmp_path / "liver_jax_error.log"
    assert str(log) in done.stderr
    assert "Traceback" in log.read_text()
    assert "--name=Ada" in log.read_text()


def test_a_long_message_is_cut(program):
    done = program('raise RuntimeError("x" * 100_000)')
    assert done.returncode == cli.FAILED
    assert len(done.stderr) < 2500


@pytest.mark.parametrize("spelling", ["--help", "-help", "-h"])
def test_help_prints_the_usage_and_is_0(program, spelling):
    done = program('raise RuntimeError("not reached")', spelling)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Greets.\n\n  --name  whom to greet\n"


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("--nmae=Ada", "nmae"),
        ("--count=two", "two"),
        ("--config.ratte=1", "ratte"),
        ("--config.rate=fast", "fast"),
        ("Ada", "Ada"),
    ],
    ids=["unknown flag", "wrong type", "unknown field", "wrong field type", "positional"],
)
def test_bad_flags_are_refused_by_name(program, argument, named):
    done = program('print("not reached")', argument)
    assert_refused(done)
    assert named in done.stderr
