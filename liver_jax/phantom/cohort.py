"""A cohort of simulated examinations on disk, with the files and manifest a hospital would give.

Every examination is one folder, moved into place when it is complete: an interrupted run goes on
where it stopped. Each is drawn from (seed, subject, technique) alone, so the same seed gives the
same bytes whatever the number of processes.
"""

import concurrent.futures
import dataclasses
import json
import multiprocessing
import pathlib
import shutil
from collections.abc import Iterator

import numpy as np
import tqdm

from liver_jax import files
from liver_jax.cohort import manifest
from liver_jax.errors import InputError
from liver_jax.phantom import anatomy, ct, mri, sampling
from liver_jax.volume import nifti

# Raise it when the same seed no longer gives the same bytes: cohorts of two kinds never mix.
_VERSION = 1


@dataclasses.dataclass(frozen=True)
class _Group:
    """Subjects imaged in one way; the first `also_spgr3d` of them by 3D SPGR as well."""

    technique: str
    contrast_phase: str
    split: str
    cohort: str
    subjects: int
    also_spgr3d: int = 0


@dataclasses.dataclass(frozen=True)
class _Size:
    """Matrices to draw from, slices in mm to draw between, points sampled in each voxel."""

    mr_matrices: tuple[int, ...]
    ct_matrices: tuple[int, ...]
    slices_2d_mm: tuple[float, float]
    slices_3d_mm: tuple[float, float]
    slices_hbp_mm: tuple[float, float]
    slices_ct_mm: tuple[float, float]
    mr_samples: int  # odd, so that no voxel is half liver
    thin_samples: int  # CT and hepatobiliary: more and thinner slices
    highest_pdff_percent: float  # a severely fatty liver is nearly black in opposed phase
    groups: tuple[_Group, ...]


_SIZES = {
    "tiny": _Size(
        mr_matrices=(48, 56),
        ct_matrices=(64,),
        slices_2d_mm=(16, 16),
        slices_3d_mm=(14, 16),
        slices_hbp_mm=(14, 16),
        slices_ct_mm=(14, 16),
        mr_samples=5,
        thin_samples=5,
        highest_pdff_percent=53,
        groups=(
            _Group("spgr2d", "", "train", "internal", 4),
            _Group("ct", "portal_venous", "train", "internal", 2),
            _Group("hbp_t1w", "hepatobiliary", "train", "internal", 2),
            _Group("spgr2d", "", "validation", "internal", 1),
            _Group("ct", "portal_venous", "validation", "internal", 1),
            _Group("hbp_t1w", "hepatobiliary", "validation", "internal", 1),
            _Group("spgr2d", "", "test", "internal", 2, also_spgr3d=1),
            _Group("ct", "portal_venous", "test", "internal", 1),
            _Group("ct", "unenhanced", "test", "external", 1),
            _Group("hbp_t1w", "hepatobiliary", "test", "internal", 2),
        ),
    ),
    # Easy cases: few findings, no severely fatty liver.
    "demo": _Size(
        mr_matrices=(128, 144),
        ct_matrices=(176, 192),
        slices_2d_mm=(8, 8),
        slices_3d_mm=(6, 8),
        slices_hbp_mm=(4, 5),
        slices_ct_mm=(5, 5),
        mr_samples=5,
        thin_samples=3,
        highest_pdff_percent=20,
        groups=(
            _Group("spgr2d", "", "train", "internal", 40),
            _Group("ct", "portal_venous", "train", "internal", 10),
            _Group("hbp_t1w", "hepatobiliary", "train", "internal", 20),
            _Group("spgr2d", "", "validation", "internal", 2),
            _Group("ct", "portal_venous", "validation", "internal", 2),
            _Group("hbp_t1w", "hepatobiliary", "validation", "internal", 2),
            _Group("spgr2d", "", "test", "internal", 6, also_spgr3d=4),
            _Group("ct", "portal_venous", "test", "internal", 4),
            _Group("ct", "unenhanced", "test", "external", 2),
            _Group("hbp_t1w", "hepatobiliary", "test", "internal", 4),
            _Group("hbp_t1w", "hepatobiliary", "test", "external", 2),
        ),
    ),
    # Wang et al. 2019, with subjects for validation (its "validation" is `test` here) on top.
    "paper": _Size(
        mr_matrices=(256,),
        ct_matrices=(320,),
        slices_2d_mm=(8, 8),
        slices_3d_mm=(5, 8),
        slices_hbp_mm=(3, 5),
        slices_ct_mm=(3, 5),
        mr_samples=7,
        thin_samples=3,
        highest_pdff_percent=53,
        groups=(
            _Group("spgr2d", "", "train", "internal", 300),
            _Group("ct", "portal_venous", "train", "internal", 10),
            _Group("hbp_t1w", "hepatobiliary", "train", "internal", 20),
            _Group("spgr2d", "", "validation", "internal", 10),
            _Group("ct", "portal_venous", "validation", "internal", 2),
            _Group("hbp_t1w", "hepatobiliary", "validation", "internal", 3),
            _Group("spgr2d", "", "test", "internal", 50, also_spgr3d=33),
            _Group("ct", "portal_venous", "test", "internal", 70),
            _Group("ct", "unenhanced", "test", "internal", 30),
            _Group("hbp_t1w", "hepatobiliary", "test", "internal", 50),
            _Group("ct", "portal_venous", "test", "external", 130),
            _Group("hbp_t1w", "hepatobiliary", "test", "external", 50),
            _Group("spgr2d", "", "test", "external", 118),
        ),
    ),
}
_STREAMS = {"subject": 0, "spgr2d": 1, "spgr3d": 2, "ct": 3, "hbp_t1w": 4}
_PDFF_TECHNIQUES = ("spgr2d", "spgr3d")


@dataclasses.dataclass(frozen=True)
class _Plan:
    """One examination to make."""

    seed: int
    size: str
    subject: int
    technique: str
    group: _Group

    @property
    def subject_id(self) -> str:
        return f"P{self.subject:04d}"

    @property
    def exam_id(self) -> str:
        return f"{self.subject_id}-{self.technique}"

    def generator(self, stream: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.subject, _STREAMS[stream]])


def write(output: pathlib.Path, size: str, seed: int, workers: int, progress: bool) -> pathlib.Path:
    """Writes a cohort, or what is missing of it.

    Args:
        output: Its folder.
        size: `demo`, `paper` or `tiny` (for tests).
        seed: Of every random draw, not negative.
        workers: Processes to use; 1 works in this one.
        progress: Whether to show a bar.

    Returns:
        The path of its manifest.csv, which is written last.

    Raises:
        InputError: The size is unknown, the seed negative, or the folder holds another cohort.
    """
    output = pathlib.Path(output).absolute()
    if size not in _SIZES:
        raise InputError(f"size={size}", "is unknown", f"Choose one of {', '.join(_SIZES)}")
    if seed < 0:
        raise InputError(f"seed={seed}", "is negative", "Choose 0 or more")
    if output.exists() and not output.is_dir():
        raise InputError(output, "is a file", "Name a folder")
    path = output / "manifest.csv"
    with files.locked(output / ".lock"):
        _claim(output, path, size, seed)
        plans = _plans(size, seed)
        todo = [plan for plan in plans if not _complete(_folder(output, plan))]
        remains = [*(output / "exams").glob(".partial-*"), *(_folder(output, p) for p in todo)]
        for folder in remains:
            shutil.rmtree(folder, ignore_errors=True)
        with tqdm.tqdm(
            total=len(plans),
            initial=len(plans) - len(todo),
            desc=f"phantom {size}",
            unit="exam",
            disable=not progress,
        ) as bar:
            for _ in _made(output, todo, workers):
                bar.update()
        manifest.write(path, [_exam(path, row, plan) for row, plan in enumerate(plans, start=2)])
    return path


def _claim(output: pathlib.Path, path: pathlib.Path, size: str, seed: int) -> None:
    """Records what the folder is for, or refuses one that holds something else."""
    record = output / "phantom.json"
    wanted = {"version": _VERSION, "size": size, "seed": seed}
    if record.exists():
        try:
            found = json.loads(record.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if found != wanted:
            raise InputError(
                output,
                f"holds another phantom cohort ({found}, not {wanted})",
                "Choose another folder, or remove this one",
            )
    elif path.exists():
        raise InputError(
            output, "holds a manifest.csv that is not a phantom's", "Choose another folder"
        )
    else:
        files.write_json(record, wanted)


def _plans(size: str, seed: int) -> list[_Plan]:
    """Every examination of a cohort, in the order of its manifest; no subject is in two groups."""
    plans, subject = [], 0
    for group in _SIZES[size].groups:
        for index in range(group.subjects):
            plans.append(_Plan(seed, size, subject, group.technique, group))
            if index < group.also_spgr3d:
                plans.append(_Plan(seed, size, subject, "spgr3d", group))
            subject += 1
    return plans


def _made(output: pathlib.Path, plans: list[_Plan], workers: int) -> Iterator[None]:
    """Makes examinations; yields after each."""
    if workers <= 1 or len(plans) <= 1:
        for plan in plans:
            yield _make(output, plan)
        return
    # Spawned, not forked: the parent may hold threads (JAX has), which forks do not survive.
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(min(workers, len(plans)), mp_context=context)
    try:
        futures = [pool.submit(_make, output, plan) for plan in plans]
        for future in concurrent.futures.as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _complete(folder: pathlib.Path) -> bool:
    """Whether every file that the examination was written with is still there."""
    record = folder / "exam.json"
    if not record.exists():
        return False
    names = json.loads(record.read_text(encoding="utf-8"))["files"]
    return all((folder / name).exists() for name in names)


def _folder(output: pathlib.Path, plan: _Plan) -> pathlib.Path:
    return output / "exams" / plan.exam_id


def _make(output: pathlib.Path, plan: _Plan) -> None:
    """Simulates one examination and writes its folder: images, masks, map, and exam.json."""
    size = _SIZES[plan.size]
    # The paper's multiecho patients were studied for fatty liver; the others were not.
    steatotic_share = 0.75 if plan.group.technique in _PDFF_TECHNIQUES else 0.25
    subject = anatomy.draw(
        plan.generator("subject"),
        steatotic_share,
        highest_pdff_percent=size.highest_pdff_percent,
    )
    generator = plan.generator(plan.technique)
    grid = _grid(plan, size, subject, generator)
    axis_codes = str(generator.choice(["RAS", "RAS", "LAS", "LPS", "RPS", "LPI"]))

    facts = {
        "site": "hospital" if plan.group.cohort == "internal" else "registry",
        "field_strength_t": None,
        "tr_ms": None,
        "flip_angle_deg": None,
        "te_ms": [],
        "pdff_unit": None,
        "extra": {
            "sex": subject.sex,
            "age": str(subject.age),
            "bmi": f"{subject.bmi:.1f}",
            "true_volume_ml": f"{subject.liver_volume_ml:.1f}",
            "true_pdff_percent": f"{subject.liver_pdff_percent:.2f}",
        },
    }
    pdff_percent = None
    if plan.technique == "ct":
        acquired = ct.acquire(
            subject,
            grid,
            ct.draw_protocol(plan.group.contrast_phase, generator),
            generator,
            size.thin_samples,
        )
    else:
        protocol = mri.draw_protocol(plan.technique, _field_strength(plan, generator), generator)
        samples = size.thin_samples if plan.technique == "hbp_t1w" else size.mr_samples
        acquired = mri.acquire(subject, grid, protocol, generator, samples)
        pdff_percent = acquired.pdff_percent
        for name in ("field_strength_t", "tr_ms", "flip_angle_deg"):
            facts[name] = getattr(protocol, name)
        facts["te_ms"] = list(protocol.te_ms)

    images = {"mask": acquired.mask, "vessels": acquired.vessel_mask}
    if pdff_percent is not None:
        # Vendors differ: one writes percent as float, the other whole permille.
        facts["pdff_unit"] = str(generator.choice(["percent", "permille"]))
        permille = np.rint(10 * pdff_percent).astype(np.int16)
        images["pdff"] = permille if facts["pdff_unit"] == "permille" else pdff_percent
    if acquired.image.ndim == 4 and generator.uniform() < 0.25:
        for echo in range(acquired.image.shape[3]):
            images[f"echo{echo + 1}"] = acquired.image[..., echo]
    else:
        images["image"] = acquired.image
    facts["files"] = [f"{name}.nii.gz" for name in images]
    facts["images"] = [name for name in facts["files"] if name.startswith(("echo", "image"))]

    with files.replacing_folder(_folder(output, plan)) as folder:
        for name, data in images.items():
            volume = sampling.oriented(data, grid, axis_codes)
            nifti.write(folder / f"{name}.nii.gz", volume.data, volume)
        files.write_json(folder / "exam.json", facts)


def _field_strength(plan: _Plan, generator: np.random.Generator) -> float:
    """Tesla, as in the paper: tests of 2D and 3D SPGR at 3 T, external hepatobiliary at 1.5 T."""
    chance = generator.uniform()
    internal = plan.group.cohort == "internal"
    if plan.technique == "hbp_t1w":
        return 1.5 if not internal or chance < 0.5 else 3.0
    if plan.group.split == "test" and internal:
        return 3.0
    return 1.5 if chance < (0.2 if internal else 0.4) else 3.0


def _grid(
    plan: _Plan, size: _Size, subject: anatomy.Subject, generator: np.random.Generator
) -> sampling.Grid:
    """The voxels of an examination: they vary from one to the next as technicians do."""
    between = {
        "spgr2d": size.slices_2d_mm,
        "spgr3d": size.slices_3d_mm,
        "hbp_t1w": size.slices_hbp_mm,
        "ct": size.slices_ct_mm,
    }[plan.technique]
    matrices = size.ct_matrices if plan.technique == "ct" else size.mr_matrices
    return sampling.around(
        subject,
        int(generator.choice(matrices)),
        round(float(generator.uniform(*between)), 1),
        (float(generator.uniform(15, 40)), float(generator.uniform(15, 35))),
        float(generator.uniform(0.02, 0.12)),
    )


def _exam(path: pathlib.Path, row: int, plan: _Plan) -> manifest.Exam:
    """The manifest's row of a finished examination, from its exam.json."""
    folder = _folder(path.parent, plan)
    facts = json.loads((folder / "exam.json").read_text(encoding="utf-8"))
    multiecho = facts["pdff_unit"] is not None
    return manifest.Exam(
        exam_id=plan.exam_id,
        subject_id=plan.subject_id,
        session="1",
        modality="CT" if plan.technique == "ct" else "MR",
        technique=plan.technique,
        contrast_phase=plan.group.contrast_phase,
        cohort=plan.group.cohort,
        site=facts["site"],
        split=plan.group.split,
        images=tuple(folder / name for name in facts["images"]),
        phase_images=(),
        phase_unit=None,
        precession=None,
        te_ms=tuple(facts["te_ms"]),
        tr_ms=facts["tr_ms"],
        flip_angle_deg=facts["flip_angle_deg"],
        field_strength_t=facts["field_strength_t"],
        mask=folder / "mask.nii.gz",
        liver_labels=(1,),
        truth_mask=None,
        vessel_mask=folder / "vessels.nii.gz",
        lesion_mask=None,
        reader2_mask=None,
        pdff_map=folder / "pdff.nii.gz" if multiecho else None,
        pdff_unit=facts["pdff_unit"],
        extra=facts["extra"],
        manifest=path,
        row=row,
    )
