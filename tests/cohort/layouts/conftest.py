"""Fixtures: the phantom's examinations, from which each test writes a download in miniature."""

import dataclasses
import pathlib
import runpy
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from liver_jax.cohort import check, manifest
from liver_jax.cohort.exam import Exam
from liver_jax.cohort.intake import write
from liver_jax.cohort.intake.case import Found
from liver_jax.cohort.intake.download import Download
from liver_jax.cohort.intake.own import Own
from liver_jax.cohort.layouts import catalogue
from liver_jax.phantom import cohort as phantom
from liver_jax.physics.tissues import Tissue
from liver_jax.volume import geometry, nifti, reader
from liver_jax.volume.geometry import Volume

_DICOM = pathlib.Path(__file__).parents[2] / "volume" / "dicom" / "conftest.py"
_write_series = runpy.run_path(str(_DICOM))["_write_series"]

LIVER, TUMOUR, RIGHT_KIDNEY, LEFT_KIDNEY, SPLEEN = range(1, 6)


@dataclasses.dataclass(frozen=True)
class Body:
    """A phantom's examination.

    Attributes:
        echoes: `[x, y, z]` each, whole numbers: HU on CT.
        te_ms: One for each echo.
        affine: Of all.
        organs: `[x, y, z]`, the labels above; a tumour lies in the liver.
        vessels: bool `[x, y, z]`, the vessels of the liver.
    """

    echoes: tuple[np.ndarray, ...]
    te_ms: tuple[float, ...]
    affine: np.ndarray
    organs: np.ndarray
    vessels: np.ndarray

    @property
    def image(self) -> np.ndarray:
        return self.echoes[0]

    @property
    def liver(self) -> np.ndarray:
        """The whole liver, bool."""
        return np.isin(self.organs, (LIVER, TUMOUR))

    def labels(self, **values: int) -> np.ndarray:
        """The organs under the values of a cohort: `labels(liver=6, spleen=1)`."""
        names = ("liver", "tumour", "right_kidney", "left_kidney", "spleen")
        result = np.zeros(self.organs.shape, np.uint8)
        for value, name in enumerate(names, 1):
            fallback = values.get("liver", 0) if name == "tumour" else 0
            result[self.organs == value] = values.get(name, fallback)
        return result


def _body(exam: Exam) -> Body:
    image = reader.read(exam.images).volume
    folder = exam.images[0].parent
    tissues = nifti.read_labels(folder / "label_map.nii.gz").data
    liver = nifti.read_labels(exam.mask).data > 0
    organs = np.zeros(liver.shape, np.int32)
    organs[liver] = LIVER
    # A ball around the point that is deepest in the liver.
    depth = ndimage.distance_transform_edt(liver, sampling=image.spacing_mm)
    middle = np.unravel_index(depth.argmax(), depth.shape)
    offsets = (np.indices(liver.shape).T - np.array(middle)) * image.spacing_mm
    organs[liver & (np.linalg.norm(offsets, axis=-1).T < 14)] = TUMOUR
    x_mm = np.tensordot(image.affine[0, :3], np.indices(liver.shape), 1) + image.affine[0, 3]
    kidney = np.isin(tissues, (Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA)) & ~liver
    organs[kidney & (x_mm > np.median(x_mm[kidney]))] = RIGHT_KIDNEY
    organs[kidney & (x_mm <= np.median(x_mm[kidney]))] = LEFT_KIDNEY
    organs[(tissues == Tissue.SPLEEN) & ~liver] = SPLEEN
    vessels = nifti.read_labels(exam.vessel_mask).data > 0
    data = image.data if image.data.ndim == 4 else image.data[..., None]
    echoes = tuple(np.rint(echo) for echo in np.moveaxis(data, 3, 0))
    return Body(echoes, exam.te_ms, image.affine, organs, vessels)


@pytest.fixture(scope="session")
def people(tmp_path_factory) -> Callable[[str, int], list[Body]]:
    """Makes phantom examinations of different people: `people("ct", 3)`."""

    def make(technique: str, count: int) -> list[Body]:
        output = tmp_path_factory.mktemp("phantom") / "bodies"
        counts = f"{technique}/test={count}"
        return [_body(e) for e in manifest.read(phantom.write(output, "tiny", 3, 1, False, counts))]

    return make


@pytest.fixture(scope="session")
def bodies(people) -> dict[str, Body]:
    """`ct`, and `mr` with six echoes, of two people."""
    return {"ct": people("ct", 1)[0], "mr": people("spgr2d", 1)[0]}


@pytest.fixture
def ct(bodies) -> Body:
    return bodies["ct"]


@pytest.fixture
def mr(bodies) -> Body:
    return bodies["mr"]


@pytest.fixture
def write_nifti() -> Callable[..., pathlib.Path]:
    """Writes one file: `write_nifti(path, data, affine)`; whole numbers as int16."""

    def write_one(
        path: pathlib.Path, data: np.ndarray, affine: np.ndarray, dtype: type = np.int16
    ) -> pathlib.Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        nifti.write(path, data.astype(dtype), Volume(data, affine))
        return path

    return write_one


@pytest.fixture
def write_dicom() -> Callable[..., list[pathlib.Path]]:
    """Writes a series under true file names.

    `write_dicom(folder, data, affine, names, **series)`: one name for each slice, in the order of
    z; the rest as the writer of synthetic series in tests/volume/dicom has it.
    """

    def write_one(
        folder: pathlib.Path,
        data: np.ndarray,
        affine: np.ndarray,
        names: Sequence[str],
        **options: object,
    ) -> list[pathlib.Path]:
        written = _write_series(folder / ".new", data, affine, **options)
        assert len(written) == len(names)
        paths = [path.rename(folder / name) for path, name in zip(written, names, strict=True)]
        (folder / ".new").rmdir()
        return paths

    return write_one


@pytest.fixture
def write_png() -> Callable[[pathlib.Path, np.ndarray], None]:
    """Writes one slice `[x, y]` as rows and columns of an 8-bit picture."""

    def write_one(path: pathlib.Path, plane: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(plane.T.astype(np.uint8)).save(path)

    return write_one


def _written(
    name: str, found: Found, folder: pathlib.Path
) -> tuple[dict[str, Exam], dict[str, str]]:
    _, left_out = write.write(name, found, folder)
    report = check.check(folder / "manifest.csv")
    assert not report.faults
    exams = {exam.exam_id: exam for exam in manifest.read(folder / "manifest.csv")}
    return exams, {item.case: item.reason for item in left_out}


@pytest.fixture
def prepare(tmp_path) -> Callable[..., tuple[dict[str, Exam], dict[str, str]]]:
    """Reads a download as `prepare --cohort=NAME` does: rows by exam_id, and reasons by case.

    The manifest is read again, and the checker must find nothing in it.
    """

    def read(
        name: str, source: pathlib.Path, output: str = "out"
    ) -> tuple[dict[str, Exam], dict[str, str]]:
        folder = tmp_path / output
        found = catalogue.read(catalogue.PUBLIC[name], Download(source, apart=folder))
        return _written(name, found, folder)

    return read


@pytest.fixture
def prepare_own(tmp_path) -> Callable[..., tuple[dict[str, Exam], dict[str, str]]]:
    """Reads one's own scans as `prepare` does, which then calls them `own`.

    `prepare_own(nnunet.read, folder)`, `prepare_own(folders.read, images, masks, pattern)`; what a
    user tells follows by name, as `modality="CT"`.
    """

    def read(
        reader: Callable[..., Found], *given: pathlib.Path | str, **told: object
    ) -> tuple[dict[str, Exam], dict[str, str]]:
        folder = tmp_path / "out"
        sources = [
            Download(part, apart=folder) if isinstance(part, pathlib.Path) else part
            for part in given
        ]
        return _written("own", reader(*sources, Own(cohort="own", **told)), folder)

    return read


def _canonical(data: np.ndarray, affine: np.ndarray) -> Volume:
    return geometry.to_canonical(Volume(data, affine))


@pytest.fixture
def assert_is() -> Callable[..., None]:
    """Compares an examination with the truth, voxel by voxel, each in its place.

    `assert_is(exam, body)`: its images are the body's echoes (or `echoes`), its mask the whole
    liver (or `liver`).
    """

    def compare(
        exam: Exam,
        body: Body,
        echoes: Sequence[np.ndarray] | None = None,
        liver: np.ndarray | None = None,
    ) -> None:
        wanted = np.stack([body.image] if echoes is None else echoes, axis=3)
        wanted = _canonical(wanted[..., 0] if wanted.shape[3] == 1 else wanted, body.affine)
        found = geometry.to_canonical(manifest.load_image(exam))
        np.testing.assert_allclose(found.affine, wanted.affine, atol=1e-3)
        np.testing.assert_array_equal(found.data, wanted.data)
        wanted = _canonical(body.liver if liver is None else liver, body.affine)
        mask = geometry.to_canonical(manifest.load_mask(exam))
        np.testing.assert_allclose(mask.affine, wanted.affine, atol=1e-3)
        np.testing.assert_array_equal(mask.data, wanted.data)
        assert mask.data.any()

    return compare
