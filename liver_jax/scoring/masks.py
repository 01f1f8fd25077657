"""The automated masks of one examination: a network's, kept with its doubts, or a folder's."""

import dataclasses
import threading
from collections.abc import Mapping, Sequence

import numpy as np

from liver_jax.evaluation import predictions, quality, results
from liver_jax.inference import postprocess
from liver_jax.inference.predictor import Predictor
from liver_jax.scoring.case import Case
from liver_jax.scoring.scan import Scan
from liver_jax.volume import nifti

# A network uses all cores by itself: two at once would only need twice the memory.
_one_at_a_time = threading.Lock()


@dataclasses.dataclass(frozen=True, eq=False)
class Automated:
    """A mask and what its maker says of it.

    Attributes:
        mask: bool [x, y, z].
        doubts: Those of `quality.SIGNALS` that the mask alone does not tell.
    """

    mask: np.ndarray
    doubts: dict[str, float | None]


def of_network(
    cases: Sequence[Case], scan: Scan, predictor: Predictor
) -> dict[int | None, Automated | Exception]:
    """The masks of one network on one examination: those on disk, else predicted and kept.

    Args:
        cases: All the network's cases of the examination: how much the masks of its echoes differ
            is a sign of failure.
        scan: The examination.
        predictor: The network.

    Returns:
        For each case's echo its mask, or what went wrong.

    Raises:
        OSError: A mask cannot be written.
    """
    masks, doubts = {}, {}
    for case in cases:
        try:
            doubts[case.echo] = results.reuse(case.prediction, case.automated, case.mask)
            if doubts[case.echo] is not None:
                masks[case.echo] = predictions.read_mask(case.mask, scan.manual, "the scan")
                continue
            with _one_at_a_time:
                made = predictor.segment(
                    scan.echo(case.echo), case.exam.modality, f"examination {case.exam.exam_id}"
                )
            masks[case.echo], doubts[case.echo] = (
                postprocess.threshold(made.probability),
                made.doubts(),
            )
        except OSError:
            raise
        except Exception as error:
            masks[case.echo] = error
            continue
        nifti.write(case.mask, masks[case.echo], scan.echo(case.echo))
        results.keep(case.prediction, doubts[case.echo], case.automated, case.mask)
    return _with_doubts(masks, doubts)


def of_folder(cases: Sequence[Case], scan: Scan) -> dict[int | None, Automated | Exception]:
    """The masks of one examination that another tool made; as `of_network`."""
    masks = {}
    for case in cases:
        try:
            name = f"the mask {case.exam.mask.name}"
            masks[case.echo] = predictions.read_mask(case.mask, scan.manual, name)
        except Exception as error:
            masks[case.echo] = error
    return _with_doubts(masks, {})


def _with_doubts(
    found: Mapping[int | None, np.ndarray | Exception], doubts: Mapping[int | None, dict]
) -> dict[int | None, Automated | Exception]:
    masks = {echo: mask for echo, mask in found.items() if isinstance(mask, np.ndarray)}
    agreement = dict(zip(masks, quality.echo_dice(list(masks.values())), strict=True))
    made = {
        echo: Automated(mask, doubts.get(echo, {}) | {"echo_dice": agreement[echo]})
        for echo, mask in masks.items()
    }
    return {**found, **made}
