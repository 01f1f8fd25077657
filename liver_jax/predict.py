"""One scan in, its mask and its liver volume out."""

import datetime
import pathlib

import numpy as np
from absl import flags

from liver_jax import cli, files
from liver_jax.biometry import volumetry
from liver_jax.errors import InputError
from liver_jax.inference import postprocess
from liver_jax.inference.predictor import Predictor
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

USAGE = r"""
Segments the liver on one scan and measures its volume.

  python -m liver_jax.predict --input=scan.nii.gz --modality=CT --checkpoint=runs/stage2 \
      --output=DIR

  --input=FILE        NIfTI; several files joined by commas, or one 4D file, are echoes: the first
                      is segmented
  --modality=CT|MR    CT in Hounsfield units, or the magnitude image of any MR technique
  --checkpoint=RUN    the network: a run folder (its best checkpoint) or RUN/latest
  --output=DIR        mask.nii.gz on the scan's own grid, and measurements.json

Exit codes: 0 finished, 1 failed, 2 refused input or flags, 3 the mask is empty. Research use only.
"""

_EMPTY = 3


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags; a function, so that several binaries can be imported at once."""
    for name in ("input", "checkpoint", "output"):
        flags.DEFINE_string(name, None, "See --help.", values)
    flags.DEFINE_enum("modality", None, ["CT", "MR"], "See --help.", values)


def main(given: flags.FlagValues = flags.FLAGS) -> int:
    """Reads, predicts, measures, writes; where measurements.json is, all is done."""
    for name in ("input", "modality", "checkpoint", "output"):
        if not given[name].value:
            raise InputError(f"--{name}", "it is missing", "See --help")
    output = pathlib.Path(given.output)
    if output.exists() and not output.is_dir():
        raise InputError("--output", f"{output} is a file", "Name a folder")
    paths = [pathlib.Path(path) for path in given.input.split(",")]
    scan = nifti.read_echoes(paths)
    predictor = Predictor.from_checkpoint(given.checkpoint)
    first = scan if scan.data.ndim == 3 else Volume(scan.data[..., 0], scan.affine)
    probability = predictor.probability(first, given.modality, str(paths[0]))
    mask = postprocess.threshold(probability)
    output.mkdir(parents=True, exist_ok=True)
    (output / "measurements.json").unlink(missing_ok=True)
    nifti.write(output / "mask.nii.gz", mask.astype(np.uint8), first)
    empty = not mask.any()
    volume_ml = None if empty else volumetry.volume_ml(mask, first.affine)
    files.write_json(
        output / "measurements.json",
        {
            "status": "empty" if empty else "ok",
            "input": [path.name for path in paths],
            "modality": given.modality,
            "volume_ml": volume_ml,
            "volume_ml_reason": "the mask is empty" if empty else None,
            "mask_voxels": int(mask.sum()),
            "mask_sha256": files.sha256(output / "mask.nii.gz"),
            "checkpoint": predictor.checkpoint,
            "finished_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        },
    )
    found = "no liver was found" if empty else f"liver volume {volume_ml:.1f} mL"
    print(f"{found}; everything is in {output}")
    return _EMPTY if empty else cli.FINISHED


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
