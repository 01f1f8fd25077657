import dataclasses
import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import distance

from liver_jax.evaluation import cases, surface
from liver_jax.volume import nifti


def cube(start: int, shape=(8, 7, 7)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[start : start + 3, 2:5, 2:5] = True
    return mask


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 7, 3))
    automated, manual = (rng.random(shape) < rng.uniform(0.2, 0.9) for _ in range(2))
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0] @ np.diag(rng.uniform(0.5, 4, 3))
    affine[:3, 1] += rng.uniform(0, 0.3) * affine[:3, 0]
    affine[:3, 3] = rng.normal(size=3) * 100
    return automated, manual, affine


def by_definition(automated, manual, affine) -> surface.Agreement | None:
    """The same figures, each written down as its definition says, slowly."""
    points, areas = [], []
    for mask in (automated, manual):
        eroded = ndimage.binary_erosion(
            mask, ndimage.generate_binary_structure(3, 1), border_value=1
        )
        voxels = np.argwhere(mask & ~eroded)
        points.append(voxels @ affine[:3, :3].T + affine[:3, 3])
        area = np.zeros(len(voxels))
        for index, voxel in enumerate(voxels):
            for axis, step in itertools.product(range(3), (-1, 1)):
                neighbour = voxel.copy()
                neighbour[axis] += step
                inside = (neighbour >= 0).all() and (neighbour < mask.shape).all()
                if inside and not mask[tuple(neighbour)]:
                    sides = np.delete(affine[:3, :3], axis, axis=1).T
                    area[index] += np.linalg.norm(np.cross(*sides))
        areas.append(area)
    if not len(points[0]) or not len(points[1]):
        return None
    between = distance.cdist(*points)
    forth, back = between.min(axis=1), between.min(axis=0)
    within = [
        sum(area[d <= limit].sum() for area, d in zip(areas, (forth, back), strict=True))
        / sum(area.sum() for area in areas)
        for limit in (1, 2, 3)
    ]
    return surface.Agreement(
        (forth.sum() + back.sum()) / (len(forth) + len(back)),
        max(forth.max(), back.max()),
        max(np.percentile(forth, 95), np.percentile(back, 95)),
        *within,
    )


def as_the_challenge_computes(automated, manual, position_mm, orientation, spacing_mm, last_mm):
    """ASSD and MSSD in the steps of the CHAOS challenge's published program.

    Its masks are [slice, row, column]. The axes come from DICOM: ImagePositionPatient of the first
    and last slice, ImageOrientationPatient, PixelSpacing.
    """
    count = automated.shape[0]
    to_mm = np.eye(4)
    to_mm[:3, 0] = np.multiply(orientation[:3], spacing_mm[1])
    to_mm[:3, 1] = np.multiply(orientation[3:], spacing_mm[0])
    to_mm[:3, 2] = np.subtract(last_mm, position_mm) / (count - 1)
    to_mm[:3, 3] = position_mm
    structure = ndimage.generate_binary_structure(3, 1)
    points = []
    for mask in (automated, manual):
        outline = mask ^ ndimage.binary_erosion(mask, structure=structure, border_value=1)
        slices, rows, columns = np.nonzero(outline)
        ones = np.ones(slices.size)
        points.append((to_mm @ np.stack((columns, rows, slices, ones)))[:3].T)
    between = distance.cdist(*points)
    forth, back = between.min(axis=1), between.min(axis=0)
    return (forth.sum() + back.sum()) / (forth.size + back.size), max(forth.max(), back.max())


def test_a_pair_as_the_challenge_scores_it():
    # A liver-like pair in 9 slices of 8 mm, tilted by 20 degrees and cut by the field of view.
    slices, rows, columns = np.mgrid[:9, :24, :28]
    manual = ((slices - 2) / 5) ** 2 + ((rows - 11) / 9) ** 2 + ((columns - 12) / 10) ** 2 <= 1
    automated = np.roll(manual, 1, axis=2) & (rows < 18)
    automated[6, 20:22, 20:23] = True
    position_mm, spacing_mm = (-180.0, -150.0, 40.0), (1.5, 1.25)
    orientation = (1.0, 0.0, 0.0, 0.0, np.cos(np.pi / 9), -np.sin(np.pi / 9))
    last_mm = (-180.0, -150.0, 40.0 + 8 * 8.0)  # the table does not tilt with the gantry
    expected = as_the_challenge_computes(
        automated, manual, position_mm, orientation, spacing_mm, last_mm
    )
    # The same in NIfTI's way: [column, row, slice], and RAS instead of DICOM's LPS.
    affine = np.eye(4)
    affine[:3, 0] = np.array(orientation[:3]) * 1.25
    affine[:3, 1] = np.array(orientation[3:]) * 1.5
    affine[:3, 2] = 0, 0, 8
    affine[:3, 3] = position_mm
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    found = surface.compare(automated.T, manual.T, affine)
    assert (found.assd_mm, found.mssd_mm) == pytest.approx(expected, rel=1e-12)
    assert found.assd_mm > 0.8 and found.mssd_mm > 10  # the stray voxels count


def test_two_voxels():
    first, second = np.zeros((2, 5, 5, 5), bool)
    first[1, 1, 1] = second[2, 2, 2] = True
    found = surface.compare(first, second, np.diag([1.0, 2.0, 2.0, 1.0]))
    assert found == surface.Agreement(3.0, 3.0, 3.0, 0.0, 0.0, 1.0)


def test_two_shifted_cubes_by_hand():
    # Each surface has 26 voxels. In each direction 10 of them lie one step off: the 9 of the far
    # face, and the middle of the near face, which is the other cube's hidden core. The 16 that
    # coincide show 32 of a cube's 54 faces.
    found = surface.compare(cube(2), cube(3), np.diag([2.0, 2.0, 2.0, 1.0]))
    assert found.assd_mm == pytest.approx(2 * 20 / 52)
    assert found.mssd_mm == found.hd95_mm == 2.0
    assert found.nsd_1mm == pytest.approx(32 / 54)
    assert found.nsd_2mm == found.nsd_3mm == 1.0


def test_hd95_is_the_larger_of_the_two_directions():
    # Three stray voxels, 16, 17 and 18 mm off, among 29: the 95th percentile falls at 26.6 of 0 to
    # 28 steps, between the first two. The other direction is 0 throughout, and both pooled give 5.
    manual = cube(2, (30, 7, 7))
    automated = manual.copy()
    automated[20:23, 3, 3] = True
    for pair in ((automated, manual), (manual, automated)):
        found = surface.compare(*pair, np.eye(4))
        assert found.hd95_mm == pytest.approx(16.6)
        assert found.mssd_mm == 18.0


def test_identical_masks():
    assert surface.compare(cube(2), cube(2), np.eye(4)) == surface.Agreement(0, 0, 0, 1, 1, 1)


def test_the_border_of_the_volume_is_inside():
    # Two slabs that the field of view cuts on five sides: only the sixth is surface.
    first, second = np.zeros((2, 6, 3, 3), bool)
    first[:2], second[:4] = True, True
    found = surface.compare(first, second, np.diag([1.5, 1.0, 1.0, 1.0]))
    assert found == surface.Agreement(3.0, 3.0, 3.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("fill", [False, True])
def test_without_a_surface_nothing_is_defined(fill):
    bare = np.full((8, 7, 7), fill)
    assert surface.compare(bare, cube(2), np.eye(4)) is None
    assert surface.compare(cube(2), bare, np.eye(4)) is None
    assert surface.compare(bare, bare, np.eye(4)) is None


def test_rounded_spacing_does_not_miss_the_tolerance():
    first, second = np.zeros((2, 15, 3, 3), bool)
    first[2, 1, 1], second[12, 1, 1] = True, True
    affine = np.diag([np.float32(0.1), 1.0, 1.0, 1.0])  # ten steps are 1.00000001 mm
    assert surface.compare(first, second, affine).nsd_1mm == 1.0


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        surface.compare(np.ones((2, 2, 1), bool), np.ones((2, 2, 2), bool), np.eye(4))


@hypothesis.settings(deadline=None, max_examples=80)
@hypothesis.given(st.integers(0, 2**32 - 1))
def test_agrees_with_the_definitions_on_any_grid(seed):
    automated, manual, affine = random_case(seed)
    found, expected = (
        surface.compare(automated, manual, affine),
        by_definition(automated, manual, affine),
    )
    if expected is None:
        assert found is None
    else:
        assert dataclasses.astuple(found) == pytest.approx(dataclasses.astuple(expected))


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(st.integers(0, 2**32 - 1))
def test_symmetric_and_ordered(seed):
    automated, manual, affine = random_case(seed)
    found, other = (
        surface.compare(automated, manual, affine),
        surface.compare(manual, automated, affine),
    )
    hypothesis.assume(found is not None)
    assert dataclasses.astuple(found) == pytest.approx(dataclasses.astuple(other))
    assert 0 <= found.assd_mm <= found.mssd_mm
    assert found.hd95_mm <= found.mssd_mm
    assert 0 <= found.nsd_1mm <= found.nsd_2mm <= found.nsd_3mm <= 1 + 1e-12


def test_room_around_the_masks_changes_nothing():
    affine = np.diag([0.8, 1.2, 3.0, 1.0])
    wide = [np.pad(mask, ((9, 4), (0, 6), (3, 0))) for mask in (cube(2), cube(4))]
    assert surface.compare(*wide, affine) == surface.compare(cube(2), cube(4), affine)


def as_simpleitk_measures(automated, manual, spacing_mm) -> dict:
    """The figures that another library has by the same definitions, and its surfaces."""
    sitk = pytest.importorskip("SimpleITK")

    def image(mask):
        made = sitk.GetImageFromArray(mask.T.astype(np.uint8))
        made.SetSpacing([float(step) for step in spacing_mm])
        return made

    masks = [image(mask) for mask in (automated, manual)]
    outlines = [sitk.BinaryContour(mask, fullyConnected=False) for mask in masks]
    hausdorff = sitk.HausdorffDistanceImageFilter()
    hausdorff.Execute(*outlines)
    overlaps = sitk.LabelOverlapMeasuresImageFilter()
    overlaps.Execute(masks[1], masks[0])
    to_nearest_mm = []
    for source, target in (outlines, outlines[::-1]):
        away = sitk.SignedMaurerDistanceMap(target, squaredDistance=False, useImageSpacing=True)
        away_mm = sitk.GetArrayFromImage(away)[sitk.GetArrayFromImage(source) > 0]
        to_nearest_mm.append(np.maximum(away_mm.astype(np.float64), 0))
    pooled_mm = np.concatenate(to_nearest_mm)
    return {
        "dice": overlaps.GetDiceCoefficient(1),
        "iou": overlaps.GetJaccardCoefficient(1),
        "mssd_mm": hausdorff.GetHausdorffDistance(),
        "assd_mm": pooled_mm.mean(),
        "hd95_mm": max(np.percentile(away_mm, 95) for away_mm in to_nearest_mm),
    }


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "label", "change"),
    [
        ("mr_t2spir/chaos01_label.nii.gz", 1, "shifted"),
        ("mr_t2spir/chaos05_label.nii.gz", 1, "eroded"),
        ("mr_t2spir/chaos08_label.nii.gz", 1, "torn"),
        ("ct_native/labels.nii.gz", 5, "shifted"),  # the field of view cuts it
    ],
)
def test_real_livers_as_another_library_measures_them(real_data, name, label, change):
    labels = nifti.read_labels(real_data / name)
    manual = labels.data == label
    automated = {
        "shifted": lambda: np.roll(manual, (3, -2, 1), axis=(0, 1, 2)),
        "eroded": lambda: ndimage.binary_erosion(manual, iterations=2),
        "torn": lambda: manual & (np.indices(manual.shape).sum(axis=0) % 61 > 20),
    }[change]()
    expected = as_simpleitk_measures(automated, manual, labels.spacing_mm)
    row = cases.measure(automated, manual, labels.affine)
    # The other library's distance maps are float32.
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert 0.3 < row["dice"] < 0.97 and row["assd_mm"] > 0.3
