import json
import re

import numpy as np
import pytest

from liver_jax.report import scan_measures, scan_page
from liver_jax.volume.geometry import Volume

AFFINE = np.diag([2.0, 2.0, 5.0, 1.0])


@pytest.fixture
def liver():
    x, y, z = np.mgrid[:60, :50, :24]
    return ((x - 40) / 12) ** 2 + ((y - 28) / 12) ** 2 + ((z - 13) / 5) ** 2 < 1


@pytest.fixture
def image(liver):
    x, y, _ = np.mgrid[:60, :50, :24]
    body = ((x - 30) / 24) ** 2 + ((y - 25) / 20) ** 2 < 1
    noise = np.random.default_rng(0).normal(0, 10, liver.shape)
    data = np.where(liver, 60.0, np.where(body, 0.0, -1000.0)) + noise
    return Volume(data.astype(np.float32), AFFINE)


def summary(value, voxels=50):
    figure = {"value": value, "standard_error": 0.25, "voxel_count": voxels, "reason": None}
    return {
        **dict.fromkeys(("mean", "median", "sd", "mean_without_vessels"), figure),
        "source": "map",
        "eroded_mm": 5.0,
        "nine_rois": None,
    }


def data_of(path):
    text = path.read_text()
    return text, json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])


def test_all_slices_the_whole_body_and_the_areas(image, liver, scan_record, tmp_path):
    scan_page.write(tmp_path / "a.html", image, "CT", liver, scan_record)
    text, data = data_of(tmp_path / "a.html")
    assert data["indices"] == list(range(24)) and len(data["pictures"]) == 24
    # The body (x from 7 to 53, y from 6 to 44) with 10 mm, the mask (to 51) with 30 mm around it.
    assert data["columns"] == 60 - 2 and data["rows"] == 50 - 1
    np.testing.assert_allclose(data["areas_cm2"][0], liver.sum(axis=(0, 1)) * 0.04, atol=0.01)
    assert not np.any(data["areas_cm2"][1:])
    assert data["outlines"] == ["Liver"]
    assert "24 slices" in text and 'id="show-manual"' not in text
    assert "{{" not in text and not re.search(r"""(src|href)\s*=\s*["'](https?:)?//""", text)


def test_what_is_told_of_a_ct(scan_record):
    told = {line.label: line for line in scan_measures.lines(scan_record)}
    assert told["Volume"].value == "60 mL" and told["Volume"].note == "3020 voxels"
    assert told["95 % interval"].value == "55 to 67 mL"
    assert told["Extent"].value == "50 × 46 × 48 mm"
    assert told["Attenuation"].value == "−2.0 ± 10.0 HU"
    assert told["Implied PDFF (estimate)"].value == "5.3 %"
    assert told["Quality score"].value == "0.971"
    assert not any(label.startswith("PDFF") for label in told)


def test_what_is_told_of_an_mr(scan_record):
    scan_record |= {
        "modality": "MR",
        "attenuation": None,
        "pdff": summary(7.125),
        "r2star": summary(40.0),
    }
    scan_record["quality"]["echo_dice"] = 0.9
    told = {line.label: line for line in scan_measures.lines(scan_record)}
    assert told["PDFF, mean"].value == "7.12 %"
    assert "the scanner's map" in told["PDFF, mean"].note
    assert "n = 50 voxels, standard error 0.25" in told["PDFF, mean"].note
    assert told["R2*, mean"].value == "40.0 s⁻¹"
    assert told["Agreement of echoes"].value == "0.900"


def test_what_is_undefined_has_its_reason(image, scan_record, tmp_path):
    none = dict.fromkeys(("volume_ml", "dimensions_mm", "attenuation", "volume_interval_ml"))
    reason = "the mask is empty"
    scan_record |= none | {"status": "empty", "modality": "MR", "flags": []}
    scan_record |= {"volume_ml_reason": reason, "pdff_reason": reason}
    scan_record["quality"]["score"] = None
    told = {line.label: line for line in scan_measures.lines(scan_record)}
    assert {label for label, line in told.items() if line.value == "–"} == set(told)
    assert all(line.note for line in told.values())
    scan_page.write(tmp_path / "a.html", image, "MR", np.zeros(image.data.shape, bool), scan_record)
    text, data = data_of(tmp_path / "a.html")
    assert "No liver was found" in text and "No flags" in text
    assert len(data["pictures"]) == 24


def test_flags_notes_and_provenance_stand_on_the_page_and_no_path(
    image, liver, scan_record, tmp_path
):
    scan_record["input"]["notes"] = ["a localiser was left out"]
    scan_page.write(tmp_path / "a.html", image, "CT", liver, scan_record)
    text, _ = data_of(tmp_path / "a.html")
    for words in (
        "most of it is on the left",
        "a localiser",
        "0123abcd",
        "stage2 (best, step 700)",
    ):
        assert words in text
    assert "somebody" not in text and "Identifiers" not in text


def test_names_stand_there_only_where_the_record_has_them_and_are_escaped(
    image, liver, scan_record, tmp_path
):
    scan_record["input"] |= {"names": ["<b>.nii"], "dicom": {"PatientID": "17"}}
    scan_record["exam_id"] = "<script>alert(1)</script>"
    scan_page.write(tmp_path / "a.html", image, "CT", liver, scan_record)
    text, _ = data_of(tmp_path / "a.html")
    assert "&lt;b&gt;.nii" in text and "<b>" not in text and "<script>alert" not in text
    assert "PatientID" in text and "<dd>17</dd>" in text


def test_of_a_long_noisy_scan_the_slices_near_the_mask(liver, scan_record, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    data = rng.normal(0, 200, (300, 280, 60)).astype(np.float32)
    mask = np.zeros(data.shape, bool)
    mask[100:200, 100:200, 30:34] = True
    monkeypatch.setattr(scan_page, "_LARGEST_BYTES", 700_000)
    scan_page.write(tmp_path / "a.html", Volume(data, AFFINE), "CT", mask, scan_record)
    text, found = data_of(tmp_path / "a.html")
    assert found["indices"] == list(range(24, 40))  # 30 mm below and above
    assert "the 16 of 60 slices near the mask" in text
    assert sum(map(len, found["pictures"])) * 3 / 4 < 1.1 * 700_000
