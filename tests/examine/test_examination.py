"""One examination: what measurements.json says of a mask whose figures are known."""

import json

import numpy as np
import pytest

from liver_jax.errors import InputError
from liver_jax.examine import examination, scan, writing
from liver_jax.examine.options import Options, is_done, request
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

TE_MS = (1.15, 2.3, 3.45)


def found(exam, network, **options):
    options = Options(**options)
    wanted = request(exam, network, options)
    return examination.find(scan.read(exam), network, options, wanted)


def test_a_box_is_measured(scan_of, network):
    record = found(scan_of("box"), network).record
    volume_ml = 20 * 30 * 7 * 0.072
    assert record["volume_ml"] == pytest.approx(volume_ml)
    assert record["mask_voxels"] == 20 * 30 * 7
    assert [part["index"] for part in record["sections"]] == list(range(2, 9))
    areas_cm2 = [part["area_cm2"] for part in record["sections"]]
    assert areas_cm2 == pytest.approx([20 * 30 * 0.09] * 7)
    assert [part["level_mm"] for part in record["sections"]] == [8.0 * k for k in range(2, 9)]
    expected = {"craniocaudal": 56, "anteroposterior": 90, "transverse": 60}
    assert record["dimensions_mm"] == pytest.approx(expected)
    assert record["grid"] == {"shape": [100, 90, 12], "spacing_mm": [3, 3, 8], "axes": "RAS"}
    assert record["input"]["format"] == "nii" and "names" not in record["input"]
    assert record["attenuation"] is None and record["pdff"] is None
    assert record["pdff_reason"].startswith("there is no PDFF map")
    assert [flag["flag"] for flag in record["flags"]] == ["implausible_volume"]
    assert record["seconds"]["network"] == 0.25
    json.dumps(record, allow_nan=False)


def test_pieces_and_holes(scan_of, network):
    exam = scan_of("two", boxes=[((60, 80), (40, 70), (2, 9)), ((10, 14), (40, 44), (2, 5))])
    data = nifti.read_image(exam.images[0])
    data.data[70, 50, 5] = 0
    nifti.write(exam.images[0], data.data, data)
    whole = found(exam, network, postprocessed=False)
    assert whole.record["mask_voxels"] == 20 * 30 * 7 - 1 + 4 * 4 * 3
    cleaned = found(exam, network)
    assert cleaned.record["mask_voxels"] == 20 * 30 * 7 and cleaned.mask[70, 50, 5]


def test_an_empty_mask(scan_of, network):
    made = found(scan_of("none", boxes=()), network)
    record = made.record
    assert made.empty and record["status"] == "empty"
    assert record["volume_ml"] is None and record["volume_ml_reason"] == "the mask is empty"
    assert record["dimensions_mm"] is record["pdff"] is None and record["sections"] == []
    assert [flag["flag"] for flag in record["flags"]] == ["empty"]
    assert examination.words(made).startswith("no liver was found")


def test_echoes_are_chosen_or_vote(scan_of, network):
    exam = scan_of("echoes", echoes=3)  # 200, 90 and 60: liver on the first alone
    assert found(exam, network).record["volume_ml"] > 0
    assert found(exam, network, echo=3).empty
    voted = found(exam, network, echo=None)
    assert voted.empty and voted.record["quality"]["echo_dice"] == 0.5
    with pytest.raises(InputError, match="has 3 volumes, while --echo is 4"):
        found(exam, network, echo=4)


def test_a_map_that_came_with_it(scan_of, network, tmp_path):
    plain = scan_of("plain")
    percent = np.full((100, 90, 12), 40.0, np.float32)
    percent[60:80, 40:70, 2:9] = 12.5
    nifti.write(tmp_path / "pdff.nii.gz", percent / 100, Volume(percent, np.diag([3, 3, 8, 1.0])))
    exam = scan_of("plain", pdff_map=tmp_path / "pdff.nii.gz", pdff_unit="fraction")
    record = found(exam, network).record
    assert record["pdff"]["source"] == "map"
    assert record["pdff"]["mean"]["value"] == pytest.approx(12.5)
    assert record["pdff_reason"] is record["r2star"] is None
    assert found(plain, network).record["pdff"] is None
    wrong = scan_of("plain", pdff_map=tmp_path / "pdff.nii.gz", pdff_unit="permille")
    record = found(wrong, network).record
    assert record["pdff"] is None and "looks like" in record["pdff_reason"]
    assert record["volume_ml"] > 0


def test_ct_has_an_attenuation(scan_of, network):
    record = found(scan_of("ct", modality="CT"), network).record
    assert record["volume_ml"] is None  # 100 HU is the network's threshold here
    exam = scan_of("ct", modality="CT")
    data = nifti.read_image(exam.images[0])
    nifti.write(exam.images[0], np.where(data.data > 0, 120.0, -80.0).astype(np.float32), data)
    record = found(exam, network).record
    assert record["attenuation"]["mean_hu"] == pytest.approx(120)
    assert record["pdff_reason"].startswith("a CT has no echoes")


def test_files_and_their_record(scan_of, network, tmp_path):
    exam, output = scan_of("box"), tmp_path / "out"
    options = Options(probability=True, keep_identifiers=True)
    wanted = request(exam, network, options)
    made = examination.find(scan.read(exam), network, options, wanted)
    writing.write(made, options, output)
    names = {"mask.nii.gz", "probability.nii.gz", "preview.png", "report.html"}
    assert {path.name for path in output.iterdir()} == {*names, "measurements.json"}
    assert is_done(output, wanted)
    assert not is_done(output, request(exam, network, Options()))
    record = json.loads((output / "measurements.json").read_text())
    assert record["input"]["names"] == ["box.nii.gz"] and record["seconds"]["write"] > 0
    assert {"python", "jax", "numpy"} <= set(record["versions"])
    mask = nifti.read_labels(output / "mask.nii.gz")
    np.testing.assert_array_equal(mask.affine, scan.read(exam).volume.affine)
    # Written again with less: what was written before and is not asked for does not stay.
    writing.write(made, Options(pictures=False), output)
    assert {path.name for path in output.iterdir()} == {*names, "measurements.json"} - {
        "preview.png",
        "report.html",
    }


def test_the_same_scan_gives_the_same_bytes(scan_of, network, tmp_path):
    exam = scan_of("box")
    for name in ("one", "two"):
        options = Options(pictures=False)
        made = examination.find(scan.read(exam), network, options, request(exam, network, options))
        writing.write(made, options, tmp_path / name)
    masks = {(tmp_path / name / "mask.nii.gz").read_bytes() for name in ("one", "two")}
    assert len(masks) == 1


def test_a_mask_that_reads_back_otherwise_gets_no_name(scan_of, network, tmp_path, monkeypatch):
    exam, options, write = scan_of("box"), Options(pictures=False), nifti.write
    made = examination.find(scan.read(exam), network, options, request(exam, network, options))
    monkeypatch.setattr(nifti, "write", lambda path, data, like: write(path, data[::-1], like))
    with pytest.raises(ValueError, match="something else when read back"):
        writing.write(made, options, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_two_echoes_are_not_fitted_and_say_so(scan_of, network):
    exam = scan_of("dual", echoes=2, te_ms=TE_MS[:2], field_strength_t=3.0)
    record = found(exam, network).record
    assert record["maps"] is None and "2 echoes" in record["pdff_reason"]
    exam = scan_of("three", echoes=3, te_ms=TE_MS, field_strength_t=3.0)
    record = found(exam, network).record
    assert record["pdff"]["source"] == "magnitude_fit" and record["pdff_reason"] is None
    assert record["r2star"]["mean"]["value"] is not None
