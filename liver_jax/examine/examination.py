"""One examination: read, segmented, fitted, measured, judged."""

import dataclasses
import time
from collections.abc import Callable, Mapping

import numpy as np

from liver_jax.biometry import acquisition, attenuation, dimensions, maps, pdff, volumetry
from liver_jax.biometry.fatwater import Fit
from liver_jax.cohort import manifest
from liver_jax.cohort.manifest import Exam
from liver_jax.errors import InputError
from liver_jax.examine import fitting, trust
from liver_jax.examine import scan as scans
from liver_jax.examine.options import Options
from liver_jax.examine.scan import Scan
from liver_jax.inference import postprocess
from liver_jax.inference.predictor import Predictor, Segmentation
from liver_jax.volume.dicom import identifiers
from liver_jax.volume.geometry import Volume

_NO_MASK, _EMPTY_MASK = "no mask was asked for", "the mask is empty"


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What was made of one examination.

    Attributes:
        scan: The examination.
        image: The echo that was segmented, or the first one, for pictures; float32 `[x, y, z]`.
        mask: bool `[x, y, z]`; None where none was asked for.
        probability: float32 `[x, y, z]`; None where none was asked for.
        fit: None where there are no echoes to fit.
        record: What measurements.json says.
    """

    scan: Scan
    image: Volume
    mask: np.ndarray | None
    probability: np.ndarray | None
    fit: Fit | None
    record: dict

    @property
    def empty(self) -> bool:
        """Whether a mask was asked for, and no liver was found."""
        return self.mask is not None and not self.mask.any()

    @property
    def flagged(self) -> bool:
        """Whether the mask has a flag."""
        return bool(self.record["flags"])


class Clock:
    """How long each stage takes, in seconds; told to whoever wants to know when one begins."""

    def __init__(self, tell: Callable[[str], None] = lambda stage: None):
        """Args: tell: is called with the name of each stage when it begins."""
        self.seconds: dict[str, float] = {}
        self._tell = tell
        self._stage, self._since = "", 0.0

    def begin(self, stage: str) -> None:
        """Ends the stage before and begins another one."""
        self.end()
        self._tell(stage)
        self._stage, self._since = stage, time.perf_counter()

    def end(self) -> None:
        """Ends the stage, if there is one."""
        if self._stage:
            spent = time.perf_counter() - self._since
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + spent
        self._stage = ""


def find(
    scan: Scan,
    predictor: Predictor | None,
    options: Options,
    wanted: Mapping,
    clock: Clock | None = None,
) -> Found:
    """Computes what is asked for of one examination; writes nothing.

    Args:
        scan: The examination, read.
        predictor: Segments; None for no mask.
        options: What to do.
        wanted: The `options.request` of these three.
        clock: Measures the stages.

    Raises:
        InputError: As `fitting.fit` and `Predictor.segment`. Echoes that cannot be fitted, though
            maps are asked for, are refused before the network's work.
    """
    clock = clock or Clock()
    exam = scan.exam
    fitted = _is_fitted(scan, options)
    t1 = None
    if fitted:
        maps.check(scan.volume, scan.acquired, exam.images[0])
        t1 = fitting.t1_correction(exam, options.fit)
    image = scan.echo(options.echo or 1)
    segmentation = mask = found = cut = None
    if predictor:
        clock.begin("segmenting")
        segmentation = _segmented(scan, image, predictor, options)
        mask = postprocess.threshold(segmentation.probability)
        if options.postprocessed:
            mask, cut = postprocess.cleaned(mask, scan.volume.affine)
    if fitted:
        clock.begin("fitting echoes")
        found = fitting.fit(scan, mask, options.fit, t1)
    clock.begin("measuring")
    record = _described(scan, options) | _measured(scan, image, mask)
    record |= _judged(scan, image, mask, segmentation, cut, predictor.config if predictor else {})
    record["pdff"] = record["r2star"] = None
    record["pdff_reason"] = _NO_MASK if mask is None else _EMPTY_MASK
    record["maps"] = fitting.facts(found, scan, mask, options.fit, t1) if found else None
    if mask is not None and mask.any():
        record |= _fat(scan, mask, found)
    clock.end()
    record |= {
        "checkpoint": predictor.checkpoint if predictor else None,
        "seconds": _split(clock.seconds, segmentation),
        "request": dict(wanted),
    }
    kept = segmentation.probability if segmentation and options.probability else None
    return Found(scan, image, mask, kept, found, record)


def words(found: Found) -> str:
    """The outcome in a line for the terminal."""
    parts, record = [], found.record
    if found.empty:
        parts.append("no liver was found")
    elif found.mask is not None:
        parts.append(f"liver volume {record['volume_ml']:.1f} mL")
        if record["pdff"] and record["pdff"]["mean"]["value"] is not None:
            parts.append(f"mean PDFF {record['pdff']['mean']['value']:.1f} %")
    if found.fit is not None:
        method, voxels = record["maps"]["method"], record["maps"]["voxels"]
        doubtful = f"{voxels['ambiguous']} ambiguous, {voxels['failed']} failed"
        seen = sum(voxels.values()) - voxels["background"]
        parts.append(f"{method} fit of {seen} voxels ({doubtful})")
    if found.flagged:
        parts.append("flagged: " + ", ".join(flag["flag"] for flag in record["flags"]))
    return "; ".join(parts)


def _is_fitted(scan: Scan, options: Options) -> bool:
    """Whether its echoes are fitted: for maps, or for the PDFF where no map came with it.

    A row of a manifest without echoes has no maps; what was named by flags is to have them.
    """
    if options.maps:
        return scan.exam.manifest is None or scans.has_echoes(scan.exam)
    known = scan.exam.field_strength_t is not None and scan.exam.pdff_map is None
    return known and scans.has_echoes(scan.exam)


def _segmented(scan: Scan, image: Volume, predictor: Predictor, options: Options) -> Segmentation:
    how = (scan.exam.modality, str(scan.exam.images[0]), options.augmented, options.contrasts)
    if options.echo is None and scan.volume.echo_count > 1:
        return predictor.consensus(scan.magnitude, *how)
    return predictor.segment(image, *how)


def _described(scan: Scan, options: Options) -> dict:
    exam, volume = scan.exam, scan.volume
    return {
        "exam_id": exam.exam_id,
        "modality": exam.modality,
        "input": {
            "format": _format(scan),
            "files": len(exam.images),
            "echoes": volume.echo_count,
            "notes": list(scan.notes),
        }
        | (_identifiers(scan) if options.keep_identifiers else {}),
        "grid": {
            "shape": list(volume.grid_shape),
            "spacing_mm": [round(step, 6) for step in volume.spacing_mm.tolist()],
            "axes": "".join(volume.axis_codes),
        },
    }


def _identifiers(scan: Scan) -> dict:
    told = identifiers.of(scan.origin.datasets[0]) if scan.origin else None
    return {"names": [path.name for path in scan.exam.images], "dicom": told}


def _format(scan: Scan) -> str:
    if scan.origin is not None:
        return "dicom"
    name = scan.exam.images[0].name.lower().removesuffix(".gz")
    return name.rpartition(".")[2]


def _measured(scan: Scan, image: Volume, mask: np.ndarray | None) -> dict:
    affine = scan.volume.affine
    reason = _NO_MASK if mask is None else None if mask.any() else _EMPTY_MASK
    figures = {
        "status": "empty" if reason == _EMPTY_MASK else "ok",
        "volume_ml": None,
        "volume_ml_reason": reason,
        "mask_voxels": None if mask is None else int(mask.sum()),
        "sections": [],
        "dimensions_mm": None,
        "attenuation": None,
    }
    if reason:
        return figures
    figures["volume_ml"] = volumetry.volume_ml(mask, affine)
    figures["sections"] = [
        {
            "index": section.index,
            "level_mm": round(section.level_mm, 3),
            "area_cm2": round(section.area_cm2, 4),
        }
        for section in volumetry.section_areas_cm2(mask, affine)
    ]
    figures["dimensions_mm"] = dimensions.extent_mm(mask, affine).to_json()
    if scan.exam.modality == "CT":
        held = attenuation.summarise(image.data, mask, affine, scan.exam.contrast_phase or None)
        figures["attenuation"] = held.to_json()
    return figures


def _judged(
    scan: Scan,
    image: Volume,
    mask: np.ndarray | None,
    segmentation: Segmentation | None,
    cut: np.ndarray | None,
    config: Mapping,
) -> dict:
    if mask is None:
        nothing = {"volume_interval_ml": None, "volume_interval_ml_reason": _NO_MASK}
        return nothing | {"quality": None, "flags": []}
    return trust.judge(
        mask=mask,
        probability=segmentation.probability,
        affine=scan.volume.affine,
        image=image.data,
        modality=scan.exam.modality,
        doubts=segmentation.doubts(),
        agreement={
            "echo_dice": segmentation.echo_dice,
            "contrast_dice": segmentation.contrast_dice,
        },
        cut=cut,
        low_confidence=trust.threshold(config),
    ).to_json()


def _fat(scan: Scan, mask: np.ndarray, found: Fit | None) -> dict:
    """PDFF and R2* over a liver: of the map that came with it, else of the fit."""
    told: dict = {"pdff_reason": None}
    if found is not None:
        told |= fitting.over_liver(found, scan, mask)
    if scan.exam.pdff_map is not None:
        try:
            held = manifest.load_pdff_percent(scan.exam)
        except InputError as error:
            if found is None:
                told["pdff_reason"] = f"{error.fault}. {error.remedy}"
            return told
        summary = pdff.summarise(held.data, mask, scan.volume.affine)
        told["pdff"] = {"source": "map"} | summary.to_json()
    elif found is None:
        told["pdff_reason"] = _why_no_fat(scan)
    return told


def _why_no_fat(scan: Scan) -> str:
    count, fewest = scan.volume.echo_count, acquisition.FEWEST_ECHOES
    if scan.exam.modality == "CT":
        return "a CT has no echoes; attenuation has an estimate"
    if count < fewest:
        return f"there is no PDFF map, and of {count} echo{'es' * (count > 1)} none can be fitted"
    return "there is no PDFF map, and echo times or field strength are not known"


def _split(stages: Mapping[str, float], segmentation: Segmentation | None) -> dict[str, float]:
    """The seconds of each stage; the network's own split in place of the whole."""
    names = {
        "loading the network": "load",
        "reading": "read",
        "fitting echoes": "fit",
        "measuring": "measure",
    }
    seconds = {names[name]: spent for name, spent in stages.items() if name in names}
    inner = dict(segmentation.seconds) if segmentation else {}
    if "segmenting" in stages:
        # Threshold, largest component, holes and necks: what the network's own stages leave.
        inner["postprocess"] = max(0.0, stages["segmenting"] - sum(inner.values()))
    return {name: round(spent, 3) for name, spent in (seconds | inner).items()}


def placeholder(exam: Exam, status: str, reason: str) -> dict:
    """The record of an examination that was refused or failed: no request, so it is tried again."""
    return {
        "schema_version": None,
        "exam_id": exam.exam_id,
        "status": status,
        "reason": reason,
        "request": None,
    }
