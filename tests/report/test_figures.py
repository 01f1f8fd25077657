import hashlib
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from liver_jax.evaluation.experiments import run
from liver_jax.report import figures, style, wording
from liver_jax.report.plots import boxes, overlay
from liver_jax.report.slices import KeySlice

SVG = "{http://www.w3.org/2000/svg}"


def key_slices(row):
    """Two small slices; none of a failed case."""
    if row["status"] == "failed":
        return []
    y, x = np.mgrid[:12, :16]
    manual = (x - 6) ** 2 + (y - 6) ** 2 < 16
    return [
        KeySlice(index, 5.0 * index, np.full((12, 16), 90, np.uint8), manual ^ (x == 6), manual,
                 (2.0, 1.5))
        for index in (3, 7)
    ]  # fmt: skip


def drawn(rows, columns=(), phantom=False):
    metrics = {
        "cases": rows,
        "experiments": run.run(rows, columns),
        "provenance": {"manifests": [{"phantom": phantom}]},
    }
    return figures.all(metrics, key_slices)


def words(svg):
    """All that can be read in a figure."""
    root = ET.fromstring(svg)
    return " ".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))


@pytest.fixture(scope="module")
def every(made_rows):
    rows = [row for row in made_rows(subjects=4) if row["technique"] != "spgr3d"]
    return drawn([row for row in rows if row["echo"] in (None, 1, 6)], ("sex",), phantom=True)


@pytest.fixture(scope="module")
def svgs(every):
    return figures.svgs(every)


@pytest.fixture(scope="module")
def ablation():
    points = [
        {
            "arm": "ct",
            "technique": "ct",
            "model": "multimodal" if count else "initial",
            "count": count,
            "mean": mean,
            "n_cases": 3,
            "n_seeds": 3 if count else 0,
            "n_undefined": 0,
            "n_failed": 0,
            "dice": [[mean - 0.1, mean, mean + 0.05]],
            "published": {"mean": 0.88, "sd": 0.13} if count == 1 else None,
        }
        for count, mean in ((0, 0.7), (1, 0.8), (5, 0.9))
    ]
    arm = {"arm": "ct", "technique": "ct", "most": 5, "plateau": {"count": 1, "reason": None}}
    return {"phantoms": True, "arms": [arm], "points": points}


def test_all_figures_of_an_evaluation(every):
    assert list(every) == [
        "networks",
        "networks_cohorts",
        "echoes_initial",
        "echoes_multimodal",
        "volume_spgr2d_multimodal",
        "volume_ct_multimodal",
        "volume_hbp_t1w_multimodal",
        "pdff_spgr2d_multimodal",
        "pdff_without_vessels_spgr2d_multimodal",
        "examples_multimodal",
        "outliers_multimodal",
        "failure_initial",
        "failure_multimodal",
        "failure",
        "subgroups_sex",
    ]


def test_figures_are_sound_svg_with_text_title_and_caption(every, svgs):
    for name, text in svgs.items():
        root = ET.fromstring(text)
        assert root.tag == f"{SVG}svg" and root.get("role") == "img"
        assert root.find(f"{SVG}title").text == style.title_of(every[name])
        assert len(root.find(f"{SVG}desc").text) > 80
        assert list(root.iter(f"{SVG}text")), name


def test_ids_of_two_figures_never_meet(svgs):
    ids = []
    for name in ("networks", "volume_ct_multimodal"):
        text = svgs[name]
        own = re.findall(r'\bid="([^"]+)"', text)
        assert len(own) == len(set(own))
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', text)) <= set(own)
        ids += own
    assert len(ids) == len(set(ids))


def test_what_is_drawn_twice_is_the_same(made_rows, tmp_path):
    rows = [row for row in made_rows(subjects=2, models=["tool"]) if row["technique"] == "ct"]
    hashes = []
    for folder in ("a", "b"):
        found = drawn(rows)
        chosen = {name: found[name] for name in ("examples_tool",)}
        paths = figures.write(chosen, tmp_path / folder)
        hashes.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in paths])
    assert {path.suffix for path in paths} == {".svg", ".pdf"}
    assert hashes[0] == hashes[1]


def test_pdf_letters_are_embedded_fonts(every, tmp_path):
    (path,) = [
        path
        for path in figures.write({"networks": every["networks"]}, tmp_path)
        if path.suffix == ".pdf"
    ]
    content = path.read_bytes()
    assert b"/FontFile2" in content and b"/Type3" not in content
    assert b"/CreationDate" not in content


def test_phantoms_are_called_so_in_every_figure(every, svgs):
    for name, figure in every.items():
        assert figures.PHANTOMS in words(svgs[name]), name
        assert figures.PHANTOMS in style.caption_of(figure)


def test_patients_are_not_called_phantoms(made_rows):
    rows = [row for row in made_rows(subjects=1, models=["tool"]) if row["technique"] == "ct"]
    assert figures.PHANTOMS not in words(style.svg("a", drawn(rows)["networks"]))


def test_networks_say_n_mean_difference_and_p(svgs):
    text = words(svgs["networks"])
    for word in ("2D SPGR", "HBP T1w", "initial CNN", "multimodal CNN", "n = 8", "P < .001"):
        assert word in text
    assert "CT, unenhanced" not in text
    assert "CT, unenhanced" in words(svgs["networks_cohorts"])


def test_echoes_are_labelled_by_their_times(svgs):
    text = words(svgs["echoes_initial"])
    for word in ("TE 1.15 ms", "TE 6.9 ms", "2D SPGR", "Greenhouse-Geisser", "±"):
        assert word in text


def test_agreement_says_its_figures(svgs):
    text = words(svgs["volume_ct_multimodal"])
    for word in ("n = 6", "R² =", "slope", "bias", "upper limit", "lower limit", "CCC", "mL"):
        assert word in text


def test_outliers_and_examples_show_slices_with_the_three_colours(svgs):
    for name in ("outliers_multimodal", "examples_multimodal"):
        root = ET.fromstring(svgs[name])
        assert len(list(root.iter(f"{SVG}image"))) > 1
        assert "automated only manual only both" in words(svgs[name])
    assert "RuntimeError: out of memory" in words(svgs["outliers_multimodal"])
    assert "no image" in words(svgs["outliers_multimodal"])


def test_without_pdff_and_cohorts(made_rows):
    rows = [row for row in made_rows(subjects=3) if row["technique"] == "spgr2d"]
    rows = [
        row | {"cohort": ""} | {key: None for key in row if key.startswith("pdff")}
        for row in rows
        if row["echo"] == 1
    ]
    found = drawn(rows)
    assert {"networks", "volume_spgr2d_multimodal"} <= set(found)
    assert not [name for name in found if re.match("pdff|echoes|networks_cohorts", name)]


def test_another_tools_masks_alone(made_rows):
    rows = made_rows(subjects=3, models=["$a$ <b>&"])
    found = drawn([row for row in rows if row["technique"] == "ct"])
    assert {"networks", "networks_cohorts", "volume_ct_a_b", "examples_a_b"} <= set(found)
    assert "$a$ <b>&" in words(style.svg("a", found["volume_ct_a_b"]))


def test_one_case(made_rows):
    rows = made_rows(subjects=1, models=["tool"])[:1]
    assert list(drawn(rows)) == [
        "networks", "volume_spgr2d_tool", "pdff_spgr2d_tool", "pdff_without_vessels_spgr2d_tool",
        "examples_tool",
    ]  # fmt: skip


def test_no_case_that_went_well(made_rows):
    rows = [row for row in made_rows(subjects=5) if row["status"] != "ok"]
    rows = [row for row in rows if row["echo"] in (None, 1)]
    found = drawn(rows)
    assert {"networks", "networks_cohorts", "outliers_multimodal"} <= set(found)
    assert not [name for name in found if name.startswith(("volume", "pdff", "examples"))]


def test_two_names_that_become_one_keep_their_figures(made_rows):
    rows = [row for row in made_rows(subjects=1, models=("a b", "a_b")) if row["modality"] == "CT"]
    assert {"volume_ct_a_b", "volume_ct_a_b_2"} <= set(drawn(rows))


def test_ablation_curve(ablation):
    found = figures.of_ablation(ablation)
    assert list(found) == ["ablation_ct"]
    text = words(style.svg("a", found["ablation_ct"]))
    for word in ("CT sets in stage 2", "plateau from 1", "published, mean ± SD", "3 seeds"):
        assert word in text
    assert "Dice is not lower than with 5" in style.caption_of(found["ablation_ct"])


def test_far_outliers_do_not_press_the_boxes_flat():
    near = boxes.Group(np.array([0.9, 0.91, 0.93, 0.95, 0.86]), "red")
    far = boxes.Group(np.array([0.9, 0.91, 0.93, 0.95, 0.0]), "red")
    assert boxes.floor([near]) == pytest.approx(0.85)
    assert boxes.floor([far]) == pytest.approx(0.85)
    assert boxes.floor([boxes.Group(np.zeros(0), "red")]) == 0.0


def test_group_counts_failed_as_zero_and_names_the_undefined():
    rows = [
        {"status": "ok", "dice": 0.8},
        {"status": "failed", "dice": None},
        {"status": "empty", "dice": None},
    ]
    group = boxes.group(rows, "red")
    assert group.values.tolist() == [0.8, 0.0]
    assert group.count == "n = 2\n(1 undef.)\n(1 failed)"
    assert group.mean_sd == "0.40 ± 0.57"


def test_venn_colours():
    grey = np.zeros((1, 4), np.uint8)
    shown = KeySlice(
        0, 0.0, grey, np.array([[0, 1, 0, 1]], bool), np.array([[0, 0, 1, 1]], bool), (1.0, 1.0)
    )
    picture = overlay.coloured(shown)
    assert picture[0, 0].tolist() == [0, 0, 0]
    # Vermilion D55E00, sky blue 56B4E9 at 65 %, yellow F0E442 at 25 %.
    assert picture[0, 1].tolist() == [138, 61, 0]
    assert picture[0, 2].tolist() == [56, 117, 151]
    assert picture[0, 3].tolist() == [60, 57, 16]


def test_slices_of_a_case():
    small, large = key_slices({"status": "ok"})
    more = KeySlice(9, 0.0, large.grey, large.manual, np.ones_like(large.manual), (1.0, 1.0))
    assert overlay.largest([small, more, large]).index == 9
    assert overlay.most_different([small, more, large]).index == 9
    assert overlay.largest([]) is None
    ranked = [{"status": "failed"}, {"status": "ok", "name": "b"}]
    assert overlay.nearest_pictured(ranked, 0, key_slices)["name"] == "b"
    assert overlay.nearest_pictured(ranked[:1], 0, key_slices) is None


def test_numbers_and_p_values_as_they_are_printed():
    assert wording.number(-0.004) == "0.00"
    assert wording.number(-58.14, 1) == "−58.1"
    assert wording.number(None) == "–"
    assert wording.interval((-0.5, 1)) == "−0.50, 1.00"
    assert [wording.p_value(p) for p in (0.0004, 0.0042, 0.234, 0.995, None)] == [
        "P < .001", "P = .004", "P = .23", "P > .99", "P –",
    ]  # fmt: skip


def test_order_of_names():
    rows = [
        {"technique": "mine", "model": "tool", "cohort": "west"},
        {"technique": "ct", "model": "multimodal", "cohort": "external"},
        {"technique": "spgr2d", "model": "initial", "cohort": "internal"},
    ]
    assert wording.techniques(rows) == ["spgr2d", "ct", "mine"]
    assert wording.models(rows) == ["initial", "multimodal", "tool"]
    assert wording.final_models(rows) == ["multimodal", "tool"]
    assert wording.final_models(rows[2:]) == ["initial"]
    assert wording.cohorts(rows) == ["internal", "external", "west"]
