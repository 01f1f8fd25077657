"""What a network finds on scans that it never saw: real ones, and the phantom's techniques.

The masks are those of `predict`: the largest component without holes and necks, on the scan's own
grid. Real scans come from the folder that holds ct_dicom, ct_native and mr_t2spir. Of slices below
the liver, such as the pelvis of ct_native, the volume taken for liver is told.
"""

import collections
import dataclasses
import itertools
import os
import pathlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import nibabel
import numpy as np
from absl import flags

from liver_jax import cli, files
from liver_jax.biometry import volumetry
from liver_jax.cohort import manifest
from liver_jax.evaluation import overlap
from liver_jax.examine import trust
from liver_jax.inference import postprocess
from liver_jax.inference.predictor import Predictor
from liver_jax.volume import geometry, nifti, reader
from liver_jax.volume.geometry import Volume

USAGE = """
Dice of a network on scans that it never saw.

  python -m benchmarks.zero_shot --data=FOLDER --manifest=PHANTOM.csv

  --checkpoint=RUN   the network; default builtin
  --data=FOLDER      real scans; default $LIVER_JAX_TEST_DATA
  --manifest=FILE    a phantom's manifest, whose examinations of --split count; may be left out
  --split=NAME       default test
  --consensus        all echoes vote, in place of the first
  --augmented  --contrasts   as of predict
  --masks=FOLDER     where masks are put, to be looked at
  --output=FILE      also writes the figures as JSON
"""


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    for name in ("manifest", "masks", "output"):
        flags.DEFINE_string(name, None, "See --help.", values)
    for name in ("consensus", "augmented", "contrasts"):
        flags.DEFINE_bool(name, False, "See --help.", values)
    flags.DEFINE_string("checkpoint", "builtin", "See --help.", values)
    flags.DEFINE_string("data", os.environ.get("LIVER_JAX_TEST_DATA"), "See --help.", values)
    flags.DEFINE_string("split", "test", "See --help.", values)


def main(given: flags.FlagValues = flags.FLAGS) -> None:
    """Segments, prints a line for each group and writes the JSON."""
    predictor = Predictor.from_checkpoint(given.checkpoint)
    groups: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    for case in itertools.chain(
        real_cases(given.data) if given.data else (),
        phantom_cases(given.manifest, given.split, given.consensus) if given.manifest else (),
    ):
        mask, doubts = found(predictor, case, given.augmented, given.contrasts)
        groups[case.group].append(figures(case, mask) | doubts)
        if given.masks:
            path = pathlib.Path(given.masks) / f"{case.name}.nii.gz"
            nifti.write(path, mask.astype(np.uint8), case.scan)
    for group, rows in groups.items():
        print(words(group, rows), flush=True)
    if given.output:
        files.write_json(given.output, groups)


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A scan (its first echo, or all) and its manual mask, on one grid."""

    group: str
    name: str
    scan: Volume
    modality: str
    truth: np.ndarray


def found(
    predictor: Predictor, case: Case, augmented: bool = False, contrasts: bool = False
) -> tuple[np.ndarray, dict[str, Any]]:
    """The mask as `predict` makes it, and what is told of it there."""
    made = predictor.consensus(case.scan, case.modality, case.name, augmented, contrasts)
    mask, cut = postprocess.cleaned(postprocess.threshold(made.probability), case.scan.affine)
    agreement = {"echo_dice": made.echo_dice, "contrast_dice": made.contrast_dice}
    judged = trust.judge(
        mask,
        made.probability,
        case.scan.affine,
        case.scan.data if case.scan.data.ndim == 3 else case.scan.data[..., 0],
        case.modality,
        made.doubts(),
        agreement,
        cut,
        trust.threshold(predictor.config),
    )
    return mask, judged.to_json()


def figures(case: Case, mask: np.ndarray) -> dict[str, Any]:
    """Dice and volumes; also below the liver, where the scan goes on there."""
    row = {
        "name": case.name,
        "dice": overlap.dice(overlap.count(mask, case.truth)),
        "volume_ml": volumetry.volume_ml(mask, case.scan.affine),
        "volume_ml_truth": volumetry.volume_ml(case.truth, case.scan.affine),
    }
    # [x, y, slice] from here on.
    both = [
        geometry.canonical_view(Volume(array, case.scan.affine)).data
        for array in (mask, case.truth)
    ]
    lowest = int(np.flatnonzero(both[1].any(axis=(0, 1)))[0])
    row["slices_below_liver"] = lowest
    row["volume_ml_below_liver"] = float(both[0][..., :lowest].sum()) * case.scan.voxel_volume_ml
    return row


def words(group: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """A line of a group's figures."""
    dice = [row["dice"] or 0.0 for row in rows]
    spread = f" +/- {statistics.stdev(dice):.3f}, lowest {min(dice):.3f}" if dice[1:] else ""
    each = ", ".join(f"{value:.3f}" for value in dice) if len(dice) < 8 else ""
    false_ml = max(row["volume_ml_below_liver"] for row in rows)
    return (
        f"{group:16} n {len(dice):3}  {statistics.mean(dice):.3f}{spread}  {each}"
        f"  below the liver at most {false_ml:.1f} mL"
    )


def real_cases(folder: str | pathlib.Path) -> Iterator[Case]:
    """The real scans, of which the label map of ct_native has been trained on."""
    data = pathlib.Path(folder)
    scan = reader.read([data / "ct_dicom"]).volume
    yield Case(
        "ct_dicom", "ct_dicom", scan, "CT", _laid_on(data / "ct_dicom_labels.nii.gz", scan, 5)
    )
    for path in sorted((data / "mr_t2spir").glob("*_image.nii.gz")):
        truth = nifti.read_labels(path.with_name(path.name.replace("image", "label"))).data == 1
        yield Case("mr_t2spir", path.name.split("_")[0], nifti.read_image(path), "MR", truth)
    scan = nifti.read_image(data / "ct_native" / "ct.nii.gz")
    truth = nifti.read_labels(data / "ct_native" / "labels.nii.gz").data == 5
    yield Case("ct_native", "ct_native", scan, "CT", truth)


def phantom_cases(path: str | pathlib.Path, split: str, all_echoes: bool = False) -> Iterator[Case]:
    """A manifest's examinations, grouped by technique and phase."""
    for exam in manifest.read(path):
        if exam.split == split:
            scan = manifest.load_image(exam)
            first = scan.data if scan.data.ndim == 3 or all_echoes else scan.data[..., 0]
            group = f"{exam.technique}:{exam.contrast_phase}".removesuffix(":")
            truth = manifest.load_mask(exam).data > 0
            yield Case(group, exam.exam_id, Volume(first, scan.affine), exam.modality, truth)


def _laid_on(path: pathlib.Path, scan: Volume, liver: int) -> np.ndarray:
    """A label of a file whose axes run in other directions than the scan's."""
    labels = nibabel.load(path)
    to = nibabel.io_orientation(scan.affine)
    between = nibabel.orientations.ornt_transform(nibabel.io_orientation(labels.affine), to)
    turned = labels.as_reoriented(between)
    if not np.allclose(turned.affine, scan.affine, atol=0.1):
        raise SystemExit(f"{path}: does not lie on its scan's grid")
    return np.asarray(turned.dataobj) == liver


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
