"""What one image, or one frame of a multi-frame object, tells of itself."""

import dataclasses

import pydicom
from pydicom import uid
from pydicom.uid import UID

from liver_jax.volume.dicom import header
from liver_jax.volume.dicom.collect import Member

# GE writes here, and on older systems nowhere else, what of the complex signal an image shows.
_GE_COMPONENT = 0x0043102F
KEYWORDS = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality"),
    *("ImageType", "SeriesNumber", "SeriesDescription", "ProtocolName", "FrameOfReferenceUID"),
    *("Manufacturer", "AcquisitionTime", "AcquisitionDateTime", "AcquisitionNumber"),
    *("TemporalPositionIdentifier", "TriggerTime", "DiffusionBValue", "ContentTime"),
    *("EchoTime", "RepetitionTime", "FlipAngle", "MagneticFieldStrength", "ComplexImageComponent"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence"),
    *("LossyImageCompression", "ConcatenationUID", "InConcatenationTotalNumber"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *(0x00430010, _GE_COMPONENT),  # with who reserved its block
)
MAGNITUDE, PHASE, REAL, IMAGINARY = "magnitude", "phase", "real part", "imaginary part"
_COMPONENTS = {
    **dict.fromkeys(("M", "MAG", "MAGNITUDE", "M_FFE", "M_SE", "M_IR"), MAGNITUDE),
    **dict.fromkeys(("P", "PHASE", "PHASE MAP", "PHASE_MAP", "P_FFE", "P_SE", "P_IR"), PHASE),
    **dict.fromkeys(("R", "REAL", "R_FFE", "R_SE", "R_IR"), REAL),
    **dict.fromkeys(("I", "IMAGINARY", "I_FFE", "I_SE", "I_IR"), IMAGINARY),
}
_GE_COMPONENTS = dict(enumerate((MAGNITUDE, PHASE, REAL, IMAGINARY)))
IN_PHASE, OUT_OF_PHASE, MAP = "in phase", "out of phase", "map"
_CONTENTS = {
    **dict.fromkeys(("IN_PHASE", "INPHASE", "IP", "IN"), IN_PHASE),
    **dict.fromkeys(("OUT_PHASE", "OPP_PHASE", "OUTPHASE", "OP", "OPPOSED_PHASE"), OUT_OF_PHASE),
    "OUT_OF_PHASE": OUT_OF_PHASE,
    **dict.fromkeys(("WATER", "W"), "water"),
    **dict.fromkeys(("FAT", "F"), "fat"),
    **dict.fromkeys(("FF", "PDFF", "FAT_FRACTION", "FATFRACTION", "FAT_FRAC"), MAP),
    **dict.fromkeys(("WATER_FRACTION", "WF"), MAP),
    **dict.fromkeys(("R2_STAR", "R2STAR", "R2*", "B0", "ADC", "FIELD_MAP", "FA"), MAP),
}

# RescaleType of what spectral CT makes beside its images (PS3.3, section C.11.1.1.2). US stands for
# unspecified, which many a CT in HU says of itself.
_NOT_HU = ("OD", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT")


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Image:
    """One DICOM object with pixels, as far as it concerns all of its frames.

    Lengths in mm, times in ms; None, an empty text or an empty tuple where it does not tell.
    """

    member: Member
    syntax: UID
    sop_class: str
    sop_instance: str
    study: str
    series: str
    frame_of_reference: str
    number: int | None
    description: str
    modality: str
    manufacturer: str
    rows: int
    columns: int
    frame_count: int
    group_count: int  # functional groups, one for each frame of an enhanced object; else 0
    is_part: bool  # of an enhanced object that was cut into several
    samples: int
    photometric: str
    bits_allocated: int | None
    bits_stored: int | None
    high_bit: int | None
    signed: bool
    lossy: bool
    has_lookup_table: bool
    tr_ms: float | None
    flip_angle_deg: float | None
    field_strength_t: float | None


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """One slice of one echo.

    Attributes:
        image: The object that it is in.
        index: Its place there, from 0.
        image_type: ImageType or FrameType, in capitals.
        component: What of the complex signal it shows; magnitude where nothing is told.
        content: In phase, out of phase, water, fat or map, where the image type tells.
        position_mm: Of the first pixel's centre, LPS; empty where unknown, as all below.
        orientation: Along a row, then along a column, LPS.
        spacing_mm: Between rows, then between columns.
        thickness_mm: The slice's; not its distance from the next one.
        rescale: Slope and intercept.
        unit: Of the rescaled values, as RescaleType has it: `HU`, say.
        te_ms: Echo time.
        told_apart: By what images at one place may differ on purpose: name and value.
        when: The acquisition's time, as written.
    """

    image: Image
    index: int
    image_type: tuple[str, ...]
    component: str
    content: str | None
    position_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing_mm: tuple[float, ...]
    thickness_mm: float | None
    rescale: tuple[float, ...]
    unit: str
    te_ms: float | None
    told_apart: tuple[tuple[str, str], ...]
    when: str


def read(member: Member, dataset: pydicom.Dataset) -> list[Frame]:
    """The frames of an object.

    Args:
        member: Its file.
        dataset: Its header, with the elements `KEYWORDS`.

    Returns:
        A frame, or the frames of a multi-frame object; none where it has no pixels to show.
    """
    rows, columns = header.whole(dataset, "Rows"), header.whole(dataset, "Columns")
    if not rows or not columns or rows < 0 or columns < 0:
        return []
    groups = header.items(dataset, "PerFrameFunctionalGroupsSequence")
    image = _image(member, dataset, rows, columns, len(groups))
    if not groups:
        return [_frame(image, 0, dataset, _Groups(dataset, None, None))]
    shared = (header.items(dataset, "SharedFunctionalGroupsSequence") or [None])[0]
    return [
        _frame(image, index, dataset, _Groups(dataset, group, shared))
        for index, group in enumerate(groups)
    ]


class _Groups:
    """Looks an attribute up: in the frame's functional group, the shared one, the object itself.

    PS3.3, section C.7.6.16.
    """

    def __init__(self, dataset, own, shared):
        self._dataset, self._own, self._shared = dataset, own, shared

    def __call__(self, sequence: str, name: str) -> pydicom.Dataset | None:
        """The dataset that holds `name`; `sequence` is where functional groups have it."""
        for group in (self._own, self._shared):
            for item in header.items(group, sequence)[:1]:
                if header.value(item, name) is not None:
                    return item
        return self._dataset


def _image(member: Member, dataset, rows: int, columns: int, group_count: int) -> Image:
    shared = (header.items(dataset, "SharedFunctionalGroupsSequence") or [None])[0]
    groups = _Groups(dataset, None, shared)
    timing = "MRTimingAndRelatedParametersSequence"
    sop_class = header.text(dataset, "SOPClassUID")
    sop_class = sop_class or header.text(dataset.file_meta, "MediaStorageSOPClassUID")
    sop_instance = header.text(dataset, "SOPInstanceUID")
    sop_instance = sop_instance or header.text(dataset.file_meta, "MediaStorageSOPInstanceUID")
    field_strength_t = header.number(dataset, "MagneticFieldStrength")
    return Image(
        member=member,
        syntax=header.syntax(dataset),
        sop_class=sop_class,
        sop_instance=sop_instance,
        study=header.text(dataset, "StudyInstanceUID"),
        series=header.text(dataset, "SeriesInstanceUID"),
        frame_of_reference=header.text(dataset, "FrameOfReferenceUID"),
        number=header.whole(dataset, "SeriesNumber"),
        description=header.text(dataset, "SeriesDescription"),
        modality=header.text(dataset, "Modality").upper(),
        manufacturer=header.text(dataset, "Manufacturer"),
        rows=rows,
        columns=columns,
        frame_count=header.whole(dataset, "NumberOfFrames") or 1,
        group_count=group_count,
        is_part=bool(header.text(dataset, "ConcatenationUID"))
        and header.whole(dataset, "InConcatenationTotalNumber") != 1,
        samples=header.whole(dataset, "SamplesPerPixel") or 1,
        photometric=header.text(dataset, "PhotometricInterpretation").upper(),
        bits_allocated=header.whole(dataset, "BitsAllocated"),
        bits_stored=header.whole(dataset, "BitsStored"),
        high_bit=header.whole(dataset, "HighBit"),
        signed=header.whole(dataset, "PixelRepresentation") == 1,
        lossy=header.text(dataset, "LossyImageCompression") == "01",
        has_lookup_table=bool(header.items(dataset, "ModalityLUTSequence")),
        tr_ms=header.number(groups(timing, "RepetitionTime"), "RepetitionTime"),
        flip_angle_deg=header.number(groups(timing, "FlipAngle"), "FlipAngle"),
        # Some write it in gauss.
        field_strength_t=field_strength_t if 0 < (field_strength_t or 0) <= 30 else None,
    )


def _frame(image: Image, index: int, dataset, groups: _Groups) -> Frame:
    kind_of = "CTImageFrameTypeSequence" if image.modality == "CT" else "MRImageFrameTypeSequence"
    image_type = header.words(groups(kind_of, "FrameType"), "FrameType")
    image_type = image_type or header.words(dataset, "ImageType")
    named = "ComplexImageComponent"
    component = header.text(groups(kind_of, named), named).upper()
    measures, scaling = "PixelMeasuresSequence", "PixelValueTransformationSequence"
    place, turn = "ImagePositionPatient", "ImageOrientationPatient"
    slope = header.number(groups(scaling, "RescaleSlope"), "RescaleSlope")
    intercept = header.number(groups(scaling, "RescaleIntercept"), "RescaleIntercept")
    return Frame(
        image=image,
        index=index,
        image_type=image_type,
        component=_component(dataset, component, image_type) if image.modality == "MR" else "",
        content=_content(image_type) if image.modality == "MR" else None,
        position_mm=header.numbers(groups("PlanePositionSequence", place), place, 3),
        orientation=header.numbers(groups("PlaneOrientationSequence", turn), turn, 6),
        spacing_mm=header.numbers(groups(measures, "PixelSpacing"), "PixelSpacing", 2),
        thickness_mm=header.number(groups(measures, "SliceThickness"), "SliceThickness"),
        rescale=() if slope is None or intercept is None else (slope, intercept),
        unit=header.text(groups(scaling, "RescaleType"), "RescaleType").upper(),
        te_ms=_te_ms(image, dataset, groups),
        told_apart=_told_apart(image_type, dataset, groups),
        when=header.text(dataset, "AcquisitionTime") or header.text(dataset, "AcquisitionDateTime"),
    )


def _te_ms(image: Image, dataset, groups: _Groups) -> float | None:
    if image.modality != "MR":
        return None
    item = groups("MREchoSequence", "EffectiveEchoTime")
    te_ms = header.number(item, "EffectiveEchoTime")
    te_ms = header.number(dataset, "EchoTime") if te_ms is None else te_ms
    return te_ms if te_ms is not None and te_ms > 0 else None


def _component(dataset, named: str, image_type: tuple[str, ...]) -> str:
    if named in _COMPONENTS:
        return _COMPONENTS[named]
    for word in image_type[2:]:
        # DERIVED MPR images of Siemens and others have an M, too, so magnitude alone tells less.
        if _COMPONENTS.get(word, MAGNITUDE) != MAGNITUDE:
            return _COMPONENTS[word]
    return _GE_COMPONENTS.get(header.whole(dataset, _GE_COMPONENT), MAGNITUDE)


def _content(image_type: tuple[str, ...]) -> str | None:
    for word in image_type[2:]:
        if word in _CONTENTS:
            return _CONTENTS[word]
        if word.endswith(("MAP", "_MAPS")) and word not in _COMPONENTS:
            return MAP
    return None


def _told_apart(image_type, dataset, groups: _Groups) -> tuple[tuple[str, str], ...]:
    content = groups("FrameContentSequence", "TemporalPositionIndex")
    return (
        ("ImageType", "\\".join(image_type)),
        (
            "TemporalPositionIdentifier",
            header.text(content, "TemporalPositionIndex")
            or header.text(dataset, "TemporalPositionIdentifier"),
        ),
        (
            "DiffusionBValue",
            header.text(groups("MRDiffusionSequence", "DiffusionBValue"), "DiffusionBValue"),
        ),
        ("AcquisitionNumber", header.text(dataset, "AcquisitionNumber")),
        ("TriggerTime", header.text(dataset, "TriggerTime")),
        ("AcquisitionTime", header.text(dataset, "AcquisitionTime")),
        ("ContentTime", header.text(dataset, "ContentTime")),
    )


def is_not_in_hu(frame: Frame) -> bool:
    """Whether a CT says that its values are another quantity: iodine, electron density, ..."""
    return frame.image.modality == "CT" and frame.unit in _NOT_HU


def is_secondary_capture(image: Image) -> bool:
    """Whether it is a picture of a screen or of paper rather than of a patient."""
    return image.sop_class.startswith(uid.SecondaryCaptureImageStorage)
