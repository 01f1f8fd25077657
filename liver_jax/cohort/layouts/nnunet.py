"""Any nnU-Net dataset: `dataset.json`, `imagesTr/<case>_0000.nii.gz`, `labelsTr/<case>.nii.gz`.

Version 2 and, where it differs, 1. Channels of an MR are images of one examination; a CT has one.
Cases with `labelsTs` are the published test cases. nnU-Net knows no patients: each case is a
subject of its own, so give scans of one person one `subject_id` before the cohort is split.
"""

import json
import posixpath
import re
from collections.abc import Iterator, Mapping

from liver_jax.cohort.intake import download as downloads
from liver_jax.cohort.intake.case import Case, Found
from liver_jax.cohort.intake.download import Download, Entry
from liver_jax.cohort.intake.own import Own
from liver_jax.errors import InputError

_SPLITS = {"Tr": "train", "Ts": "test"}
_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
# Of the liver where nothing but it is labelled.
_FINDINGS = re.compile(r"tumou?r|cancer|lesion|hcc|metasta|cyst|carcinoma", re.IGNORECASE)


def read(download: Download, own: Own) -> Found:
    """Finds the cases of a dataset folder.

    Args:
        download: The folder.
        own: What its dataset.json does not tell.

    Raises:
        InputError: There is no dataset.json, or more than one; or it does not tell what is liver.
    """
    folder, told = _dataset(download)
    channels = told.get("channel_names") or told.get("modality") or {}
    names = [str(name) for _, name in sorted(channels.items())]
    modality = own.modality or ("CT" if names and all(n.upper() == "CT" for n in names) else "MR")
    technique = own.technique or ("ct" if modality == "CT" else _word(names))
    labels = own.liver_labels or _liver_labels(told.get("labels", {}), folder)
    ending = str(told.get("file_ending", ".nii.gz")).lower()
    if ending not in _ENDINGS:
        raise InputError(f"{folder}/dataset.json", f"has file_ending {ending}", "Convert to NIfTI")
    found = Found()
    listed = told.get("dataset")
    held = _listed(download, folder, listed) if listed else _cases(download, folder, ending)
    for name, split, images, mask in held:
        if modality == "CT" and len(images) > 1:
            found.leave_out(name, f"is CT with {len(images)} channels")
        elif mask is None:
            found.leave_out(name, "there is no mask for it")
        elif not images:
            found.leave_out(name, "there is no image for its mask")
        else:
            found.cases.append(
                Case(
                    case_id=name,
                    subject_id=f"{own.cohort}-{name}",
                    modality=modality,
                    technique=technique,
                    images=tuple(images),
                    mask=mask,
                    liver_labels=labels,
                    published_split=split,
                )
            )
    return found


def _dataset(download: Download) -> tuple[str, dict]:
    """The folder of the dataset.json that is meant, and what it tells."""
    held = [entry for _, entry in download.find(r"dataset\.json")]
    held = [entry for entry in held if f"{entry.folder}/imagesTr".strip("/") in download.folders]
    if len(held) != 1:
        fault = f"holds {len(held)} dataset.json with an imagesTr beside it"
        raise InputError(download.source, fault, "Name one nnU-Net dataset folder")
    try:
        told = json.loads(downloads.read_bytes(held[0]))
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise InputError(held[0].path, "is not a JSON object", "Correct it")
    return held[0].folder, told


def _word(names: list[str]) -> str:
    word = re.sub(r"[^a-z0-9]+", "_", names[0].lower()).strip("_") if len(names) == 1 else ""
    return word or "mr"


def _liver_labels(labels: Mapping, folder: str) -> tuple[int, ...]:
    """The values of the labels that are liver, by their names."""
    values: dict[str, list[int]] = {}
    for key, value in labels.items():
        # Version 1 has them the other way round; version 2 has lists for regions.
        name, of = (value, [key]) if isinstance(value, str) else (key, value)
        of = of if isinstance(of, list) else [of]
        values.setdefault(str(name), []).extend(int(number) for number in of)
    named = {
        name: of for name, of in values.items() if name.lower() not in ("background", "ignore")
    }
    liver = {name for name in named if "liver" in name.lower()}
    findings = {name for name in named if _FINDINGS.search(name)}
    chosen = liver | findings if set(named) == liver | findings else liver
    if not liver:
        fault = f"names no label liver (it has {', '.join(named) or 'none'})"
        raise InputError(f"{folder}/dataset.json", fault, "Say which it is: --liver_labels=1")
    return tuple(sorted({number for name in chosen for number in named[name] if number > 0}))


def _listed(
    download: Download, folder: str, listed: Mapping
) -> Iterator[tuple[str, str, list[Entry], Entry | None]]:
    """As `_cases`, where dataset.json lists the files of each case."""
    by_path = {entry.path: entry for entry in download.entries}

    def entry(path: str) -> Entry | None:
        return by_path.get(posixpath.normpath(posixpath.join(folder, path)))

    for name, files in listed.items():
        images = [entry(path) for path in files.get("images", [])]
        yield name, "", [] if None in images else images, entry(files.get("label", ""))


def _cases(
    download: Download, folder: str, ending: str
) -> Iterator[tuple[str, str, list[Entry], Entry | None]]:
    """Name, published split, channels and mask of each case."""
    # Where all are training cases, nothing is split.
    tested = f"{folder}/labelsTs".strip("/") in download.folders
    for part, split in _SPLITS.items():
        images: dict[str, list[Entry]] = {}
        masks: dict[str, Entry] = {}
        for entry in download.folders.get(f"{folder}/images{part}".strip("/"), []):
            match = re.fullmatch(rf"(.+?)(_\d{{4}})?{re.escape(ending)}", entry.name, re.IGNORECASE)
            if match:
                images.setdefault(match[1], []).append(entry)
        for entry in download.folders.get(f"{folder}/labels{part}".strip("/"), []):
            if entry.name.lower().endswith(ending):
                masks[entry.name[: -len(ending)]] = entry
        for name in sorted({*images, *masks}, key=downloads.natural):
            yield name, split if tested else "", images.get(name, []), masks.get(name)
