"""The pictures of the report: slices and a viewer for each case, a volume view of the worst."""

from collections.abc import Sequence

import numpy as np
from absl import logging

from liver_jax.evaluation import predictions
from liver_jax.report import slices, viewer, volume_view
from liver_jax.scoring.case import Case
from liver_jax.scoring.scan import Scan


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
    image, modality, manual = scan.echo(case.echo), case.exam.modality, scan.manual.data
    try:
        slices.save(case.key_slices, slices.key_slices(image, modality, mask, manual))
        viewer.write(case.viewer, image, modality, mask, manual, row)
    except OSError:
        raise
    except Exception:
        logging.exception("%s cannot be shown", case.name)


def of_worst(cases: Sequence[Case], rows: Sequence[dict]) -> None:
    """Writes volume views of the worst cases, where NiiVue is installed; removes earlier ones.

    The initial network is left out where there is another: that it fails is no news.

    Args:
        cases: All cases.
        rows: Their rows, in the same order.

    Raises:
        InputError: A file can no longer be read.
        OSError: A page cannot be written.
    """
    for case in cases:
        case.volume_view.unlink(missing_ok=True)
    others = [row for row in rows if row["model"] != "initial"] or list(rows)
    worst = {id(row) for row in volume_view.worst(others)}
    for case, row in zip(cases, rows, strict=True):
        if id(row) in worst:
            scan = Scan(case.exam)
            mask = predictions.read_mask(case.mask, scan.manual, "the scan")
            shown = (scan.echo(case.echo), case.exam.modality, mask, scan.manual.data)
            volume_view.write(case.volume_view, *shown, row)
