"""What measurements.json says of one scan, in words: labels, values with units, how they came."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from liver_jax.report import wording

_SOURCES = {
    "map": "the scanner's map",
    "magnitude_fit": "a fit of the echoes' magnitude",
    "complex_fit": "a fit of the complex echoes",
}
_NOT_FOUND = wording.DASH


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a table.

    Attributes:
        label: What it is.
        value: With its unit; a dash where there is none.
        note: How it came, or why there is none; may be empty.
    """

    label: str
    value: str
    note: str = ""


def lines(record: Mapping[str, Any]) -> list[Line]:
    """The figures of one scan, those that its modality has.

    Args:
        record: The fields of measurements.json.
    """
    found = [*_volume(record), *_dimensions(record)]
    if record.get("attenuation"):
        found += _attenuation(record["attenuation"])
    if record["modality"] != "CT":
        found += _fat(record)
    return [*found, *_quality(record.get("quality"))]


def provenance(record: Mapping[str, Any]) -> list[Line]:
    """How the figures were made: network, options, hash, versions."""
    asked = record["request"]["options"]
    echoes = record["input"]["echoes"]
    steps = [
        "largest component, without holes and necks"
        if asked["postprocessed"]
        else "as the network has it"
    ]
    if asked["augmented"]:
        steps.append("averaged over images slightly turned and magnified")
    if asked["contrasts"]:
        steps.append("averaged over other grey values")
    if echoes > 1:
        steps.append(
            f"consensus of {echoes} echoes" if asked["echo"] is None else f"echo {asked['echo']}"
        )
    shape, spacing = record["grid"]["shape"], record["grid"]["spacing_mm"]
    versions = record.get("versions", {})
    # Of a run folder its own name is enough: where it lies is nobody's business.
    checkpoint = (record.get("checkpoint") or _NOT_FOUND).rpartition("/")[2]
    return [
        Line(
            "Scan",
            f"{record['input']['format'].upper()}, {' × '.join(map(str, shape))} voxels",
            f"{' × '.join(f'{step:.4g}' for step in spacing)} mm, axes {record['grid']['axes']}",
        ),
        Line("Mask", "; ".join(steps)),
        Line("Checkpoint", checkpoint),
        Line("Mask's SHA-256", record.get("mask_sha256") or _NOT_FOUND),
        Line("Versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
        Line("Device", record.get("device", _NOT_FOUND)),
    ]


def identifiers(record: Mapping[str, Any]) -> list[Line]:
    """Names of files and of the patient: there are none unless they were asked for."""
    told = record["input"]
    found = [Line("File", name) for name in told.get("names", ())]
    return found + [Line(name, value) for name, value in (told.get("dicom") or {}).items()]


def _volume(record: Mapping[str, Any]) -> Iterator[Line]:
    volume_ml = record["volume_ml"]
    if volume_ml is None:
        yield Line("Volume", _NOT_FOUND, record["volume_ml_reason"] or "")
        return
    yield Line("Volume", f"{volume_ml:.0f} mL", f"{record['mask_voxels']} voxels")
    interval = record["volume_interval_ml"]
    if interval is None:
        yield Line("Interval", _NOT_FOUND, record["volume_interval_ml_reason"] or "")
    else:
        yield Line(
            f"{100 * interval['level']:g} % interval",
            f"{interval['low']:.0f} to {interval['high']:.0f} mL",
            interval["method"],
        )


def _dimensions(record: Mapping[str, Any]) -> Iterator[Line]:
    held = record["dimensions_mm"]
    if held:
        names = ("craniocaudal", "anteroposterior", "transverse")
        value = " × ".join(f"{held[name]:.0f}" for name in names)
        yield Line("Extent", f"{value} mm", "craniocaudal, anteroposterior, transverse")


def _attenuation(held: Mapping[str, Any]) -> Iterator[Line]:
    yield Line(
        "Attenuation",
        f"{_signed(held['mean_hu'], 1)} ± {held['sd_hu']:.1f} HU",
        f"mean ± SD of {held['voxels']} voxels",
    )
    if held.get("parenchyma_median_hu") is not None:
        yield Line(
            "Parenchyma",
            f"{_signed(held['parenchyma_median_hu'], 1)} HU",
            f"median of {held['parenchyma_voxels']} voxels, {held['eroded_mm']:g} mm inside",
        )
    estimate = held["pdff_estimate_percent"]
    if estimate is None:
        yield Line("Implied PDFF (estimate)", _NOT_FOUND, held["pdff_estimate_reason"] or "")
    else:
        yield Line(
            "Implied PDFF (estimate)", f"{_signed(estimate, 1)} %", held["pdff_estimate_method"]
        )


def _fat(record: Mapping[str, Any]) -> Iterator[Line]:
    held = record["pdff"]
    if not held:
        yield Line("PDFF", _NOT_FOUND, record["pdff_reason"] or "")
    else:
        source = _SOURCES.get(held["source"], held["source"])
        yield from _statistics(held, "PDFF", " %", 2, source)
    if record["r2star"]:
        yield from _statistics(record["r2star"], "R2*", " s⁻¹", 1, "the same fit")


def _statistics(
    held: Mapping[str, Any], name: str, unit: str, decimals: int, source: str
) -> Iterator[Line]:
    wanted = {
        f"{name}, mean": (held["mean"], f"from {source}"),
        f"{name}, median": (held["median"], ""),
        f"{name}, SD": (held["sd"], "over voxels"),
        f"{name} without vessels": (
            held["mean_without_vessels"],
            f"mean {held['eroded_mm']:g} mm inside, vessels left out",
        ),
    }
    circles = held["nine_rois"] or {}
    if circles.get("mean"):
        wanted[f"{name}, nine circles"] = (circles["mean"], "mean over the segments' circles")
    for label, (figure, how) in wanted.items():
        value, error = figure["value"], figure["standard_error"]
        if value is None:
            yield Line(label, _NOT_FOUND, figure["reason"] or "")
            continue
        spread = "" if error is None else f", standard error {error:.{decimals}f}"
        count = f"n = {figure['voxel_count']} voxels"
        note = "; ".join(part for part in (how, count + spread) if part)
        yield Line(label, f"{_signed(value, decimals)}{unit}", note)


def _quality(held: Mapping[str, Any] | None) -> Iterator[Line]:
    if not held:
        return
    score = held["score"]
    told = "the Dice that the network's probabilities let expect; no forecast on unfamiliar scans"
    if score is None:
        yield Line("Quality score", _NOT_FOUND, "no liver was found")
    else:
        yield Line("Quality score", f"{score:.3f}", told)
    if held["echo_dice"] is not None:
        yield Line("Agreement of echoes", f"{held['echo_dice']:.3f}", "mean Dice of every two")
    if held["contrast_dice"] is not None:
        told = "mean Dice of every two of four sets of grey values"
        yield Line("Agreement of contrasts", f"{held['contrast_dice']:.3f}", told)


def _signed(value: float, decimals: int) -> str:
    return wording.number(value, decimals)
