"""What is known of an examination beside its images, on its own grid."""

import dataclasses

import numpy as np

from liver_jax.phantom.sampling import Composition, Grid
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue

_LESIONS = (Tissue.LESION, Tissue.CYST, Tissue.INFILTRATE)


@dataclasses.dataclass(frozen=True, eq=False)
class Truth:
    """Masks of [x, y, z]: a voxel belongs to what fills at least half of it.

    Attributes:
        labels: uint8, the commonest `Tissue` of each voxel.
        liver: bool, vessels and findings inside it included.
        vessels: bool, vessels inside the liver.
        lesions: bool, lesions and cysts of the liver.
    """

    labels: np.ndarray
    liver: np.ndarray
    vessels: np.ndarray
    lesions: np.ndarray

    @classmethod
    def empty(cls, grid: Grid) -> "Truth":
        """A truth to be filled slice by slice."""
        # Slice by slice is how it is filled, read and written.
        masks = (np.zeros(grid.shape, bool, order="F") for _ in range(3))
        return cls(np.zeros(grid.shape, np.uint8, order="F"), *masks)

    def fill(self, k: int, composition: Composition) -> None:
        """Enters slice k."""
        self.labels[..., k] = composition.tissue
        liver = composition.fraction(LIVER_TISSUES) >= 0.5
        self.liver[..., k] = liver
        self.vessels[..., k] = liver & (composition.fraction([Tissue.LIVER_VESSEL]) >= 0.5)
        self.lesions[..., k] = liver & (composition.fraction(_LESIONS) >= 0.5)
