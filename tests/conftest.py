"""Fixtures that all tests share."""

import ast
import functools
import itertools
import math
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Sequence

import numpy as np
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


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory):
    """What the programs keep compiled goes to the session's folder, not to the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


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


_TE_MS = {
    "spgr2d": [round(1.15 * echo, 2) for echo in range(1, 7)],
    "spgr3d": [round(0.9 + 0.76 * echo, 2) for echo in range(6)],
}
_PHASES = {"ct": ("portal_venous", "unenhanced"), "hbp_t1w": ("hepatobiliary",)}
# The median error (1 - Dice) on spgr2d, spgr3d, ct and hbp_t1w, about the paper's.
_ERRORS = {"initial": (0.06, 0.05, 0.15, 0.9)}
_LATER_ERRORS = (0.07, 0.06, 0.06, 0.05)


def _made_exams(rng: np.random.Generator, subjects: int) -> list[dict]:
    """What rows take from a manifest, and the truth that their figures are made of."""
    people, exams = {}, []
    for technique, cohort, number in itertools.product(
        ("spgr2d", "spgr3d", "ct", "hbp_t1w"), ("internal", "external"), range(subjects)
    ):
        if (technique, cohort) == ("spgr3d", "external"):
            continue
        gradient_echo = technique.startswith("spgr")
        subject = f"{'spgr' if gradient_echo else technique}-{cohort[:3]}-{number:03d}"
        person = people.setdefault(
            subject,
            {
                "volume_ml": min(max(rng.normal(1650, 380), 700), 4000),
                "pdff_percent": min(max(rng.lognormal(2.1, 0.8), 1.5), 45),
                "difficulty": rng.normal(),
                "sex": "FM"[rng.integers(2)],
            },
        )
        phases = _PHASES.get(technique, ("",))
        strength = 1.5 if technique == "hbp_t1w" and number % 3 == 0 else 3.0
        twice = gradient_echo and cohort == "internal" and number < 4
        for session in ("1", "2") if twice else ("1",):
            row = {
                "exam_id": f"{technique}-{cohort[:3]}-{number:03d}-{session}",
                "subject_id": subject,
                "session": session,
                "modality": "CT" if technique == "ct" else "MR",
                "technique": technique,
                "contrast_phase": phases[number % len(phases)],
                "cohort": cohort,
                "site": "A" if cohort == "internal" else "BC"[number % 2],
                "field_strength_t": None if technique == "ct" else strength,
                "columns": {"sex": person["sex"], "scanner": "XY"[number // 2 % 2]},
            }
            fat = max(person["pdff_percent"] + 0.3 * rng.normal(), 0.5)
            truth = {
                "volume_ml": person["volume_ml"] * (1 + 0.01 * rng.normal()),
                "pdff_percent": fat if gradient_echo else None,
                "difficulty": 0.8 * person["difficulty"] + 0.4 * rng.normal(),
                "fov_cut_cm2": 12.5 if rng.random() < 0.04 else 0.0,
            }
            exams.append({"row": row, "truth": truth})
    return exams


def _made_figures(rng: np.random.Generator, truth: dict, error: float, echo: int | None) -> dict:
    """The figures of one case with about this error (1 - Dice); they fit together."""
    ml, dice = 0.006, 1 - error  # a voxel of 1 x 2 x 3 mm
    manual = round(truth["volume_ml"] / ml)
    aim = rng.normal(-0.03, 0.03) if dice > 0.5 else rng.uniform(-0.9, -0.5)
    least, most = (2 * dice - 2) / (2 - dice), 2 / max(dice, 0.1) - 2  # all that this Dice allows
    automated = round(manual * (1 + min(max(aim, least), most)))
    tp = min(round(dice * (manual + automated) / 2), manual, automated)
    fp, fn = automated - tp, manual - tp
    dice = 2 * tp / (manual + automated)
    error = 1 - dice
    several = bool(error > 0.12 and rng.random() < 0.7)
    cut = truth["fov_cut_cm2"]
    flagged = {
        "touches_fov_border": cut > 0,
        "several_components": several,
        "implausible_volume": automated * ml < 600,
    }
    fat = {"auto": truth["pdff_percent"], "manual": truth["pdff_percent"]}
    if fat["auto"] is not None:
        fat["auto"] += (0.3 + 3 * error) * rng.normal() - error
    if echo not in (None, 1):  # the mask of the first echo is the one laid on the map
        fat = dict.fromkeys(fat)
    return {
        "status": "ok",
        "reason": None,
        "dice": dice,
        "iou": tp / (tp + fp + fn),
        "rvd_percent": 100 * (fp - fn) / manual,
        "assd_mm": 0.3 + 18 * error * rng.uniform(0.8, 1.2),
        "mssd_mm": 5 + 150 * error * rng.uniform(0.8, 1.2),
        "hd95_mm": 1 + 60 * error * rng.uniform(0.8, 1.2),
        **{f"nsd_{mm}mm": math.exp(-9 * error / mm) for mm in (1, 2, 3)},
        "volume_ml_auto": automated * ml,
        "volume_ml_manual": manual * ml,
        **{f"pdff_percent_{mask}": value for mask, value in fat.items()},
        **{
            f"pdff_percent_{mask}_without_vessels": None if value is None else 1.03 * value
            for mask, value in fat.items()
        },
        "pdff_source": None if fat["auto"] is None else "map",
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "tn": 5_000_000 - tp - fp - fn,
        "component_count_auto": 1 + several * int(rng.integers(1, 4)),
        "component_count_manual": 1,
        "fov_cut_cm2_auto": cut,
        "fov_cut_cm2_manual": cut,
        "quality": {
            "echo_dice": None if echo is None else 1 - error * rng.uniform(0.4, 1),
            "augmentation_dice": 1 - error * rng.uniform(0.3, 0.9),
            "border_entropy": 0.25 + error * rng.uniform(0.5, 1),
            "right_share": 0.8 - 0.3 * error * rng.random(),
            "largest_component_share": 1 - 0.4 * error * several,
            "soft_dice": 1 - 0.8 * error,
            "volume_z": math.log(max(automated, 1) * ml / 1550) / 0.25,
        },
        "flags": [flag for flag, raised in flagged.items() if raised],
    }


def _made_failure(figures: dict) -> dict:
    """What the case is where measuring it raised."""
    kept = {"status": "failed", "reason": "RuntimeError: out of memory", "flags": []}
    return dict.fromkeys(figures) | kept | {"quality": dict.fromkeys(figures["quality"])}


def _made_empty(figures: dict, manual_too: bool) -> dict:
    """What the case is where the automated mask is empty, or both are."""
    undefined = ["dice", "iou", "rvd_percent"] if manual_too else []
    undefined += [key for key in figures if key.endswith("mm") or key.startswith("pdff_percent_a")]
    manual = 0 if manual_too else figures["tp"] + figures["fn"]
    nothing = {"automated_empty": True, "manual_empty": manual_too}
    figures = figures | {
        "status": "empty",
        "dice": 0.0,
        "iou": 0.0,
        "rvd_percent": -100.0,
        "volume_ml_auto": 0.0,
        "tp": 0,
        "fp": 0,
        "fn": manual,
        "tn": 5_000_000 - manual,
        "component_count_auto": 0,
        "fov_cut_cm2_auto": 0.0,
        "quality": dict.fromkeys(figures["quality"]),
        "flags": [flag for flag, raised in nothing.items() if raised],
    }
    if manual_too:
        undefined += [key for key in figures if key.startswith("pdff_percent_m")]
        figures |= {"volume_ml_manual": 0.0, "component_count_manual": 0, "fov_cut_cm2_manual": 0.0}
    return figures | dict.fromkeys(undefined)


@pytest.fixture(scope="session")
def made_rows() -> Callable[..., list[dict]]:
    """Makes the rows of a believable evaluation without any image: about 500 by `made_rows()`.

    Four techniques (six echoes of the spoiled gradient echoes), internal and external, two models,
    a second session of some subjects, a few failed and empty cases; the Dice are about the paper's.
    The figures of one row fit together. spgr3d is internal only, in the subjects of spgr2d.

    Arguments: `subjects`, the number in each technique and cohort (default 10); `models`; `seed`.
    """

    def make(
        subjects: int = 10, models: Sequence[str] = ("initial", "multimodal"), seed: int = 0
    ) -> list[dict]:
        rng = np.random.default_rng(seed)
        techniques = ("spgr2d", "spgr3d", "ct", "hbp_t1w")
        rows = []
        for exam, model in itertools.product(_made_exams(rng, subjects), models):
            known, truth = exam["row"], exam["truth"]
            error = _ERRORS.get(model, _LATER_ERRORS)[techniques.index(known["technique"])]
            spread = 0.05 if error > 0.5 else 0.5
            trouble = truth["difficulty"] + 0.4 * rng.normal()
            for index, te_ms in enumerate(_TE_MS.get(known["technique"], [None])):
                echo = None if te_ms is None else index + 1
                this = error * math.exp(spread * (trouble + 0.15 * rng.normal())) + 0.002 * index
                figures = _made_figures(rng, truth, min(this, 0.999), echo)
                number = int(known["subject_id"][-3:])
                place = known["technique"], known["cohort"], number, model
                if place == ("hbp_t1w", "external", 1, "initial"):
                    figures = _made_empty(figures, manual_too=False)
                elif place[:3] == ("ct", "external", 2):
                    figures = _made_empty(figures, manual_too=True)
                elif place in {
                    ("ct", "internal", 3, models[-1]),
                    ("spgr2d", "external", 4, models[-1]),
                }:
                    figures = _made_failure(figures)
                done = figures["status"] != "failed"
                name = known["exam_id"] if echo is None else f"{known['exam_id']}_echo{echo}"
                rows.append(
                    {
                        **known,
                        "model": model,
                        "echo": echo,
                        "te_ms": te_ms,
                        **figures,
                        "mask_file": f"masks/{model}/{name}.nii.gz" if done else None,
                    }
                )
        return rows

    return make
