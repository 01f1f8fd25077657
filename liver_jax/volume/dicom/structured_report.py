"""DICOM Structured Report (SR): the measurements of a segmented liver, coded, and read back.

A Comprehensive 3D SR (PS3.3 A.35.13) after template TID 1500, with one group of measurements of the
segment "Liver" (TID 1411, PS3.16). What is undefined is left out. Names and units:

| measurement | name | derivation | unit (UCUM) |
|---|---|---|---|
| volume | SCT 118565006 Volume | | mL |
| PDFF | DCM 129100 Fat fraction | SCT 373098007 Mean | % |
| R2* | DCM 126395 R2* | SCT 373098007 Mean | /s |
| attenuation | DCM 112031 Attenuation Coefficient | SCT 373098007 Mean | [hnsf'U] |
"""

import dataclasses
import datetime
import math
import os
import pathlib

import pydicom
from pydicom import uid
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from liver_jax import files
from liver_jax.errors import InputError
from liver_jax.volume.dicom import derived
from liver_jax.volume.dicom.derived import Algorithm
from liver_jax.volume.dicom.origin import Origin


@dataclasses.dataclass(frozen=True)
class Measurements:
    """What is reported of the segment; None is left out.

    Attributes:
        volume_ml: The liver's volume.
        pdff_percent: The mean proton density fat fraction of the segment, measured by MR; never one
            that was estimated from attenuation.
        r2star_per_s: The mean R2* of the segment.
        attenuation_hu: The mean attenuation of the segment, on CT.
    """

    volume_ml: float | None = None
    pdff_percent: float | None = None
    r2star_per_s: float | None = None
    attenuation_hu: float | None = None


@dataclasses.dataclass(frozen=True)
class _Coding:
    name: Code
    unit: Code
    derivation: Code | None = codes.SCT.Mean


_CODINGS = {
    "volume_ml": _Coding(codes.SCT.Volume, Code("mL", "UCUM", "milliliter"), None),
    "pdff_percent": _Coding(codes.DCM.FatFraction, codes.UCUM.Percent),
    "r2star_per_s": _Coding(codes.DCM.R2Star, Code("/s", "UCUM", "per second")),
    "attenuation_hu": _Coding(codes.DCM.AttenuationCoefficient, codes.UCUM.HounsfieldUnit),
}
_PROCEDURES = {
    "CT": Code("77477000", "SCT", "Computed tomography"),
    "MR": Code("113091000", "SCT", "Magnetic resonance imaging"),
}


def write(
    path: str | os.PathLike,
    measurements: Measurements,
    segmentation_path: str | os.PathLike,
    origin: Origin,
    algorithm: Algorithm,
    created: datetime.datetime | None = None,
) -> None:
    """Writes measurements as a structured report; it gets its name once it was read back.

    The same arguments give the same bytes and UIDs, as `segmentation.write` has it. The report is
    complete, preliminary and not verified: no person has looked at it.

    Args:
        path: The file, `measurements.dcm`.
        measurements: One at least must be defined.
        segmentation_path: What `segmentation.write` wrote for the same images.
        origin: The images.
        algorithm: What measured.
        created: When, for Content Date and Time; now where None.

    Raises:
        ValueError: Nothing is defined, a value is not finite, the images cannot be referred to, or
            what was written differs from what was meant.
    """
    derived.check(origin)
    values = {key: value for key, value in vars(measurements).items() if value is not None}
    if not values or not all(math.isfinite(value) for value in values.values()):
        raise ValueError(f"a report needs measurements, finite ones: {measurements}")
    created = created or datetime.datetime.now()
    with derived.quietly(), files.replacing(path) as temporary:
        segment = pydicom.dcmread(segmentation_path, stop_before_pixels=True)
        report = _build(values, segment, origin, algorithm, created)
        report.save_as(temporary, enforce_file_format=True)
        if read(temporary) != measurements:
            raise ValueError("the structured report differs from the measurements once read")


def read(path: str | os.PathLike) -> Measurements:
    """Reads the measurements of a report that `write` wrote, by their codes and units.

    Raises:
        InputError: Not a DICOM structured report.
    """
    path = pathlib.Path(path)
    with derived.quietly():
        try:
            dataset = pydicom.dcmread(path)
        except (pydicom.errors.InvalidDicomError, OSError) as error:
            fault = f"cannot be read ({type(error).__name__})"
            raise InputError(path, fault, "Name a DICOM structured report") from error
        if dataset.get("SOPClassUID") != uid.Comprehensive3DSRStorage:
            fault = "is no DICOM structured report (Comprehensive 3D SR)"
            raise InputError(path, fault, "Name the one that was written beside the mask")
        found = {}
        for item in _numbers(dataset):
            name, measured = item.ConceptNameCodeSequence[0], item.MeasuredValueSequence[0]
            unit = measured.MeasurementUnitsCodeSequence[0]
            for key, coding in _CODINGS.items():
                if _is(name, coding.name) and _is(unit, coding.unit):
                    # NumericValue is a decimal string of 16 characters; this is the double.
                    found[key] = float(measured.FloatingPointValue)
    return Measurements(**found)


def _build(
    values: dict[str, float],
    segment: pydicom.Dataset,
    origin: Origin,
    algorithm: Algorithm,
    created: datetime.datetime,
) -> pydicom.Dataset:
    from highdicom import sr  # takes a tenth of a second, for DICOM alone

    device = sr.DeviceObserverIdentifyingAttributes(
        uid=derived.make_uid("device", algorithm.version, algorithm.checkpoint_sha256),
        name=derived.MAKER,
        manufacturer_name=derived.MAKER,
        model_name=derived.MAKER,
        serial_number=algorithm.checkpoint_sha256,
    )
    observer = sr.ObserverContext(codes.DCM.Device, device)
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=_PROCEDURES[str(origin.datasets[0].Modality)],
        imaging_measurements=[_group(values, segment, origin, algorithm)],
    )
    stated = [f"{key}={value!r}" for key, value in values.items()]
    identity = (str(segment.SOPInstanceUID), *stated, created.isoformat())
    evidence = {
        str(dataset.SOPInstanceUID): derived.reference(dataset)
        for dataset in (*origin.datasets, segment)
    }
    result = sr.Comprehensive3DSR(
        evidence=list(evidence.values()),
        content=report,
        series_instance_uid=derived.series_uid(origin, "SR", algorithm),
        sop_instance_uid=derived.make_uid("SR", *identity),
        is_complete=True,
        series_description="Liver measurements",
        transfer_syntax_uid=uid.ExplicitVRLittleEndian,
        **derived.made(origin, algorithm, created, place=2),
    )
    derived.finish(result, origin)
    return result


def _group(
    values: dict[str, float], segment: pydicom.Dataset, origin: Origin, algorithm: Algorithm
) -> list[pydicom.Dataset]:
    from highdicom import sr

    description = segment.SegmentSequence[0]
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=description.TrackingUID, identifier=description.TrackingID
        ),
        referenced_segment=sr.ReferencedSegment(
            sop_class_uid=segment.SOPClassUID,
            sop_instance_uid=segment.SOPInstanceUID,
            segment_number=int(description.SegmentNumber),
            source_series=sr.SourceSeriesForSegmentation(str(origin.datasets[0].SeriesInstanceUID)),
        ),
        finding_type=codes.SCT.Liver,
        finding_category=codes.SCT.AnatomicalStructure,
        finding_sites=[sr.FindingSite(codes.SCT.Liver)],
        algorithm_id=sr.AlgorithmIdentification(
            name=derived.MAKER,
            version=algorithm.version,
            parameters=[f"checkpoint_sha256={algorithm.checkpoint_sha256}"],
        ),
        measurements=[
            sr.Measurement(
                name=_CODINGS[key].name,
                value=float(value),
                unit=_CODINGS[key].unit,
                derivation=_CODINGS[key].derivation,
            )
            for key, value in values.items()
        ],
    )


def _numbers(dataset: pydicom.Dataset) -> list[pydicom.Dataset]:
    """Every numeric item of a content tree."""
    found, waiting = [], [dataset]
    while waiting:
        for item in waiting.pop().get("ContentSequence") or ():
            waiting.append(item)
            if item.get("ValueType") == "NUM" and item.get("MeasuredValueSequence"):
                found.append(item)
    return found


def _is(item: pydicom.Dataset, code: Code) -> bool:
    found = item.get("CodeValue"), item.get("CodingSchemeDesignator")
    return found == (code.value, code.scheme_designator)
