import numpy as np
import pytest
from PIL import Image

from liver_jax.report import overview, preview, slices
from liver_jax.volume.geometry import Volume

ORANGE = np.array([255, 126, 40])


def scan(spacing_mm=(2.0, 2.0, 5.0), shape=(80, 60, 20)):
    x, y, z = np.mgrid[: shape[0], : shape[1], : shape[2]]
    body = ((x - 40) / 32) ** 2 + ((y - 30) / 24) ** 2 < 1
    liver = ((x - 52) / 12) ** 2 + ((y - 30) / 12) ** 2 + ((z - 10) / 6) ** 2 < 1
    data = np.where(liver, 60.0, np.where(body, 0.0, -1000.0)).astype(np.float32)
    return Volume(data, np.diag([*spacing_mm, 1.0])), liver


def orange(picture):
    return np.abs(np.asarray(picture, int) - ORANGE).sum(axis=2) < 12


def test_slices_of_the_livers_height_with_an_outline_on_its_right():
    image, liver = scan()
    picture = preview.draw(image, "CT", liver)
    # 11 slices hold liver: 4 across, 3 down.
    assert picture.mode == "RGB"
    pixels = orange(picture)
    panel = pixels[: (picture.height - 30) // 3, : picture.width // 4]
    assert not panel[:, panel.shape[1] // 2 :].any()  # the patient's right is on the left
    columns = np.flatnonzero(pixels.any(axis=0))
    assert len(columns) > 100


def test_the_outline_lies_where_the_mask_ends():
    mask = np.zeros((40, 40), bool)
    mask[10:30, 12:28] = True
    line = preview.outline(mask, (160, 160), 2.0)
    assert line.shape == (160, 160) and line.max() == 1.0
    # Rows 10 to 29 of 4 pixels each: the mask runs from 40 to 120.
    rows = np.flatnonzero(line[:, 80])
    assert rows.tolist() == [39, 40, 119, 120]
    assert (line[[39, 40, 119, 120], 80] == 1.0).all()


def test_a_mask_at_the_border_is_closed_and_an_empty_one_has_no_line():
    mask = np.ones((12, 12), bool)
    line = preview.outline(mask, (24, 24), 1.5)
    assert line[0].mean() > 0.3 and line[:, -1].mean() > 0.3
    assert not preview.outline(~mask, (24, 24), 1.5).any()


def test_pixels_keep_their_proportion():
    image, liver = scan(spacing_mm=(2.0, 4.0, 5.0))
    wide = preview.draw(image, "CT", liver)
    assert orange(wide).any()
    rows, columns = slice(0, 60), slice(0, 80)
    (height, width), scale = preview._size(rows, columns, (4.0, 2.0))
    assert (height, width) == (320, round(160 * 320 / 240)) and scale == pytest.approx(320 / 240)


def test_without_a_liver_the_whole_scan_is_shown_and_said_so(tmp_path):
    image, liver = scan()
    preview.write(tmp_path / "a.png", image, "CT", np.zeros_like(liver))
    written = Image.open(tmp_path / "a.png")
    assert written.format == "PNG" and not orange(written).any()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png"]


def test_another_grid_is_a_mistake():
    image, liver = scan()
    with pytest.raises(ValueError, match="differ in shape"):
        preview.draw(image, "CT", liver[:-1])


def test_places_are_even_and_within_the_range():
    assert overview.evenly(slice(4, 8), 16) == [4, 5, 6, 7]
    assert overview.evenly(slice(0, 100), 4) == [12, 37, 62, 87]


def test_the_field_is_the_body_and_the_mask():
    image, liver = scan()
    planes = slices.axial(image.data, image.affine)
    drawn = slices.axial(liver, image.affine)
    found = slices.extent(drawn, (2.0, 2.0))
    rows, columns = overview.field(planes, found, slices.CT_WINDOW_HU, (2.0, 2.0))
    # Body: rows 6 to 52, columns 8 to 70, and 10 mm; the mask, from column 16, has 30 mm.
    assert (rows.start, rows.stop) == (6 - 5, 52 + 5 + 1)
    assert (columns.start, columns.stop) == (16 - 15, 70 + 5 + 1)
