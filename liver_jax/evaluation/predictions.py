"""A folder of masks, ours or another tool's: which file belongs to which case, and their voxels.

A mask is named after its examination, `<exam_id>.nii.gz` or `.nii`. Where the examination has
several echoes, `<exam_id>_echo<k>.nii.gz` is the mask found on echo k (1-based), and a file without
an echo counts as the first one's. A mask holds 0 and 1 and nothing else: with several labels, or
probabilities, only a guess could say what is liver.
"""

import collections
import pathlib
from collections.abc import Iterable

import numpy as np

from liver_jax.errors import InputError
from liver_jax.volume import geometry, nifti

Case = tuple[str, int | None]  # exam_id, and the echo (1-based; None: the only image)


def name(case: Case) -> str:
    """The name of a case's mask, without its suffix."""
    exam_id, echo = case
    return exam_id if echo is None else f"{exam_id}_echo{echo}"


def find(folder: pathlib.Path, cases: Iterable[Case]) -> dict[Case, pathlib.Path]:
    """Finds the mask of each case; files that are not NIfTI are passed over.

    Args:
        folder: Where the masks lie.
        cases: What is to be evaluated.

    Returns:
        One file for each case.

    Raises:
        InputError: There is no such folder; two files serve one case; a file serves none; a case
            has no file.
    """
    if not folder.is_dir():
        raise InputError(folder, "no such folder", "Name the folder that holds the masks")
    wanted = {name(case): case for case in cases}
    wanted |= {exam_id: (exam_id, echo) for exam_id, echo in wanted.values() if echo == 1}
    found = collections.defaultdict(list)
    unmatched = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and nifti.is_nifti_name(path):
            stem = path.name[: path.name.lower().rindex(".nii")]
            if stem in wanted:
                found[wanted[stem]].append(path)
            else:
                unmatched.append(path.name)
    for paths in found.values():
        if len(paths) > 1:
            fault = f"two masks for one case: {paths[0].name} and {paths[1].name}"
            raise InputError(folder, fault, "Keep one of them")
    if unmatched:
        fault = f"no case of this evaluation is named {some(unmatched)}"
        remedy = "Name masks <exam_id>.nii.gz, and check --manifest, --split and --echoes"
        raise InputError(folder, fault, remedy)
    missing = [name(case) for case in wanted.values() if case not in found]
    if missing:
        fault = f"there is no mask for {some(dict.fromkeys(missing))}"
        raise InputError(folder, fault, "Add <exam_id>.nii.gz for each (an empty mask counts too)")
    return {case: paths[0] for case, paths in found.items()}


def read_mask(path: pathlib.Path, reference: geometry.Placed, reference_name: str) -> np.ndarray:
    """Reads a mask of zeros and ones.

    Args:
        path: The file.
        reference: The grid that it must lie on.
        reference_name: What to call that grid in a message.

    Returns:
        bool [x, y, z].

    Raises:
        InputError: Unreadable, on another grid, fractions (a probability map), or other labels.
    """
    labels = nifti.read_labels(path)
    geometry.check_same_grid(reference, labels, path, reference_name)
    mask = labels.data == 1
    foreign = labels.data[~mask & (labels.data != 0)]
    if foreign.size:
        fault = f"holds the labels {some(np.unique(foreign))}, while a mask holds only 0 and 1"
        raise InputError(path, fault, "Save the liver as 1 and everything else as 0")
    return mask


def some(things: Iterable) -> str:
    """The first five things, and how many more there are."""
    things = [str(thing) for thing in things]
    more = len(things) - 5
    return ", ".join(things[:5]) + (f" and {more} more" if more > 0 else "")
