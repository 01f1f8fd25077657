"""An evaluation's folder with its report, made once without any scan."""

import pathlib
from collections.abc import Callable

import numpy as np
import pytest

MANIFEST = {"path": "manifest.csv", "sha256": "00", "phantom": True}


@pytest.fixture(scope="session")
def made_metrics(made_rows: Callable[..., list[dict]]) -> dict:
    """What metrics.json would hold of a small evaluation."""
    from liver_jax.evaluation import comparison, summary
    from liver_jax.evaluation.experiments import run

    rows = made_rows(subjects=5)
    experiments = run.run(rows, ["sex"]) | {"ablation": None}
    summarised = summary.summarise(rows)
    return {
        "schema_version": 3,
        "cases": rows,
        "summary": summarised,
        "experiments": experiments,
        "paper": comparison.compare(summarised, experiments, None),
        "provenance": {
            "command": "python -m liver_jax.evaluate --output=<there>",
            "finished_utc": "2026-01-01T00:00:00+00:00",
            "versions": {"jax": "1.2.3"},
            "manifests": [MANIFEST],
            "checkpoints": {"multimodal": {"step": 7, "config": {"model": {"depth": 4}}}},
            "predictions": None,
        },
    }


@pytest.fixture(scope="session")
def key_slices() -> Callable[[dict], list]:
    """Finds six small slices for each row that did not fail."""
    from liver_jax.report.slices import KeySlice

    y, x = np.mgrid[:60, :80]
    manual = ((x - 30) / 20) ** 2 + ((y - 28) / 16) ** 2 < 1
    made = [
        KeySlice(
            index=3 * number,
            level_mm=15.0 * number,
            grey=(40 + 120 * manual + 10 * number).astype(np.uint8),
            automated=np.roll(manual, number, 1),
            manual=manual,
            pixel_mm=(1.5, 1.5),
        )
        for number in range(6)
    ]
    return lambda row: [] if row["status"] == "failed" else made


@pytest.fixture(scope="session")
def report(
    made_metrics: dict,
    key_slices: Callable[[dict], list],
    tmp_path_factory: pytest.TempPathFactory,
) -> pathlib.Path:
    """The page of that evaluation; the worst outlier with slices has a viewer."""
    from liver_jax.report import casedata, page, viewer
    from liver_jax.volume.geometry import Volume

    output = tmp_path_factory.mktemp("evaluation")
    x, y, z = np.mgrid[:50, :40, :20]
    manual = ((x - 32) / 12) ** 2 + ((y - 22) / 10) ** 2 + ((z - 9) / 6) ** 2 < 1
    image = Volume((100.0 * manual).astype(np.float32), np.diag([2.0, 2.0, 4.0, 1.0]))
    rows = {casedata.identity(row): row for row in made_metrics["cases"]}
    worst = next(
        row
        for case in made_metrics["experiments"]["outliers"]["cases"]
        if (row := rows[casedata.identity(case)])["status"] != "failed"
    )
    path = output / "report" / "cases" / f"{casedata.identity(worst)}.html"
    viewer.write(path, image, "MR", np.roll(manual, 2, 0), manual, worst)
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="360pt" height="20pt" role="img">'
        "<title>Volumes</title><desc>Ours &amp; theirs.</desc></svg>"
    )
    return page.write(output, made_metrics, {"volume_ct": drawing}, key_slices)


@pytest.fixture
def scan_record():
    """What measurements.json says of a CT; tests change what they are about."""
    return {
        "exam_id": "P7",
        "modality": "CT",
        "status": "ok",
        "input": {"format": "nii", "files": 1, "echoes": 1, "notes": []},
        "grid": {"shape": [60, 50, 24], "spacing_mm": [2.0, 2.0, 5.0], "axes": "RAS"},
        "volume_ml": 60.4,
        "volume_ml_reason": None,
        "mask_voxels": 3020,
        "volume_interval_ml": {"low": 55.0, "high": 66.6, "level": 0.95, "method": "by volumes"},
        "volume_interval_ml_reason": None,
        "dimensions_mm": {"craniocaudal": 50.0, "anteroposterior": 46.0, "transverse": 48.0},
        "attenuation": {
            "mean_hu": -2.04,
            "sd_hu": 10.0,
            "voxels": 3020,
            "parenchyma_median_hu": 59.0,
            "parenchyma_voxels": 900,
            "eroded_mm": 5.0,
            "pdff_estimate_percent": 5.29,
            "pdff_estimate_reason": None,
            "pdff_estimate_method": "a line",
        },
        "pdff": None,
        "pdff_reason": "a CT has no echoes",
        "r2star": None,
        "quality": {"score": 0.9712, "echo_dice": None, "contrast_dice": None},
        "flags": [{"flag": "wrong_side", "reason": "most of it is on the left"}],
        "checkpoint": "/home/somebody/runs/stage2 (best, step 700)",
        "mask_sha256": "0123abcd",
        "versions": {"jax": "0.10"},
        "device": "1 x cpu",
        "request": {
            "options": {"postprocessed": True, "augmented": False, "contrasts": False, "echo": 1}
        },
    }
