"""What a scanner needs of a subject, wherever its shape comes from."""

from typing import Protocol

import numpy as np

from liver_jax.phantom.person import Person
from liver_jax.phantom.shapes import Box


class Body(Protocol):
    """A person with a shape, in mm: x to the right, y to the front, z to the head.

    Attributes:
        person: Whose it is.
        extent_mm: The corners of a box that holds the body. In z it is where the anatomy is known
            and may be wide: nothing is planned outside it.
        liver_range_mm: Heights z between which the liver lies.
        liver_volume_ml: Of the continuous shape, vessels and findings included, as a reader draws
            it.
    """

    person: Person
    extent_mm: Box
    liver_range_mm: tuple[float, float]
    liver_volume_ml: float

    def tissue(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The tissue at points.

        Args:
            x: x, y and z broadcast to three axes; open grids are the cheap way.
            y: As x.
            z: As x.

        Returns:
            uint8 labels of `Tissue`, of the broadcast shape.
        """
        ...
