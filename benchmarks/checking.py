"""How long it takes to check a manifest of many examinations, and to take in a large download.

    python -m benchmarks.checking --exams=1000
    python -m benchmarks.checking --lits=131

The first writes examinations of 256 x 256 x 24 voxels with their masks, as scanners' are: packed
NIfTI of 16 bits, each with voxels of its own. The second writes LiTS with headers of full size
(512 x 512 x 512, sparse files: their voxels take no disk), and takes it in.
"""

import pathlib
import resource
import tempfile
import time

import nibabel as nib
import numpy as np
import tqdm
from absl import app, flags
from scipy import ndimage

from liver_jax.cohort import check, manifest
from liver_jax.cohort.exam import Exam
from liver_jax.cohort.intake import write
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.layouts import catalogue
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

_EXAMS = flags.DEFINE_integer("exams", 0, "Examinations to check.")
_LITS = flags.DEFINE_integer("lits", 0, "Cases of LiTS to take in.")
_WORKERS = flags.DEFINE_integer("workers", 2, "Processes.")
_SHAPE = (256, 256, 24)


def main(_: list[str]) -> None:
    """Does what is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        if _EXAMS.value:
            _check(pathlib.Path(folder), _EXAMS.value)
        if _LITS.value:
            _take_in(pathlib.Path(folder), _LITS.value)


def _check(folder: pathlib.Path, count: int) -> None:
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.normal(size=_SHAPE), (6, 6, 1))
    clean = 300 * (1 + smooth / smooth.std())
    mask = (clean > 500).astype(np.uint8)
    affine = np.diag([1.4, 1.4, 8.0, 1.0])
    exams = []
    for number in tqdm.trange(count, desc="writing"):
        noisy = np.abs(clean + rng.normal(size=_SHAPE, scale=20)).astype(np.int16)
        paths = [folder / f"{number}_{name}.nii.gz" for name in ("image", "mask")]
        for path, data in zip(paths, (noisy, mask), strict=True):
            nifti.write(path, data, Volume(data, affine))
        exams.append(
            Exam(
                exam_id=f"e{number}",
                subject_id=f"s{number}",
                modality="MR",
                technique="t2w",
                images=(paths[0],),
                mask=paths[1],
                liver_labels=(1,),
            )
        )
    manifest.write(folder / "manifest.csv", exams)
    size = sum(path.stat().st_size for path in folder.glob("*.nii.gz"))
    start = time.perf_counter()
    report = check.check(folder / "manifest.csv", workers=_WORKERS.value)
    seconds = time.perf_counter() - start
    print(f"{count} examinations ({size / 1e9:.1f} GB packed): {seconds:.1f} s, {_gib():.2f} GiB")
    print(check.format_faults(report))


def _take_in(folder: pathlib.Path, count: int) -> None:
    source = folder / "LiTS"
    source.mkdir()
    for number in range(count):
        for name, dtype in (("volume", np.int16), ("segmentation", np.uint8)):
            header = nib.Nifti1Header()
            header.set_data_shape((512, 512, 512))
            header.set_data_dtype(dtype)
            spacing_mm = (0.8, 0.8, 1.0 + number / 1000)
            header.set_zooms(spacing_mm)
            header.set_sform(np.diag([*spacing_mm, 1.0]), "scanner")
            header.set_xyzt_units("mm")
            header["vox_offset"] = 352
            header["magic"] = b"n+1"
            with open(source / f"{name}-{number}.nii", "wb") as file:
                file.write(header.binaryblock)
                file.truncate(352 + 512**3 * np.dtype(dtype).itemsize)
    start = time.perf_counter()
    found = catalogue.read(catalogue.PUBLIC["lits"], Download(source))
    exams, left_out = write.write("lits", found, folder / "out", "test", _WORKERS.value)
    seconds = time.perf_counter() - start
    print(f"{len(exams)} rows, {len(left_out)} left out: {seconds:.2f} s, {_gib():.2f} GiB")


def _gib() -> float:
    """The most memory that this process, or one that it started, has held."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 2**20


if __name__ == "__main__":
    app.run(main)
