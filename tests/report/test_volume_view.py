import base64
import gzip
import json
import re

import nibabel
import numpy as np
import pytest

from liver_jax.report import volume_view
from liver_jax.volume.geometry import Volume


@pytest.fixture
def case(made_rows):
    x, y, z = np.mgrid[:20, :16, :10]
    manual = ((x - 12) / 5) ** 2 + ((y - 8) / 5) ** 2 + ((z - 5) / 3) ** 2 < 1
    image = Volume((100.0 * manual).astype(np.float32), np.diag([-2.0, 2.0, 4.0, 1.0]))
    return image, np.roll(manual, 1, 0), manual, made_rows(subjects=1)[0]


def stored(path, name):
    text = re.search(r'id="data">(.*?)</script>', path.read_text(), re.S)[1]
    content = gzip.decompress(base64.b64decode(json.loads(text)[name]))
    return nibabel.Nifti1Image.from_bytes(content)


def test_the_page_holds_the_scan_the_masks_and_niivue(case, tmp_path, monkeypatch):
    monkeypatch.setattr(volume_view, "library", lambda: "class Niivue {}; //the library")
    monkeypatch.setattr(volume_view, "_licence", lambda: "BSD <2>")
    image, automated, manual, row = case
    assert volume_view.write(tmp_path / "a.html", image, "CT", automated, manual, row)
    labels = stored(tmp_path / "a.html", "labels")
    np.testing.assert_array_equal(np.asarray(labels.dataobj), automated + 2 * manual)
    np.testing.assert_allclose(labels.affine, image.affine)
    grey = np.asarray(stored(tmp_path / "a.html", "image").dataobj)
    assert grey.dtype == np.uint8 and grey[12, 8, 5] == 179  # (100 + 110) / 300 of 255
    text = (tmp_path / "a.html").read_text()
    assert "//the library" in text and "BSD &lt;2&gt;" in text and "{{" not in text


def test_a_large_scan_is_thinned_out_and_said_to_be(case, tmp_path, monkeypatch):
    monkeypatch.setattr(volume_view, "library", lambda: "")
    monkeypatch.setattr(volume_view, "_licence", lambda: "")
    monkeypatch.setattr(volume_view, "_LARGEST_VOXELS", 1000)
    image, automated, manual, row = case
    volume_view.write(tmp_path / "a.html", image, "CT", automated, manual, row)
    labels = stored(tmp_path / "a.html", "labels")
    assert labels.shape == (10, 8, 10)
    np.testing.assert_allclose(labels.affine, np.diag([-4.0, 4.0, 4.0, 1.0]))
    assert "Every 2 x 2 x 1th voxel is shown" in (tmp_path / "a.html").read_text()


def test_without_niivue_nothing_is_written(case, tmp_path, monkeypatch):
    monkeypatch.setattr(volume_view, "library", lambda: None)
    image, automated, manual, row = case
    assert not volume_view.write(tmp_path / "a.html", image, "CT", automated, manual, row)
    assert not list(tmp_path.iterdir())


def test_the_package_gives_niivue_as_one_module():
    pytest.importorskip("ipyniivue", reason="ipyniivue is not installed", exc_type=ImportError)
    module = volume_view.library()
    assert re.search(r"export\s*\{[^}]*\bNiivue\b", module[-3000:])
    assert "</script" not in module
    assert "Redistribution" in volume_view._licence()


def test_the_worst_have_a_mask_and_a_dice(made_rows):
    rows = made_rows(subjects=5)
    found = volume_view.worst(rows)
    assert len(found) == volume_view.COUNT
    assert all(row["status"] != "failed" and row["dice"] is not None for row in found)
    dices = [row["dice"] for row in rows if row["status"] != "failed" and row["dice"] is not None]
    assert [row["dice"] for row in found] == sorted(dices)[: volume_view.COUNT]
