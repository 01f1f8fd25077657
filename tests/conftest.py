"""Fixtures that all tests share."""

import ast
import functools
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import settings

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Other work on the machine must not fail a test, so nothing here has a deadline.
settings.register_profile("liver_jax", deadline=None, max_examples=30)
settings.load_profile("liver_jax")


@pytest.fixture(scope="session")
def real_data() -> pathlib.Path:
    """The folder of real scans; the test is skipped where LIVER_JAX_TEST_DATA is not set."""
    name = os.environ.get("LIVER_JAX_TEST_DATA")
    if not name:
        pytest.skip("LIVER_JAX_TEST_DATA does not name a folder of real scans")
    folder = pathlib.Path(name).resolve()
    if not folder.is_dir():  # a skip would hide the typing error
        pytest.fail(f"LIVER_JAX_TEST_DATA={name} is not a folder")
    return folder


@pytest.fixture(scope="session")
def imports_of() -> Callable[[pathlib.Path], set[str]]:
    """Reads what a file imports, as dotted names; `from a.b import c` gives `a.b.c`."""

    @functools.cache
    def read(path: pathlib.Path) -> set[str]:
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
                names.update(f"{node.module}.{alias.name}" for alias in node.names)
        return names

    return read


@pytest.fixture(scope="session")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A manifest of tiny examinations, a bright "liver" in a grey body, learnt in a few steps.

    Techniques `spgr2d` (two echoes) and `ct`; subjects s0 to s3 train, s4 validation, s5 test.
    """
    import numpy as np

    from liver_jax.cohort import manifest
    from liver_jax.volume import nifti
    from liver_jax.volume.geometry import Volume

    folder = tmp_path_factory.mktemp("blobs")
    affine = np.diag([8.0, 8.0, 10.0, 1.0])
    splits = ["train"] * 4 + ["validation", "test"]
    exams = []
    for number, split in enumerate(splits):
        rng = np.random.default_rng(number)
        x, y, z = np.mgrid[:36, :30, :5]
        body = ((x - 18) / 16) ** 2 + ((y - 15) / 12) ** 2 <= 1
        middle = rng.uniform([20, 13], [24, 17])
        liver = ((x - middle[0]) / 7) ** 2 + ((y - middle[1]) / 6) ** 2 + (z - 2) ** 2 / 3 <= 1
        for technique in ("spgr2d", "ct"):
            stem = f"{technique}_{number}"
            noise = rng.normal(size=body.shape)
            if technique == "ct":
                images = [np.where(liver, 120, np.where(body, 20, -1000)) + 5 * noise]
            else:
                clean = np.where(liver, 100, np.where(body, 40, 0))
                images = [np.abs(clean + 3 * noise), np.abs(0.8 * clean + 3 * noise)]
            paths = []
            for echo, image in enumerate(images, 1):
                paths.append(folder / f"{stem}_echo{echo}.nii.gz")
                volume = Volume(image.astype(np.float32), affine)
                nifti.write(paths[-1], volume.data, volume)
            mask = folder / f"{stem}_mask.nii.gz"
            nifti.write(mask, liver.astype(np.uint8), volume)
            exams.append(
                manifest.Exam(
                    exam_id=stem,
                    subject_id=f"s{number}",
                    modality="CT" if technique == "ct" else "MR",
                    technique=technique,
                    split=split,
                    images=tuple(paths),
                    te_ms=() if technique == "ct" else (1.15, 2.3),
                    mask=mask,
                    liver_labels=(1,),
                )
            )
    manifest.write(folder / "manifest.csv", exams)
    return folder / "manifest.csv"


@pytest.fixture
def small_run(blobs: pathlib.Path, tmp_path: pathlib.Path) -> Callable[..., list[str]]:
    """Makes the arguments of `liver_jax.main` for a network that trains on `blobs` in seconds."""

    def arguments(workdir: str = "run", steps: int = 8, **fields: object) -> list[str]:
        given = {
            "data.manifests": blobs,
            "data.cache": tmp_path / "slices",
            "data.train_subjects": "spgr2d=4",
            "data.size": 32,
            "data.spacing_mm": 9.0,
            "model.base_features": 4,
            "model.depth": 2,
            "optimizer.peak_learning_rate": 0.01,
            "optimizer.warmup_steps": 2,
            "train.batch_size": 4,
            "train.steps": steps,
            "train.validate_every_steps": 4,
            "train.checkpoint_every_steps": 2,
            "train.log_every_steps": 2,
            **{name.replace("__", "."): value for name, value in fields.items()},
        }
        return [
            f"--config={ROOT / 'configs' / 'stage1.py'}:demo",
            f"--workdir={tmp_path / workdir}",
            *(f"--config.{name}={value}" for name, value in given.items()),
        ]

    return arguments


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.Popen]:
    """Starts one of the four programs, `program("main", "--config=...")`, with pipes for its words.

    The tests train the same small networks again and again: compiled once, kept for the session.
    """
    folder = tmp_path_factory.mktemp("programs")
    environment = {
        "PYTHONPATH": str(ROOT),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }

    def start(name: str, *arguments: object, **variables: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", f"liver_jax.{name}", *map(str, arguments)],
            cwd=folder,  # what a failing program leaves behind belongs to the test
            env=os.environ | environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture(scope="session")
def run(program: Callable[..., subprocess.Popen]) -> Callable[..., tuple[int, str, str]]:
    """Runs one of the four programs to its end: exit code, stdout, stderr."""

    def to_the_end(name: str, *arguments: object, **variables: str) -> tuple[int, str, str]:
        process = program(name, *arguments, **variables)
        out, err = process.communicate(timeout=600)
        return process.returncode, out, err

    return to_the_end
