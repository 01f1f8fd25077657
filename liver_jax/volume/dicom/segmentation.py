"""DICOM Segmentation (SEG): a mask written beside the images it was drawn on, and read back.

PS3.3 A.51 and C.8.20. One binary segment, the liver. There is a frame for each slice from the first
to the last that holds liver, each at the position of its image and with a reference to it, so that
a viewer lays them on each other whichever of the two it goes by. An empty mask has every frame,
all of them empty: the standard allows no object without frames, and the liver was looked for in
each.
"""

import datetime
import hashlib
import os
import pathlib

import numpy as np
import pydicom
from pydicom import uid
from pydicom.sr.codedict import codes

from liver_jax import files
from liver_jax.errors import InputError
from liver_jax.volume import geometry
from liver_jax.volume.dicom import derived, placement
from liver_jax.volume.dicom.derived import Algorithm
from liver_jax.volume.dicom.origin import Origin
from liver_jax.volume.dicom.placement import Placement
from liver_jax.volume.geometry import Volume

# Decimal strings have 16 characters: positions of a frame and its image may differ in the last.
TOLERANCE_MM = 0.01
# Slices need not be evenly placed to a hair for a grid to stand for them; a mirrored or shifted
# mask is off by half a voxel or more.
_GRID_TOLERANCE_MM = 0.2
_COSINE_TOLERANCE = 1e-4
_COLOUR = (221, 130, 101)  # RGB of "liver" in 3D Slicer's table of anatomy
_OTHER_IMAGES = "Name the segmentation that belongs to these images"


def write(
    path: str | os.PathLike,
    mask: Volume,
    origin: Origin,
    algorithm: Algorithm,
    created: datetime.datetime | None = None,
) -> None:
    """Writes a mask as a DICOM Segmentation; it gets its name once it was read back and compared.

    The same mask, images, algorithm and `created` give the same bytes. Its UIDs are made from
    these, too: objects that differ never share one.

    Args:
        path: The file, `segmentation.dcm`.
        mask: `[x, y, z]` on the grid of the images; not 0 is liver.
        origin: The images; `derived.obstacle(origin)` must be None.
        algorithm: What made the mask.
        created: When, for Content Date and Time; now where None.

    Raises:
        ValueError: The images cannot be referred to, the mask does not lie on them, or what was
            written differs from what was meant in a plane.
    """
    derived.check(origin)
    sources = placement.of(origin)
    _check_grid(mask, origin, sources)
    created = created or datetime.datetime.now()
    kept = _kept(mask.data)
    # Plane by plane in memory, as everything below goes through it.
    planes = mask.data[:, :, kept.start : kept.stop].transpose(2, 1, 0)
    planes = np.ascontiguousarray(planes, dtype=bool).view(np.uint8)
    with derived.quietly(), files.replacing(path) as temporary:
        result = _build(mask, planes, kept, origin, sources, algorithm, created)
        result.save_as(temporary, enforce_file_format=True)
        _compare(_read_planes(temporary, origin), planes, kept)


def read(path: str | os.PathLike, origin: Origin) -> np.ndarray:
    """Reads the segment of a binary segmentation onto the grid of the images.

    Each frame is placed twice, by its position and by the image that it names; both must agree.
    Slices without a frame are empty.

    Args:
        path: A segmentation with one segment.
        origin: The images it belongs to.

    Returns:
        bool `[x, y, z]`, z in the order of `origin`.

    Raises:
        InputError: Not such a file; another frame of reference, matrix, spacing or orientation; or
            a frame that lies on no slice, or on another than it says.
    """
    with derived.quietly():
        return _read_planes(pathlib.Path(path), origin).transpose(2, 1, 0)


def _read_planes(path: pathlib.Path, origin: Origin) -> np.ndarray:
    """As `read`, but bool `[z, y, x]`."""
    try:
        dataset = pydicom.dcmread(path)
    except (pydicom.errors.InvalidDicomError, OSError) as error:
        fault = f"cannot be read ({type(error).__name__})"
        raise InputError(path, fault, "Name a DICOM segmentation") from error
    kind = dataset.get("SOPClassUID"), dataset.get("SegmentationType")
    if kind != (uid.SegmentationStorage, "BINARY") or len(dataset.SegmentSequence) != 1:
        fault = "is no binary DICOM segmentation with one segment"
        raise InputError(path, fault, "Name the one that was written beside the mask")
    sources = placement.of(origin)
    count = len(dataset.PerFrameFunctionalGroupsSequence)
    found = placement.of(Origin((dataset,), tuple(range(1, count + 1))))
    _check_same_grid(path, dataset, found, origin, sources)
    positions_mm = np.array([source.position_mm for source in sources])
    pixels = dataset.pixel_array.reshape(count, dataset.Rows, dataset.Columns)
    planes = np.zeros((len(sources), dataset.Rows, dataset.Columns), bool)
    for frame, stored in zip(found, pixels, strict=True):
        planes[_slice_of(path, dataset, frame, sources, positions_mm)] |= stored.astype(bool)
    return planes


def _check_grid(mask: Volume, origin: Origin, sources: list[Placement]) -> None:
    """Raises ValueError unless voxel `[column, row, slice]` of the mask is that pixel in space."""
    first = origin.datasets[0]
    shape = (int(first.Columns), int(first.Rows), len(sources))
    if mask.data.shape != shape:
        raise ValueError(f"mask {mask.data.shape} does not lie on images {shape}")
    step_mm = mask.affine[:3, 2] * [-1, -1, 1]
    expected = placement.affine(sources, step_mm)
    last = expected[:3, 3] + expected[:3, 2] * (len(sources) - 1)
    apart_mm = np.abs(last * [-1, -1, 1] - sources[-1].position_mm).max()
    grid = Volume(np.broadcast_to(False, shape), expected)
    corners_mm = geometry.corners_mm(grid) - geometry.corners_mm(mask)
    if not max(apart_mm, np.abs(corners_mm).max()) <= _GRID_TOLERANCE_MM:
        raise ValueError("the mask's affine is not that of its images")


def _build(
    mask: Volume,
    planes: np.ndarray,
    kept: range,
    origin: Origin,
    sources: list[Placement],
    algorithm: Algorithm,
    created: datetime.datetime,
) -> pydicom.Dataset:
    from highdicom import seg  # takes a tenth of a second, for DICOM alone

    digest = hashlib.sha256(f"{kept} {planes.shape}".encode() + np.packbits(planes).tobytes())
    identity = (
        *(sources[0].sop_instance_uid, str(sources[0].number), digest.hexdigest()),
        *(algorithm.version, algorithm.checkpoint_sha256, created.isoformat()),
    )
    result = seg.Segmentation(
        source_images=_stand_ins(mask, origin, sources, kept),
        pixel_array=planes,
        segmentation_type=seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(algorithm, derived.make_uid("tracking", *identity))],
        series_instance_uid=derived.series_uid(origin, "SEG", algorithm),
        sop_instance_uid=derived.make_uid("SEG", *identity),
        omit_empty_frames=False,  # those at both ends are left out above, those between are kept
        content_label="LIVER",
        content_description="Liver, segmented by a neural network",
        series_description="Liver segmentation",
        **derived.made(origin, algorithm, created, place=1),
    )
    _fix_references(result, origin, [sources[index] for index in kept])
    derived.finish(result, origin)
    organisation = derived.make_uid("dimensions", *identity)
    result.DimensionOrganizationSequence[0].DimensionOrganizationUID = organisation
    for index in result.DimensionIndexSequence:
        index.DimensionOrganizationUID = organisation
    return result


def _kept(mask: np.ndarray) -> range:
    """The slices from the first to the last with a voxel; all of them for an empty mask."""
    filled = np.flatnonzero(mask.any(axis=(0, 1)))
    return range(filled[0], filled[-1] + 1) if filled.size else range(mask.shape[2])


def _segment(algorithm: Algorithm, tracking_uid: str) -> pydicom.Dataset:
    from highdicom import AlgorithmIdentificationSequence, color, seg

    return seg.SegmentDescription(
        segment_number=1,
        segment_label="Liver",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.Liver,
        algorithm_type=seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            name=derived.MAKER,
            family=codes.DCM.ArtificialIntelligence,
            version=algorithm.version,
            parameters={"checkpoint_sha256": algorithm.checkpoint_sha256},
        ),
        tracking_id="Liver",
        tracking_uid=tracking_uid,
        display_color=color.CIELabColor.from_rgb(*_COLOUR),
    )


def _stand_ins(
    mask: Volume, origin: Origin, sources: list[Placement], kept: range
) -> list[pydicom.Dataset]:
    """Headers of the images for highdicom, with identifiers and geometry alone.

    Thickness and distance of the slices are both the true step along the normal: readers multiply
    one or the other to a volume, and the images' own SliceThickness is often neither.
    """
    area_mm2 = float(np.prod(sources[0].spacing_mm))
    step_mm = pydicom.valuerep.DSfloat(mask.voxel_volume_ml * 1000 / area_mm2, auto_format=True)
    measures = pydicom.Dataset()
    measures.PixelSpacing = _decimals(sources[0].spacing_mm)
    measures.SliceThickness = measures.SpacingBetweenSlices = step_mm
    orientation = pydicom.Dataset()
    orientation.ImageOrientationPatient = _decimals(sources[0].orientation)
    positions = []
    for index in kept:
        positions.append(pydicom.Dataset())
        positions[-1].ImagePositionPatient = _decimals(sources[index].position_mm)

    headers = []
    if origin.frame_numbers is None:
        for index, position in zip(kept, positions, strict=True):
            header = derived.reference(origin.datasets[index])
            for part in (measures, orientation, position):
                header.update(part)
            headers.append(header)
    else:
        header = derived.reference(origin.datasets[0])
        shared = pydicom.Dataset()
        shared.PixelMeasuresSequence = [measures]
        shared.PlaneOrientationSequence = [orientation]
        header.SharedFunctionalGroupsSequence = [shared]
        header.PerFrameFunctionalGroupsSequence = []
        for position in positions:
            group = pydicom.Dataset()
            group.PlanePositionSequence = [position]
            header.PerFrameFunctionalGroupsSequence.append(group)
        header.NumberOfFrames = len(positions)
        headers.append(header)
    first = origin.datasets[0]
    for header in headers:
        header.Rows, header.Columns = int(first.Rows), int(first.Columns)
    for keyword in (
        "PositionReferenceIndicator",
        "LossyImageCompression",
        "LossyImageCompressionRatio",
        "LossyImageCompressionMethod",
    ):
        if first.get(keyword) is not None:
            setattr(headers[0], keyword, first[keyword].value)
    return headers


def _decimals(values: np.ndarray | tuple[float, ...]) -> list[pydicom.valuerep.DSfloat]:
    return [pydicom.valuerep.DSfloat(float(value), auto_format=True) for value in values]


def _fix_references(result: pydicom.Dataset, origin: Origin, kept: list[Placement]) -> None:
    """Puts the numbers of the image's frames where the stand-in had its own, 1 to n."""
    if origin.frame_numbers is None:
        return
    for group in result.PerFrameFunctionalGroupsSequence:
        item = group.DerivationImageSequence[0].SourceImageSequence[0]
        item.ReferencedFrameNumber = kept[int(item.ReferencedFrameNumber) - 1].number


def _check_same_grid(
    path: pathlib.Path,
    dataset: pydicom.Dataset,
    found: list[Placement],
    origin: Origin,
    sources: list[Placement],
) -> None:
    first = origin.datasets[0]
    same = dataset.FrameOfReferenceUID == first.FrameOfReferenceUID
    same &= (dataset.Rows, dataset.Columns) == (first.Rows, first.Columns)
    for frame in found:
        turned = np.abs(frame.orientation - sources[0].orientation).max()
        same &= bool(turned <= _COSINE_TOLERANCE)
        same &= np.allclose(frame.spacing_mm, sources[0].spacing_mm, rtol=1e-4, atol=0)
    if not same:
        raise InputError(path, "lies on another grid than the images", _OTHER_IMAGES)


def _slice_of(
    path: pathlib.Path,
    dataset: pydicom.Dataset,
    frame: Placement,
    sources: list[Placement],
    positions_mm: np.ndarray,
) -> int:
    """The slice of a segmentation's frame, by its position; the image that it names must agree."""
    distances_mm = np.linalg.norm(positions_mm - frame.position_mm, axis=1)
    place = int(np.argmin(distances_mm))
    if not distances_mm[place] <= TOLERANCE_MM:
        fault = f"has a frame on no slice of the images (frame {frame.number})"
        raise InputError(path, fault, _OTHER_IMAGES)
    group = dataset.PerFrameFunctionalGroupsSequence[frame.number - 1]
    image = group.DerivationImageSequence[0].SourceImageSequence[0]
    number = image.get("ReferencedFrameNumber")
    named = (str(image.ReferencedSOPInstanceUID), None if number is None else int(number))
    if named != (sources[place].sop_instance_uid, sources[place].number):
        fault = f"has a frame that lies on one image and names another (frame {frame.number})"
        raise InputError(path, fault, _OTHER_IMAGES)
    return place


def _compare(found: np.ndarray, planes: np.ndarray, kept: range) -> None:
    """Every plane of what was written against what was meant, one by one."""
    for index, plane in enumerate(found):
        same = (
            np.array_equal(plane, planes[index - kept.start]) if index in kept else not plane.any()
        )
        if not same:
            raise ValueError(f"the segmentation differs from the mask in slice {index} once read")
