"""Any nnU-Net dataset: `dataset.json`, `imagesTr/<case>_0000.nii.gz`, `labelsTr/<case>.nii.gz`.

Version 2 and, where it differs, 1. Channels of an MR are images of one examination; a CT has one.
Cases with `labelsTs` are the published test cases. nnU-Net knows no patients: each case is a
subject of its own, so give scans of one person one `subject_id` before the cohort is split.
"""

import json
import os
import posixpath
import re
from collections.abc import Iterator, Mapping

from liver_jax.cohort.intake import download as downloads
from liver_jax.cohort.intake import own as owns
from liver_jax.cohort.intake.case import Case, Found
from liver_jax.cohort.intake.download import Download, Entry
from liver_jax.cohort.intake.own import Own
from liver_jax.errors import InputError

_SPLITS = {"Tr": "train", "Ts": "test"}
_CT = re.compile(r"(?<![a-z])(ce|nc)?cta?(?![a-z])|tomogra|hounsfield", re.IGNORECASE)
_NEITHER = re.compile(r"ultraso|x-?ray|rgb|^(us|pet|red|green|blue|hu|[0-9]*)$", re.IGNORECASE)
_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
_Held = tuple[str, str, list[Entry], Entry | None]  # name, published split, channels, mask


def read(download: Download, own: Own) -> Found:
    """Finds the cases of a dataset folder.

    Args:
        download: The folder.
        own: What its dataset.json does not tell.

    Raises:
        InputError: There is no dataset.json, or more than one; or it does not tell what is needed.
    """
    dataset, told = _dataset(download)
    file = download.source / dataset.path
    channels = told.get("channel_names") or told.get("modality") or {}
    labels, listed = told.get("labels") or {}, told.get("dataset") or {}
    if not all(isinstance(part, dict) for part in (channels, labels, listed)):
        fault = "has channel_names, labels or dataset that are no JSON objects"
        raise InputError(file, fault, "Write them as nnU-Net has them")
    names = [str(name) for name in channels.values()]
    unclear = not names or any(map(_NEITHER.search, names))
    if not own.modality and unclear and not any(map(_CT.search, names)):
        fault = f"does not tell CT from MR (channels: {', '.join(names) or 'none'})"
        raise InputError(file, fault, "Say --modality=CT or --modality=MR")
    # Beside CT, as in CT and PET, nothing is an echo.
    modality = own.modality or ("CT" if any(map(_CT.search, names)) else "MR")
    technique = own.technique or ("ct" if modality == "CT" else _word(names))
    values = own.liver_labels or _liver_labels(labels, file)
    ending = "." + str(told.get("file_ending", "nii.gz")).lower().lstrip(".")
    if ending not in _ENDINGS:
        raise InputError(file, f"has file_ending {ending}", "Convert to NIfTI")
    found = Found()
    held = _listed(download, dataset, listed) if listed else _cases(download, dataset, ending)
    for name, split, images, mask in held:
        if mask is None:
            found.leave_out(name, "there is no mask for it")
        elif not images:
            found.leave_out(name, "there is no image for its mask")
        elif modality == "CT" and len(images) > 1:
            found.leave_out(name, f"is CT with {len(images)} channels")
        elif names and len(images) != len(names) and not _is_whole(images[0], name, ending):
            found.leave_out(name, f"has {len(images)} of {len(names)} channels")
        else:
            found.cases.append(
                Case(
                    case_id=name,
                    subject_id=f"{own.cohort}-{name}",
                    modality=modality,
                    technique=technique,
                    images=tuple(images),
                    mask=mask,
                    liver_labels=values,
                    may_lack_liver=True,
                    published_split=split,
                )
            )
    return found


def _dataset(download: Download) -> tuple[Entry, dict]:
    """The dataset.json that is meant, and what it tells."""
    held = {}
    for _, entry in download.find(r"dataset\.json"):
        try:
            told = json.loads(downloads.read_bytes(entry))
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise InputError(download.source / entry.path, "is not a JSON object", "Correct it")
        held[entry] = told
    # nnU-Net copies dataset.json beside what it makes of a dataset; one that lists its files may
    # lie anywhere.
    beside = [e for e in held if f"{e.folder}/imagesTr".strip("/") in download.folders]
    meant = beside or [entry for entry, told in held.items() if told.get("dataset")]
    if len(meant) != 1:
        fault = f"holds {len(meant)} dataset.json with an imagesTr beside it"
        raise InputError(download.source, fault, "Name one nnU-Net dataset folder")
    return meant[0], held[meant[0]]


def _word(names: list[str]) -> str:
    word = re.sub(r"[^a-z0-9]+", "_", names[0].lower()).strip("_") if len(names) == 1 else ""
    return word or "mr"


def _is_whole(image: Entry, name: str, ending: str) -> bool:
    """Whether a file has no number of a channel: it may hold all channels."""
    return image.name.lower() == f"{name}{ending}".lower()


def _liver_labels(labels: Mapping, file: os.PathLike) -> tuple[int, ...]:
    """The values of the labels that are liver, by their names."""
    values: dict[str, list[int]] = {}
    for key, value in labels.items():
        # Version 1 has them the other way round; version 2 has lists for regions.
        name, of = (value, key) if isinstance(value, str) and key.isdecimal() else (key, value)
        try:
            numbers = [int(number) for number in (of if isinstance(of, list) else [of])]
        except (TypeError, ValueError):
            raise InputError(file, f"has the label {name}: {of!r}", "Write a number") from None
        values.setdefault(name, []).extend(numbers)
    liver = owns.liver_labels(values)
    if not liver:
        fault = f"names no label liver (it has {', '.join(values) or 'none'})"
        raise InputError(file, fault, "Say which it is: --liver_labels=1")
    return liver


def _listed(download: Download, dataset: Entry, listed: Mapping) -> Iterator[_Held]:
    """The cases of a dataset.json that lists the files of each."""
    by_path = {entry.path: entry for entry in download.entries}

    def entry(path: str) -> Entry | None:
        path = os.path.expandvars(path)
        held = by_path.get(posixpath.normpath(posixpath.join(dataset.folder, path)))
        if held or dataset.members:
            return held
        # The lists are made for data that lie elsewhere.
        file = dataset.file.parent / path
        return Entry(path, file) if file.is_file() else None

    for name, files in listed.items():
        files = files if isinstance(files, dict) else {}
        paths, label = files.get("images"), files.get("label")
        paths = paths if isinstance(paths, list) else []
        images = [entry(str(path)) for path in paths]
        mask = entry(label) if isinstance(label, str) and label else None
        yield name, "", [] if None in images else images, mask


def _cases(download: Download, dataset: Entry, ending: str) -> Iterator[_Held]:
    """The cases of the folders."""

    def names(folder: str) -> Iterator[tuple[str, Entry]]:
        for entry in download.folders.get(f"{dataset.folder}/{folder}".strip("/"), []):
            if entry.name.lower().endswith(ending):
                yield entry.name[: -len(ending)], entry

    # Where all are training cases, nothing is split.
    tested = any(names("labelsTs"))
    for part, split in _SPLITS.items():
        masks = dict(names(f"labels{part}"))
        images: dict[str, list[Entry]] = {}
        for name, entry in names(f"images{part}"):
            # The number of a channel, unless it is that of the case, as of files that have none.
            name = name if name in masks else re.sub(r"_\d{4}$", "", name)
            images.setdefault(name, []).append(entry)
        for name in sorted({*images, *masks}, key=downloads.natural):
            yield name, split if tested else "", images.get(name, []), masks.get(name)
