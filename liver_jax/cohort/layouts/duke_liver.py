"""Duke Liver Dataset (DLDS): DICOM series with a DICOM mask of each slice.

`Segmentation/<patient>/<series>/{images,masks}/*.dicom`. A mask has the name of its image, and its
own position tags are not asked. `SegmentationKey.csv` (`DLDS,Series,Label`) tells the kind of each
series by a letter.
"""

import collections

from liver_jax.cohort.intake import table
from liver_jax.cohort.intake.case import Case, Found, Pictures, Series
from liver_jax.cohort.intake.download import Download, Entry
from liver_jax.cohort.intake.layout import Layout

_WHITE = {(1, 65535): 1}
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
    kinds = table.pairs(download, r"SegmentationKey\.csv", ("DLDS", "Series"), "Label")
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
                mask=(Pictures(drawn, _WHITE),),
            )
        )
    return found


def _paired(images: list[Entry], masks: list[Entry]) -> tuple[tuple[Entry, Entry], ...] | str:
    """Masks and their images by name, else by their order; or why they are not paired."""
    if not masks:
        return "there is no mask for it"
    if not images:
        return "there are no images for its masks"
    named = {entry.stem.lower(): entry for entry in images}
    if all(mask.stem.lower() in named for mask in masks):
        return tuple((mask, named[mask.stem.lower()]) for mask in masks)
    if len(masks) != len(images):
        return f"there are {len(masks)} masks of other names for {len(images)} images"
    return tuple(zip(masks, images, strict=True))


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
