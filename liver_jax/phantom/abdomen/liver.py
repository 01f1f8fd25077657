"""The liver's shape: lobes in the dome of the diaphragm, hollowed by their neighbours."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from liver_jax.phantom import shapes
from liver_jax.phantom.abdomen.frame import Frame, sized
from liver_jax.phantom.abdomen.points import FAR_MM, Points
from liver_jax.phantom.person import Finding
from liver_jax.phantom.shapes import Box, Ellipsoid, Vector, Vessels

# Room for the diaphragm, and for the peritoneum before the wall.
_UNDER_DOME_MM, _PERITONEUM_MM = 2.6, 0.8
# Blending makes a liver bulge beyond its lobes.
_BULGE_MM = 20.0
# How far outside its room the distance to a liver is still smooth: ascites asks for it.
_SMOOTHEST_MM = 30.0


@dataclasses.dataclass(frozen=True)
class Cut:
    """What a surgeon left: the liver on the side of a plane that the normal points away from."""

    point: Vector
    normal: Vector


@dataclasses.dataclass(frozen=True)
class Liver:
    """A liver is where `distance` is negative. Lengths in mm.

    Attributes:
        lobes: Blended with one another.
        hollows: Room for what lies below and to the left, taken away in the same way.
        usual_gallbladder: Where it lies in a liver of scale 1; cut out sharply, as what follows.
        usual_hilum: The same for the hilum.
        kidney_bed: Room for the right kidney and its fat.
        vena_cava: In its groove.
        fissure: Of the round ligament: its x, and half its width.
        roughness: How far the coarse and the medium texture move the surface, and the nodules of
            cirrhosis.
        gap: Between liver and wall.
        cut: Of a resection.
        spine_y: The middle of the vertebral bodies.
        front: Half the depth of the cavity.
        anchor: What does not move when the liver grows.
        scale: How much it has grown.
    """

    lobes: tuple[Ellipsoid, ...]
    hollows: tuple[Ellipsoid, ...]
    usual_gallbladder: Ellipsoid
    usual_hilum: Ellipsoid
    kidney_bed: Ellipsoid
    vena_cava: Vessels
    fissure: tuple[float, float]
    roughness: Vector
    gap: float
    cut: Cut | None
    spine_y: float
    front: float
    anchor: Vector
    scale: float = 1.0

    def moved(self, point: Vector) -> Vector:
        """Where a place of the liver goes when that grows."""
        return tuple(o + self.scale * (p - o) for p, o in zip(point, self.anchor, strict=True))

    def _put(self, e: Ellipsoid, growth: float = 0.0) -> Ellipsoid:
        factor = 1 + growth * (self.scale - 1)
        semi_axes = tuple(factor * s for s in e.semi_axes)
        return Ellipsoid(self.moved(e.centre), semi_axes, e.yaw_deg)

    @property
    def box(self) -> Box:
        """Corners of a box around it; the dome limits it, too."""
        corners = np.array([shapes.ellipsoid_box(self._put(e, 1.0), _BULGE_MM) for e in self.lobes])
        low, high = corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)
        return tuple(low.tolist()), (*high[:2].tolist(), min(float(high[2]), 4.0))

    def distance(self, p: Points, inside: np.ndarray, dome: np.ndarray) -> np.ndarray:
        """About the signed distance in mm to the liver, far outside its box.

        Lobes are summed as r^-8 of their normalised radii r (a smooth union: each alone has its
        surface at 1) and the hollows are taken away in the same way.
        """
        distance = np.full(p.tissue.shape, FAR_MM, np.float32)
        block = p.block(self.box)
        if block is None:
            return distance
        # Only where there is room for a liver.
        limit = np.maximum(inside[block] + self.gap, dome[block] + _UNDER_DOME_MM)
        index = np.flatnonzero(limit < _SMOOTHEST_MM)
        x, y, z, coarse, medium = (
            array[block].ravel()[index] for array in (p.x, p.y, p.z, p.coarse, p.medium)
        )
        field = np.zeros(len(index), np.float32)
        for sign, parts, growth in ((1.0, self.lobes, 1.0), (-1.0, self.hollows, 0.35)):
            for part in parts:
                q = shapes.squared_radius(self._put(part, growth), x, y, z)
                q *= q
                np.maximum(q, 0.01, out=q)
                q *= q
                field += sign / q
        np.maximum(field, 1e-5, out=field)
        shape = (1.0 / np.sqrt(np.sqrt(np.sqrt(field))) - 1.0) * 50.0
        self._cleave(shape, x, y, z, coarse, medium)
        rough_coarse, rough_medium, nodular = self.roughness
        shape += rough_coarse * coarse + rough_medium * medium
        # No liver behind the peritoneum: room for the great vessels.
        np.maximum(shape, 36.0 - np.hypot(x + 6.0, y - self.spine_y - 4.0), out=shape)
        np.maximum(shape, limit.ravel()[index], out=shape)
        if nodular:
            # Nodules raise the surface everywhere, also where it meets the wall.
            shape += nodular * (np.maximum(medium, -1.2) + 0.5)
            np.maximum(shape, limit.ravel()[index] - self.gap, out=shape)
        found = np.full(limit.shape, FAR_MM, np.float32)
        found.reshape(-1)[index] = shape
        distance[block] = found
        self._cut_out(p, distance)
        return distance

    def _cleave(
        self,
        shape: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        z: np.ndarray,
        coarse: np.ndarray,
        medium: np.ndarray,
    ) -> None:
        """Fissures of the round and the venous ligament, the notch of the front, a resection."""
        x0, half_width = self.fissure
        x0, _, top = self.moved((x0, 0.0, -66.0))
        aside = x - x0 - 0.16 * y - 5.0 * coarse - 0.6 * medium
        # Opens downwards and to the front of the liver.
        width = np.minimum((top - z) * 0.15, (y - 0.22 * self.front) * 0.12)
        round_ligament = np.clip(width, -1.0, half_width) - np.abs(aside)
        np.maximum(shape, round_ligament, out=shape)
        # Between the caudate and the left lobe: a slanting sheet behind.
        sheet = np.abs(y - 0.10 * self.front - 0.45 * (x - x0)) - 0.35 * half_width
        ends = np.maximum(np.abs(x - x0 + 6.0) - 24.0, np.abs(z + 58.0) - 26.0)
        np.maximum(shape, -np.maximum(sheet, ends), out=shape)
        if self.cut:
            offset = sum(
                n * (c - o)
                for n, c, o in zip(self.cut.normal, (x, y, z), self.cut.point, strict=True)
            )
            # What is left grows back past the plane.
            np.maximum(shape, offset - 50.0 * (self.scale - 1.0), out=shape)

    def _cut_out(self, p: Points, distance: np.ndarray) -> None:
        for bed in (self.kidney_bed, self.gallbladder, self.hilum):
            block = p.block(shapes.ellipsoid_box(bed, 6.0))
            if block is not None:
                outside = -shapes.ellipsoid_distance(bed, *p.at(block)) - 0.8 * p.medium[block]
                np.maximum(distance[block], outside, out=distance[block])
        for _, block, cava in p.near(self.vena_cava, 3.0):
            np.maximum(distance[block], 0.0 - cava, out=distance[block])

    @property
    def hilum(self) -> Ellipsoid:
        """Where the liver's size has put the hilum."""
        return self._put(self.usual_hilum)

    @property
    def gallbladder(self) -> Ellipsoid:
        """Where the liver's size has put the gallbladder.

        It hangs from the lower surface, which falls faster than the liver grows.
        """
        usual = self._put(self.usual_gallbladder)
        x, y, z = usual.centre
        return dataclasses.replace(usual, centre=(x, y, z - 32.0 * (self.scale - 1.0)))


def draw(frame: Frame, generator: np.random.Generator, kidney: Ellipsoid, cava: Vessels) -> Liver:
    """Draws a liver of about the usual size for its frame."""
    uniform, normal = generator.uniform, generator.normal
    a, b = frame.a, frame.b
    cirrhosis = frame.has(Finding.CIRRHOSIS)
    side = float(generator.choice([-1.0, 1.0])) if frame.has(Finding.RESECTION) else 0.0

    def at(x: float, y: float, z: float, sd: float = 3.0) -> Vector:
        return frame.at(generator, (x, y, z), sd)

    # From a small left lobe to one that reaches the spleen; from a short right lobe to Riedel's.
    reach = float(np.clip(normal(1.0, 0.25) + 0.2 * cirrhosis, 0.5, 1.6))
    tongue = float(np.clip(normal(1.0, 0.22) + 0.7 * (uniform() < 0.12), 0.65, 1.9))
    right = 0.86 if cirrhosis else 1.0
    tall = float(np.clip(normal(1.0, 0.1), 0.8, 1.2))
    lobes = (
        Ellipsoid(at(0.50, -0.02, -60), sized(generator, 0.48 * a, 0.92 * b * right, 80 * tall)),
        Ellipsoid(
            at(0.70, -0.12, -64 - 32 * tongue * right),
            sized(generator, 0.30 * a, 0.62 * b, (28 + 39 * tongue) * right),
        ),
        Ellipsoid(at(0.14, 0.36, -56), sized(generator, 0.40 * a, 0.52 * b, 46 * tall)),
        Ellipsoid(
            at(-0.08 - 0.19 * reach, 0.50, -50),
            sized(generator, 0.40 * a * reach, 0.33 * b, 36),
            float(normal(8, 6)),
        ),
        Ellipsoid(
            at(0.15, -0.12, -58),
            tuple(
                (1.3 if cirrhosis else 1.0) * s for s in sized(generator, 0.15 * a, 0.22 * b, 30)
            ),
        ),
    )
    cut, anchor = None, (0.95 * a, 0.0, 4.0)
    if side > 0:  # the right lobe is gone and the left one has grown
        cut = Cut(at(0.26, 0.0, -60), (0.97, -0.22, -0.08))
        lobes = (lobes[0], *(e.grown(8.0) for e in lobes[2:]))
        anchor = (0.20 * a, 0.3 * b, 4.0)
    elif side < 0:
        cut = Cut(at(0.10, 0.2, -60), (-0.95, 0.30, 0.0))
        lobes = lobes[:3]
    bag = Ellipsoid(at(-0.14, -0.28, -144, 5), sized(generator, 0.62 * a, 0.76 * b, 66))
    stomach = Ellipsoid(at(-0.62, -0.20, -60, 4), sized(generator, 0.42 * a, 0.52 * b, 44))
    hilum = Ellipsoid(at(0.20, 0.04, -86), (0.18 * a, 10.0, 8.5), 22.0)
    gallbladder = Ellipsoid(
        at(0.36, 0.38, -112, 4), sized(generator, 14, 19, 30, sd=0.15), float(normal(-25, 12))
    )
    fat = frame.visceral_fat
    bed = Ellipsoid(
        (kidney.centre[0] - 20, kidney.centre[1] - 30, kidney.centre[2] - 4),
        tuple(s + m + 5 * fat for s, m in zip(kidney.semi_axes, (22, 33, 5), strict=True)),
        kidney.yaw_deg,
    )
    gap = _PERITONEUM_MM + 1.5 * fat
    if frame.has(Finding.ASCITES):
        gap += float(uniform(4, 14))
    return Liver(
        lobes=lobes,
        hollows=(bag, stomach),
        usual_gallbladder=gallbladder,
        usual_hilum=hilum,
        kidney_bed=bed,
        vena_cava=cava,
        fissure=(float(-0.05 * a + normal(0, 5)), 6.0 if cirrhosis else float(uniform(1.5, 4))),
        roughness=(2.0, 0.5, 1.7 if cirrhosis else 0.0),
        gap=gap,
        cut=cut,
        spine_y=frame.spine_y,
        front=b,
        anchor=anchor,
    )


def fitted(
    liver: Liver, target_ml: float, volume_ml: Callable[[Liver], float], tolerance: float = 0.004
) -> Liver:
    """Grows a liver until `volume_ml` gives the target, to about the tolerance."""
    low, high = math.log(0.45), math.log(3.0)
    scale, known = 0.0, []
    for _ in range(10):
        found = dataclasses.replace(liver, scale=math.exp(scale))
        error = math.log(max(volume_ml(found), 1.0) / target_ml)
        if abs(error) < tolerance:
            break
        low, high = (scale, high) if error < 0 else (low, scale)
        known.append((scale, error))
        slope = 2.4  # between the cube law and what the walls leave of it
        if len(known) > 1:
            (s0, e0), (s1, e1) = known[-2:]
            slope = float(np.clip((e1 - e0) / (s1 - s0), 0.5, 4.0)) if s1 != s0 else slope
        step = scale - error / slope
        scale = step if low < step < high else (low + high) / 2
    return found
