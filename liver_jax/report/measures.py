"""What a case's row says, in words: its measures with their units and decimals, and its flags."""

import dataclasses

from liver_jax.report import wording


@dataclasses.dataclass(frozen=True)
class Measure:
    """One column of a row.

    Attributes:
        key: Its name in the row.
        label: What a reader expects.
        unit: `mm`, `mL`, ...; empty for a ratio.
        decimals: How many are worth showing.
        meaning: One line for those who do not know it.
    """

    key: str
    label: str
    unit: str
    decimals: int
    meaning: str


MEASURES = (
    Measure("dice", "Dice", "", 3, "Overlap: twice the common voxels over the sum of both masks"),
    Measure("iou", "IoU", "", 3, "Overlap: the common voxels over those of either mask"),
    Measure("rvd_percent", "Volume difference", "%", 1, "Automated minus manual, of the manual"),
    Measure("volume_ml_auto", "Volume, automated", "mL", 0, "Area times section thickness"),
    Measure("volume_ml_manual", "Volume, manual", "mL", 0, "Area times section thickness"),
    Measure("assd_mm", "ASSD", "mm", 2, "Average symmetric surface distance"),
    Measure(
        "hd95_mm", "HD95", "mm", 1, "95th percentile of the surface distance, larger direction"
    ),
    Measure("mssd_mm", "MSSD", "mm", 1, "Maximum symmetric surface distance"),
    Measure("nsd_1mm", "NSD at 1 mm", "", 3, "Share of both surfaces within 1 mm of each other"),
    Measure("nsd_2mm", "NSD at 2 mm", "", 3, "Share of both surfaces within 2 mm of each other"),
    Measure("nsd_3mm", "NSD at 3 mm", "", 3, "Share of both surfaces within 3 mm of each other"),
    Measure("pdff_percent_auto", "PDFF, automated", "%", 2, "Mean over the automated mask"),
    Measure("pdff_percent_manual", "PDFF, manual", "%", 2, "Mean over the manual mask"),
    Measure(
        "pdff_percent_auto_without_vessels",
        "PDFF without vessels, automated",
        "%",
        2,
        "Mean over the automated mask, vessels excluded",
    ),
    Measure(
        "pdff_percent_manual_without_vessels",
        "PDFF without vessels, manual",
        "%",
        2,
        "Mean over the manual mask, vessels excluded",
    ),
    Measure("component_count_auto", "Components, automated", "", 0, "Parts that do not touch"),
    Measure("component_count_manual", "Components, manual", "", 0, "Parts that do not touch"),
    Measure("fov_cut_cm2_auto", "Cut by the field of view, automated", "cm²", 1, "Area cut"),
    Measure("fov_cut_cm2_manual", "Cut by the field of view, manual", "cm²", 1, "Area cut"),
)

FLAGS = {
    "automated_empty": "The automated mask is empty",
    "manual_empty": "The manual mask is empty",
    "no_surface": "Surface distances are undefined: one mask has no surface",
    "pdff_unavailable": "The fat fraction could not be measured",
    "touches_fov_border": "A mask reaches the border of the field of view: the liver may be cut",
    "implausible_volume": "The automated volume is outside the range of adult livers",
    "wrong_side": "Much of the automated mask lies on the patient's left",
    "several_components": "The automated mask falls into several parts",
}


def value(row: dict, measure: Measure) -> str | None:
    """A row's value of a measure in print, with its unit; None where it has none."""
    number = row.get(measure.key)
    if number is None:
        return None
    return f"{wording.number(number, measure.decimals)} {measure.unit}".rstrip()


def facts(row: dict) -> list[str]:
    """What identifies a case beside its name: technique, phase, echo, field, cohort, site."""
    echo = "" if row["echo"] is None else f"echo {row['echo']}"
    if echo and row.get("te_ms") is not None:
        echo += f" (TE {row['te_ms']:g} ms)"
    field = row.get("field_strength_t")
    words = [
        wording.technique(row["technique"]),
        row.get("contrast_phase", "").replace("_", " "),
        echo,
        f"{field:g} T" if field is not None else "",
        wording.model(row["model"]),
        row.get("cohort", ""),
        row.get("site", ""),
    ]
    return [word for word in words if word]
