"""Where a volume came from: the DICOM images of its slices, for objects that refer to them."""

import dataclasses

import pydicom


@dataclasses.dataclass(frozen=True, eq=False)
class Origin:
    """The images behind a volume's slices.

    The volume's axes are those of the images: x runs along their columns (to the right in the
    picture), y along their rows (downwards), z from slice to slice. Slice k of a mask, transposed,
    `mask[:, :, k].T`, is therefore the frame [row, column] of its image.

    Attributes:
        datasets: The headers, without pixels: one for each slice in the order of z, of the first
            echo; of an enhanced multi-frame object that one alone.
        frame_numbers: For a multi-frame object the frame (from 1) of each slice; else None.
    """

    # Not shown: a header tells who the patient is.
    datasets: tuple[pydicom.Dataset, ...] = dataclasses.field(repr=False)
    frame_numbers: tuple[int, ...] | None = None
