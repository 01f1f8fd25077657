"""CHAOS MR: T1-DUAL, two echoes with one mask, and T2-SPIR, of each volunteer.

`MR/<id>/T1DUAL/DICOM_anon/{InPhase,OutPhase}/*.dcm`, `MR/<id>/T2SPIR/DICOM_anon/*.dcm`, and PNG
masks in `Ground` beside `DICOM_anon`, each with the file name of the image that it was drawn on.
In phase and out of phase may share one SeriesInstanceUID, so the folders tell them apart; they are
one examination, and cannot be split.
"""

import collections

from liver_jax.cohort.intake import pairs
from liver_jax.cohort.intake.case import Case, Found, Pictures, Series
from liver_jax.cohort.intake.download import Download, Entry
from liver_jax.cohort.intake.layout import Layout

# Grey levels of the four organs; the pictures hold a few values between them.
_ORGANS = {(55, 70): 1, (110, 135): 2, (175, 200): 3, (240, 255): 4}


def _read(download: Download) -> Found:
    found = Found()
    series: dict[tuple[str, str], dict[str, list[Entry]]] = collections.defaultdict(dict)
    pictures: dict[tuple[str, str], list[Entry]] = collections.defaultdict(list)
    place = r"MR/(?P<case>\d+)/(?P<kind>T1DUAL|T2SPIR)"
    for match, entry in download.find(rf"{place}/DICOM_anon/((?P<phase>InPhase|OutPhase)/)?[^/]+"):
        phases = series[match["case"], match["kind"].lower()]
        phases.setdefault((match["phase"] or "").lower(), []).append(entry)
    for match, entry in download.find(rf"{place}/Ground/[^/]+\.png"):
        pictures[match["case"], match["kind"].lower()].append(entry)
    for key in sorted({*series, *pictures}, key=lambda key: (int(key[0]), key[1])):
        case, kind = key
        reason = _incomplete(kind, series[key], pictures[key])
        scanned = {entry.stem: entry for phase in series[key].values() for entry in phase}
        lost = [entry.name for entry in pictures[key] if entry.stem not in scanned]
        if reason or lost:
            name = f"{case} {kind}"
            found.leave_out(name, reason or f"{lost[0]} has the name of none of its images")
            continue
        drawn = tuple((entry, scanned[entry.stem]) for entry in pictures[key])
        found.cases.append(
            Case(
                case_id=f"{case}-{kind}",
                subject_id=f"chaos_mr-{case}",
                modality="MR",
                technique=kind,
                images=tuple(Series(tuple(entries)) for entries in series[key].values()),
                mask=(Pictures(drawn, _ORGANS),),
            )
        )
    return found


def _incomplete(kind: str, phases: dict[str, list[Entry]], drawn: list[Entry]) -> str:
    """What is missing of a case, or there twice; empty where nothing is."""
    wanted = ("inphase", "outphase") if kind == "t1dual" else ("",)
    for files in (*phases.values(), drawn):
        twice = pairs.copies(files)
        if twice:
            return twice
    missing = [phase for phase in wanted if phase not in phases]
    if missing:
        what = f"{missing[0]} images" if missing[0] else "images"
        return f"its {what} are not there"
    return "" if drawn else "no mask is published for it"


LAYOUT = Layout(
    name="chaos_mr",
    title="CHAOS, MR (T1-DUAL, T2-SPIR)",
    modality="MR",
    expected=40,
    licence="CC BY-NC-SA 4.0",
    home="Zenodo 3431873",
    liver="PNG 55 to 70",
    read=_read,
)
