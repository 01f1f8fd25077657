"""One slice with its masks coloured as a Venn diagram: automated only, manual only, both."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib import colors, patches
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from liver_jax.report import style
from liver_jax.report.slices import KeySlice

FindSlices = Callable[[dict], Sequence[KeySlice]]

LEGEND = (
    ("automated only", style.AUTOMATED_ONLY),
    ("manual only", style.MANUAL_ONLY),
    ("both", style.BOTH),
)
# Where the masks differ is what the picture is for; where they agree the liver should be seen.
_OPACITY_DIFFERENT, _OPACITY_BOTH = 0.65, 0.25


def largest(key_slices: Sequence[KeySlice]) -> KeySlice | None:
    """The slice with the most liver, by the reader or, where he drew none, by the network."""
    if not key_slices:
        return None
    return max(key_slices, key=lambda item: (item.manual.sum(), item.automated.sum()))


def most_different(key_slices: Sequence[KeySlice]) -> KeySlice | None:
    """The slice with the largest area in one mask only."""
    if not key_slices:
        return None
    return max(key_slices, key=lambda item: int((item.automated ^ item.manual).sum()))


def nearest_pictured(ranked: Sequence[dict], place: float, key_slices: FindSlices) -> dict | None:
    """The row nearest to a place in a ranking that has slices; None where none has.

    Args:
        ranked: The rows in order.
        place: From 0 to the last one's index.
        key_slices: The slices of a row; none where there are none.
    """
    for index in sorted(range(len(ranked)), key=lambda index: abs(index - place)):
        if key_slices(ranked[index]):
            return ranked[index]
    return None


def coloured(shown: KeySlice) -> np.ndarray:
    """uint8 [row, column, 3]: the grey slice with the three areas laid over it."""
    picture = np.repeat(shown.grey[..., None].astype(np.float64), 3, axis=2)
    areas = (
        (shown.automated & ~shown.manual, style.AUTOMATED_ONLY, _OPACITY_DIFFERENT),
        (shown.manual & ~shown.automated, style.MANUAL_ONLY, _OPACITY_DIFFERENT),
        (shown.manual & shown.automated, style.BOTH, _OPACITY_BOTH),
    )
    for area, colour, opacity in areas:
        paint = 255 * np.array(colors.to_rgb(colour))
        picture[area] = (1 - opacity) * picture[area] + opacity * paint
    return np.round(picture).astype(np.uint8)


def show(axes: Axes, shown: KeySlice | None, venn: bool = True) -> None:
    """Draws a slice in its true proportions; a word where there is none.

    Args:
        axes: Where; loses its frame.
        shown: The slice.
        venn: Whether the masks are laid over it, or the manual one is only outlined.
    """
    axes.set_axis_off()
    if shown is None:
        axes.set_box_aspect(0.75)
        axes.add_patch(patches.Rectangle((0, 0), 1, 1, facecolor="#eeeeee"))
        axes.text(0.5, 0.5, "no image", ha="center", va="center", color=style.GREY)
        return
    picture = coloured(shown) if venn else shown.grey
    aspect = shown.pixel_mm[0] / shown.pixel_mm[1]
    # "none": a vector file holds the pixels as they are.
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, aspect=aspect, interpolation="none")
    if not venn and shown.manual.any() and not shown.manual.all():
        outline = {"levels": [0.5], "colors": style.YELLOW, "linewidths": 0.7}
        axes.contour(shown.manual.astype(np.float64), **outline)


def legend(figure: Figure) -> None:
    """The three colours, under the panels."""
    handles = [patches.Patch(color=colour, label=name) for name, colour in LEGEND]
    figure.legend(handles=handles, loc="outside lower right", ncols=3)
