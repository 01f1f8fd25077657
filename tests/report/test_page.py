import json
import re

import numpy as np
import pytest

from liver_jax.report import casedata, page, wording
from liver_jax.report.slices import KeySlice


def data_of(path, name):
    return json.loads(re.search(rf'id="{name}">(.*?)</script>', path.read_text(), re.S)[1])


def section_of(path, name):
    return re.search(rf'<section id="{name}".*?</section>', path.read_text(), re.S)[0]


def test_the_page_needs_nothing_else(report):
    text = report.read_text()
    assert not re.search(r"""(src|href)\s*=\s*["'](https?:)?//""", text)
    assert "@import" not in text and "{{" not in text and "NaN" not in text


def test_every_case_is_in_the_data_with_its_figures(report, made_metrics):
    data = data_of(report, "report-data")
    rows = [dict(zip(data["keys"], row, strict=True)) for row in data["rows"]]
    assert len(rows) == len(made_metrics["cases"])
    for shown, row in zip(rows, made_metrics["cases"], strict=True):
        assert shown["id"] == casedata.identity(row)
        if row["status"] == "failed":
            assert shown["dice_or_zero"] == 0 and shown["dice"] is None
        elif row["dice"] is not None:
            assert shown["dice"] == pytest.approx(row["dice"], rel=1e-4)
    assert sum(row["has_viewer"] for row in rows) == 1
    predicted = [row["predicted_dice"] for row in rows if row["predicted_dice"] is not None]
    assert len(predicted) > len(rows) / 2


def test_every_case_but_the_failed_has_its_slices(report, made_metrics):
    found = data_of(report, "picture-data")
    wanted = {casedata.identity(row) for row in made_metrics["cases"] if row["status"] != "failed"}
    assert set(found) == wanted
    one = next(iter(found.values()))
    assert len(one["pictures"]) == 6 and one["ratio"] == pytest.approx(60 / 80)
    assert one["indices"] == [0, 3, 6, 9, 12, 15]


def test_the_summary_stands_beside_the_paper(report, made_metrics):
    text = section_of(report, "summary")
    group = next(
        group
        for group in made_metrics["summary"]["groups"]
        if (group["technique"], group["model"]) == ("ct", "multimodal")
    )
    found = group["measures"]["dice"]
    assert wording.mean_sd(found["mean_all"], found["sd_all"], 3) in text
    assert "0.94 ± 0.06" in text
    verdicts = re.findall(r'class="verdict \w+">(\w+)<', section_of(report, "paper"))
    counted = made_metrics["paper"]["verdicts"]
    assert len(verdicts) == sum(
        counted[name] for name in ("equivalent", "inconclusive", "different")
    )


def test_phantoms_are_named_as_such(report):
    assert "All data are phantoms." in report.read_text()


def test_figures_stand_in_their_section_with_their_caption(report):
    text = section_of(report, "volumes")
    assert 'id="figure-volume_ct"' in text
    assert "<figcaption>Ours &amp; theirs." in text
    assert "--width: 630px" in text


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("echoes_initial", "echoes"),
        ("pdff_without_vessels_spgr2d", "fat"),
        ("outliers_multimodal", "outliers"),
        ("failure", "failure"),
        ("ablation_ct", "ablation"),
        ("subgroups_pdff", "subgroups"),
        ("examples_multimodal", "networks"),
        ("something_else", "more"),
    ],
)
def test_each_figure_has_a_place(name, place, tmp_path):
    assert list(page._placed({name: "<svg></svg>"}, tmp_path)) == [place]


def test_outliers_are_listed_worst_first_with_their_links(report, made_metrics):
    text = section_of(report, "outliers")
    cases = made_metrics["experiments"]["outliers"]["cases"]
    named = re.findall(r'href="#case=([^"]+)"', text)
    assert named == [casedata.identity(case) for case in cases][: len(named)]
    assert text.count("All slices") == 1


def test_the_run_record_and_the_checklist_are_there(report):
    assert "--output=&lt;there&gt;" in section_of(report, "record")
    assert section_of(report, "claim").count("<tr>") == 45


def test_an_evaluation_of_one_foreign_mask_has_a_page(tmp_path, made_rows, key_slices):
    from liver_jax.evaluation import comparison, summary
    from liver_jax.evaluation.experiments import run

    rows = [row for row in made_rows(subjects=1, models=["theirs"]) if row["technique"] == "ct"][:1]
    rows[0]["cohort"] = ""
    rows[0]["columns"] = {"note": "</script><script>alert(1)</script>"}
    summarised, experiments = summary.summarise(rows), run.run(rows, [])
    metrics = {
        "cases": rows,
        "summary": summarised,
        "experiments": experiments | {"ablation": None},
        "paper": comparison.compare(summarised, experiments, None),
        "provenance": {"manifests": [], "checkpoints": {}, "predictions": "theirs"},
    }
    text = page.write(tmp_path, metrics, {}, key_slices).read_text()
    assert "<script>alert" not in text and "theirs" in text


@pytest.mark.parametrize(("count", "largest"), [(30, 2.5e6), (300, 11e6), (1200, 22e6)])
def test_the_pictures_of_many_cases_share_the_room(made_rows, count, largest):
    """Noise is the worst that a picture can be: real slices take half of it."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:200, :200]
    mask = ((x - 100) / 70) ** 2 + ((y - 100) / 60) ** 2 < 1
    noisy = [
        KeySlice(
            index=number,
            level_mm=0.0,
            grey=rng.normal(100, 30, (200, 200)).clip(0, 255).astype(np.uint8),
            automated=np.roll(mask, 2, 0),
            manual=mask,
            pixel_mm=(1.0, 1.0),
        )
        for number in range(6)
    ]
    row = made_rows(subjects=1)[0]
    rows = [row | {"exam_id": f"e{number}"} for number in range(count)]
    every = {f"e{number}" for number in range(0, count, max(1, count // 12))}
    found = casedata.pictures(rows, lambda row: noisy if row["exam_id"] in every else [])
    assert set(found) == {casedata.identity(row) for row in rows if row["exam_id"] in every}
    assert len(json.dumps(found)) / len(found) * count < largest
