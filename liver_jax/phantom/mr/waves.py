"""Smooth random functions of position: the same point of a body has the same value on any grid."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Waves:
    """A sum of plane waves: mean near 0 and SD near 1 over regions larger than the waves.

    Attributes:
        wave_vectors: [wave, 3], in radians per mm along x, y and z.
        phases: [wave], in radians.
    """

    wave_vectors: np.ndarray
    phases: np.ndarray

    @classmethod
    def draw(
        cls, wavelength_mm: tuple[float, float], generator: np.random.Generator, count: int = 8
    ) -> "Waves":
        """Waves of random directions with lengths drawn from a range."""
        directions = generator.standard_normal((count, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        lengths = generator.uniform(*wavelength_mm, (count, 1))
        return cls(2 * np.pi * directions / lengths, generator.uniform(0, 2 * np.pi, count))

    def at(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The value at points in mm; x, y and z broadcast. float32 of the broadcast shape."""
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32)
        for (kx, ky, kz), phase in zip(self.wave_vectors, self.phases, strict=True):
            # float32 before the axes meet: open grids stay cheap.
            along_x, along_y, along_z = (
                np.asarray(k * p, np.float32) for k, p in ((kx, x), (ky, y), (kz, z))
            )
            total += np.cos((along_z + np.float32(phase)) + along_x + along_y)
        return total * np.float32(np.sqrt(2 / len(self.phases)))
