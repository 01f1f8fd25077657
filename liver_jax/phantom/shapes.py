"""Implicit shapes in millimetres: approximate signed distances, negative inside.

Parameters are plain Python floats, so that float32 points stay float32.
"""

import dataclasses
import functools
import math
from collections.abc import Iterable, Sequence

import numpy as np

Vector = tuple[float, float, float]
Box = tuple[Vector, Vector]


@dataclasses.dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid; its first two axes are turned by `yaw_deg` about z."""

    centre: Vector
    semi_axes: Vector
    yaw_deg: float = 0.0

    def grown(self, margin_mm: float) -> "Ellipsoid":
        """With longer semi-axes."""
        return dataclasses.replace(self, semi_axes=tuple(s + margin_mm for s in self.semi_axes))


@dataclasses.dataclass(frozen=True)
class Part:
    """A straight piece of a vessel: a capsule whose radius changes linearly."""

    start: Vector
    end: Vector
    radii: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Vessels:
    """Anything made of tubes: vessels, a tree of them, bowel."""

    parts: tuple[Part, ...]

    @functools.cached_property
    def boxes(self) -> np.ndarray:
        """Corners of a box around each part, [part, 2, 3]."""
        ends = np.array([(p.start, p.end) for p in self.parts])
        radius = np.array([max(p.radii) for p in self.parts])[:, None]
        return np.stack([ends.min(axis=1) - radius, ends.max(axis=1) + radius], axis=1)

    def __add__(self, other: "Vessels") -> "Vessels":
        return Vessels(self.parts + other.parts)


def tube(points: Sequence[Vector], radii: Sequence[float]) -> Vessels:
    """A round tube through points, its radius changing linearly between them."""
    ends = zip(points[:-1], points[1:], radii[:-1], radii[1:], strict=True)
    return Vessels(tuple(Part(tuple(a), tuple(b), (r, s)) for a, b, r, s in ends))


def smooth_tube(points: Iterable[Vector], radii: Sequence[float], step_mm: float) -> Vessels:
    """A tube along the Catmull-Rom spline through points, in parts of about `step_mm`."""
    path = spline(np.column_stack([np.array(list(points)), radii]), step_mm)
    radii = np.maximum(path[:, 3], min(radii)).tolist()
    return tube([tuple(p) for p in path[:, :3].tolist()], radii)


def spline(knots: np.ndarray, step_mm: float) -> np.ndarray:
    """Points about `step_mm` apart on the Catmull-Rom spline through knots.

    Args:
        knots: [n, 3 or more]; the first three columns are places in mm, others follow along.
        step_mm: Every knot is kept, whatever the step.

    Returns:
        [m, columns].
    """
    padded = np.vstack([2 * knots[0] - knots[1], knots, 2 * knots[-1] - knots[-2]])
    path = [knots[:1]]
    for k in range(len(knots) - 1):
        p, q, r, s = padded[k : k + 4]
        count = max(1, round(float(np.linalg.norm((r - q)[:3])) / step_mm))
        t = (np.arange(1, count + 1) / count)[:, None]
        cubic = (3 * q - p - 3 * r + s) * t**3 + (2 * p - 5 * q + 4 * r - s) * t**2
        path.append(0.5 * (cubic + (r - p) * t) + q)
    return np.vstack(path)


def ellipsoid_box(ellipsoid: Ellipsoid, margin_mm: float = 0.0) -> Box:
    """The corners of a box that holds the ellipsoid, whatever its yaw."""
    half = ellipsoid.semi_axes
    if ellipsoid.yaw_deg:
        half = (max(half[:2]), max(half[:2]), half[2])
    low = tuple(c - h - margin_mm for c, h in zip(ellipsoid.centre, half, strict=True))
    high = tuple(c + h + margin_mm for c, h in zip(ellipsoid.centre, half, strict=True))
    return low, high


def segment_box(start: Vector, end: Vector, radius: float) -> Box:
    """The corners of a box that holds a capsule."""
    low = tuple(min(a, b) - radius for a, b in zip(start, end, strict=True))
    high = tuple(max(a, b) + radius for a, b in zip(start, end, strict=True))
    return low, high


def squared_radius(ellipsoid: Ellipsoid, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Squared normalised radius of points, 1 on the surface; the broadcast shape of x, y and z."""
    cx, cy, cz = ellipsoid.centre
    ax, ay, az = ellipsoid.semi_axes
    u, v, w = x - cx, y - cy, z - cz
    if ellipsoid.yaw_deg:
        angle = math.radians(ellipsoid.yaw_deg)
        cosine, sine = math.cos(angle), math.sin(angle)
        u, v = cosine * u + sine * v, cosine * v - sine * u
    return (u * (1 / ax)) ** 2 + (v * (1 / ay)) ** 2 + (w * (1 / az)) ** 2


def ellipsoid_distance(
    ellipsoid: Ellipsoid, x: np.ndarray, y: np.ndarray, z: np.ndarray
) -> np.ndarray:
    """About the signed distance in mm, exact on the surface and for a sphere."""
    radius = np.sqrt(squared_radius(ellipsoid, x, y, z))
    return (radius - 1.0) * (sum(ellipsoid.semi_axes) / 3)


def segment_distance(
    start: Vector,
    end: Vector,
    radii: tuple[float, float],
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
) -> np.ndarray:
    """Signed distance in mm to a capsule whose radius runs from radii[0] to radii[1]."""
    dx, dy, dz = (b - a for a, b in zip(start, end, strict=True))
    u, v, w = x - start[0], y - start[1], z - start[2]
    length_squared = max(dx * dx + dy * dy + dz * dz, 1e-6)
    along = (u * dx + v * dy + w * dz) * (1 / length_squared)
    np.clip(along, 0.0, 1.0, out=along)
    distance = np.sqrt((u - along * dx) ** 2 + (v - along * dy) ** 2 + (w - along * dz) ** 2)
    return distance - (radii[0] + (radii[1] - radii[0]) * along)
