"""LiverHccSeg: four phases of contrast-enhanced T1-weighted MRI, drawn on by two raters.

`nifti_and_segms/<patient>/<date>/{pre,art,pv,del}.nii.gz`, `rater{1,2}_liver.nii.gz`. The masks lie
on the **arterial** image; for the other phases, other grids of the same patient, they are resampled
by their place in mm (`mask_changed` says so: breathing moved the liver between the phases). The
phases that its authors registered (`art_pre` and the like) are not used.
"""

import collections

from liver_jax.cohort.intake import pairs
from liver_jax.cohort.intake.case import Case, Found, Mask, Resampled
from liver_jax.cohort.intake.download import Download, Entry, natural
from liver_jax.cohort.intake.layout import Layout

_PHASES = {"pre": "unenhanced", "art": "arterial", "pv": "portal_venous", "del": "delayed"}


def _read(download: Download) -> Found:
    found = Found()
    files: dict[tuple[str, str], dict[str, list[Entry]]] = collections.defaultdict(dict)
    what = r"(?P<what>pre|art|pv|del|rater[12]_liver)"
    # A date, or another word, as some copies have it.
    for match, entry in download.find(rf"(?P<case>[^/]+)/(?P<date>[^/]+)/{what}\.nii(\.gz)?"):
        held = files[match["case"], match["date"]]
        held.setdefault(match["what"].lower(), []).append(entry)
    for (patient, date), listed in sorted(files.items(), key=lambda x: natural("/".join(x[0]))):
        name = f"{patient}-{date}"
        held = {what: pairs.only(entries) for what, entries in listed.items()}
        ambiguous = [part for part in held.values() if isinstance(part, str)]
        if ambiguous:
            found.leave_out(name, ambiguous[0])
            continue
        if "rater1_liver" not in held:
            found.leave_out(name, "rater1_liver is not there")
            continue
        if "art" not in held:
            found.leave_out(name, "the arterial image is not there, which its masks lie on")
            continue
        for phase, word in _PHASES.items():
            if phase in held:
                found.cases.append(_case(name, patient, date, phase, word, held))
            else:
                found.leave_out(f"{name}-{phase}", "its image is not there")
    return found


def _case(
    name: str, patient: str, date: str, phase: str, word: str, held: dict[str, Entry]
) -> Case:
    def mask(rater: str) -> Mask | None:
        entry = held.get(rater)
        return entry if entry is None or phase == "art" else Resampled(entry)

    return Case(
        case_id=f"{name}-{phase}",
        subject_id=f"liverhccseg-{patient}",
        session=date,
        modality="MR",
        technique="t1w" if phase == "pre" else "ce_t1w",
        contrast_phase=word,
        images=(held[phase],),
        mask=mask("rater1_liver"),
        reader2_mask=mask("rater2_liver"),
    )


LAYOUT = Layout(
    name="liverhccseg",
    title="LiverHccSeg",
    modality="MR",
    expected=68,
    licence="CC BY 4.0",
    home="Zenodo 8179129",
    liver="> 0 (two raters)",
    read=_read,
)
