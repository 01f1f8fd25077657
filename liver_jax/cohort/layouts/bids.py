"""A BIDS dataset of one's own: images in `sub-*`, masks of the liver in `derivatives`.

- Images: all NIfTI files of a subject with one set of entities; `echo-` are the echoes of one
  examination, of which `part-mag` is taken (of which turn a phase is, BIDS does not tell).
  CT, which BIDS does not have, is any file with the suffix `ct`.
- Sidecars, those that are inherited, too, tell echo time, repetition time, flip angle and field
  strength: seconds there, milliseconds here.
- Masks: suffix `mask`, `seg`, `msk` or `dseg` with `liver` in `label-` or `desc-`; or `dseg` with a
  table of names. (The common `label-L` is a lesion.) A mask belongs to the images of its subject
  and session whose entities it repeats; if it lies on another grid, the examination is left out.
- Columns of `participants.tsv` become columns of the manifest.
"""

import dataclasses
import re
from collections.abc import Mapping

from liver_jax.cohort.exam import COLUMNS
from liver_jax.cohort.intake import download as downloads
from liver_jax.cohort.intake import own as owns
from liver_jax.cohort.intake import pairs, table
from liver_jax.cohort.intake.case import Case, Found
from liver_jax.cohort.intake.download import Download, Entry
from liver_jax.cohort.intake.own import Own
from liver_jax.errors import InputError

_FILE = r"(?P<entities>(?:[A-Za-z]+-[A-Za-z0-9+]+_)*)(?P<suffix>[A-Za-z0-9_]+)"
_NIFTI = r"\.nii(\.gz)?"
_MASK_SUFFIXES = ("mask", "seg", "msk", "dseg")
_PARTS = re.compile(rf"{owns.FINDINGS.pattern}|vessel|vein", re.IGNORECASE)
# Made of images, of another kind, or many volumes that are no echoes.
_NO_SCAN = re.compile(r"map$|^phase|^(pet|dwi|sbref|bold|cbv|asl|m0scan|epi|perf)$", re.IGNORECASE)
# What a mask is about, and what the images of one examination differ in: not which it was drawn on.
_OF_MASKS = ("label", "desc", "space", "res", "den", "seg", "mod", "echo", "part")


@dataclasses.dataclass(frozen=True, eq=False)
class _File:
    """A file whose name is in BIDS's form."""

    entry: Entry
    entities: Mapping[str, str]
    suffix: str

    def without(self, *keys: str) -> dict[str, str]:
        """Its entities but for some."""
        return {key: value for key, value in self.entities.items() if key not in keys}

    @property
    def drawn_on(self) -> str:
        """Of a mask, the suffix of its image: mod-T1w, or sub-01_T1w_dseg, which is no standard."""
        return self.entities.get("mod", "") or self.suffix.rpartition("_")[0]


# The files of each subject; those without one are for all.
_BySubject = Mapping[str, list[_File]]
_Mask = tuple[_File, tuple[int, ...]]


def read(download: Download, own: Own) -> Found:
    """Finds the examinations of a dataset; see above.

    Args:
        download: The dataset.
        own: What its names do not tell.

    Raises:
        InputError: It has no subjects.
    """
    found = Found()
    scans, sidecars, tables = (_files(download, end) for end in (_NIFTI, r"\.json", r"\.tsv"))
    people = _people(download)
    for _, entry in download.find(rf"(?!{_FILE}{_NIFTI}$)sub-[^/]*{_NIFTI}"):
        if not _lies_in("sourcedata", entry):
            found.leave_out(entry.path, "its name is not in BIDS's form")
    if not any(scans) and not found.left_out:
        fault = "holds no sub-<label>_<suffix>.nii.gz"
        raise InputError(download.source, fault, "Name the folder of a BIDS dataset")
    for subject in sorted(filter(None, scans), key=downloads.natural):
        masks, groups = [], {}
        for file in scans[subject]:
            labels = _liver(download, file, tables, own)
            if labels:
                masks.append((file, labels))
            elif _is_image(file):
                key = (*sorted(file.without("echo", "part").items()), file.suffix)
                groups.setdefault(key, []).append(file)
        person = people.get(table.name(f"sub-{subject}"), {})
        unused = [mask for mask, _ in masks]
        for images in groups.values():
            name = "_".join(f"{k}-{v}" for k, v in images[0].without("echo", "part").items())
            name = f"{name}_{images[0].suffix}"
            fitting = [held for held in masks if _fits(held[0], images[0])]
            unused = [mask for mask in unused if mask not in [held for held, _ in fitting]]
            case = _case(download, name, images, _best(fitting), sidecars, person, own)
            if isinstance(case, str):
                found.leave_out(name, case)
            else:
                found.cases.append(case)
        for mask in unused:
            found.leave_out(mask.entry.name, "there is no image for its mask")
    return found


def _files(download: Download, ending: str) -> _BySubject:
    held: dict[str, list[_File]] = {}
    matches = {entry: match for match, entry in download.find(_FILE + ending)}
    for entry in pairs.once(matches):
        if not _lies_in("sourcedata", entry):
            parts = [part.partition("-") for part in matches[entry]["entities"].split("_")[:-1]]
            entities = {key.lower(): value for key, _, value in parts}
            file = _File(entry, entities, matches[entry]["suffix"])
            held.setdefault(entities.get("sub", ""), []).append(file)
    return held


def _lies_in(folder: str, entry: Entry) -> bool:
    return folder in entry.folder.lower().split("/")


def _people(download: Download) -> dict[str, dict[str, str]]:
    """The rows of the dataset's own participants.tsv: derivatives may have theirs."""
    held = [entry for _, entry in download.find(r"participants\.tsv")]
    if not held:
        return {}
    first = min(held, key=lambda entry: entry.path.count("/"))
    return table.rows(download, rf"\A{re.escape(first.path)}", "participant_id")


def _is_image(file: _File) -> bool:
    return (
        not _lies_in("derivatives", file.entry)
        and not file.suffix.lower().endswith(_MASK_SUFFIXES)
        and not _NO_SCAN.search(file.suffix)
        and file.entities.get("part", "mag") == "mag"
    )


def _liver(download: Download, file: _File, tables: _BySubject, own: Own) -> tuple[int, ...]:
    """Which values of a file are liver; empty where it is no mask of the liver."""
    suffix = file.suffix.lower().rpartition("_")[2]
    if suffix not in _MASK_SUFFIXES:
        return ()
    if suffix == "dseg":
        if own.liver_labels:
            return own.liver_labels
        for nearest in _about(file, tables)[-1:]:
            rows = table.rows(download, rf"\A{re.escape(nearest.entry.path)}", "index")
            named: dict[str, list[int]] = {}
            for index, row in rows.items():
                if index.isdecimal():
                    named.setdefault(row.get("name", ""), []).append(int(index))
            return owns.liver_labels(named)
    told = (file.entities.get(key, "").lower() for key in ("label", "desc"))
    is_liver = any("liver" in word and not _PARTS.search(word) for word in told)
    return (own.liver_labels or (1,)) if is_liver else ()


def _about(file: _File, others: _BySubject) -> list[_File]:
    """The sidecars or tables that tell of a file, as BIDS inherits them: the nearest comes last."""
    fitting = [
        other
        for other in (*others.get("", ()), *others.get(file.entities["sub"], ()))
        if f"_{file.suffix}".endswith(f"_{other.suffix}")
        and other.entities.items() <= file.entities.items()
        and f"{file.entry.folder}/".startswith(f"{other.entry.folder}/".lstrip("/"))
    ]
    return sorted(fitting, key=lambda other: (other.entry.path.count("/"), len(other.entities)))


def _fits(mask: _File, image: _File) -> bool:
    """Whether a mask may have been drawn on an image: it repeats what tells images apart."""
    return (
        mask.entities.get("ses") == image.entities.get("ses")
        and mask.drawn_on.lower() in ("", image.suffix.lower())
        and mask.without(*_OF_MASKS).items() <= image.entities.items()
    )


def _best(masks: list[_Mask]) -> list[_Mask]:
    """Those that repeat most; of these, those in the space of their image."""

    def rank(mask: _File) -> tuple[int, bool]:
        return len(mask.without(*_OF_MASKS)) + bool(mask.drawn_on), "space" not in mask.entities

    most = max((rank(mask) for mask, _ in masks), default=None)
    return [held for held in masks if rank(held[0]) == most]


def _case(
    download: Download,
    name: str,
    images: list[_File],
    masks: list[_Mask],
    sidecars: _BySubject,
    person: Mapping[str, str],
    own: Own,
) -> Case | str:
    """An examination of the echoes of one image, or why there is none."""
    if not masks:
        return "there is no mask of the liver for it"
    if len(masks) > 1:
        return f"could have {masks[0][0].entry.path} and {masks[1][0].entry.path}"
    (mask, labels) = masks[0]
    echoes = {file.entities.get("echo", ""): file for file in images}
    if len(echoes) < len(images):
        one = next(file for file in images if file not in echoes.values())
        return str(pairs.only([one.entry, echoes[one.entities.get("echo", "")].entry]))
    first = images[0]
    is_ct = first.suffix.lower() == "ct"
    modality = own.modality or ("CT" if is_ct else "MR")
    told = [_sidecar(download, file, sidecars) for file in images]
    times = [_number(sidecar, "EchoTime") for sidecar in told]
    te_known = all(times) and modality == "MR"
    if te_known and (max(times) > 1 or len(set(times)) < len(times)):
        seconds = ", ".join(f"{time:g}" for time in times)
        return f"its EchoTime is {seconds}, while it should be seconds, and another for each echo"
    # By their time, or else their number.
    keys = times if all(times) else [downloads.natural(f.entities.get("echo", "")) for f in images]
    order = sorted(range(len(images)), key=keys.__getitem__)
    word = first.suffix.lower()
    word = f"ce_{word}" if "ce" in first.entities and not is_ct else word
    tr_s = _number(told[order[0]], "RepetitionTime")
    return Case(
        case_id=name,
        subject_id=f"{own.cohort}-sub-{first.entities['sub']}",
        session=first.entities.get("ses", ""),
        modality=modality,
        technique=own.technique or word,
        site=table.columns(person, {"site": "site"}).get("site", ""),
        images=tuple(images[place].entry for place in order),
        te_ms=tuple(round(1000 * times[place], 6) for place in order) if te_known else (),
        tr_ms=None if tr_s is None else round(1000 * tr_s, 6),
        flip_angle_deg=_number(told[order[0]], "FlipAngle"),
        field_strength_t=_number(told[order[0]], "MagneticFieldStrength"),
        mask=mask.entry,
        liver_labels=labels,
        may_lack_liver=True,
        extra=_columns(person),
    )


def _sidecar(download: Download, file: _File, sidecars: _BySubject) -> dict:
    """What the JSON files tell of an image: the nearest has the last word."""
    told: dict = {}
    for sidecar in _about(file, sidecars):
        told |= table.json_object(download, sidecar.entry)
    return told


def _number(told: Mapping, key: str) -> float | None:
    value = told.get(key)
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _columns(person: Mapping[str, str]) -> dict[str, str]:
    """The columns of participants.tsv that are no columns of the format already."""
    names = {name: re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") for name in person}
    taken = (*COLUMNS, "participant_id", "")
    return table.columns(person, {name: word for name, word in names.items() if word not in taken})
