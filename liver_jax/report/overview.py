"""What is shown of one scan with one mask: which slices, and the rows and columns of the body.

A reader who judges a mask must see what it missed, too: the whole body in plane, not a crop around
the mask.
"""

import numpy as np

from liver_jax.report import slices

# A row or column belongs to the body where more than this share of it is brighter than that part
# of the window. Air and the noise in it are darker, a table or a stray pixel is a smaller share.
_BODY_GREY, _BODY_SHARE = 26, 0.03
_EDGE_MM = 10.0
# The body is looked for in so many slices.
_LOOKED_AT = 9


def evenly(held: slice, count: int) -> list[int]:
    """So many places, evenly over a range of slices and within it; all where there are fewer.

    Args:
        held: The range, with a step of 1.
        count: 1 or more.
    """
    length = held.stop - held.start
    count = min(count, length)
    return [held.start + int((number + 0.5) * length / count) for number in range(count)]


def field(
    planes: np.ndarray,
    mask: slices.Extent,
    window: tuple[float, float],
    pixel_mm: tuple[float, float],
) -> tuple[slice, slice]:
    """The rows and columns that hold the body, and the mask with its margin; all if neither is.

    Args:
        planes: [slice, row, column], the scan as `slices.axial` has it.
        mask: Where the mask lies.
        window: The grey window, in the scan's own values.
        pixel_mm: The size of a pixel along rows and columns.
    """
    looked_at = evenly(mask.held, _LOOKED_AT)
    bright = [slices.windowed(planes[place], *window) > _BODY_GREY for place in looked_at]
    ends = []
    for axis, of_mask in ((0, mask.rows), (1, mask.columns)):
        length = planes.shape[1 + axis]
        shares = np.max([plane.mean(axis=1 - axis) for plane in bright], axis=0)
        inside = np.flatnonzero(shares > _BODY_SHARE)
        if not inside.size:
            ends.append(of_mask)
            continue
        edge = round(_EDGE_MM / pixel_mm[axis])
        first, last = int(inside[0]) - edge, int(inside[-1]) + edge
        if not mask.empty:
            first, last = min(first, of_mask.start), max(last, of_mask.stop - 1)
        ends.append(slice(max(0, first), min(length, last + 1)))
    return ends[0], ends[1]
