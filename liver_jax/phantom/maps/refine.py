"""From a map of labelled structures to every tissue of a body, on a finer grid with smooth borders.

Arrays here are [z, x, y]: a slice lies together in memory, as it is looked up.

Label maps know organs and bones, but no skin, no wall and nothing between the organs. What they
leave out is made here: an outline, a wall of muscle, fat, cortex and marrow, walls and contents of
the bowel. Thicknesses are customary ones.
"""

import concurrent.futures
import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.ndimage
import scipy.sparse

from liver_jax.phantom.maps import hull
from liver_jax.phantom.maps.structures import Structure
from liver_jax.physics.tissues import Tissue

# Codes beside those of `Tissue`: what becomes of these places differs from person to person.
PERITONEAL = 30  # fat next to liver and spleen: fluid with ascites
DEPENDENT_LUNG = 31  # the lowest part of the lung when lying: fluid with an effusion
OUTSIDE = 48  # and above: the depth outside the muscles, in units of DEPTH_STEP_MM
DEPTH_STEP_MM = 0.25

_STEP_MM = 1.0
_LATTICE_MM = 3.0  # for whatever varies slowly
_ROOM_MM = 55.0  # for fat and skin outside everything that is labelled
_SLAB = 12

_VISCERA = (
    *range(Structure.LIVER, Structure.PANCREAS + 1),
    *range(Structure.KIDNEY, Structure.BLADDER + 1),
    Structure.LUNG,
    Structure.HEART,
)
_PLAIN = {
    Structure.LIVER: Tissue.LIVER,
    Structure.SPLEEN: Tissue.SPLEEN,
    Structure.PANCREAS: Tissue.PANCREAS,
    Structure.GLAND: Tissue.MUSCLE,
    Structure.KIDNEY: Tissue.KIDNEY_MEDULLA,
    Structure.RENAL_CYST: Tissue.FLUID,
    Structure.GALLBLADDER: Tissue.BILE,
    Structure.STOMACH: Tissue.BOWEL_FLUID,
    Structure.SMALL_BOWEL: Tissue.BOWEL_FLUID,
    Structure.COLON: Tissue.STOOL,
    Structure.OESOPHAGUS: Tissue.BOWEL_FLUID,
    Structure.BLADDER: Tissue.FLUID,
    Structure.AIRWAY: Tissue.BOWEL_GAS,
    Structure.LUNG: Tissue.LUNG,
    Structure.HEART: Tissue.VEIN,
    Structure.ARTERY: Tissue.ARTERY,
    Structure.VEIN: Tissue.VEIN,
    Structure.PORTAL_VEIN: Tissue.PORTAL_VEIN,
    Structure.VERTEBRA: Tissue.MARROW,
    Structure.BONE: Tissue.MARROW,
    Structure.CARTILAGE: Tissue.CARTILAGE,
    Structure.MUSCLE: Tissue.MUSCLE,
    Structure.SPINAL_CANAL: Tissue.CORD,
    Structure.DISC: Tissue.DISC,
}
# What lines a structure, and how thick it is in mm.
_LININGS = {
    Structure.KIDNEY: (Tissue.KIDNEY_CORTEX, 6.5),
    Structure.GALLBLADDER: (Tissue.BOWEL_WALL, 1.3),
    Structure.STOMACH: (Tissue.BOWEL_WALL, 3.5),
    Structure.SMALL_BOWEL: (Tissue.BOWEL_WALL, 2.4),
    Structure.COLON: (Tissue.BOWEL_WALL, 2.8),
    Structure.OESOPHAGUS: (Tissue.BOWEL_WALL, 4.0),
    Structure.BLADDER: (Tissue.BOWEL_WALL, 3.0),
    Structure.HEART: (Tissue.MUSCLE, 7.0),
    Structure.VERTEBRA: (Tissue.CORTICAL_BONE, 1.2),
    Structure.BONE: (Tissue.CORTICAL_BONE, 1.3),
    Structure.SPINAL_CANAL: (Tissue.CSF, 3.0),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Axes:
    """A regular grid: the first centre and the step in mm, and the count, for z, x and y."""

    first_mm: tuple[float, float, float]
    step_mm: float
    shape: tuple[int, int, int]

    def axis_mm(self, axis: int) -> np.ndarray:
        """Centres along z (0), x (1) or y (2)."""
        return self.first_mm[axis] + self.step_mm * np.arange(self.shape[axis])


@dataclasses.dataclass(frozen=True, eq=False)
class _Field:
    """Values on a grid, and the Gaussian (0: linear) by which they are read in between."""

    values: np.ndarray
    axes: Axes
    sigma_mm: float = 0.0

    def at(self, z: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """float32 [z, x, y] at the points of an open grid."""
        weights = [
            _weights(points, self.axes.axis_mm(k), self.axes.step_mm, self.sigma_mm)
            for k, points in enumerate((z, x, y))
        ]
        used = np.flatnonzero(np.diff(weights[0].tocsc().indptr))
        low, high = int(used[0]), int(used[-1]) + 1
        weights[0] = weights[0][:, low:high]
        # Axis by axis: each comes first in its turn, and after three turns all are in order again.
        # Sparse products run on one thread and give the same bytes on every machine.
        values = self.values[low:high].astype(np.float32)
        for w in weights:
            values = np.ascontiguousarray((w @ values.reshape(w.shape[1], -1)).T)
        return values.reshape(len(z), len(x), len(y))


def _weights(
    points: np.ndarray, centres: np.ndarray, step: float, sigma: float
) -> scipy.sparse.csr_array:
    """float32 [point, centre], rows that sum to 1; beyond the ends the last value goes on."""
    inside = np.clip(points, centres[0], centres[-1])
    apart = np.abs(inside[:, None] - centres)
    weights = np.exp(-0.5 * (apart / sigma) ** 2) if sigma else np.maximum(1 - apart / step, 0)
    weights[weights < 1e-2] = 0
    return scipy.sparse.csr_array((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def _noise(axes: Axes, spacing_mm: float, generator: np.random.Generator) -> _Field:
    """A random field with an SD near 1 that varies over about two spacings."""
    shape = tuple(int(n * axes.step_mm / spacing_mm) + 2 for n in axes.shape)
    lattice = Axes(axes.first_mm, spacing_mm, shape)
    sigma = 0.6 * spacing_mm
    # The sum of squared weights is about 1 / (2 sqrt(pi) 0.6) for each axis.
    gain = (2 * np.sqrt(np.pi) * 0.6) ** 1.5
    return _Field(gain * generator.standard_normal(shape).astype(np.float32), lattice, sigma)


@dataclasses.dataclass(frozen=True, eq=False)
class Refined:
    """What `refine` gives.

    Attributes:
        codes: uint8 [z, x, y]; see `PERITONEAL`, `DEPENDENT_LUNG` and `OUTSIDE`; else a `Tissue`.
        axes: Its grid; x = y = 0 is the middle of the body, z is the map's own.
    """

    codes: np.ndarray
    axes: Axes


def refine(structures: np.ndarray, native: Axes, threads: int = 1) -> Refined:
    """Makes a body of labelled structures.

    Args:
        structures: uint8 [z, x, y] of `Structure`; NONE in between.
        native: Its grid.
        threads: How many slabs are worked on at once.

    Returns:
        The body, on a grid with room for the fat and the skin of anyone.
    """
    structures = structures.copy()
    _add_discs(structures, native)
    fields = _Fields.of(structures, native)
    axes = fields.axes
    codes = np.empty(axes.shape, np.uint8)
    slabs = [slice(k, min(k + _SLAB, axes.shape[0])) for k in range(0, axes.shape[0], _SLAB)]

    def work(slab: slice) -> None:
        codes[slab] = fields.painted(axes.axis_mm(0)[slab])

    if threads <= 1:
        for slab in slabs:
            work(slab)
    else:
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, slabs))
    return Refined(codes, axes)


def _add_discs(structures: np.ndarray, native: Axes) -> None:
    """Fills the gaps between vertebral bodies, which label maps leave out."""
    bone = structures == Structure.VERTEBRA
    if not bone.any():
        return
    reach = 2 * round(7.0 / native.step_mm) + 1
    box = scipy.ndimage.find_objects(bone.astype(np.uint8))[0]
    closed = scipy.ndimage.binary_closing(bone[box], np.ones((reach, 1, 1), bool))
    gap = closed & ~bone[box] & (structures[box] == Structure.NONE)
    gap &= native.axis_mm(2)[box[2]] > _canal_mm(structures, native)[box[0], 1, None, None] + 9.0
    gap = scipy.ndimage.binary_opening(gap, np.ones((1, 3, 3), bool))
    structures[box][gap] = Structure.DISC


def _canal_mm(structures: np.ndarray, native: Axes) -> np.ndarray:
    """The spinal canal (else the middle of the back) in each slice: x and y, float [z, 2]."""
    x, y = native.axis_mm(1), native.axis_mm(2)
    mask = structures == Structure.SPINAL_CANAL
    counts = mask.sum(axis=(1, 2))
    known = np.flatnonzero(counts)
    if not len(known):
        filled = np.flatnonzero((structures != Structure.NONE).any(axis=(0, 1)))
        return np.tile([x.mean(), y[filled[0]] + 50.0], (len(structures), 1))
    where = [
        np.einsum("zxy,x->z", mask[known], x) / counts[known],
        np.einsum("zxy,y->z", mask[known], y) / counts[known],
    ]
    heights = np.arange(len(structures))
    return np.stack([np.interp(heights, known, w) for w in where], axis=1)


def _depth_mm(structures: np.ndarray, native: Axes) -> np.ndarray:
    """How deep in its structure every voxel lies, float32 [z, x, y]."""
    same = np.ones(structures.shape, bool)
    for axis in range(3):
        ahead, back = ([slice(None)] * 3 for _ in range(2))
        ahead[axis], back[axis] = slice(1, None), slice(None, -1)
        equal = structures[tuple(ahead)] == structures[tuple(back)]
        same[tuple(ahead)] &= equal
        same[tuple(back)] &= equal
    depth = scipy.ndimage.distance_transform_edt(same) + 0.5
    return (native.step_mm * depth).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class _Slab:
    """Some slices of the fine grid while they are painted.

    Attributes:
        codes: uint8 [z, x, y], what is painted so far.
        structure: uint8 [z, x, y].
        noise: float32 [z, x, y] fields by name.
        z: Coordinates in mm; and x and y.
    """

    codes: np.ndarray
    structure: np.ndarray
    noise: dict[str, np.ndarray]
    z: np.ndarray
    x: np.ndarray
    y: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class _Fields:
    """Everything that painting needs, on coarse grids.

    Attributes:
        axes: The fine grid to paint.
        structures: The map.
        native: Its grid.
        depth: In its structure, mm.
        wall: Distance from the outer side of the body's wall, mm, negative inside.
        cavity: From the inner side.
        relative: As `wall`, in units of the fat's relative thickness.
        soft: Blurred masks of neighbours.
        middle_y: The mean y of the bowel nearby.
        gas_level_y: The fluid level in the stomach.
        lung_y: How high an effusion climbs.
        canal: x and y of the spinal canal in each fine slice.
        noise: Random fields of several sizes, the same for every draw.
    """

    axes: Axes
    structures: np.ndarray
    native: Axes
    depth: _Field
    wall: _Field
    cavity: _Field
    relative: _Field
    soft: dict[str, _Field]
    middle_y: dict[Structure, _Field]
    gas_level_y: float
    lung_y: float
    canal: np.ndarray
    noise: dict[str, _Field]

    @classmethod
    def of(cls, structures: np.ndarray, native: Axes) -> "_Fields":
        """Measures a map."""
        x, y = native.axis_mm(1), native.axis_mm(2)

        def held(members: Sequence[int], margin: float | np.ndarray) -> np.ndarray:
            return hull.support(np.isin(structures, members), x, y) + margin

        cavity = hull.smoothed(held(_VISCERA, 1.0), native.step_mm, 8.0)
        sideways, behind = np.abs(np.cos(hull.ANGLES)), np.maximum(-np.sin(hull.ANGLES), 0)
        thickness = 9.0 + 8.0 * sideways**2 + 1.0 * behind
        shell = [held((Structure.BONE,), 6.0), held((Structure.CARTILAGE,), 5.0)]
        shell += [held((Structure.MUSCLE, Structure.VERTEBRA), 3.0), cavity + thickness]
        wall = hull.rounded(hull.smoothed(np.maximum.reduce(shell), native.step_mm, 7.0))

        # Right, front, left and back are a quarter of the directions apart.
        quarter = wall.shape[1] // 4
        low = (-wall[:, 2 * quarter].max() - _ROOM_MM, -wall[:, 3 * quarter].max() - _ROOM_MM)
        high = (wall[:, 0].max() + _ROOM_MM, wall[:, quarter].max() + _ROOM_MM)
        z = native.axis_mm(0)
        ends = ((z[0], z[-1]), (low[0], high[0]), (low[1], high[1]))
        axes = _spanning(ends, _STEP_MM)
        lattice = _spanning(ends, _LATTICE_MM)
        nearest = np.clip(
            np.rint((lattice.axis_mm(0) - z[0]) / native.step_mm).astype(int), 0, len(z) - 1
        )
        xs, ys = lattice.axis_mm(1), lattice.axis_mm(2)
        outside = hull.distance_mm(wall[nearest], xs, ys)
        liver_z = z[(structures == Structure.LIVER).any(axis=(1, 2))]
        generator = np.random.default_rng(len(liver_z))
        relative = outside / _relative_fat(lattice, liver_z, generator)
        inside = hull.distance_mm(cavity[nearest], xs, ys)

        def soft(members: Sequence[int], sigma: float) -> _Field:
            mask = _Field(np.isin(structures, members), native, sigma)
            return _Field(mask.at(lattice.axis_mm(0), xs, ys), lattice)

        middle_y = {}
        for organ in (Structure.COLON, Structure.SMALL_BOWEL):
            mask = structures == organ
            if mask.any():
                weight = _Field(mask, native, 9.0).at(lattice.axis_mm(0), xs, ys)
                moment = _Field(mask * y.astype(np.float32), native, 9.0)
                mean = moment.at(lattice.axis_mm(0), xs, ys) / np.maximum(weight, 1e-4)
                middle_y[organ] = _Field(mean, lattice)

        def quantile_y(organ: Structure, q: float) -> float:
            count = (structures == organ).sum(axis=(0, 1))
            if not count.any():
                return float(y[-1])
            return float(np.interp(q, np.cumsum(count) / count.sum(), y))

        return cls(
            axes=axes,
            structures=structures,
            native=native,
            depth=_Field(_depth_mm(structures, native), native),
            wall=_Field(outside, lattice),
            cavity=_Field(inside, lattice),
            relative=_Field(relative, lattice),
            soft={
                "lung": soft((Structure.LUNG,), 3.0),
                "organ": soft((Structure.LIVER, Structure.SPLEEN, Structure.STOMACH), 3.0),
                "lining": soft((Structure.LIVER, Structure.SPLEEN, Structure.LUNG), 4.5),
                "rib": soft((Structure.BONE, Structure.CARTILAGE), 9.0),
            },
            middle_y=middle_y,
            gas_level_y=quantile_y(Structure.STOMACH, 0.68),
            lung_y=quantile_y(Structure.LUNG, 0.55),
            canal=np.stack(
                [
                    np.interp(axes.axis_mm(0), z, column)
                    for column in _canal_mm(structures, native).T
                ],
                axis=1,
            ),
            noise={
                "coarse": _noise(axes, 40.0, generator),
                "middle": _noise(axes, 14.0, generator),
                "other": _noise(axes, 14.0, generator),
                "fine": _noise(axes, 5.0, generator),
            },
        )

    def painted(self, z: np.ndarray) -> np.ndarray:
        """The codes of some slices of the fine grid, uint8 [z, x, y]."""
        x, y = self.axes.axis_mm(1), self.axes.axis_mm(2)
        structure = self._smoothed_structures(z, x, y)
        codes = np.zeros(len(Structure), np.uint8)
        for organ, tissue in _PLAIN.items():
            codes[organ] = tissue
        codes = codes[structure]
        noise = {name: field.at(z, x, y) for name, field in self.noise.items()}
        slab = _Slab(codes, structure, noise, z, x, y)
        self._paint_linings(slab)
        self._paint_contents(slab)
        self._paint_between(slab)
        return codes

    def _smoothed_structures(self, z: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The structure whose smoothed mask is highest, uint8 [z, x, y]."""
        sigma = 0.75 * self.native.step_mm
        reach = 3.1 * sigma
        native_z = self.native.axis_mm(0)
        low, high = np.searchsorted(native_z, (z[0] - reach, z[-1] + reach))
        low, high = max(low - 1, 0), min(high + 1, len(native_z))
        part = self.structures[low:high]
        first = (native_z[low], *self.native.first_mm[1:])

        structure = np.zeros((len(z), len(x), len(y)), np.uint8)
        best = np.zeros(structure.shape, np.float32)
        rest = np.ones(structure.shape, np.float32)
        boxes = scipy.ndimage.find_objects(part, max_label=int(part.max()))
        for organ, box in enumerate(boxes, start=1):
            if box is None:
                continue
            margin = int(np.ceil(reach / self.native.step_mm))
            grown = (
                slice(None),
                *(slice(max(b.start - margin, 0), b.stop + margin) for b in box[1:]),
            )
            mask = part[grown] == organ
            starts = [0 if s.start is None else s.start for s in grown]
            step = self.native.step_mm
            axes = Axes(
                tuple(f + step * s for f, s in zip(first, starts, strict=True)), step, mask.shape
            )
            spans = [
                slice(*np.searchsorted(p, (c[0], c[-1] + 1e-6)))
                for p, c in ((x, axes.axis_mm(1)), (y, axes.axis_mm(2)))
            ]
            if any(s.stop <= s.start for s in spans):
                continue
            value = _Field(mask, axes, sigma).at(z, x[spans[0]], y[spans[1]])
            window = (slice(None), *spans)
            better = value > best[window]
            structure[window][better] = organ
            np.maximum(best[window], value, out=best[window])
            rest[window] -= value
        structure[rest > best] = Structure.NONE
        return structure

    def _paint_linings(self, slab: _Slab) -> None:
        """Cortex, walls, myocardium, cerebrospinal fluid."""
        codes, structure, noise = slab.codes, slab.structure, slab.noise
        z, x, y = slab.z, slab.x, slab.y
        depth = self.depth.at(z, x, y)
        thickness = np.zeros(len(Structure), np.float32)
        lining = np.zeros(len(Structure), np.uint8)
        for organ, (tissue, millimetres) in _LININGS.items():
            # A boundary voxel lies half a step deep: thinner linings would be lost.
            thickness[organ] = max(millimetres, 0.75 * self.native.step_mm)
            lining[organ] = tissue
        limit = thickness[structure]
        # Pyramids and papillary muscles: a lining as thick as the organ is varies.
        limit[limit > 5] += 2.2 * noise["fine"][limit > 5]
        lined = depth < limit
        codes[lined] = lining[structure[lined]]
        # Folds between loops of bowel that the map gives as one.
        folds = (structure == Structure.SMALL_BOWEL) & (np.abs(noise["middle"]) < 0.13)
        codes[folds] = Tissue.BOWEL_WALL

    def _paint_contents(self, slab: _Slab) -> None:
        """Gas rises to the front of a supine patient; stool is mottled with it."""
        codes, structure, noise = slab.codes, slab.structure, slab.noise
        z, x, y = slab.z, slab.x, slab.y
        gas = (structure == Structure.STOMACH) & (y > self.gas_level_y)
        for organ, field in self.middle_y.items():
            lumen = structure == organ
            height = y - field.at(z, x, y)
            if organ == Structure.COLON:
                gas |= lumen & (height > 3.0 + 9.0 * noise["coarse"])
                gas |= lumen & (noise["fine"] > 1.5)
            else:
                gas |= lumen & (height > 2.0) & (noise["coarse"] > 1.2)
        codes[gas & (codes != Tissue.BOWEL_WALL)] = Tissue.BOWEL_GAS
        lung = structure == Structure.LUNG
        codes[lung & (noise["middle"] ** 2 + noise["other"] ** 2 < 0.012)] = Tissue.VEIN
        if lung.any():
            # An effusion is a crescent along the back, thinner the higher it climbs.
            height = np.clip((self.lung_y - y) / 70, 0, 1) * (30 + 5 * noise["coarse"])
            codes[lung & (-self.cavity.at(z, x, y) < height)] = DEPENDENT_LUNG

    def _paint_between(self, slab: _Slab) -> None:
        """What no label covers: fat and its vessels, diaphragm, the wall, and what is outside."""
        codes, structure, noise = slab.codes, slab.structure, slab.noise
        z, x, y = slab.z, slab.x, slab.y
        none = structure == Structure.NONE
        outside, inside = self.wall.at(z, x, y), self.cavity.at(z, x, y)
        lung, organ = self.soft["lung"].at(z, x, y), self.soft["organ"].at(z, x, y)
        rib = self.soft["rib"].at(z, x, y)
        rows = np.searchsorted(self.axes.axis_mm(0), z - 1e-6)
        canal_x, canal_y = (self.canal[rows, k][:, None, None] for k in range(2))

        fat = np.full(codes.shape, Tissue.VISCERAL_FAT, np.uint8)
        fat[organ > 0.12] = PERITONEAL
        vessels = noise["middle"] ** 2 + noise["other"] ** 2 < 0.02
        fat[vessels] = Tissue.VEIN
        fat[(lung > 0.05) & (organ > 0.05)] = Tissue.MUSCLE  # diaphragm
        fat[lung > 0.55] = Tissue.LUNG

        beside = np.abs(x[:, None] - canal_x)
        slope = 0.35 * np.maximum(beside - 40, 0) + 3 * noise["coarse"]
        behind = (y < canal_y + 6 - slope) & (beside < 82)
        # Liver, spleen and lungs lie against the wall, whatever the smooth outline says.
        against = (inside > -14) & (self.soft["lining"].at(z, x, y) > 0.06)
        wall = (inside > 0) | behind | against
        thickness = np.maximum(inside - outside, 1.0)
        place = -outside / thickness + 0.05 * noise["middle"]
        chest = rib > 0.02
        muscle = np.full(codes.shape, Tissue.MUSCLE, np.uint8)
        # Three flat muscles at the sides with fat between them, broken here and there; in front two
        # straight ones, with a seam in the middle. On the ribs muscles and fat take turns.
        flank = ~chest & (beside > 75) & (thickness > 9) & (noise["middle"] > -0.6)
        planes = (np.abs(place - 0.40) < 0.5 / thickness) | (np.abs(place - 0.7) < 0.4 / thickness)
        muscle[flank & planes] = Tissue.VISCERAL_FAT
        seam = (beside < 1.0 + 0.8 * noise["middle"]) & (y > canal_y + 60)
        edge = np.abs(beside - 78 - 5 * noise["coarse"]) < 4 * (1 - place)
        edge &= y > canal_y + 60
        muscle[~chest & (seam | edge)] = Tissue.VISCERAL_FAT
        bare = (6 + 4 * noise["coarse"]) * np.clip((rib - 0.02) / 0.06, 0, 1)
        muscle[-outside < bare] = Tissue.SUBCUTANEOUS_FAT
        muscle[behind & (noise["middle"] > 0.5)] = Tissue.VISCERAL_FAT
        muscle[~chest & (np.abs(inside - 1) < 1) & ~behind & ~against] = Tissue.VISCERAL_FAT

        fill = np.where(wall, muscle, fat)
        depth = np.clip(self.relative.at(z, x, y) / DEPTH_STEP_MM, 0, 255 - OUTSIDE)
        skin = outside > 0
        fill[skin] = (OUTSIDE + depth[skin]).astype(np.uint8)
        codes[none] = fill[none]


def _spanning(ends: Sequence[tuple[float, float]], step: float) -> Axes:
    """A grid from end to end."""
    shape = tuple(int((high - low) / step + 1e-6) + 1 for low, high in ends)
    return Axes(tuple(float(low) for low, _ in ends), step, shape)


def _relative_fat(lattice: Axes, liver_z: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """How thick the subcutaneous fat is, as a part of its average, [z, x, y].

    Thin over the ribs, thick at the flanks behind; a groove runs over the spine.
    """
    z, x, y = (lattice.axis_mm(axis) for axis in range(3))
    angle = np.arctan2(y[None, :] - y.mean(), x[:, None] - x.mean())
    front, back = np.maximum(np.sin(angle), 0), np.maximum(-np.sin(angle), 0)
    flank = np.exp(-(((np.abs(np.cos(angle)) - 0.72) / 0.22) ** 2)) * (back > 0)
    groove = np.exp(-(((x[:, None] - x.mean()) / 16.0) ** 2)) * (back > 0)
    around = 0.85 + 0.25 * front**2 + 0.5 * flank - 0.45 * groove
    low, high = liver_z.min() - 20, liver_z.max()
    along = 0.75 + 0.4 * np.clip((high - z) / max(high - low, 1.0), 0, 1)
    waves = _noise(lattice, 70.0, generator).at(z, x, y)
    return (along[:, None, None] * around * (1 + 0.12 * waves)).astype(np.float32).clip(0.3, 1.3)
