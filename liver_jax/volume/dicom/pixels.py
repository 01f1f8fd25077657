"""Pixels of DICOM images: decoded frame by frame, as the values that they mean."""

import hashlib
import struct
from collections.abc import Iterator, Mapping

import numpy as np
import pydicom
from pydicom import encaps, uid
from pydicom.pixels import get_decoder

from liver_jax.errors import InputError
from liver_jax.volume import limits
from liver_jax.volume.dicom import collect, header
from liver_jax.volume.dicom.frame import Frame, Image, is_not_in_hu

IMAGE_CLASSES = (
    uid.CTImageStorage,
    uid.MRImageStorage,
    uid.EnhancedCTImageStorage,
    uid.EnhancedMRImageStorage,
    uid.LegacyConvertedEnhancedCTImageStorage,
    uid.LegacyConvertedEnhancedMRImageStorage,
)
# The decoders, whose output does not depend on which others are installed. All have permissive
# licences; JPEG of 1992 has no other than GDCM here.
_PLUGINS: Mapping[str, str] = {
    uid.ImplicitVRLittleEndian: "",
    uid.ExplicitVRLittleEndian: "",
    uid.ExplicitVRBigEndian: "",
    uid.DeflatedExplicitVRLittleEndian: "",
    uid.RLELossless: "pydicom",
    uid.JPEGBaseline8Bit: "gdcm",
    uid.JPEGLossless: "gdcm",
    uid.JPEGLosslessSV1: "gdcm",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.HTJ2KLossless: "pylibjpeg",
    uid.HTJ2KLosslessRPCL: "pylibjpeg",
    uid.HTJ2K: "pylibjpeg",
}
MOST_PIXELS = 2**24  # in one image: 4096 x 4096
_OUTSIDE_HU = -1024.0
# No tissue or air has such values, so that padding that does is not part of the patient.
_TISSUE_HU = (-900.0, 3000.0)
_FRAME_MARKERS = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), 0xF7)
_STREAM_END = b"\xff\xd9"  # EOI of JPEG and JPEG-LS, EOC of JPEG 2000
_MOST_FILL_BYTES = 64
_BULKY_BYTES = 2**16
_GROUPS = (0x52009229, 0x52009230)  # functional groups, which may be long
_PICTURES = (0x7FE0, 0x5400, 0x0088)  # pixels, waveforms, icons
_DECOMPRESS = "Decompress it with gdcmconv --raw or dcmdjpeg, and read the result"
_EXPORT_AGAIN = "Export the series again from its archive"


def check(frame: Frame, subject: str, name: str) -> None:
    """Refuses images whose pixels would not be decoded into what they mean.

    Args:
        frame: The image, by its header alone.
        subject: What the user gave, for the message.
        name: What to call the series there.

    Raises:
        InputError: It is in colour, inverted, without rescale or not in HU (CT), of a depth or of
            a compression that is not read, or its size is absurd.
    """
    image = frame.image
    fault = _fault(frame, image)
    if fault:
        raise InputError(subject, f"{name} {fault}", _EXPORT_AGAIN)
    if image.syntax not in _PLUGINS:
        named = image.syntax.name if image.syntax.is_transfer_syntax else "an unknown syntax"
        fault = f"{name} is compressed as {named}, which is not read"
        raise InputError(subject, fault, _DECOMPRESS)
    if image.syntax == uid.JPEGBaseline8Bit and image.bits_allocated != 8:
        fault = f"{name} is compressed as JPEG Baseline, but not of 8 bits"
        raise InputError(subject, fault, _DECOMPRESS)


def _fault(frame: Frame, image: Image) -> str | None:
    if image.rows * image.columns > MOST_PIXELS:
        return f"has images of {image.rows} x {image.columns}, while {MOST_PIXELS} pixels are read"
    if image.samples != 1:
        return "is in colour"
    if image.photometric == "MONOCHROME1":
        return "is stored inverted (MONOCHROME1)"
    if image.photometric != "MONOCHROME2":
        return "is not told to be grey (PhotometricInterpretation is not MONOCHROME2)"
    if image.has_lookup_table and not frame.rescale:
        return "has a lookup table (ModalityLUTSequence) instead of slope and intercept"
    if image.modality == "CT" and not frame.rescale:
        return "is CT without RescaleSlope and RescaleIntercept, so without Hounsfield units"
    if is_not_in_hu(frame):
        return f"is CT in {frame.unit} (RescaleType) instead of Hounsfield units"
    if frame.rescale and frame.rescale[0] == 0:
        return "has a RescaleSlope of 0"
    allocated, stored, high = image.bits_allocated, image.bits_stored, image.high_bit
    if allocated not in (8, 16, 32):
        return f"has BitsAllocated {allocated}, while 8, 16 and 32 are read"
    if stored is None or high is None or not 1 <= stored <= high + 1 <= allocated:
        return f"has BitsStored {stored} and HighBit {high} in {allocated} bits"
    return None


def load(image: Image, subject: str) -> pydicom.Dataset:
    """Reads an object with its pixels as they are stored.

    Raises:
        InputError: The file cannot be read or is damaged.
    """
    data = image.member.read_all()
    pixel_bytes = 4 * min(image.rows * image.columns * image.frame_count, limits.MOST_VOXELS)
    try:
        return header.parse(data, pixel_bytes + collect.MOST_HEADER_BYTES, pixels=True)[0]
    except header.Damaged as error:
        raise InputError(subject, "holds an image that is damaged", _EXPORT_AGAIN) from error


def decode(
    dataset: pydicom.Dataset, image: Image, frames: Mapping[int, Frame], subject: str, name: str
) -> Iterator[tuple[int, np.ndarray]]:
    """Decodes images that lie in one file.

    Args:
        dataset: The object, as `load` returned it.
        image: What its header told.
        frames: Those wanted, by their index in it.
        subject: What the user gave, for the message.
        name: What to call the series there.

    Yields:
        The index; and float32 `[row, column]`, rescaled, with the padding of CT as -1024 HU.

    Raises:
        InputError: The pixels are cut short, damaged, or not what the header says.
    """
    padding = _padding(dataset, image)
    count = image.frame_count
    try:
        encapsulated = image.syntax.is_encapsulated
        if encapsulated:
            _check_streams(dataset, image)
        else:
            _check_length(dataset, image)
        options = {"raw": True, "decoding_plugin": _PLUGINS[image.syntax]}
        decoder = get_decoder(image.syntax)
        decoded = 0
        for index, (stored, _) in enumerate(decoder.iter_array(dataset, **options)):
            if index in frames:
                decoded += 1
                if stored.shape != (image.rows, image.columns):
                    raise ValueError("another shape")
                yield index, _values(stored, frames[index], padding)
            if index + 1 == count:
                break
        if decoded != len(frames):
            raise ValueError("too few frames")
    except InputError:
        raise
    # The decoders are many and raise what they like.
    except Exception as error:
        fault = f"{name} has pixels that are cut short or damaged ({image.syntax.name})"
        raise InputError(subject, fault, "Copy or export the series again") from error


def content_hash(frame: Frame) -> str:
    """The SHA-256 of an image's pixels as they are stored, to tell exact duplicates.

    Raises:
        InputError: The file cannot be read.
    """
    dataset = load(frame.image, str(frame.image.member.given))
    held = header.value(dataset, "PixelData") or b""
    return hashlib.sha256(bytes(held)).hexdigest()


def bare(dataset: pydicom.Dataset) -> pydicom.Dataset:
    """A header for later reference: without pixels, overlays, private or bulky elements."""
    kept = pydicom.Dataset()
    for tag in list(dataset.keys()):
        raw = dataset.get_item(tag)
        held = getattr(raw, "value", None)
        bulky = isinstance(held, bytes) and len(held) > _BULKY_BYTES and tag not in _GROUPS
        if not (tag.is_private or tag.group in _PICTURES or tag.group & 0xFF00 == 0x6000 or bulky):
            kept[tag] = raw
    # Some anonymisers empty these two, while the file meta repeats them (PS3.10, section 7.1).
    for name in ("SOPClassUID", "SOPInstanceUID"):
        if not header.text(kept, name) and header.text(dataset.file_meta, f"MediaStorage{name}"):
            kept.pop(name, None)  # a damaged one would be converted before it is replaced
            setattr(kept, name, dataset.file_meta[f"MediaStorage{name}"].value)
    kept.file_meta = dataset.file_meta
    kept.set_original_encoding(*dataset.original_encoding, dataset.original_character_set)
    return kept


def _check_length(dataset: pydicom.Dataset, image: Image) -> None:
    wanted = image.rows * image.columns * image.frame_count * image.bits_allocated // 8
    held = header.value(dataset, "PixelData")
    if not isinstance(held, bytes) or len(held) < wanted:
        raise ValueError("cut short")


def _check_streams(dataset: pydicom.Dataset, image: Image) -> None:
    """Compares what compressed frames say of themselves with the header, before any decoder runs.

    A decoder makes room for what the stream says, not for what the header does.
    """
    raw_bytes = image.rows * image.columns * image.bits_allocated // 8
    tables = [header.value(dataset, f"ExtendedOffsetTable{name}") for name in ("", "Lengths")]
    frames = encaps.generate_frames(
        dataset.PixelData,
        number_of_frames=image.frame_count,
        extended_offsets=tuple(tables) if all(tables) else None,
    )
    for frame in frames:
        if image.syntax == uid.RLELossless:
            # Runs, PS3.5 annex G: one byte more for each 128 at worst, and a header of 64.
            if len(frame) > raw_bytes + raw_bytes // 64 + 128 * image.rows:
                raise ValueError("too long")
        elif _stream_size(frame) != (image.rows, image.columns, 1):
            raise ValueError("another size")
        elif _STREAM_END not in frame[-_MOST_FILL_BYTES:]:
            raise ValueError("cut short")  # which decoders fill up with grey


def _stream_size(stream: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and components by a stream's own header; None where it has none.

    JPEG 2000: the SIZ marker segment (ISO/IEC 15444-1, A.5.1). JPEG and JPEG-LS: the frame header
    (ISO/IEC 10918-1, B.2.2; 14495-1, C.2.2).
    """
    if stream[:4] == b"\xff\x4f\xff\x51":
        right, bottom, left, top = struct.unpack_from(">4L", stream, 8)
        (components,) = struct.unpack_from(">H", stream, 40)
        return bottom - top, right - left, components
    if stream[:2] != b"\xff\xd8":
        return None
    place = 2
    while place + 10 <= len(stream) and stream[place] == 0xFF:
        marker = stream[place + 1]
        if marker in _FRAME_MARKERS:
            rows, columns, components = struct.unpack_from(">HHB", stream, place + 5)
            return rows, columns, components
        place += 1 if marker == 0xFF else 2 + struct.unpack_from(">H", stream, place + 2)[0]
    return None


def _padding(dataset: pydicom.Dataset, image: Image) -> tuple[float, float] | None:
    """The range of stored values that mark what lies outside of a CT's circle; None without one.

    PS3.3, section C.7.5.1.1.2.
    """
    if image.modality != "CT":
        return None
    one = header.whole(dataset, "PixelPaddingValue")
    if one is None:
        return None
    other = header.whole(dataset, "PixelPaddingRangeLimit")
    other = one if other is None else other
    low, high = (int(_stored_values(np.array(end), image)) for end in (one, other))
    return min(low, high), max(low, high)


def _stored_values(stored: np.ndarray, image: Image) -> np.ndarray:
    """The bits that are in use, with their sign: scanners leave others' bits above them.

    PS3.5, section 8.1.1: what lies beyond BitsStored is no part of the value.
    """
    bits, low = image.bits_stored, image.high_bit + 1 - image.bits_stored
    if bits == image.bits_allocated and bits <= stored.dtype.itemsize * 8 and not image.signed:
        return stored
    values = (stored.astype(np.int64) >> low) & ((1 << bits) - 1)
    if image.signed:
        values -= (values >> (bits - 1)) << bits
    return values


def _values(stored: np.ndarray, frame: Frame, padding: tuple[float, float] | None) -> np.ndarray:
    stored = _stored_values(stored, frame.image)
    slope, intercept = frame.rescale or (1.0, 0.0)
    values = stored * np.float64(slope) + intercept
    if padding is not None:
        low_hu, high_hu = sorted(end * slope + intercept for end in padding)
        if high_hu < _TISSUE_HU[0] or low_hu > _TISSUE_HU[1]:
            values[(stored >= padding[0]) & (stored <= padding[1])] = _OUTSIDE_HU
    return values.astype(np.float32)
