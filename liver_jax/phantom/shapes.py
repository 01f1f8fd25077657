"""Implicit shapes in millimetres: approximate signed distances, negative inside.

Parameters are plain Python floats, so that float32 points stay float32.
"""

import dataclasses
import math

import numpy as np

Vector = tuple[float, float, float]
Box = tuple[Vector, Vector]


@dataclasses.dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid; its first two axes are turned by `yaw_deg` about z."""

    centre: Vector
    semi_axes: Vector
    yaw_deg: float = 0.0


@dataclasses.dataclass(frozen=True)
class Tube:
    """A round tube through `points`, its radius changing linearly between them."""

    points: tuple[Vector, ...]
    radii: tuple[float, ...]


def ellipsoid_box(ellipsoid: Ellipsoid) -> Box:
    """The corners of a box that holds the ellipsoid, whatever its yaw."""
    in_plane = max(ellipsoid.semi_axes[:2])
    half = (in_plane, in_plane, ellipsoid.semi_axes[2])
    if not ellipsoid.yaw_deg:
        half = ellipsoid.semi_axes
    return _box(ellipsoid.centre, half)


def segment_box(start: Vector, end: Vector, radius: float) -> Box:
    """The corners of a box that holds a capsule."""
    low = tuple(min(a, b) - radius for a, b in zip(start, end, strict=True))
    high = tuple(max(a, b) + radius for a, b in zip(start, end, strict=True))
    return low, high


def _box(centre: Vector, half: Vector) -> Box:
    low = tuple(c - h for c, h in zip(centre, half, strict=True))
    high = tuple(c + h for c, h in zip(centre, half, strict=True))
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
