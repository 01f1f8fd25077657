"""One simulated examination: from its plan to the folder of files that a hospital would give."""

import functools
import pathlib
from typing import Any

import numpy as np
import threadpoolctl
from scipy.spatial.transform import Rotation

from liver_jax import files
from liver_jax.phantom import anatomy, ct, labelmap, mri, person, reader, sampling
from liver_jax.phantom.body import Body
from liver_jax.phantom.design import Plan
from liver_jax.phantom.institution import Institution
from liver_jax.phantom.sizes import SIZES, Size
from liver_jax.phantom.truth import Truth
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

# What a scanner of either vendor stores as its largest phase, pi.
_SCANNER_PHASE = 4096
_TILT_DEG = 6.0
# What exam.json says of an examination that has none of it.
_NONE_OF_IT = {
    "field_strength_t": None,
    "tr_ms": None,
    "flip_angle_deg": None,
    "te_ms": [],
    "pdff_unit": None,
    "phase_unit": None,
    "precession": None,
}


def write(folder: pathlib.Path, plan: Plan, threads: int = 1) -> None:
    """Simulates an examination and writes its folder: images, masks, maps, and exam.json.

    Args:
        folder: Written whole, or not at all.
        plan: What to make; the same plan gives the same bytes.
        threads: How many slices are painted at once.
    """
    # Their number changes the last digit of matrix products, and there are other uses for cores.
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        volumes, facts = _simulated(plan, threads)
    with files.replacing_folder(folder) as partial:
        for name, volume in volumes.items():
            nifti.write(partial / f"{name}.nii.gz", volume.data, volume)
        files.write_json(partial / "exam.json", facts)


def _simulated(plan: Plan, threads: int) -> tuple[dict[str, Volume], dict[str, Any]]:
    """Images, maps and masks by file name, as they are stored, and what exam.json says."""
    size, generator = SIZES[plan.size], plan.exam_generator()
    body = _body(plan)
    grid = _grid(plan, size, body, generator)
    axis_codes = str(generator.choice(["RAS", "RAS", "LAS", "LPS", "RPS", "LPI"]))
    image_of = _ct if plan.technique == "ct" else _mr
    images, truth, facts = image_of(plan, size, body, grid, generator, threads)
    images |= {
        "mask": reader.draw_mask(truth, grid.spacing_mm, generator),
        "reader2_mask": reader.draw_mask(truth, grid.spacing_mm, generator),
        "truth_mask": truth.liver,
        "vessel_mask": truth.vessels,
        "lesion_mask": truth.lesions,
        "label_map": truth.labels,
    }
    facts = _NONE_OF_IT | facts
    facts |= {
        "site": plan.institution.value,
        "images": [f"{name}.nii.gz" for name in images if name.startswith(("image", "echo"))],
        "phase_images": [f"{name}.nii.gz" for name in images if name.startswith("phase")],
        "files": [f"{name}.nii.gz" for name in images],
    }
    # Liver in the first or the last slice goes on outside the field of view.
    cut = bool(truth.liver[..., [0, -1]].any())
    facts["extra"] = _extra(plan, body, cut) | facts["extra"]
    volumes = {
        # NIfTI has no booleans.
        name: sampling.oriented(
            data.astype(np.uint8) if data.dtype == bool else data, grid, axis_codes
        )
        for name, data in images.items()
    }
    return volumes, facts


def _body(plan: Plan) -> Body:
    """The subject of an examination: the same for all its techniques."""
    size, generator = SIZES[plan.size], plan.subject_generator()
    # 3D SPGR images the patients of 2D SPGR.
    kind = "spgr2d" if plan.group.technique == "spgr3d" else plan.group.technique
    someone = person.draw(
        generator,
        size.prevalence[kind, plan.group.cohort],
        size.volumes[kind],
        size.highest_pdff_percent,
    )
    if plan.anatomy is None:
        return anatomy.draw(someone, generator)
    return labelmap.deform(_label_map(plan.anatomy), someone, generator)


@functools.lru_cache(maxsize=1)
def _label_map(path: pathlib.Path) -> labelmap.LabelMap:
    return labelmap.read(path)


def _extra(plan: Plan, body: Body, cut: bool) -> dict[str, str]:
    """The manifest's further columns: who it is, what is wrong, and what is true."""
    someone = body.person
    findings = sorted(finding.value for finding in someone.findings)
    anatomy_name = plan.anatomy.name.split(".")[0] if plan.anatomy else "procedural"
    return {
        "sex": someone.sex,
        "age": str(someone.age),
        "bmi": f"{someone.bmi:.1f}",
        "anatomy": anatomy_name,
        "findings": "+".join(findings) or "none",
        "child_pugh": someone.child_pugh,
        "liver_cut": "yes" if cut else "no",
        "true_volume_ml": f"{body.liver_volume_ml:.1f}",
        "true_pdff_percent": f"{someone.liver_pdff_percent:.2f}",
        "true_iron_mg_per_g": f"{someone.liver_iron_mg_per_g:.2f}",
    }


def _grid(plan: Plan, size: Size, body: Body, generator: np.random.Generator) -> sampling.Grid:
    """The voxels, which vary from one examination to the next as technicians do."""
    below, above = float(generator.uniform(15, 40)), float(generator.uniform(15, 35))
    cut, depth = generator.uniform() < size.cut_share, float(generator.uniform(15, 45))
    top = generator.uniform() < 0.5
    if cut:
        below, above = (below, -depth) if top else (-depth, above)
    grid = sampling.around(
        body,
        int(generator.choice(size.matrices[plan.technique][plan.institution])),
        round(float(generator.uniform(*size.slices_mm[plan.technique])), 1),
        (below, above),
        float(generator.uniform(0.02, 0.12)),
        square=plan.technique == "ct",
    )
    tilt = generator.uniform(-_TILT_DEG, _TILT_DEG, 3) * (1.0, 0.3, 1.0)
    # A label map ends where its scan did: it has no room for a tilt.
    upright = plan.technique == "ct" or plan.anatomy is not None
    if plan.institution is Institution.REGISTRY and not upright:
        return grid.rotated(Rotation.from_euler("xyz", tilt, degrees=True).as_matrix())
    return grid


def _ct(
    plan: Plan,
    size: Size,
    body: Body,
    grid: sampling.Grid,
    generator: np.random.Generator,
    threads: int,
) -> tuple[dict[str, np.ndarray], Truth, dict[str, Any]]:
    protocol = ct.draw_protocol(
        plan.group.contrast_phase,
        plan.institution,
        grid.spacing_mm[2],
        generator,
        arms_share=size.arms_share,
    )
    acquired = ct.acquire(body, grid, protocol, generator, size.samples["ct"], threads)
    return {"image": acquired.image}, acquired.truth, {"extra": {"motion": ""}}


def _mr(
    plan: Plan,
    size: Size,
    body: Body,
    grid: sampling.Grid,
    generator: np.random.Generator,
    threads: int,
) -> tuple[dict[str, np.ndarray], Truth, dict[str, Any]]:
    field = field_strength_t(plan, generator)
    grade = int(np.searchsorted(np.cumsum(size.motion[::-1]), generator.uniform()))
    protocol = mri.draw_protocol(
        plan.technique, field, plan.institution, generator, motion=max(3 - grade, 0)
    )
    samples = size.samples[plan.technique]
    acquired = mri.acquire(body, grid, protocol, generator, samples, threads)
    single_files = generator.uniform() < 0.25
    permille = generator.uniform() < 0.5

    images = _echoes("image", "echo", acquired.image, single_files)
    facts: dict[str, Any] = {
        "field_strength_t": protocol.field_strength_t,
        "tr_ms": protocol.tr_ms,
        "flip_angle_deg": protocol.flip_angle_deg,
        "te_ms": list(protocol.te_ms),
        "extra": {"motion": str(protocol.motion)},
    }
    if acquired.phase_radian is not None:
        phase = acquired.phase_radian
        facts["precession"] = mri.PRECESSION
        facts["phase_unit"] = "radian"
        if plan.institution is Institution.HOSPITAL:
            facts["phase_unit"] = "scanner"
            phase = np.rint(phase * (_SCANNER_PHASE / np.pi))
            phase = np.clip(phase, -_SCANNER_PHASE, _SCANNER_PHASE - 1).astype(np.int16)
        images |= _echoes("phase", "phase", phase, single_files)
    if acquired.pdff_percent is not None:
        # Vendors differ: one writes percent as float, the other whole permille.
        facts["pdff_unit"] = "permille" if permille else "percent"
        whole = np.rint(10 * acquired.pdff_percent).astype(np.int16)
        images["pdff_map"] = whole if permille else np.round(acquired.pdff_percent, 1)
        images["true_pdff_map"] = np.round(acquired.true_pdff_percent, 2)
        images["true_r2star_map"] = np.round(acquired.r2star_per_s, 1)
        images["true_field_map"] = np.round(acquired.field_map_hz, 1)
    return images, acquired.truth, facts


def _echoes(whole: str, part: str, data: np.ndarray, single_files: bool) -> dict[str, np.ndarray]:
    """One 4D file, or one file for each echo, as hospitals do either."""
    if data.ndim == 4 and single_files:
        return {f"{part}{echo + 1}": data[..., echo] for echo in range(data.shape[3])}
    return {whole: data}


def field_strength_t(plan: Plan, generator: np.random.Generator) -> float:
    """Tesla, as in the paper: tests of 2D and 3D SPGR at 3 T, external hepatobiliary at 1.5 T."""
    chance = generator.uniform()
    internal = plan.group.cohort == "internal"
    if plan.technique == "hbp_t1w":
        return 1.5 if not internal or chance < 0.5 else 3.0
    if plan.group.split == "test" and internal:
        return 3.0
    return 1.5 if chance < (0.2 if internal else 0.4) else 3.0
