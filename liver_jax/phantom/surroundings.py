"""What a CT sees beside the body: the couch it lies on, and arms that hang at its sides."""

import dataclasses

import numpy as np

from liver_jax.phantom.body import Body
from liver_jax.phantom.sampling import Grid
from liver_jax.physics.tissues import Tissue

_AIR_HU = -1000.0


@dataclasses.dataclass(frozen=True)
class Couch:
    """A hollow board, foam between two skins, under a mattress.

    Attributes:
        half_width_mm: From its middle to its edge.
        radius_mm: Of the curve that its upper side follows.
        depth_mm: From skin to skin in the middle; at the edges they meet.
        skin_mm: Thickness of a skin.
        skin_hu: Of carbon fibre, or of plastic.
        mattress_mm: Between the board and the body.
    """

    half_width_mm: float
    radius_mm: float
    depth_mm: float
    skin_mm: float
    skin_hu: float
    mattress_mm: float


_FOAM_HU, _MATTRESS_HU = -915.0, -960.0


@dataclasses.dataclass(frozen=True)
class _Arm:
    """An elliptic cylinder that leans a little; half-widths across and front to back, in mm."""

    centre: tuple[float, float]
    lean: tuple[float, float]
    half_widths: tuple[float, float]
    fat_mm: float
    bones: tuple[tuple[float, float, float], ...]  # place in the arm, radius

    def centre_mm(self, z: float) -> tuple[float, float]:
        return tuple(c + slope * z for c, slope in zip(self.centre, self.lean, strict=True))


class Surroundings:
    """Couch and arms of one examination, to be added where there is air."""

    def __init__(
        self,
        body: Body,
        grid: Grid,
        couch: Couch,
        arms_down: bool,
        hu: np.ndarray,
        generator: np.random.Generator,
    ) -> None:
        """Lays the body on the couch.

        Args:
            body: Who lies there.
            grid: The voxels.
            couch: The scanner's.
            arms_down: Whether the arms lie at the sides: some cannot raise them.
            hu: Of each tissue, [tissue].
            generator: Source of the arms.
        """
        self._x, self._y = grid.axis_mm(0)[:, None], grid.axis_mm(1)[None, :]
        self._z = grid.axis_mm(2)
        self._pixel_mm = grid.spacing_mm[0]
        self._hu = hu
        across, back, sides = _outline(body, grid)
        middle = float(np.mean(sides))
        # The board touches the body, less the mattress, at the first point that it can.
        support = back - (across - middle) ** 2 / (2 * couch.radius_mm)
        height = float(support.min()) - couch.mattress_mm
        self._couch = self._board(couch, middle, height)
        self._arms = []
        if arms_down:
            self._arms = [
                _draw_arm(side, wall, height + couch.mattress_mm, generator)
                for side, wall in zip((-1, 1), sides, strict=True)
            ]

    def layer(self, k: int) -> np.ndarray:
        """HU above those of air in slice k, float32 [x, y]."""
        if not self._arms:
            return self._couch
        layer = self._couch.copy()
        for arm in self._arms:
            self._add_arm(layer, arm, float(self._z[k]))
        return layer

    def beside_mm(self, k: int) -> np.ndarray:
        """Arm to the left and right of slice k, which the image does not show, in mm [y]."""
        total = np.zeros(self._y.shape[1])
        left, right = self._x[[0, -1], 0]
        for arm in self._arms:
            x, y = arm.centre_mm(float(self._z[k]))
            half_x, half_y = arm.half_widths
            half = half_x * np.sqrt(np.maximum(1 - ((self._y[0] - y) / half_y) ** 2, 0))
            shown = np.minimum(x + half, right) - np.maximum(x - half, left)
            total += 2 * half - np.maximum(shown, 0)
        return total

    def _board(self, couch: Couch, middle: float, height: float) -> np.ndarray:
        x = self._x - middle
        upper = height + x**2 / (2 * couch.radius_mm)
        lower = upper - couch.depth_mm * (1 - (x / couch.half_width_mm) ** 2)
        upper, lower = self._y - upper, lower - self._y
        on_board = self._covered(np.abs(x) - couch.half_width_mm)
        board = self._covered(np.maximum(upper, lower)) * on_board
        foam = self._covered(np.maximum(upper, lower) + couch.skin_mm) * on_board
        mattress = self._covered(np.maximum(upper - couch.mattress_mm, -upper)) * on_board
        layer = mattress * (_MATTRESS_HU - _AIR_HU)
        layer += board * (couch.skin_hu - _AIR_HU) + foam * (_FOAM_HU - couch.skin_hu)
        return layer.astype(np.float32)

    def _add_arm(self, layer: np.ndarray, arm: _Arm, z: float) -> None:
        centre = arm.centre_mm(z)
        x, y = self._x - centre[0], self._y - centre[1]
        near = np.abs(x[:, 0]) < max(arm.half_widths) + 2
        if not near.any():
            return
        x = x[near]
        radius = np.hypot(x / arm.half_widths[0], y / arm.half_widths[1])
        depth = (radius - 1) * min(arm.half_widths)
        mixed = layer[near] + _AIR_HU
        for distance, tissue in (
            (depth, Tissue.SKIN),
            (depth + 2, Tissue.SUBCUTANEOUS_FAT),
            (depth + 2 + arm.fat_mm, Tissue.MUSCLE),
        ):
            mixed += self._covered(distance) * (self._hu[tissue] - mixed)
        for bone_x, bone_y, bone_mm in arm.bones:
            distance = np.hypot(x - bone_x, y - bone_y) - bone_mm
            for inner, tissue in ((0.0, Tissue.CORTICAL_BONE), (3.0, Tissue.MARROW)):
                mixed += self._covered(distance + inner) * (self._hu[tissue] - mixed)
        layer[near] = mixed - _AIR_HU

    def _covered(self, distance_mm: np.ndarray) -> np.ndarray:
        """The part of a voxel that lies inside, by its middle's distance to the boundary."""
        return np.clip(0.5 - distance_mm / self._pixel_mm, 0, 1)


def _outline(body: Body, grid: Grid) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """The body's lowest y at some x over the grid's height, and its leftmost and rightmost x."""
    (left, back, _), (right, front, _) = body.extent_mm
    x, y = np.arange(left, right + 8, 8.0), np.arange(back, front + 2, 2.0)
    z = np.linspace(*grid.axis_mm(2)[[0, -1]], 9)
    solid = body.tissue(x[:, None, None], y[None, :, None], z[None, None, :]) != Tissue.AIR
    solid = solid.any(axis=2)
    hit = solid.any(axis=1)
    if not hit.any():
        return np.array([left, right]), np.array([back, back]), (left, right)
    return x[hit], y[solid[hit].argmax(axis=1)], (float(x[hit][0]), float(x[hit][-1]))


def _draw_arm(side: int, wall_mm: float, bed_mm: float, generator: np.random.Generator) -> _Arm:
    """An arm beside the body: the upper arm has one bone, the forearm two."""
    uniform = generator.uniform
    half_widths = (float(uniform(38, 52)), float(uniform(42, 56)))
    place = (wall_mm + side * (half_widths[0] + uniform(2, 20)), bed_mm + uniform(70, 110))
    bones = ((0.0, 0.0, 11.0),)
    if uniform() < 0.5:
        bones = ((-11.0, -9.0, 8.0), (11.0, 9.0, 8.0))
    return _Arm(
        centre=(float(place[0]), float(place[1])),
        lean=(float(uniform(-0.05, 0.05)), float(uniform(-0.1, 0.1))),
        half_widths=half_widths,
        fat_mm=float(uniform(3, 10)),
        bones=bones,
    )
