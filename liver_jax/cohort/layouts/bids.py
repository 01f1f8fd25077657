"""A BIDS dataset of one's own: images in `sub-*`, masks of the liver in `derivatives`.

- Images: all NIfTI files of a subject with one set of entities; `echo-` are the echoes of one
  examination, `part-` other than `mag` is left out (of which turn a phase is, BIDS does not tell).
  CT, which BIDS does not have, is any file with the suffix `ct`.
- Sidecars, those that are inherited, too, tell echo time, repetition time, flip angle and field
  strength: seconds there, milliseconds here.
- Masks: suffix `mask`, `seg` or `msk` with `liver` in `label-` or `desc-`; or `dseg` with a table
  of names. (The common `label-L` is a lesion.) A mask belongs to the images of its subject and
  session whose entities it repeats; if it lies on another grid, the examination is left out.
- Columns of `participants.tsv` become columns of the manifest.
"""

import collections
import dataclasses
import json
import re
from collections.abc import Iterator, Mapping

from liver_jax.cohort.exam import COLUMNS
from liver_jax.cohort.intake import download as downloads
from liver_jax.cohort.intake import table
from liver_jax.cohort.intake.case import Case, Found
from liver_jax.cohort.intake.download import Download, Entry
from liver_jax.cohort.intake.own import Own

_FILE = r"(?P<name>sub-[A-Za-z0-9]+(_[A-Za-z]+-[A-Za-z0-9+]+)*)_(?P<suffix>[A-Za-z0-9_]+)"
_MASK_SUFFIXES = ("mask", "seg", "msk")
# What a mask is about, not which image it was drawn on.
_OF_MASKS = ("label", "desc", "space", "res", "den", "seg")
_SECONDS = {"EchoTime": "te_ms", "RepetitionTime": "tr_ms"}
_AS_THEY_ARE = {"FlipAngle": "flip_angle_deg", "MagneticFieldStrength": "field_strength_t"}


@dataclasses.dataclass(frozen=True)
class _File:
    """A file whose name is in BIDS's form."""

    entry: Entry
    entities: Mapping[str, str]
    suffix: str

    def without(self, *keys: str) -> tuple[tuple[str, str], ...]:
        """Its entities but for some, in the order of their names."""
        return tuple(sorted((k, v) for k, v in self.entities.items() if k not in keys))


def read(download: Download, own: Own) -> Found:
    """Finds the examinations of a dataset; see above.

    Args:
        download: The dataset.
        own: What its names do not tell.
    """
    found = Found()
    files = list(_files(download, r"\.nii(\.gz)?"))
    masks = [(file, labels) for file in files if (labels := _liver(download, file, own))]
    sidecars = list(_files(download, r"\.json"))
    people = table.rows(download, r"participants\.tsv", "participant_id")
    groups: dict[tuple, list[_File]] = collections.defaultdict(list)
    for file in files:
        derived = "derivatives" in file.entry.path.split("/")
        is_mask = file.suffix.lower().endswith((*_MASK_SUFFIXES, "dseg"))
        if not derived and not is_mask and file.entities.get("part", "mag") == "mag":
            groups[(*file.without("echo", "part"), file.suffix)].append(file)
    for images in groups.values():
        first = images[0]
        name = "_".join(f"{k}-{v}" for k, v in first.entities.items() if k not in ("echo", "part"))
        name = f"{name}_{first.suffix}"
        fitting = _best([held for held in masks if _fits(held[0], first)])
        if len(fitting) != 1:
            names = " and ".join(file.entry.name for file, _ in fitting[:2])
            reason = f"could have {names}" if fitting else "there is no mask of the liver for it"
            found.leave_out(name, reason)
            continue
        mask, labels = fitting[0]
        found.cases.append(
            _case(
                name,
                images,
                mask,
                labels,
                sidecars,
                people.get(f"sub-{first.entities['sub']}", {}),
                own,
            )
        )
    return found


def _files(download: Download, ending: str) -> Iterator[_File]:
    for match, entry in download.find(_FILE + ending):
        pairs = (part.partition("-") for part in match["name"].split("_"))
        yield _File(entry, {key.lower(): value for key, _, value in pairs}, match["suffix"])


def _liver(download: Download, file: _File, own: Own) -> tuple[int, ...]:
    """Which values of a file are liver; empty where it is no mask of the liver."""
    suffix = file.suffix.lower().rpartition("_")[2]
    told = f"{file.entities.get('label', '')} {file.entities.get('desc', '')}".lower()
    if suffix in _MASK_SUFFIXES and "liver" in told:
        return own.liver_labels or (1,)
    if suffix != "dseg":
        return ()
    if own.liver_labels:
        return own.liver_labels
    stem = re.escape(file.entry.path.removesuffix(".gz").removesuffix(".nii"))
    for pattern in (rf"{stem}\.tsv", r"dseg\.tsv"):
        named = table.rows(download, pattern, "index")
        values = [int(k) for k, row in named.items() if "liver" in row.get("name", "").lower()]
        if named:
            return tuple(sorted(values))
    return ()


def _fits(mask: _File, image: _File) -> bool:
    """Whether a mask may have been drawn on an image: it repeats what tells images apart."""
    if mask.entities["sub"] != image.entities["sub"]:
        return False
    if mask.entities.get("ses") != image.entities.get("ses"):
        return False
    drawn_on = mask.suffix.rpartition("_")[0]  # sub-01_T1w_dseg, though not in the standard
    if drawn_on and drawn_on.lower() != image.suffix.lower():
        return False
    return all(image.entities.get(key) == value for key, value in mask.without(*_OF_MASKS, "echo"))


def _best(masks: list[tuple[_File, tuple[int, ...]]]) -> list[tuple[_File, tuple[int, ...]]]:
    """Those that repeat most."""
    most = max((len(mask.without(*_OF_MASKS)) for mask, _ in masks), default=0)
    return [held for held in masks if len(held[0].without(*_OF_MASKS)) == most]


def _case(
    name: str,
    images: list[_File],
    mask: _File,
    labels: tuple[int, ...],
    sidecars: list[_File],
    person: Mapping[str, str],
    own: Own,
) -> Case:
    first = images[0]
    told = {file: _sidecar(file, sidecars) for file in images}
    times = {file: _number(told[file], "EchoTime") for file in images}
    if all(times.values()):
        images = sorted(images, key=times.get)
    else:
        images = sorted(images, key=lambda file: int(file.entities.get("echo", "0")))
    is_ct = first.suffix.lower() == "ct"
    modality = own.modality or ("CT" if is_ct else "MR")
    word = "ct" if is_ct else first.suffix.lower()
    word = f"ce_{word}" if "ce" in first.entities else word
    sidecar = told[images[0]]
    tr_s = _number(sidecar, "RepetitionTime")
    known = all(times.values()) and modality == "MR"
    return Case(
        case_id=name,
        subject_id=f"{own.cohort}-sub-{first.entities['sub']}",
        session=first.entities.get("ses", ""),
        modality=modality,
        technique=own.technique or word,
        images=tuple(file.entry for file in images),
        te_ms=tuple(round(1000 * times[file], 6) for file in images) if known else (),
        tr_ms=None if tr_s is None else round(1000 * tr_s, 6),
        flip_angle_deg=_number(sidecar, "FlipAngle"),
        field_strength_t=_number(sidecar, "MagneticFieldStrength"),
        mask=mask.entry,
        liver_labels=labels,
        extra=_columns(person),
    )


def _sidecar(file: _File, sidecars: list[_File]) -> dict:
    """What the JSON files tell of an image: the nearest has the last word."""
    told: dict = {}
    fitting = [
        sidecar
        for sidecar in sidecars
        if sidecar.suffix == file.suffix
        and sidecar.entities.items() <= file.entities.items()
        and f"{file.entry.folder}/".startswith(f"{sidecar.entry.folder}/".lstrip("/"))
    ]
    for sidecar in sorted(fitting, key=lambda s: (s.entry.path.count("/"), len(s.entities))):
        try:
            content = json.loads(downloads.read_bytes(sidecar.entry))
        except ValueError:
            continue
        told |= content if isinstance(content, dict) else {}
    return told


def _number(told: Mapping, key: str) -> float | None:
    value = told.get(key)
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _columns(person: Mapping[str, str]) -> dict[str, str]:
    """The columns of participants.tsv that are no columns of the format already."""
    names = {name: re.sub(r"[^a-z0-9]+", "_", name.lower()) for name in person}
    taken = (*COLUMNS, "participant_id", "")
    return table.columns(person, {name: word for name, word in names.items() if word not in taken})
