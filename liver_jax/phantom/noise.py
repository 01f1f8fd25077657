"""Band-limited random fields: sums of plane waves in random directions.

A wave is a product of one factor for each axis of a lattice of points, so that a whole field is one
matrix product there, upright or oblique.
"""

import dataclasses

import numpy as np

from liver_jax.phantom.shapes import Vector

Terms = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Noise:
    """Plane waves of one amplitude: wave vectors in rad/mm, and phases."""

    vectors: tuple[Vector, ...]
    phases: tuple[float, ...]
    amplitude: float


def draw(
    generator: np.random.Generator, wavelength_mm: tuple[float, float], rms: float, count: int = 12
) -> Noise:
    """Draws waves of random direction, phase and length.

    Args:
        generator: Source of all randomness.
        wavelength_mm: The range that their lengths are drawn from.
        rms: Of the field.
        count: Of waves; more of them come closer to a Gaussian field.

    Returns:
        The waves; their field has the mean 0.
    """
    direction = generator.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    vectors = 2 * np.pi * direction / generator.uniform(*wavelength_mm, (count, 1))
    phases = generator.uniform(0, 2 * np.pi, count)
    return Noise(
        tuple(map(tuple, vectors.tolist())), tuple(phases.tolist()), rms * (2 / count) ** 0.5
    )


def terms(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Terms | None:
    """Splits the points of a lattice into one part for each axis of their arrays.

    Args:
        x: In mm; x, y and z broadcast to three axes.
        y: As x.
        z: As x.

    Returns:
        For each array axis [n, 3] in mm: their sum is the point. None where points are no lattice.
    """
    shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
    parts = tuple(np.zeros((n, 3)) for n in shape)
    for k, coordinate in enumerate((x, y, z)):
        coordinate = np.asarray(coordinate, np.float64)
        origin = coordinate[0, 0, 0]
        first = coordinate[:, 0, 0], coordinate[0, :, 0] - origin, coordinate[0, 0, :] - origin
        for part, values in zip(parts, first, strict=True):
            part[:, k] = values
        if sum(n > 1 for n in coordinate.shape) > 1:
            whole = first[0][:, None, None] + first[1][:, None] + first[2]
            if np.abs(whole - coordinate).max() > 1e-3:
                return None
    return parts


def field(noise: Noise, points: Terms | tuple[np.ndarray, ...]) -> np.ndarray:
    """The field at points.

    Args:
        noise: Whose.
        points: What `terms` gives; or x, y and z in mm of three axes each.

    Returns:
        float32, of the points' broadcast shape.
    """
    vectors, phases = np.array(noise.vectors), np.array(noise.phases)
    if points[0].ndim == 3:
        total = sum(
            np.cos(phase + sum(k * p for k, p in zip(vector, points, strict=True)))
            for vector, phase in zip(noise.vectors, noise.phases, strict=True)
        )
        return (noise.amplitude * total).astype(np.float32)
    first, second, third = (np.exp(1j * (part @ vectors.T)).astype(np.complex64) for part in points)
    first *= noise.amplitude * np.exp(1j * phases).astype(np.complex64)
    left = first[:, None, :] * second[None, :, :]
    left = np.concatenate([left.real, -left.imag], axis=2)
    return left @ np.concatenate([third.real, third.imag], axis=1).T


def at(noise: Noise, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The field at points in mm of three axes or fewer; float32 of their broadcast shape."""
    shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
    points = tuple(p.reshape(p.shape + (1,) * (3 - len(shape))) for p in (x, y, z))
    lattice = terms(*points)
    return field(noise, points if lattice is None else lattice).reshape(shape)
