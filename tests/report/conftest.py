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
