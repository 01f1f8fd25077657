"""The pictures of the report: slices and a viewer for each case, a volume view of the worst."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
from absl import logging

from liver_jax import files
from liver_jax.errors import InputError
from liver_jax.evaluation import predictions, results
from liver_jax.report import slices, viewer, volume_view
from liver_jax.scoring.case import Case
from liver_jax.scoring.scan import Scan


def are_made(case: Case, scan: Scan, row: dict) -> bool:
    """Whether a case's pictures are there, and of this scan, these masks and this row."""
    if not (case.key_slices.exists() and case.viewer.exists() and case.shown.exists()):
        return False
    try:
        return results.read_json(case.shown, "") == _fingerprint(case, scan, row)
    except InputError:  # damaged, or the scan cannot be read: then it cannot be shown
        return False


def remove(case: Case) -> None:
    """Removes the pictures of a case."""
    for path in (case.shown, case.key_slices, case.viewer, case.volume_view):
        path.unlink(missing_ok=True)


def of_case(case: Case, scan: Scan, mask: np.ndarray, row: dict) -> None:
    """Writes the key slices and the viewer of a case; its figures stand without them.

    Args:
        case: The case.
        scan: Its examination.
        mask: bool [x, y, z], automated.
        row: What the viewer says of it.

    Raises:
        OSError: They cannot be written.
    """
    remove(case)
    modality = case.exam.modality
    try:
        image, manual = scan.echo(case.echo), scan.manual.data
        slices.save(case.key_slices, slices.key_slices(image, modality, mask, manual))
        viewer.write(case.viewer, image, modality, mask, manual, row)
        files.write_json(case.shown, _fingerprint(case, scan, row))
    except OSError:
        raise
    except Exception:  # an image that cannot be read, say, where another tool made the mask
        logging.exception("%s cannot be shown", case.name)


def of_worst(cases: Sequence[Case], rows: Sequence[dict]) -> None:
    """Writes volume views of the worst cases, where NiiVue is installed; removes earlier ones.

    The initial network is left out where there is another: that it fails is no news.

    Args:
        cases: All cases.
        rows: Their rows, in the same order.

    Raises:
        OSError: A page cannot be written.
    """
    for case in cases:
        case.volume_view.unlink(missing_ok=True)
    others = [row for row in rows if row["model"] != "initial"] or list(rows)
    worst = {id(row) for row in volume_view.worst(others)}
    for case, row in zip(cases, rows, strict=True):
        if id(row) not in worst:
            continue
        scan, modality = Scan(case.exam), case.exam.modality
        try:
            mask = predictions.read_mask(case.mask, scan.manual, "the scan")
            shown = (scan.echo(case.echo), modality, mask, scan.manual.data)
            volume_view.write(case.volume_view, *shown, row)
        except OSError:
            raise
        except Exception:
            logging.exception("%s cannot be shown as a volume", case.name)


def _fingerprint(case: Case, scan: Scan, row: dict) -> dict:
    """What the pictures depend on."""
    content = [case.fingerprint, list(scan.image_hashes), row]
    text = json.dumps(content, sort_keys=True, default=str)
    return {"sha256": hashlib.sha256(text.encode()).hexdigest()}
