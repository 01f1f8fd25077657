"""How long, deep and wide a liver is, along the patient's axes.

A midclavicular or midhepatic height is not among them: both are measured in a plane that the chest
wall or the spine tells, and a mask shows neither.
"""

import dataclasses

import numpy as np

from liver_jax.biometry import extent


@dataclasses.dataclass(frozen=True)
class Dimensions:
    """The sides of the box along the patient's axes that just holds a mask; None where it is empty.

    Attributes:
        craniocaudal_mm: From the lowest to the highest point.
        anteroposterior_mm: From the hindmost to the foremost point.
        transverse_mm: From the leftmost to the rightmost point.
    """

    craniocaudal_mm: float | None
    anteroposterior_mm: float | None
    transverse_mm: float | None

    def to_json(self) -> dict[str, float | None]:
        """In millimetres, by direction."""
        return {
            "craniocaudal": self.craniocaudal_mm,
            "anteroposterior": self.anteroposterior_mm,
            "transverse": self.transverse_mm,
        }


def extent_mm(mask: np.ndarray, affine: np.ndarray) -> Dimensions:
    """Measures a mask along the patient's axes, whatever those of the grid.

    The mask's surface runs halfway between a voxel inside and its neighbour outside, as the points
    of the marching cubes do (Lorensen and Cline, Computer Graphics 1987;21:163). On a grid along
    the patient's axes that is the number of sections times their spacing. On an oblique one the
    outermost voxel's centre already comes near the end of what is smooth: there the result is too
    long by up to half a voxel's step at each end. Of a liver that the scan cuts off it is what the
    scan shows.

    Args:
        mask: bool [x, y, z].
        affine: [4, 4], voxel indices to RAS+ millimetres.
    """
    box = extent.bounding_box(mask)
    if box is None:
        return Dimensions(None, None, None)
    steps_mm = np.asarray(affine, np.float64)[:3, :3]  # row: patient axis; column: grid axis
    # Only the first and the last voxel of a run along any one axis can lie outermost.
    inside = mask[box]
    longest = int(np.argmax(inside.shape))
    runs = np.moveaxis(inside, longest, -1)
    rows = np.argwhere(runs.any(axis=-1))
    held = runs[tuple(rows.T)]
    first = held.argmax(axis=-1)
    last = held.shape[-1] - 1 - held[:, ::-1].argmax(axis=-1)
    ends = np.concatenate([np.insert(rows, longest, end, axis=1) for end in (first, last)])
    along_mm = ends @ steps_mm.T
    # Outermost along an axis of the patient, a voxel has nothing of the mask farther out: the
    # surface lies half a step on, along the grid's axis that leads farthest that way.
    beyond_mm = np.abs(steps_mm).max(axis=1)
    transverse, anteroposterior, craniocaudal = (np.ptp(along_mm, axis=0) + beyond_mm).tolist()
    return Dimensions(craniocaudal, anteroposterior, transverse)
