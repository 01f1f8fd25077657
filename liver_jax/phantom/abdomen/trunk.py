"""The trunk: skin, fat under it, the layers of the wall with the ribs, the diaphragm."""

import dataclasses
import math

import numpy as np

from liver_jax.phantom.abdomen.frame import Frame
from liver_jax.phantom.abdomen.points import FAR_MM, Points
from liver_jax.phantom.person import Finding
from liver_jax.phantom.shapes import Box
from liver_jax.physics.tissues import Tissue

_DIAPHRAGM_MM = 3.0
_SKIN_MM = 2.0
_RIB_PERIOD_MM = 29.0
_RECTUS_X, _RECTUS_HALF_WIDTH = 36.0, 33.0
# Below this height there is no lung, whatever the subject.
_LUNGLESS_Z = -150.0


@dataclasses.dataclass(frozen=True)
class Trunk:
    """Measures of the trunk in mm; the cavity's middle is at x = y = 0.

    Attributes:
        a: Half the cavity's width.
        b: Half its depth.
        spine_y: The middle of the vertebral bodies.
        belly: How much the cavity widens downwards (negative: a waist), and how much further it
            stands out in front; parts of its size.
        muscle_mm: Thickness of the lateral wall among the ribs, of it below them, of the rectus.
        fat_mm: Subcutaneous fat in front, at the sides, at the back.
        roll_mm: How far rolls of fat stand out, and the height of one.
        breast_mm: How far the breasts stand out.
        domes: Of the diaphragm: x, y, top, half-widths along x and y, drop.
        arch_z: Height of the costal margin at the sides.
        rib_phase_mm: Where the ribs begin.
    """

    a: float
    b: float
    spine_y: float
    belly: tuple[float, float]
    muscle_mm: tuple[float, float, float]
    fat_mm: tuple[float, float, float]
    roll_mm: tuple[float, float]
    breast_mm: float
    domes: tuple[tuple[float, float, float, float, float, float], ...]
    arch_z: float
    rib_phase_mm: float

    def cavity_distance(self, p: Points) -> tuple[np.ndarray, np.ndarray]:
        """Distance to the cavity along rays from its axis, in mm, and sin^2 of a ray's angle."""
        low = np.clip((-90.0 - p.height) * (1 / 120.0), 0.0, 1.0)
        high = np.clip((p.height + 40.0) * (1 / 110.0), 0.0, 1.0)
        widening, bulge = self.belly
        low = low * low * (3 - 2 * low)
        profile = 1.0 + widening * low - 0.12 * high * high
        back = (1 / (self.b * profile)).astype(np.float32)
        front = (1 / (self.b * (profile + bulge * low))).astype(np.float32)
        u = (p.x * (1 / (self.a * profile)).astype(np.float32)) ** 2
        v = (p.y * np.where(p.y > 0, front, back)) ** 2
        # Fuller than an ellipse.
        squared = u + v - 0.3 * np.minimum(u * v, 1.5)
        y_squared = p.y * p.y
        length = p.x * p.x + y_squared
        y_squared /= length + 1.0
        np.sqrt(length, out=length)
        length -= length / np.sqrt(np.maximum(squared, 1e-3))
        return length, y_squared

    @property
    def cavity_box(self) -> Box:
        """Corners of a box that holds the cavity; without end in z."""
        wide = 1.0 + max(self.belly[0], 0.0)
        front = wide + max(self.belly[1], 0.0)
        half_x, back, front = wide * self.a + 1.0, wide * self.b + 1.0, front * self.b + 1.0
        return (-half_x, -back, -FAR_MM), (half_x, front, FAR_MM)

    def inside(self, p: Points, cavity: np.ndarray) -> np.ndarray:
        """Distance to what holds the organs: the cavity less the spine and the back's muscles."""
        muscles = (p.x * (1 / 54.0)) ** 2 + ((p.y - (self.spine_y - 48.0)) * (1 / 29.0)) ** 2
        vertebra = (p.x * (1 / 24.5)) ** 2 + ((p.y - self.spine_y + 3.0) * (1 / 21.0)) ** 2
        # A smooth union: the radius at which r^-8 of both sum to 1.
        total = 1e-6
        for squared in (muscles, vertebra):
            squared *= squared
            squared *= squared
            total = total + 1 / (squared + 1e-6)
        radius = 1 / np.sqrt(np.sqrt(np.sqrt(total)))
        return np.maximum(cavity, (1.0 - radius) * 30.0)

    def dome_distance(self, p: Points) -> np.ndarray:
        """Height of each point above the diaphragm, in mm; a distance near its top."""
        if p.z_range[1] < _LUNGLESS_Z:
            return p.z
        height = None
        for x0, y0, top, ax, ay, drop in self.domes:
            radius = ((p.x - x0) * (1 / ax)) ** 2 + ((p.y - y0) * (1 / ay)) ** 2
            surface = top - drop * radius
            height = surface if height is None else np.maximum(height, surface)
        return p.z - height

    def paint(self, p: Points, cavity: np.ndarray, sine: np.ndarray) -> None:
        """Paints skin, fat, muscle and ribs; `cavity` and `sine` as of `cavity_distance`."""
        wall = self._wall_mm(p, sine)
        # Fat fills the grooves between the muscles.
        smooth = 14.0 + sine * np.where(p.y > 0, np.float32(-3.0), np.float32(12.0))
        skin = cavity - smooth - self._fat_mm(p, sine)
        # Who lies on the back is flat there.
        flat = -(self.b + 24.0 + 0.75 * self.fat_mm[2])
        skin = _rounded_maximum(skin, flat - p.y)
        tissue = p.tissue
        tissue[skin < 0] = Tissue.SKIN
        under = skin < -_SKIN_MM
        tissue[under] = Tissue.SUBCUTANEOUS_FAT
        # Fibrous septa of the fat.
        septa = under & (np.abs(p.medium + 0.2 * p.coarse) < 0.035) & (p.coarse > 0.3)
        tissue[septa] = Tissue.SKIN
        self._paint_wall(p, cavity, wall, sine, (cavity < wall) & (skin < -_SKIN_MM - 2.0))

    def _wall_mm(self, p: Points, sine: np.ndarray) -> np.ndarray:
        among_ribs, below, rectus = self.muscle_mm
        lower = np.clip((self.arch_z + 15.0 - p.height) * (1 / 40.0), 0.0, 1.0)
        side = (among_ribs + (below - among_ribs) * lower).astype(np.float32)
        front = np.clip(sine * 2.2 - 0.9, 0.0, 1.0)  # 1 in front and behind, 0 at the sides
        belly = 1.0 - ((np.abs(p.x) - _RECTUS_X) * (1 / _RECTUS_HALF_WIDTH)) ** 2
        belly = 3.0 + rectus * np.sqrt(np.maximum(belly, 0.0))
        belly = belly + (1.0 - lower).astype(np.float32) * (side - belly) * 0.8
        middle = np.clip((85.0 - np.abs(p.x)) * (1 / 55.0), 0.0, 1.0)
        back = 15.0 + 13.0 * middle * middle * (3 - 2 * middle)
        return side + front * (np.where(p.y > 0, belly, back) - side) + 0.6 * p.coarse

    def _fat_mm(self, p: Points, sine: np.ndarray) -> np.ndarray:
        front, side, back = self.fat_mm
        fold, height = self.roll_mm
        handle = np.clip((-110.0 - p.height) * (1 / 90.0), 0.0, 1.0)
        roll = np.abs(np.sin(p.height * (math.pi / height)))
        side = (side * (1 + 0.35 * handle) + fold * roll).astype(np.float32)
        end = np.where(p.y > 0, np.float32(front), np.float32(back))
        fat = (side + sine * (end - side)) * (1 + 0.04 * p.coarse)
        if self.breast_mm and p.z_range[1] > -100.0:
            slope = ((np.abs(p.x) - 0.62 * self.a) * (1 / 42.0)) ** 2
            slope += ((p.z - 30.0) * (1 / 42.0)) ** 2
            fat += np.float32(self.breast_mm) * np.exp(-slope) * (p.y > 0)
        return np.maximum(fat, 3.0)

    def _paint_wall(
        self, p: Points, cavity: np.ndarray, wall: np.ndarray, sine: np.ndarray, where: np.ndarray
    ) -> None:
        """Paints muscle, the fat between its sheets, and ribs."""
        index = np.flatnonzero(where & (cavity > -1.0))
        p.tissue[where] = Tissue.MUSCLE
        given = (p.x, p.y, p.z, p.coarse, p.medium, cavity, wall, sine)
        x, y, z, coarse, medium, cavity, wall, sine = (array.ravel()[index] for array in given)
        side = np.abs(x)
        layers = np.full(len(index), Tissue.MUSCLE, np.uint8)
        depth = cavity / wall + 0.04 * coarse
        lateral = (sine < 0.75) & (cavity > 0)
        sheets = (np.abs(depth - 0.36) < 0.045) | (np.abs(depth - 0.68) < 0.05)
        # Among the ribs: fat outside them, below the latissimus and the oblique muscle.
        outside = np.abs(cavity - self.muscle_mm[0] + 4.5 + 0.6 * medium) < 0.8
        sheets = np.where(z + 0.45 * y > self.arch_z, outside, sheets)
        beside = side > 58.0 + 3.0 * coarse
        rear = beside & (y < -0.5 * self.b) & (cavity > 0)
        rear &= np.abs(depth - 0.6 - 0.1 * coarse) < 0.06
        layers[lateral & sheets | rear] = Tissue.SUBCUTANEOUS_FAT
        # Outside the peritoneum.
        layers[(np.abs(cavity) < 0.8) & (beside | (y > 0))] = Tissue.VISCERAL_FAT
        if p.z_range[1] > self.arch_z - 60:
            self._paint_ribs(layers, (x, y, z), cavity, (coarse, medium))
        p.tissue.flat[index] = layers

    def _paint_ribs(
        self,
        layers: np.ndarray,
        places: tuple[np.ndarray, ...],
        cavity: np.ndarray,
        textures: tuple[np.ndarray, np.ndarray],
    ) -> None:
        """Ribs run round the chest and down to the front; their cartilage rises to the sternum."""
        x, y, z = places
        coarse, medium = textures
        side = np.abs(x)
        along = z + 0.5 * y - 0.85 * np.maximum(0.72 * self.a - side, 0.0) * (y > 0)
        offset = np.mod(along + self.rib_phase_mm + 3.0 * coarse, _RIB_PERIOD_MM)
        across = np.hypot((offset - _RIB_PERIOD_MM / 2) * 0.62, cavity - 4.8)
        # The last ribs end at the flank; behind, all end at the spine.
        last = self.arch_z + np.clip((y + 0.45 * self.b) * 1.1, -30.0, 45.0)
        bony = (across < 4.4) & (along > last) & ((side > 50.0) | (y > 0))
        layers[bony] = Tissue.CORTICAL_BONE
        layers[bony & (across < 2.9)] = Tissue.MARROW
        layers[bony & (y > 0.42 * self.b)] = Tissue.CARTILAGE
        if z.max(initial=-FAR_MM) > -50.0:
            half_width = np.clip((z + 60.0) * 0.5, 5.0, 17.0)
            plate = (np.hypot(side / half_width, (cavity - 5.5) * (1 / 4.8)) - 1.0) * 4.8
            sternum = (y > 0) & (z > -50.0) & (plate < 0.3 * medium)
            layers[sternum] = Tissue.CORTICAL_BONE
            layers[sternum & (plate < -1.0)] = Tissue.MARROW

    def paint_cavity(
        self, p: Points, cavity: np.ndarray, inside: np.ndarray, dome: np.ndarray
    ) -> None:
        """Paints the fat of the belly, the lungs, the diaphragm and the fat between the lungs."""
        tissue = p.tissue
        within = inside < 0
        tissue[(cavity < 0) & ~within] = Tissue.MUSCLE
        tissue[within] = Tissue.VISCERAL_FAT
        if p.z_range[1] < _LUNGLESS_Z:
            return
        tissue[within & (dome > 0)] = Tissue.LUNG
        tissue[within & (np.abs(dome + _DIAPHRAGM_MM / 2) < _DIAPHRAGM_MM / 2)] = Tissue.MUSCLE
        middle = np.abs(p.x + 4.0 - 4.0 * p.coarse) < 24.0
        tissue[within & (dome > 0) & middle & (p.y < self.spine_y + 62)] = Tissue.VISCERAL_FAT


def _rounded_maximum(first: np.ndarray, second: np.ndarray, radius_mm: float = 30.0) -> np.ndarray:
    """The larger one, with the edge where they meet rounded."""
    edge = np.maximum(radius_mm - np.abs(first - second), 0.0)
    return np.maximum(first, second) + edge * edge * (0.25 / radius_mm)


def draw(frame: Frame, generator: np.random.Generator) -> Trunk:
    """Draws a trunk around a cavity."""
    uniform, normal = generator.uniform, generator.normal
    a, b = frame.a, frame.b
    male = frame.person.sex == "M"
    fat = float(np.clip((frame.person.bmi - 16.5) * (1.0 if male else 1.35), 3, 40))
    left_z = float(-16 + normal(0, 5) + 10 * frame.has(Finding.SPLENOMEGALY))
    return Trunk(
        a=a,
        b=b,
        spine_y=frame.spine_y,
        belly=(
            float(np.clip(-0.10 + 0.20 * frame.visceral_fat + normal(0, 0.02), -0.12, 0.12)),
            float(np.clip(-0.10 + 0.30 * frame.visceral_fat + normal(0, 0.05), -0.12, 0.28)),
        ),
        muscle_mm=(
            float(uniform(13, 16)),
            float(uniform(16, 23) + 3 * male),
            float(uniform(6, 10) + 3 * male),
        ),
        fat_mm=(
            max(4.0, float(fat * uniform(0.6, 1.1) * (0.8 if male else 1.0))),
            max(4.0, float(fat * uniform(0.85, 1.3))),
            max(7.0, float(fat * uniform(0.9, 1.5))),
        ),
        roll_mm=(float(max(0.0, fat - 16) * uniform(0.0, 0.35)), float(uniform(70, 120))),
        breast_mm=0.0 if male else float(np.clip(fat * uniform(0.8, 2.2), 8, 50)),
        domes=(
            (0.47 * a, 0.05 * b, 0.0, 0.55 * a, 0.95 * b, 64.0),
            (-0.48 * a, 0.0, left_z, 0.55 * a, 0.95 * b, 64.0),
            (0.0, 0.35 * b, left_z - 4, 0.50 * a, 0.65 * b, 45.0),
        ),
        arch_z=float(-138 + normal(0, 12)),
        rib_phase_mm=float(uniform(0, _RIB_PERIOD_MM)),
    )
