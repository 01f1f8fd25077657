"""Where each slice of a volume lies in the patient, as its DICOM image says."""

import dataclasses

import numpy as np
import pydicom

from liver_jax.volume.dicom.origin import Origin


@dataclasses.dataclass(frozen=True, eq=False)
class Placement:
    """One slice: the frame of an image, and its place.

    Attributes:
        sop_class_uid: The kind of the image.
        sop_instance_uid: The image.
        number: The frame of a multi-frame image, from 1; None for a single-frame image.
        position_mm: `[3]`, the centre of the first pixel, in DICOM's LPS+ (PS3.3 C.7.6.2.1.1).
        orientation: `[6]`, unit vectors: along a row (columns rise), then along a column.
        spacing_mm: `(row, column)`: the distance between neighbouring rows, then columns.
    """

    sop_class_uid: str
    sop_instance_uid: str
    number: int | None
    position_mm: np.ndarray
    orientation: np.ndarray
    spacing_mm: tuple[float, float]


def of(origin: Origin) -> list[Placement]:
    """The places of a volume's slices, in the order of z.

    Raises:
        ValueError: An image has no position, orientation or pixel spacing; none such is read.
    """
    if origin.frame_numbers is None:
        return [_placement(dataset, [dataset], None) for dataset in origin.datasets]
    (dataset,) = origin.datasets
    shared = [*_groups(dataset.get("SharedFunctionalGroupsSequence"), 0), dataset]
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    return [
        _placement(dataset, _groups(per_frame, number - 1) + shared, number)
        for number in origin.frame_numbers
    ]


def affine(slices: list[Placement], step_mm: np.ndarray) -> np.ndarray:
    """The affine to RAS+ of slices that are `step_mm` apart.

    Args:
        slices: At least one; the first is slice 0.
        step_mm: `[3]`, LPS+, from a slice to the next.

    Returns:
        `[4, 4]`, from voxel `[column, row, slice]` (PS3.3 equation C.7.6.2.1-1, with x and y
        turned from left and back to right and front).
    """
    first = slices[0]
    lps = np.eye(4)
    lps[:3, 0] = first.orientation[:3] * first.spacing_mm[1]
    lps[:3, 1] = first.orientation[3:] * first.spacing_mm[0]
    lps[:3, 2] = step_mm
    lps[:3, 3] = first.position_mm
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps


def _groups(sequence: pydicom.Sequence | None, index: int) -> list[pydicom.Dataset]:
    """The first item of each functional group in one item of a sequence of groups."""
    if not sequence or index >= len(sequence):
        return []
    return [element.value[0] for element in sequence[index] if element.VR == "SQ" and element.value]


def _placement(
    dataset: pydicom.Dataset, groups: list[pydicom.Dataset], number: int | None
) -> Placement:
    def value(keyword: str) -> np.ndarray:
        for group in groups:
            if group.get(keyword) is not None:
                return np.array(group[keyword].value, np.float64)
        raise ValueError(f"an image without {keyword} cannot be the origin of a volume")

    row_mm, column_mm = value("PixelSpacing").tolist()
    directions = value("ImageOrientationPatient").reshape(2, 3)
    # Written with few digits, they are not quite of length 1.
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return Placement(
        str(dataset.SOPClassUID),
        str(dataset.SOPInstanceUID),
        number,
        value("ImagePositionPatient"),
        directions.ravel(),
        (row_mm, column_mm),
    )
