"""Bodies from label maps of real people: the second source of anatomy.

A map of many organs becomes a body with every tissue once (`read`), and each person drawn gets
another one of it (`deform`): stretched, turned and bent at random, with fat as the person's body
mass has it, other vessels in the liver, and the findings.
"""

import dataclasses
import math
import pathlib

import numpy as np
import scipy.ndimage

from liver_jax.errors import InputError
from liver_jax.phantom import shapes, vesseltree
from liver_jax.phantom.maps import refine, structures
from liver_jax.phantom.maps.refine import Axes, Refined
from liver_jax.phantom.maps.structures import Structure
from liver_jax.phantom.person import Finding, Person
from liver_jax.phantom.shapes import Box
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue
from liver_jax.volume import geometry, nifti

# What is kept of a map below and above the liver: no examination of the liver goes further.
_AROUND_MM = (80.0, 70.0)
# Of the vessels in the liver: a twig's end, and the trunk.
_VESSEL_RADII_MM = (1.6, 6.5)
_SMALLEST_LIVER_ML = 100.0
_COARSEST_MM = 5.0
_MEASURE_STEP_MM = 2.0
_CODE_COUNT = 256
_LABEL_COUNT = 65536
# A shape of the map shows these or it does not; the person's record must not claim them.
_OF_SHAPE = frozenset({Finding.SPLENOMEGALY, Finding.RESECTION})


@dataclasses.dataclass(frozen=True, eq=False)
class LabelMap:
    """A person's anatomy without the person.

    Attributes:
        refined: The tissues, in mm about the middle of the body.
        liver_box: Voxels of the refined grid that hold the liver, for z, x and y.
        hilum_mm: Where the portal vein enters the liver: x, y, z.
        confluence_mm: Where the hepatic veins leave it.
        cut: Whether the map ends inside the liver, at its bottom and at its top.
        liver_volume_ml: Of the label.
    """

    refined: Refined
    liver_box: tuple[slice, slice, slice]
    hilum_mm: np.ndarray
    confluence_mm: np.ndarray
    cut: tuple[bool, bool]
    liver_volume_ml: float


def read(
    path: pathlib.Path,
    names: pathlib.Path | None = None,
    threads: int = 1,
    around_mm: tuple[float, float] = _AROUND_MM,
) -> LabelMap:
    """Reads a label map of many organs; takes some seconds.

    Args:
        path: A .nii or .nii.gz file, 5 mm or finer, of any orientation.
        names: The table of its labels (see `structures.read_names`); by default the .tsv of the
            same name beside it. Labels with names of no meaning here are left unlabelled.
        threads: How many slabs are refined at once; the result is the same.
        around_mm: What is kept of the map below and above the liver.

    Returns:
        The anatomy around the liver.

    Raises:
        InputError: As `nifti.read_labels` and `structures.read_names`; a label has no name; the
            map has no liver, or one that is cut at a side; or the map is too coarse or oblique.
    """
    return _label_map(*_checked(pathlib.Path(path), names), threads, around_mm)


def check(path: pathlib.Path, names: pathlib.Path | None = None) -> None:
    """Refuses a map that `read` would refuse, in a part of its time."""
    _checked(pathlib.Path(path), names)


def table_of(path: pathlib.Path) -> pathlib.Path:
    """Where the table of a map's names is looked for: the .tsv of the same name beside it."""
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".tsv")


def _checked(path: pathlib.Path, names: pathlib.Path | None) -> tuple[np.ndarray, np.ndarray]:
    """The structure of every voxel, uint8 [x, y, z], and the spacing in mm."""
    if names is None:
        names = table_of(path)
    table = structures.read_names(names)
    volume = geometry.to_canonical(nifti.read_labels(path))
    spacing = volume.spacing_mm
    if spacing.max() > _COARSEST_MM:
        fault = f"has voxels of {spacing.max():.4g} mm, while {_COARSEST_MM:g} mm is the coarsest"
        raise InputError(path, fault, "Use a label map of a finer grid")
    upright = np.abs(np.diag(volume.affine[:3, :3])) / spacing
    if upright.min() < math.cos(math.radians(20)):
        fault = "lies oblique to the patient by more than 20 degrees"
        raise InputError(path, fault, "Resample it onto an upright grid by nearest neighbour")
    labels = _structures(path, names, volume.data, table)
    liver = labels == Structure.LIVER
    volume_ml = float(liver.sum() * spacing.prod()) / 1000
    if volume_ml < _SMALLEST_LIVER_ML:
        fault = f"holds only {volume_ml:.1f} mL of liver"
        raise InputError(path, fault, "Use a map that holds the liver")
    faces = [liver[0], liver[-1], liver[:, 0], liver[:, -1]]
    if max(face.sum() for face in faces) * spacing[2] * spacing[:2].min() > 100:
        fault = "is cut at a side of the liver: the body is wider than the map"
        raise InputError(path, fault, "Use a map of the body's whole width")
    return labels, spacing


def _structures(
    path: pathlib.Path, names: pathlib.Path, labels: np.ndarray, table: dict[int, str]
) -> np.ndarray:
    """The structure of every voxel, uint8 [x, y, z]."""
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= _LABEL_COUNT:
        fault = f"holds labels from {lowest} to {highest}"
        raise InputError(path, fault, f"Renumber them to lie between 0 and {_LABEL_COUNT - 1}")
    found = np.zeros(highest + 1, np.uint8)
    for value in np.flatnonzero(np.bincount(labels.reshape(-1))):
        if value == 0:
            continue
        if not table.get(int(value)):
            fault = f"holds label {value}, which has no name in {names.name}"
            remedy = "Add a row for it, or name the table that belongs to the map"
            raise InputError(path, fault, remedy)
        found[value] = structures.structure(table[int(value)])
    if Structure.LIVER not in found:
        raise InputError(path, "holds no liver", "Use a map of the abdomen with a label `liver`")
    return found[labels]


def _label_map(
    labels: np.ndarray, spacing: np.ndarray, threads: int, around_mm: tuple[float, float]
) -> LabelMap:
    """Crops around the liver, makes voxels isotropic, refines, and finds the liver's vessels."""
    liver = labels == Structure.LIVER
    volume_ml = float(liver.sum() * spacing.prod()) / 1000
    heights = np.flatnonzero(liver.any(axis=(0, 1)))
    cut = (bool(heights[0] == 0), bool(heights[-1] == labels.shape[2] - 1))
    low = max(heights[0] - math.ceil(around_mm[0] / spacing[2]), 0)
    high = heights[-1] + 1 + math.ceil(around_mm[1] / spacing[2])
    labels = labels[:, :, low:high]
    sides = []
    for other in ((1, 2), (0, 2)):
        filled = np.flatnonzero((labels != Structure.NONE).any(axis=other))
        sides.append(slice(filled[0], filled[-1] + 1))
    part = np.ascontiguousarray(labels[tuple(sides)].transpose(2, 0, 1))
    step = float(max(spacing.min(), 1.0))
    part = np.pad(_isotropic(part, spacing[[2, 0, 1]], step), ((0, 0), (2, 2), (2, 2)))
    top = np.flatnonzero((part == Structure.LIVER).any(axis=(1, 2)))[-1]
    centre = [(length - 1) / 2 for length in part.shape[1:]]
    first = (-step * top, -step * centre[0], -step * centre[1])
    native = Axes(tuple(float(f) for f in first), step, part.shape)
    hilum, confluence = _vessel_roots(part, native)
    refined = refine.refine(part, native, threads)
    boxes = scipy.ndimage.find_objects((refined.codes == Tissue.LIVER).astype(np.uint8))
    return LabelMap(refined, boxes[0], hilum, confluence, cut, volume_ml)


def _isotropic(labels: np.ndarray, spacing: np.ndarray, step: float) -> np.ndarray:
    """Labels [z, x, y] on cubic voxels, by nearest neighbour."""
    for axis in range(3):
        if not math.isclose(spacing[axis], step, rel_tol=1e-3):
            count = round(labels.shape[axis] * spacing[axis] / step)
            nearest = ((np.arange(count) + 0.5) * step / spacing[axis]).astype(int)
            labels = labels.take(np.minimum(nearest, labels.shape[axis] - 1), axis=axis)
    return labels


def _vessel_roots(part: np.ndarray, native: Axes) -> tuple[np.ndarray, np.ndarray]:
    """Where portal vein and vena cava touch the liver: x, y, z in mm."""
    liver = part == Structure.LIVER
    near = scipy.ndimage.binary_dilation(liver, iterations=max(1, round(4 / native.step_mm)))
    inside = np.argwhere(liver)
    scale, origin = native.step_mm, np.array(native.first_mm)
    # Without labels for them: low and high in the liver, both towards the middle and the back.
    low, high = np.percentile(inside[:, 0], [40, 85])
    middle, back = np.percentile(inside[:, 1], 30), np.percentile(inside[:, 2], 30)
    portal = np.argwhere(near & (part == Structure.PORTAL_VEIN))
    cava = np.argwhere(near & (part == Structure.VEIN))
    hilum = np.array([low, middle, back])
    if len(portal):
        to_liver = np.linalg.norm(portal - inside.mean(axis=0), axis=1)
        hilum = portal[to_liver <= np.percentile(to_liver, 25)].mean(axis=0)
    confluence = np.array([high, middle, back])
    if len(cava):
        confluence = cava[cava[:, 0] >= np.percentile(cava[:, 0], 75)].mean(axis=0)
    return tuple((origin + scale * place)[[1, 2, 0]] for place in (hilum, confluence))


@dataclasses.dataclass(frozen=True)
class Warp:
    """From a body's points to those of its map: a linear map, then waves.

    Attributes:
        linear: [3, 3] for x, y and z.
        waves: For each axis, waves of the two others: size in mm, then wavenumber (1/mm) and phase
            for each of them.
    """

    linear: tuple[tuple[float, float, float], ...]
    waves: tuple[tuple[tuple[float, float, float, float, float], ...], ...]

    def __call__(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, axis: int) -> np.ndarray:
        """One coordinate in the map; open grids are the cheap way."""
        (a, b, c), (q, r) = self.linear[axis], ((y, z), (x, z), (x, y))[axis]
        across, other = (a * x + c * z, b * y) if axis == 0 else (a * x, b * y + c * z)
        moved = across + other
        for size, k1, phase1, k2, phase2 in self.waves[axis]:
            moved = moved + (size * np.sin(k1 * q + phase1)) * np.sin(k2 * r + phase2)
        return moved

    @property
    def largest_mm(self) -> float:
        """The furthest that the waves move a point along an axis."""
        return max(sum(abs(w[0]) for w in waves) for waves in self.waves)


# No deformation.
STRAIGHT = Warp(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), ((), (), ()))


@dataclasses.dataclass(frozen=True, eq=False)
class DeformedMap:
    """A `Body` from a label map; see there.

    Attributes:
        labels: uint8 [z, x, y] of `Tissue` on `axes`, the map's grid.
        warp: From the body's points to the map's.
    """

    person: Person
    extent_mm: Box
    liver_range_mm: tuple[float, float]
    liver_volume_ml: float
    labels: np.ndarray
    axes: Axes
    warp: Warp

    def tissue(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The tissue at points; beyond the map's ends in z its last slices go on."""
        return _look_up(self.labels, self.axes, self.warp, x, y, z)


def _look_up(
    labels: np.ndarray, axes: Axes, warp: Warp, x: np.ndarray, y: np.ndarray, z: np.ndarray
) -> np.ndarray:
    """uint8 labels at points of the body."""
    x, y, z = (np.asarray(p, np.float32) for p in (x, y, z))
    place = np.int32(0)
    # Flat positions: z runs slowest. The outermost voxels in x and y are air.
    for axis, (position, stride) in enumerate(
        zip((2, 0, 1), (axes.shape[1] * axes.shape[2], axes.shape[2], 1), strict=True)
    ):
        moved = warp(x, y, z, position)
        moved = (moved - np.float32(axes.first_mm[axis])) * np.float32(1 / axes.step_mm)
        index = np.clip(moved + np.float32(0.5), 0, axes.shape[axis] - 1).astype(np.int32)
        place = place + index * np.int32(stride)
    return labels.reshape(-1).take(place)


def deform(label_map: LabelMap, person: Person, generator: np.random.Generator) -> DeformedMap:
    """Draws a body.

    The liver is scaled towards the person's target volume by at most 12 % along each axis (a liver
    that the map cuts, at random). Splenomegaly and resection are findings of the shape, which is
    the map's: they are removed from the person.

    Args:
        label_map: Whose anatomy.
        person: Body mass, sex, findings, target volume.
        generator: Source of all randomness.

    Returns:
        The body; a cut liver ends where the body's extent does.
    """
    person = _shown(label_map, person)
    scale = float(np.exp(np.clip(generator.normal(0, 0.05), -0.1, 0.1)))
    if not any(label_map.cut):
        wanted = (person.target_liver_volume_ml / label_map.liver_volume_ml) ** (1 / 3)
        scale = float(np.clip(wanted, 1 / 1.12, 1.12))
    warp = _draw_warp(scale, generator)
    return _body(label_map, person, warp, generator)


def undeformed(label_map: LabelMap, person: Person, generator: np.random.Generator) -> DeformedMap:
    """The map's own shape, with a person's fat, vessels and findings."""
    return _body(label_map, _shown(label_map, person), STRAIGHT, generator)


def _shown(label_map: LabelMap, person: Person) -> Person:
    """The person without the findings that this map cannot show."""
    findings = person.findings - _OF_SHAPE
    if not (label_map.refined.codes == refine.DEPENDENT_LUNG).any():
        findings -= {Finding.EFFUSION}
    return dataclasses.replace(person, findings=findings)


def _draw_warp(scale: float, generator: np.random.Generator) -> Warp:
    """Stretches, turns, shears and bends; bends are too weak to fold anything."""
    stretch = scale * np.exp(np.clip(generator.normal(0, 0.03, 3), -0.06, 0.06))
    tilt_x, tilt_y, turn = np.radians(np.clip(generator.normal(0, (2, 1.5, 2), 3), -4, 4))
    rotation = np.eye(3)
    for (i, j), angle in (((1, 2), tilt_x), ((0, 2), tilt_y), ((0, 1), turn)):
        one = np.eye(3)
        one[[i, j], [i, j]] = math.cos(angle)
        one[i, j], one[j, i] = -math.sin(angle), math.sin(angle)
        rotation = rotation @ one
    shear = np.eye(3) + np.triu(np.clip(generator.normal(0, 0.02, (3, 3)), -0.04, 0.04), 1)
    linear = np.diag(1 / stretch) @ shear @ rotation
    waves = []
    for _ in range(3):
        modes = []
        for size, shortest, longest in ((4.5, 220, 420), (2.5, 110, 180)):
            k1, k2 = 2 * np.pi / generator.uniform(shortest, longest, 2)
            phase1, phase2 = generator.uniform(0, 2 * np.pi, 2)
            amplitude = size * generator.uniform(0.3, 1.0)
            modes.append(tuple(float(v) for v in (amplitude, k1, phase1, k2, phase2)))
        waves.append(tuple(modes))
    return Warp(tuple(tuple(float(v) for v in row) for row in linear), tuple(waves))


def _body(
    label_map: LabelMap, person: Person, warp: Warp, generator: np.random.Generator
) -> DeformedMap:
    """Paints what is the person's own, and measures."""
    axes = label_map.refined.axes
    labels = _table(person, generator)[label_map.refined.codes]
    liver = _Liver.of(label_map, labels)
    liver.paint_vessels(label_map, generator)
    liver.paint_findings(person.findings, generator)

    # How far can the map be known, wherever there is liver?
    bottom, top = axes.first_mm[0], axes.first_mm[0] + axes.step_mm * (axes.shape[0] - 1)
    heights = np.linspace(bottom - 100, top + 100, 2001)
    known = [warp(np.float64(x), np.float64(y), heights, 2) for x, y in liver.outline_mm]
    inside = heights[np.all([(z >= bottom) & (z <= top) for z in known], axis=0)]
    floor, ceiling = float(inside[0]), float(inside[-1])

    def sampled(step: float, box: Box) -> tuple[list[np.ndarray], np.ndarray]:
        grids = [np.arange(low, high, step) + step / 2 for low, high in zip(*box, strict=True)]
        x, y, z = grids
        points = (x[None, :, None], y[None, None, :], z[:, None, None])
        return [z, x, y], _look_up(labels, axes, warp, *points)

    half = 1.35 * max(abs(axes.axis_mm(k)[end]) for k in (1, 2) for end in (0, -1))
    grids, tissue = sampled(8.0, ((-half, -half, floor), (half, half, ceiling)))
    ends = []
    for axis, other in ((1, (0, 2)), (2, (0, 1))):
        filled = grids[axis][(tissue != Tissue.AIR).any(axis=other)]
        ends.append((float(filled[0] - 12), float(filled[-1] + 12)))
    is_liver = np.isin(tissue, LIVER_TISSUES)
    box = []
    for axis, other in ((1, (0, 2)), (2, (0, 1)), (0, (1, 2))):
        filled = grids[axis][is_liver.any(axis=other)]
        box.append((float(filled[0] - 12), float(filled[-1] + 12)))
    box[2] = (max(box[2][0], floor), min(box[2][1], ceiling))
    low, high = (tuple(b[end] for b in box) for end in range(2))
    grids, tissue = sampled(_MEASURE_STEP_MM, (low, high))
    is_liver = np.isin(tissue, LIVER_TISSUES)
    filled = grids[0][is_liver.any(axis=(1, 2))]
    half_step = _MEASURE_STEP_MM / 2
    return DeformedMap(
        person=person,
        extent_mm=((ends[0][0], ends[1][0], floor), (ends[0][1], ends[1][1], ceiling)),
        liver_range_mm=(float(filled[0] - half_step), float(filled[-1] + half_step)),
        liver_volume_ml=float(is_liver.sum()) * _MEASURE_STEP_MM**3 / 1000,
        labels=labels,
        axes=axes,
        warp=warp,
    )


def _table(person: Person, generator: np.random.Generator) -> np.ndarray:
    """The tissue that each code of the refined map is in one person, uint8 [code]."""
    table = np.zeros(_CODE_COUNT, np.uint8)
    table[: len(Tissue)] = np.arange(len(Tissue))
    ascites, effusion = (f in person.findings for f in (Finding.ASCITES, Finding.EFFUSION))
    table[refine.PERITONEAL] = Tissue.FLUID if ascites else Tissue.VISCERAL_FAT
    table[refine.DEPENDENT_LUNG] = Tissue.FLUID if effusion else Tissue.LUNG
    # Millimetres of subcutaneous fat for each kg/m2: women have more of it.
    slope = 1.1 + 0.25 * (person.sex == "F")
    fat = slope * (person.bmi - 18) + generator.normal(3, 2)
    fat_steps = round(float(np.clip(fat, 4, 38)) / refine.DEPTH_STEP_MM)
    skin_steps = round(2.0 / refine.DEPTH_STEP_MM)
    table[refine.OUTSIDE : refine.OUTSIDE + fat_steps] = Tissue.SUBCUTANEOUS_FAT
    skin = refine.OUTSIDE + fat_steps
    table[skin : skin + skin_steps] = Tissue.SKIN
    return table


@dataclasses.dataclass(frozen=True, eq=False)
class _Liver:
    """The liver's part of a body's labels, to be painted into."""

    part: np.ndarray
    z: np.ndarray
    x: np.ndarray
    y: np.ndarray
    points_mm: np.ndarray

    @classmethod
    def of(cls, label_map: LabelMap, labels: np.ndarray) -> "_Liver":
        """A view; `points_mm` are some points of the liver, x, y and z, on a coarse lattice."""
        axes, box = label_map.refined.axes, label_map.liver_box
        z, x, y = (axes.axis_mm(axis)[box[axis]] for axis in range(3))
        every = max(1, round(4 / axes.step_mm))
        where = np.argwhere(labels[box][::every, ::every, ::every] == Tissue.LIVER) * every
        points = np.stack([x[where[:, 1]], y[where[:, 2]], z[where[:, 0]]], axis=1)
        return cls(labels[box], z, x, y, points)

    @property
    def outline_mm(self) -> list[tuple[float, float]]:
        """The corners, x and y, of its box."""
        return [(x, y) for x in self.x[[0, -1]].tolist() for y in self.y[[0, -1]].tolist()]

    def block(self, box: Box) -> tuple[tuple[slice, ...], tuple[np.ndarray, ...]]:
        """The part of the array inside a box, and x, y and z there as an open grid."""
        spans = [
            slice(*np.searchsorted(axis, (box[0][k], box[1][k])))
            for k, axis in ((2, self.z), (0, self.x), (1, self.y))
        ]
        z, x, y = (a[s] for a, s in zip((self.z, self.x, self.y), spans, strict=True))
        return tuple(spans), (x[None, :, None], y[None, None, :], z[:, None, None])

    def paint_vessels(self, label_map: LabelMap, generator: np.random.Generator) -> None:
        """Portal and hepatic veins, which grow towards points spread through the liver."""
        for root, count in ((label_map.hilum_mm, 40), (label_map.confluence_mm, 30)):
            targets = _spread(self.points_mm, count, generator)
            # The trunk is short: it only says where the tree begins.
            nearest = targets[np.linalg.norm(targets - root, axis=1).argmin()]
            trunk = [tuple(p.tolist()) for p in (np.asarray(root, float), nearest)]
            self._paint_vessels(vesseltree.grow([trunk], targets, _VESSEL_RADII_MM, generator))

    def _paint_vessels(self, vessels: shapes.Vessels) -> None:
        for piece in vessels.parts:
            box = shapes.segment_box(piece.start, piece.end, max(piece.radii))
            spans, (x, y, z) = self.block(box)
            part = self.part[spans]
            if part.size:
                distance = shapes.segment_distance(piece.start, piece.end, piece.radii, x, y, z)
                part[(distance < 0) & (part == Tissue.LIVER)] = Tissue.LIVER_VESSEL

    def paint_findings(self, findings: frozenset, generator: np.random.Generator) -> None:
        """Lesions, cysts, and a large ill-defined lesion, all inside the liver."""
        if Finding.LARGE_LESION in findings:
            radius = float(generator.uniform(25, 50))
            place = self._place(generator)
            self._paint_ball(place, radius, Tissue.INFILTRATE, 0.16, generator)
            self._paint_ball(place, 0.7 * radius, Tissue.LESION, 0.12, generator)
        for finding, tissue, sizes in (
            (Finding.LESIONS, Tissue.LESION, (5, 18)),
            (Finding.CYSTS, Tissue.CYST, (4, 20)),
        ):
            if finding in findings:
                for _ in range(generator.integers(1, 5)):
                    radius = float(generator.uniform(*sizes))
                    self._paint_ball(self._place(generator), radius, tissue, 0.05, generator)

    def _place(self, generator: np.random.Generator) -> np.ndarray:
        return self.points_mm[generator.integers(len(self.points_mm))]

    def _paint_ball(
        self,
        centre: np.ndarray,
        radius: float,
        tissue: Tissue,
        roughness: float,
        generator: np.random.Generator,
    ) -> None:
        """An uneven ellipsoid, over liver, vessels and an older finding."""
        axes = radius * np.exp(np.clip(generator.normal(0, 0.12, 3), -0.3, 0.3))
        ball = shapes.Ellipsoid(tuple(centre.tolist()), tuple(axes.tolist()))
        room = 1 + 3 * roughness
        grown = dataclasses.replace(ball, semi_axes=tuple(room * a for a in ball.semi_axes))
        spans, (x, y, z) = self.block(shapes.ellipsoid_box(grown))
        part = self.part[spans]
        if part.size:
            limit = 1.0
            for _ in range(3):
                k = generator.normal(0, 2.2 / radius, 3)
                limit = limit + roughness * np.sin(
                    k[0] * x + k[1] * y + k[2] * z + generator.uniform(0, 2 * np.pi)
                )
            inside = np.sqrt(shapes.squared_radius(ball, x, y, z)) < limit
            part[inside & np.isin(part, LIVER_TISSUES)] = tissue


def _spread(points: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Some of the points, drawn one by one as the farthest of a few from those drawn before."""
    chosen = [points[generator.integers(len(points))]]
    for _ in range(count - 1):
        few = points[generator.integers(len(points), size=40)]
        apart = np.linalg.norm(few[:, None] - np.array(chosen), axis=2).min(axis=1)
        chosen.append(few[int(apart.argmax())])
    return np.array(chosen)
