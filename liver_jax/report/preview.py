"""One picture of one scan: slices through the liver with the outline of its mask, as a PNG.

Slices are the grid's planes nearest to axial, evenly over the mask's height, as `slices` has them:
seen from the feet, the patient's right on the left, the front up, pixels in their true proportion.
"""

import math
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from liver_jax import files
from liver_jax.report import overview, slices
from liver_jax.volume.geometry import Volume

COUNT = 16
# A slice fills this many pixels along its longer side; its panel is never narrower or lower.
_SIDE, _LEAST = 320, 130
_GAP, _FOOT = 3, 30
_OUTLINE, _OUTLINE_PIXELS = (255, 126, 40), 1.7  # clear on black, grey and white
_WORDS, _QUIET = (255, 255, 255), (190, 196, 203)
_BAR_MM = 50.0


def write(path: str | os.PathLike, image: Volume, modality: str, mask: np.ndarray) -> None:
    """Writes the picture, atomically. It holds no names: levels and the volume are its only words.

    Args:
        path: The PNG file.
        image: The scan, float32 `[x, y, z]`, one echo.
        modality: `CT` or `MR`.
        mask: bool [x, y, z]; where it is empty, slices of the whole scan are shown.

    Raises:
        OSError: It cannot be written.
    """
    made = draw(image, modality, mask)
    with files.replacing(path) as temporary:
        made.save(temporary, "PNG")


def draw(image: Volume, modality: str, mask: np.ndarray) -> Image.Image:
    """The picture of `write`, RGB.

    Raises:
        ValueError: The mask lies on another grid, or the image has echoes.
    """
    if image.data.shape != mask.shape:
        raise ValueError(f"image {image.data.shape} and mask {mask.shape} differ in shape")
    window = slices.window_of(image, modality)
    planes = slices.axial(image.data, image.affine)
    drawn = slices.axial(np.asarray(mask, bool), image.affine)
    where = slices.placing(image)
    extent = slices.extent(drawn, where.pixel_mm)
    rows, columns = overview.field(planes, extent, window, where.pixel_mm)
    size, scale = _size(rows, columns, where.pixel_mm)
    panel = (max(_LEAST, size[0]), max(_LEAST, size[1]))

    places = overview.evenly(extent.held, COUNT)
    across = math.ceil(math.sqrt(len(places)))
    down = math.ceil(len(places) / across)
    height = down * (panel[0] + _GAP) + _FOOT
    sheet = Image.new("RGB", (max(across * (panel[1] + _GAP) + _GAP, 420), height))
    # From the head down, as slices are hung: the highest one is the first.
    for number, place in enumerate(reversed(places)):
        crop = (place, rows, columns)
        grey = slices.resized(slices.windowed(planes[crop], *window), size)
        top = (number // across) * (panel[0] + _GAP)
        left = _GAP + (number % across) * (panel[1] + _GAP)
        inner = (left + (panel[1] - size[1]) // 2, top + (panel[0] - size[0]) // 2)
        sheet.paste(Image.fromarray(_coloured(grey, drawn[crop])), inner)
        _label(sheet, (left, top), panel, f"{where.levels_mm[place]:.1f} mm", number == 0)
    _foot(sheet, _told(image, mask, extent, len(places)), scale, size[1])
    return sheet


def _size(
    rows: slice, columns: slice, pixel_mm: tuple[float, float]
) -> tuple[tuple[int, int], float]:
    """The rows and columns of a drawn slice, and its pixels for each millimetre."""
    height_mm = (rows.stop - rows.start) * pixel_mm[0]
    width_mm = (columns.stop - columns.start) * pixel_mm[1]
    scale = _SIDE / max(height_mm, width_mm)
    return (max(1, round(height_mm * scale)), max(1, round(width_mm * scale))), scale


def _coloured(grey: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A grey slice with the mask's outline on it, RGB."""
    weight = outline(mask, grey.shape, _OUTLINE_PIXELS)[..., None]
    mixed = grey[..., None] * (1 - weight) + np.array(_OUTLINE, np.float32) * weight
    return np.round(mixed).astype(np.uint8)


def outline(mask: np.ndarray, size: tuple[int, int], pixels: float) -> np.ndarray:
    """A mask's outline as a smooth line.

    The mask is interpolated at the new pixels; its distance from the value 1/2, over the slope, is
    nearly the distance from the outline.

    Args:
        mask: bool [row, column].
        size: Rows and columns of the result, over the same field.
        pixels: The line's width.

    Returns:
        float32, how much of each new pixel the line covers, 0 to 1.
    """
    if not mask.any() or min(size) < 2:
        return np.zeros(size, np.float32)
    # A frame of background closes the outline at the border of the field.
    framed = np.pad(mask, 1).astype(np.uint8) * np.uint8(255)
    height, width = mask.shape
    box = (1.0, 1.0, width + 1.0, height + 1.0)
    resized = Image.fromarray(framed).resize(size[::-1], Image.Resampling.BILINEAR, box=box)
    inside = np.asarray(resized, np.float32) / 255.0
    slope = np.hypot(*np.gradient(inside))
    distance = np.abs(inside - 0.5) / np.maximum(slope, 1e-6)
    return np.clip(pixels / 2 + 0.5 - distance, 0.0, 1.0)


def _font(points: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(points)  # comes with Pillow: the same everywhere


def _label(
    sheet: Image.Image, corner: tuple[int, int], panel: tuple[int, int], level: str, first: bool
) -> None:
    left, top = corner
    draw_on = ImageDraw.Draw(sheet)
    told = {"font": _font(14), "fill": _WORDS, "stroke_width": 1, "stroke_fill": (0, 0, 0)}
    draw_on.text((left + 6, top + panel[0] - 5), level, anchor="ls", **told)
    if first:
        middle = top + panel[0] // 2
        draw_on.text((left + 6, middle), "R", anchor="lm", **told)
        draw_on.text((left + panel[1] - 6, middle), "L", anchor="rm", **told)


def _told(image: Volume, mask: np.ndarray, extent: slices.Extent, shown: int) -> str:
    count = extent.held.stop - extent.held.start
    if extent.empty:
        return f"No liver was found. {shown} of {count} slices"
    volume_ml = np.count_nonzero(mask) * image.voxel_volume_ml
    return f"{volume_ml:.0f} mL. {shown} of {count} slices with liver"


def _foot(sheet: Image.Image, words: str, scale: float, panel_width: int) -> None:
    """The line below the slices: what is shown, and a bar of 50 mm where it fits."""
    draw_on = ImageDraw.Draw(sheet)
    middle = sheet.height - _FOOT // 2
    draw_on.text((8, middle), words, font=_font(15), fill=_QUIET, anchor="lm")
    length = round(_BAR_MM * scale)
    if length > panel_width:
        return
    right = sheet.width - 8
    label = f"{_BAR_MM:g} mm"
    draw_on.text((right, middle), label, font=_font(15), fill=_QUIET, anchor="rm")
    end = right - round(draw_on.textlength(label, font=_font(15))) - 8
    draw_on.rectangle((end - length, middle - 1, end, middle + 1), fill=_QUIET)
