import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from liver_jax.report import viewer
from liver_jax.volume.geometry import Volume


@pytest.fixture
def case(made_rows):
    rng = np.random.default_rng(0)
    x, y, z = np.mgrid[:60, :50, :24]
    manual = ((x - 40) / 15) ** 2 + ((y - 28) / 14) ** 2 + ((z - 13) / 5) ** 2 < 1
    data = (60.0 * manual + rng.normal(0, 10, manual.shape)).astype(np.float32)
    row = next(row for row in made_rows(subjects=1) if row["modality"] == "CT")
    image = Volume(data, np.diag([1.5, 1.5, 5.0, 1.0]))
    return image, np.roll(manual, 1, 0), manual, row


def data_of(path):
    text = path.read_text()
    return text, json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])


def test_the_page_holds_all_slices_of_the_liver_and_a_margin(case, tmp_path):
    image, automated, manual, row = case
    viewer.write(tmp_path / "a.html", image, "CT", automated, manual, row)
    text, data = data_of(tmp_path / "a.html")
    assert data["indices"] == list(range(6, 21))  # 9 to 17, and 15 mm
    assert len(data["pictures"]) == len(data["levels_mm"]) == 15
    assert data["levels_mm"][0] == 30.0
    assert data["window"] == [-110, 190] and data["stored"][0] < -110 < 190 < data["stored"][1]
    picture = Image.open(io.BytesIO(base64.b64decode(data["pictures"][7])))
    assert picture.mode == "L" and picture.size == (data["columns"], data["rows"])
    # The areas are those of the masks.
    only, missed, both = (np.array(areas) for areas in data["areas_cm2"])
    areas = manual.sum(axis=(0, 1))[6:21] * 0.0225
    np.testing.assert_allclose(missed + both, areas, atol=0.02)
    np.testing.assert_allclose(only.sum(), missed.sum(), atol=0.1)
    assert f"{row['dice']:.3f}" in text and row["exam_id"] in text


def test_the_page_needs_nothing_else(case, tmp_path):
    viewer.write(tmp_path / "a.html", *case[:1], "CT", *case[1:])
    text = (tmp_path / "a.html").read_text()
    assert not re.search(r"""(src|href)\s*=\s*["'](https?:)?//""", text)
    assert "@import" not in text and "{{" not in text


def test_the_masks_are_exact(case, tmp_path):
    image, automated, manual, row = case
    viewer.write(tmp_path / "a.html", image, "CT", automated, manual, row)
    _, data = data_of(tmp_path / "a.html")
    total, value, shift = {1: 0, 2: 0, 3: 0, 0: 0}, 0, 0
    for byte in base64.b64decode(data["masks"]):
        value |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            total[value % 4] += value // 4
            value = shift = 0
    assert total[3] == (automated & manual).sum()
    assert total[1] == (automated & ~manual).sum()
    assert sum(total.values()) == 15 * data["rows"] * data["columns"]


def test_words_of_others_are_escaped(case, tmp_path):
    image, automated, manual, row = case
    row |= {"status": "empty", "reason": "<script>alert(1)</script>", "flags": ["<b>"]}
    viewer.write(tmp_path / "a.html", image, "CT", automated, manual, row)
    text = (tmp_path / "a.html").read_text()
    assert "<script>alert" not in text and "<b>" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_large_noisy_scan_stays_small(made_rows, tmp_path):
    rng = np.random.default_rng(0)
    data = rng.normal(60, 150, (256, 256, 60)).astype(np.float32)
    mask = np.ones(data.shape, bool)
    row = made_rows(subjects=1)[0]
    image = Volume(data, np.diag([1.0, 1.0, 3.0, 1.0]))
    viewer.write(tmp_path / "a.html", image, "CT", mask, mask, row)
    assert (tmp_path / "a.html").stat().st_size < 2.2e6
    assert len(data_of(tmp_path / "a.html")[1]["pictures"]) == 60


def test_empty_masks_and_mr_are_shown_too(case, tmp_path):
    image, _, manual, row = case
    viewer.write(tmp_path / "a.html", image, "MR", None, np.zeros_like(manual), row)
    _, data = data_of(tmp_path / "a.html")
    assert len(data["pictures"]) == 24 and data["unit"] == ""
    assert not any(sum(areas) for areas in data["areas_cm2"])
