"""Duke Liver Dataset (DLDS): DICOM series with a DICOM mask of each slice.

`Segmentation/<patient>/<series>/{images,masks}/*.dicom`. A mask belongs to the image of its name;
if names differ, to the one at its own position. `SegmentationKey.csv` (`DLDS,Series,Label`) tells
the kind of each series by a letter.
"""

import collections

from liver_jax.cohort.intake import pairs, table
from liver_jax.cohort.intake.case import WHITE, Case, Found, Pictures, Series
from liver_jax.cohort.intake.download import Download, Entry
from liver_jax.cohort.intake.layout import Layout

# Letters of the key -> technique and contrast phase.
_KINDS = {
    "B": ("t1w", "unenhanced"),
    "C": ("ce_t1w", "arterial"),
    "E": ("ce_t1w", "delayed"),
    "G": ("t1w_in_phase", "unenhanced"),
    "H": ("t1w_opposed_phase", "unenhanced"),
    "K": ("ce_t1w", "portal_venous"),
    "O": ("ce_t1w", "arterial"),
}
_UNKNOWN = ("mr", "")


def _read(download: Download) -> Found:
    found = Found()
    files: dict[tuple[str, str], dict[str, list[Entry]]] = collections.defaultdict(dict)
    place = r"Segmentation/(?P<case>\d+)/(?P<series>[^/]+)/(?P<what>images|masks)/[^/]+"
    for match, entry in download.find(place):
        held = files[match["case"], match["series"]]
        held.setdefault(match["what"].lower(), []).append(entry)
    kinds = table.by_two(download, r"SegmentationKey\.csv", ("DLDS", "Series"), "Label")
    for (patient, series), held in files.items():
        name = f"{patient}-{series}"
        images, masks = held.get("images", []), held.get("masks", [])
        drawn = _paired(images, masks)
        if isinstance(drawn, str):
            found.leave_out(name, drawn)
            continue
        technique, phase = _KINDS.get(
            kinds.get((table.name(patient), table.name(series)), ""), _UNKNOWN
        )
        found.cases.append(
            Case(
                case_id=name,
                subject_id=f"duke_liver-{patient}",
                modality="MR",
                technique=technique,
                contrast_phase=phase,
                images=(Series(tuple(images)),),
                mask=(Pictures(drawn, {WHITE: 1}),),
            )
        )
    return found


def _paired(
    images: list[Entry], masks: list[Entry]
) -> tuple[tuple[Entry, Entry | None], ...] | str:
    """Masks and their images, None where names do not tell; or why there are none."""
    twice = pairs.copies(images) or pairs.copies(masks)
    if twice:
        return twice
    if not masks:
        return "there is no mask for it"
    if not images:
        return "there are no images for its masks"
    named = {entry.stem.lower(): entry for entry in images}
    if any(mask.stem.lower() not in named for mask in masks):
        named = {}
    return tuple((mask, named.get(mask.stem.lower())) for mask in masks)


LAYOUT = Layout(
    name="duke_liver",
    title="Duke Liver Dataset (DLDS)",
    modality="MR",
    expected=310,
    licence="on request, see its page",
    home="Zenodo 7774566",
    liver="DICOM > 0",
    read=_read,
)
