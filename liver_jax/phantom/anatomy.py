"""Subjects drawn at random, and the tissue at any point of them.

A subject is a set of implicit shapes in continuous coordinates (mm; x to the right, y to the front,
z to the head; z = 0 at the apex of the right diaphragm, x = y = 0 in the middle of the abdominal
cavity). A scanner of any kind asks `paint` for the tissue at the points that it samples. Shapes are
painted in order, each over those before it, so neighbours touch and nothing is left unpainted.
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from liver_jax.phantom import shapes
from liver_jax.phantom.shapes import Ellipsoid, Tube, Vector
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue

DIAPHRAGM_MM = 4.0
# The coarse grid on which a liver's size is solved for, and the one on which it is measured.
_SOLVE_STEP_MM, _MEASURE_STEP_MM = 6.0, 3.0
_FAR_MM = 1e3
_SMALL_BOWEL_LOOPS = 24


@dataclasses.dataclass(frozen=True)
class Subject:
    """One person: who it is, and every shape in it.

    Lengths in mm. `cavity`, `wall` and `body` are lateral and front-back half-widths of the
    abdominal cavity, the muscular wall and the skin; wall and body lie `back` behind the cavity.
    """

    sex: str
    age: int
    bmi: float
    liver_pdff_percent: float
    liver_volume_ml: float
    cavity: tuple[float, float]
    wall: tuple[float, float]
    body: tuple[float, float]
    back: float
    warp: tuple[tuple[float, float, float, float, float], ...]
    domes: tuple[tuple[float, float, float, float, float, float], ...]
    liver: tuple[Ellipsoid, ...]
    visceral_hollow: Ellipsoid
    hilum: Ellipsoid
    fissure_x: float
    liver_vessels: tuple[Tube, ...]
    lesions: tuple[Ellipsoid, ...]
    cysts: tuple[Ellipsoid, ...]
    gallbladder: Ellipsoid
    portal_vein: Tube
    vena_cava: Tube
    aorta: Tube
    heart: Ellipsoid
    spleen: Ellipsoid
    kidneys: tuple[Ellipsoid, ...]
    stomach: Tube
    stomach_gas_y: float
    pancreas: Tube
    colon: Tube
    small_bowel: tuple[Tube, ...]
    bowel_gas: tuple[float, ...]
    spine_y: float
    disc_phase_mm: float
    rib_phase_mm: float

    @property
    def scan_range_mm(self) -> tuple[float, float]:
        """Heights z of the lowest and the highest point of the liver, with room for the warp."""
        low = min(e.centre[2] - 1.02 * e.semi_axes[2] for e in self.liver) - self.warp_limit_mm
        return low, self.warp_limit_mm

    @property
    def warp_limit_mm(self) -> float:
        """The furthest that the warp moves a point along any one axis."""
        return max(abs(mode[0]) for mode in self.warp)


def draw(
    generator: np.random.Generator,
    steatotic_share: float = 0.75,
    finding_share: float = 0.1,
    highest_pdff_percent: float = 53.0,
) -> Subject:
    """Draws a subject.

    Args:
        generator: Source of all its randomness.
        steatotic_share: Probability of a fatty liver: PDFF 55 x Beta(2, 6); the others are
            lognormal with median 3 %. Both are clipped to 1.5 to `highest_pdff_percent`.
        finding_share: Probability of focal lesions, and of cysts.
        highest_pdff_percent: The paper's cohorts reach 53 %.

    Returns:
        The subject, with the liver scaled to a volume drawn from 1700 +/- 500 mL.
    """
    uniform, normal = generator.uniform, generator.normal
    sex = "FM"[generator.integers(2)]
    bmi = float(np.clip(normal(28.5, 4.5), 20, 42))
    excess = bmi - 22
    a = float(np.clip(118 + 1.1 * excess + 7 * (sex == "M") + normal(0, 4), 108, 152))
    b = float(np.clip(82 + 1.2 * excess + normal(0, 4), 74, 112))
    fat = float(np.clip((1.1 + 0.25 * (sex == "F")) * (bmi - 18) + normal(3, 2), 6, 36))
    wall = (a + float(uniform(11, 15)), b + float(uniform(17, 21)))
    body = (wall[0] + fat, wall[1] + 0.8 * fat)

    steatotic = uniform() < steatotic_share
    lean_pdff, fatty_pdff = generator.lognormal(math.log(3), 0.35), 55 * generator.beta(2, 6)
    pdff = float(np.clip(fatty_pdff if steatotic else lean_pdff, 1.5, highest_pdff_percent))
    target_ml = float(np.clip(normal(1700, 500), 900, 3000))

    parts = _organs(generator, a, b, finding_share)
    subject = Subject(
        sex=sex,
        age=int(np.clip(normal(54, 13), 20, 85)),
        bmi=round(bmi, 1),
        liver_pdff_percent=pdff,
        liver_volume_ml=math.nan,
        cavity=(a, b),
        wall=wall,
        body=body,
        back=-8.0,
        **parts,
    )
    return _with_liver_volume(subject, target_ml)


def _organs(generator: np.random.Generator, a: float, b: float, finding_share: float) -> dict:
    """Every organ of a subject whose cavity has the half-widths a and b, with a liver of size 1."""
    uniform, normal = generator.uniform, generator.normal

    def at(x: float, y: float, z: float, sd: float = 3.0) -> Vector:
        """A point given in half-widths (x, y) and mm (z), moved a little at random."""
        jitter = normal(0, sd, 3)
        return float(x * a + jitter[0]), float(y * b + jitter[1]), float(z + jitter[2])

    def sized(*semi_axes: float, sd: float = 0.08) -> Vector:
        factor = np.clip(normal(1, sd, 3), 0.75, 1.25)
        return tuple(float(s * f) for s, f in zip(semi_axes, factor, strict=True))

    def branches(points: list[Vector], radii: list[float], spread: float) -> list[Tube]:
        """A vessel and two side branches from the middle and the end of it."""
        tubes = [Tube(tuple(points), tuple(radii))]
        for start, radius in ((points[-2], radii[-2]), (points[-1], radii[-1])):
            forward = np.subtract(points[-1], points[-2])
            for _ in range(2):
                step = 0.7 * forward + normal(0, spread, 3)
                middle = np.asarray(start) + 0.5 * step + normal(0, 3, 3)
                end = np.asarray(start) + 1.1 * step
                path = (start, tuple(middle.tolist()), tuple(end.tolist()))
                tubes.append(Tube(path, (0.75 * radius, 0.6 * radius, 0.35 * radius)))
        return tubes

    left_dome_z = float(-18 + normal(0, 5))
    domes = (
        (0.47 * a, 0.05 * b, 0.0, 0.55 * a, 0.95 * b, 68.0),
        (-0.48 * a, 0.0, left_dome_z, 0.55 * a, 0.95 * b, 68.0),
        (0.0, 0.35 * b, left_dome_z - 4, 0.50 * a, 0.65 * b, 45.0),
    )
    left_reach = float(np.clip(normal(1.0, 0.22), 0.5, 1.4))  # from a small left lobe to a large
    liver = (
        Ellipsoid(at(0.50, -0.02, -60), sized(0.47 * a, 0.88 * b, 66)),
        Ellipsoid(at(0.72, -0.15, -100), sized(0.28 * a, 0.60 * b, 68)),
        Ellipsoid(at(0.14, 0.36, -56), sized(0.40 * a, 0.52 * b, 48)),
        Ellipsoid(
            at(-0.10 - 0.18 * left_reach, 0.52, -52),
            sized(0.40 * a * left_reach, 0.30 * b, 36),
            float(normal(8, 6)),
        ),
        Ellipsoid(at(0.17, -0.10, -58), sized(0.17 * a, 0.24 * b, 30)),
    )
    hollow = Ellipsoid(at(-0.12, -0.28, -142, 5), sized(0.62 * a, 0.74 * b, 66))

    cava_x, front = 24.0 + float(normal(0, 3)), -0.90 * b + 66
    cava = ((cava_x, front, -260.0), (cava_x, front + 2, -120.0))
    cava += ((cava_x + 3, front + 14, -50.0), (cava_x + 3, front + 22, 5.0))
    cava += ((cava_x - 10, front + 36, 40.0),)
    confluence = (cava_x + 4, front + 20, -32.0)
    hilum = at(0.20, 0.06, -88)
    vessels = []
    for middle, end in (
        ((0.48, -0.12, -48), (0.74, -0.05, -86)),
        ((0.26, 0.22, -50), (0.34, 0.58, -84)),
        ((0.02, 0.26, -44), (-0.22, 0.50, -58)),
    ):
        path = [confluence, at(*middle, 5), at(*end, 6)]
        vessels += branches(path, [5.5, 4.5, 2.6], 16)
    for middle, end in (
        ((0.46, 0.16, -80), (0.66, 0.42, -70)),
        ((0.48, -0.10, -92), (0.72, -0.42, -98)),
        ((0.05, 0.22, -76), (-0.16, 0.46, -62)),
    ):
        path = [hilum, at(*middle, 4), at(*end, 6)]
        vessels += branches(path, [6.0, 4.8, 2.6], 16)

    def findings(radius: tuple[float, float]) -> tuple[Ellipsoid, ...]:
        if uniform() >= finding_share:
            return ()
        found = []
        for _ in range(generator.integers(1, 4)):
            place = at(uniform(0.3, 0.8), uniform(-0.5, 0.5), uniform(-95, -35), 0)
            size = float(uniform(*radius))
            found.append(Ellipsoid(place, sized(size, size, size)))
        return tuple(found)

    bowel = []
    for _ in range(_SMALL_BOWEL_LOOPS):
        start = np.array(at(uniform(-0.60, 0.45), uniform(-0.05, 0.62), uniform(-250, -130), 0))
        turn = normal(0, 1, (2, 3)) * (26, 18, 14)
        path = np.stack([start, start + turn[0], start + turn[0] + turn[1]])
        path[:, 2] = np.minimum(path[:, 2], -122)
        radius = float(uniform(10, 14))
        bowel.append(Tube(tuple(map(tuple, path.tolist())), (radius,) * 3))

    colon = Tube(
        (
            at(0.74, -0.12, -290),
            at(0.72, 0.10, -196),
            at(0.30, 0.60, -182, 6),
            at(-0.30, 0.66, -172, 6),
            at(-0.74, 0.10, -118, 6),
            at(-0.78, -0.25, -200),
            at(-0.76, -0.20, -290),
        ),
        tuple(float(r) for r in uniform(16, 24, 7)),
    )
    kidney_x = 62 + float(normal(0, 3))
    kidney_y = -0.90 * b + 42
    return {
        "warp": tuple(
            (
                float(uniform(3, 6)),
                2 * math.pi / float(uniform(130, 260)),
                2 * math.pi / float(uniform(130, 260)),
                float(uniform(0, 2 * math.pi)),
                float(uniform(0, 2 * math.pi)),
            )
            for _ in range(3)
        ),
        "domes": domes,
        "liver": liver,
        "visceral_hollow": hollow,
        "hilum": Ellipsoid(hilum, (0.17 * a, 11.0, 9.0), 25.0),
        "fissure_x": float(-0.06 * a + normal(0, 5)),
        "liver_vessels": tuple(vessels),
        "lesions": findings((6, 14)),
        "cysts": findings((4, 12)),
        "gallbladder": Ellipsoid(at(0.36, 0.36, -112, 4), sized(15, 20, 30), -30.0),
        "portal_vein": Tube(
            (at(0.0, -0.02, -132, 2), at(0.08, 0.02, -112, 2), hilum), (6.5, 6.5, 6.0)
        ),
        "vena_cava": Tube(cava, (11.0, 12.0, 12.0, 13.0, 14.0)),
        "aorta": Tube(((-12.0, front, -300.0), (-16.0, front - 4, 60.0)), (9.0, 12.0)),
        "heart": Ellipsoid(at(-0.18, 0.38, 26), sized(0.44 * a, 0.50 * b, 52), -20.0),
        "spleen": Ellipsoid(at(-0.72, -0.34, -74, 4), sized(30, 48, 50, sd=0.12), -25.0),
        "kidneys": tuple(
            Ellipsoid(
                (side * kidney_x, kidney_y + float(normal(0, 3)), z + float(normal(0, 8))),
                sized(27, 31, 55),
                side * -35.0,
            )
            for side, z in ((1, -138), (-1, -122))
        ),
        "stomach": Tube(
            (
                at(-0.40, -0.08, -58, 4),
                at(-0.46, 0.24, -98, 5),
                at(-0.14, 0.46, -132, 5),
                at(0.14, 0.32, -126, 4),
            ),
            (float(uniform(28, 38)), float(uniform(24, 34)), float(uniform(17, 22)), 12.0),
        ),
        "stomach_gas_y": float(uniform(0.15, 0.6) * b),
        "pancreas": Tube(
            (at(0.22, 0.06, -138), at(0.0, 0.16, -122), at(-0.35, 0.0, -104), at(-0.58, -0.2, -92)),
            (13.0, 9.0, 9.0, 7.0),
        ),
        "colon": colon,
        "small_bowel": tuple(bowel),
        # How far in front of a loop's axis its gas begins, in radii; 1 and more: none.
        "bowel_gas": tuple(float(g) for g in uniform(-0.2, 2.2, _SMALL_BOWEL_LOOPS + 6)),
        "spine_y": -0.90 * b + 36,
        "disc_phase_mm": float(uniform(0, 34)),
        "rib_phase_mm": float(uniform(0, 27)),
    }


def _scaled(subject: Subject, scale: float) -> Subject:
    """The subject with its liver, and what lies in it, grown from the dome by `scale`.

    The hollow of the visceral surface only moves: its size is that of the neighbours.
    """
    anchor = (0.95 * subject.cavity[0], 0.0, 4.0)

    def moved(point: Vector) -> Vector:
        return tuple(o + scale * (p - o) for p, o in zip(point, anchor, strict=True))

    def grown(e: Ellipsoid) -> Ellipsoid:
        return Ellipsoid(moved(e.centre), tuple(scale * s for s in e.semi_axes), e.yaw_deg)

    def put(e: Ellipsoid) -> Ellipsoid:
        return dataclasses.replace(e, centre=moved(e.centre))

    def stretched(tube: Tube) -> Tube:
        return dataclasses.replace(tube, points=tuple(map(moved, tube.points)))

    portal = subject.portal_vein
    return dataclasses.replace(
        subject,
        liver=tuple(map(grown, subject.liver)),
        visceral_hollow=put(subject.visceral_hollow),
        hilum=put(subject.hilum),
        liver_vessels=tuple(map(stretched, subject.liver_vessels)),
        lesions=tuple(map(put, subject.lesions)),
        cysts=tuple(map(put, subject.cysts)),
        gallbladder=put(subject.gallbladder),
        portal_vein=dataclasses.replace(
            portal, points=(*portal.points[:-1], moved(portal.points[-1]))
        ),
    )


def _with_liver_volume(subject: Subject, target_ml: float) -> Subject:
    """Scales the liver to `target_ml` (to about 1 %) and measures it on a finer grid."""
    low, high, scale = 0.7, 1.5, 1.0
    for _ in range(6):
        volume = _liver_ml(_scaled(subject, scale), _SOLVE_STEP_MM)
        if abs(volume / target_ml - 1) < 0.01:
            break
        low, high = (scale, high) if volume < target_ml else (low, scale)
        # Between the cube law and the square law that a liver against its walls follows.
        scale = float(np.clip(scale * (target_ml / volume) ** 0.4, low, high))
    subject = _scaled(subject, scale)
    return dataclasses.replace(subject, liver_volume_ml=_liver_ml(subject, _MEASURE_STEP_MM))


def _liver_ml(subject: Subject, step_mm: float) -> float:
    """Volume by counting points of a grid around the liver."""
    # Vessels are liver to a reader and bowel gives way to it: neither changes the count.
    subject = dataclasses.replace(subject, liver_vessels=(), small_bowel=())
    a, b = subject.cavity
    low, high = subject.scan_range_mm
    margin = subject.warp_limit_mm
    x = np.arange(-0.9 * a - margin, a + margin, step_mm, dtype=np.float32)
    y = np.arange(-b - margin, b + margin, step_mm, dtype=np.float32)
    count = 0
    for z in np.array_split(np.arange(low, high, step_mm, dtype=np.float32), 4):
        tissue = paint(subject, x[:, None, None], y[None, :, None], z[None, None, :])
        count += int(np.isin(tissue, LIVER_TISSUES).sum())
    return count * step_mm**3 / 1000.0


@dataclasses.dataclass(frozen=True, eq=False)
class _Points:
    """Points to paint, and along each axis of the arrays the range that each index covers."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    tissue: np.ndarray
    x_range: tuple[np.ndarray, np.ndarray]
    y_range: tuple[np.ndarray, np.ndarray]
    z_range: tuple[float, float]

    def block(self, box: shapes.Box) -> tuple[slice, slice] | None:
        """The part of the first two axes that can lie in the box, None where there is none.

        Painting only there makes the cost of an organ that of its box.
        """
        (x0, y0, z0), (x1, y1, z1) = box
        if self.z_range[1] < z0 or self.z_range[0] > z1:
            return None
        i = np.flatnonzero((self.x_range[1] >= x0) & (self.x_range[0] <= x1))
        j = np.flatnonzero((self.y_range[1] >= y0) & (self.y_range[0] <= y1))
        if not i.size or not j.size:
            return None
        return slice(i[0], i[-1] + 1), slice(j[0], j[-1] + 1)

    def at(self, block: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.x[block], self.y[block], self.z[block]


def paint(subject: Subject, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The tissue at points in mm.

    Args:
        subject: Who.
        x: To the right; x, y and z broadcast to three axes. An open grid ([X, 1, 1], [1, Y, 1],
            [1, 1, Z]) is the cheap way, but any points will do.
        y: To the front.
        z: To the head.

    Returns:
        uint8 labels of `Tissue`, of the broadcast shape.
    """
    points = _warped(subject, x, y, z)
    dome = _dome(subject, points)
    _paint_body(subject, points)
    inside = _paint_cavity(subject, points, dome)
    liver = _liver_distance(subject, points, dome, inside)
    _paint_hollow_organs(subject, points, dome, inside, liver)
    _paint_liver(subject, points, liver)
    _paint_behind(subject, points)
    return points.tissue


def _warped(subject: Subject, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> _Points:
    """Points moved by a smooth random warp: each coordinate by a wave in the two others.

    In that form an open grid needs sines of its axes only.
    """
    x, y, z = (np.asarray(p, dtype=np.float32) for p in (x, y, z))
    shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
    warped, ranges = [], []
    for axis, (p, q, r) in enumerate(((x, y, z), (y, x, z), (z, x, y))):
        size, k1, k2, phase1, phase2 = subject.warp[axis]
        shift = size * np.sin(k1 * q + phase1) * np.sin(k2 * r + phase2)
        warped.append(np.broadcast_to(p + shift, shape))
        others = tuple({0, 1, 2} - {axis})
        # Bounds from before the warp: cheap where the grid is open.
        low, high = p.min(axis=others) - size, p.max(axis=others) + size
        ranges.append((np.broadcast_to(low, shape[axis]), np.broadcast_to(high, shape[axis])))
    z_range = (float(ranges[2][0].min()), float(ranges[2][1].max()))
    return _Points(*warped, np.zeros(shape, np.uint8), ranges[0], ranges[1], z_range)


def _dome(subject: Subject, p: _Points) -> np.ndarray:
    """Height of each point above the diaphragm, in mm."""
    if p.z_range[1] < -150.0:
        return p.z  # below every dome
    height = None
    for x0, y0, top, ax, ay, drop in subject.domes:
        radius = ((p.x - x0) * (1 / ax)) ** 2 + ((p.y - y0) * (1 / ay)) ** 2
        surface = top - drop * radius
        height = surface if height is None else np.maximum(height, surface)
    return p.z - height


def _superellipse(p: _Points, half_widths: tuple[float, float], y0: float) -> np.ndarray:
    """About the signed distance in mm to an ellipse with fuller corners."""
    u = (p.x * (1 / half_widths[0])) ** 2
    v = ((p.y - y0) * (1 / half_widths[1])) ** 2
    radius = np.sqrt(np.maximum(u + v - 0.22 * u * v, 0))
    return (radius - 1.0) * (sum(half_widths) / 2)


def _paint_body(subject: Subject, p: _Points) -> None:
    """Skin, subcutaneous fat, the muscular wall and the ribs in it."""
    body = _superellipse(p, subject.body, subject.back)
    wall = _superellipse(p, subject.wall, subject.back)
    tissue = p.tissue
    tissue[body < 0] = Tissue.SKIN
    tissue[body < -2.0] = Tissue.SUBCUTANEOUS_FAT
    tissue[wall < 0] = Tissue.MUSCLE

    # Ribs run round the chest and down towards the front, one every 27 mm, in mid-wall.
    if p.z_range[1] > -175.0:
        along = p.z + 0.5 * p.y
        period = 27.0
        offset = np.mod(along + subject.rib_phase_mm, period) - period / 2
        cross = np.sqrt((offset * 0.62) ** 2 + (wall + 6.0) ** 2)
        bony = (cross < 4.2) & (along > -150.0) & (p.y < 0.72 * subject.cavity[1])
        tissue[bony] = Tissue.CORTICAL_BONE
        tissue[bony & (cross < 2.6)] = Tissue.MARROW


def _paint_cavity(subject: Subject, p: _Points, dome: np.ndarray) -> np.ndarray:
    """Visceral fat below the diaphragm, lung, heart and mediastinum above. Returns the distance."""
    inside = _superellipse(p, subject.cavity, 0.0)
    tissue = p.tissue
    tissue[inside < 0] = Tissue.VISCERAL_FAT
    if p.z_range[1] < -150.0:
        return inside
    above = (inside < 1.0) & (dome > 0)
    tissue[above] = Tissue.LUNG
    tissue[(inside < 0) & (np.abs(dome + DIAPHRAGM_MM / 2) < DIAPHRAGM_MM / 2)] = Tissue.MUSCLE
    middle = above & (np.abs(p.x) < 26.0) & (p.y < -0.90 * subject.cavity[1] + 84)
    tissue[middle] = Tissue.VISCERAL_FAT
    if block := p.block(shapes.ellipsoid_box(subject.heart)):
        distance = shapes.ellipsoid_distance(subject.heart, *p.at(block))
        part, chest = tissue[block], above[block]
        part[chest & (distance < 0)] = Tissue.VISCERAL_FAT
        part[chest & (distance < -5)] = Tissue.MUSCLE
        part[chest & (distance < -16)] = Tissue.ARTERY
    return inside


def _liver_distance(
    subject: Subject, p: _Points, dome: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """About the signed distance in mm to the liver: blended lobes within the cavity and its dome.

    Lobes are summed as q^-3 of their squared radii q (a smooth union: each alone has its surface
    at 1) and the hollow for the visceral organs is taken away in the same way.
    """
    distance = np.full(p.tissue.shape, _FAR_MM, np.float32)
    corners = [shapes.ellipsoid_box(e) for e in subject.liver]
    margin = 25.0  # blending bulges beyond the single lobes
    box = (
        tuple(min(c[0][k] for c in corners) - margin for k in range(3)),
        tuple(max(c[1][k] for c in corners) + margin for k in range(3)),
    )
    block = p.block(box)
    if block is None:
        return distance
    x, y, z = p.at(block)
    field = np.zeros(x.shape, np.float32)
    for sign, lobe in [(1, e) for e in subject.liver] + [(-1, subject.visceral_hollow)]:
        q = np.maximum(shapes.squared_radius(lobe, x, y, z), 0.05)
        field += sign / (q * q * q)
    radius = np.maximum(field, 1e-4) ** np.float32(-1 / 6)
    # A cleft for the round ligament: it opens downwards and to the front of the liver.
    depth = (y - 0.34 * subject.cavity[1]) * 0.12
    width = np.clip(np.minimum((-60.0 - z) * 0.08, depth), -1.0, 4.0)
    bend = 5.0 * np.sin(y * 0.07) + 0.15 * y
    shape = np.maximum((radius - 1.0) * 55.0, width - np.abs(x - subject.fissure_x - bend))
    # Beds of the kidneys, open to the back and the middle, and the room of spine and aorta: the
    # liver never wraps round what lies behind the peritoneum.
    for kidney in subject.kidneys:
        side = math.copysign(1.0, kidney.centre[0])
        bed = Ellipsoid(
            (kidney.centre[0] - 20 * side, kidney.centre[1] - 24, kidney.centre[2] - 4),
            tuple(s + m for s, m in zip(kidney.semi_axes, (26, 28, 8), strict=True)),
            kidney.yaw_deg,
        )
        np.maximum(shape, -shapes.ellipsoid_distance(bed, x, y, z), out=shape)
    spine_room = 42.0 - np.hypot(x + 12.0, y - subject.spine_y - 4.0)
    np.maximum(shape, spine_room, out=shape)
    np.maximum(shape, inside[block] + 2.0, out=shape)
    np.maximum(shape, dome[block] + DIAPHRAGM_MM, out=shape)
    distance[block] = shape
    return distance


def _capsules(
    p: _Points, tube: Tube, margin: float = 0.0
) -> Iterator[tuple[tuple[slice, slice], np.ndarray, int]]:
    """Each part of a tube that the points reach: where, the distance to it, and which it is."""
    for k, (start, end) in enumerate(zip(tube.points[:-1], tube.points[1:], strict=True)):
        radii = tube.radii[k], tube.radii[k + 1]
        block = p.block(shapes.segment_box(start, end, max(radii) + margin))
        if block is not None:
            yield block, shapes.segment_distance(start, end, radii, *p.at(block)), k


def _paint_tube(p: _Points, tube: Tube, tissue: Tissue, only: tuple[Tissue, ...] = ()) -> None:
    for block, distance, _ in _capsules(p, tube):
        part, mask = p.tissue[block], distance < 0
        if only:
            mask &= np.isin(part, only)
        part[mask] = tissue


def _paint_hollow_organs(
    subject: Subject, p: _Points, dome: np.ndarray, inside: np.ndarray, liver: np.ndarray
) -> None:
    """Spleen, pancreas, stomach and bowel; they yield to the liver, and keep their walls there."""
    free = np.maximum(np.maximum(inside + 2.0, dome + DIAPHRAGM_MM), 1.0 - liver)

    if block := p.block(shapes.ellipsoid_box(subject.spleen)):
        distance = shapes.ellipsoid_distance(subject.spleen, *p.at(block))
        p.tissue[block][np.maximum(distance, free[block]) < 0] = Tissue.SPLEEN

    loops = [
        (tube, 2.0, level)
        for tube, level in zip(subject.small_bowel, subject.bowel_gas, strict=False)
    ]
    _paint_loops(p, loops, free)
    colon = subject.colon
    parts = [
        (Tube(colon.points[k : k + 2], colon.radii[k : k + 2]), 2.5, level - 0.6)
        for k, level in enumerate(subject.bowel_gas[-6:])
    ]
    _paint_loops(p, parts, free)

    _paint_tube(p, subject.pancreas, Tissue.PANCREAS, (Tissue.VISCERAL_FAT,))

    pieces = list(_capsules(p, subject.stomach))
    for depth in (0.0, 4.0):
        for block, distance, _ in pieces:
            part = p.tissue[block]
            mask = np.maximum(distance, free[block]) < -depth
            if not depth:
                part[mask] = Tissue.BOWEL_WALL
                continue
            part[mask] = Tissue.BOWEL_FLUID
            part[mask & (p.y[block] > subject.stomach_gas_y)] = Tissue.BOWEL_GAS


def _paint_loops(p: _Points, loops: list[tuple[Tube, float, float]], free: np.ndarray) -> None:
    """Loops of bowel (tube, thickness of its wall, level of its gas): all walls, then contents."""
    pieces = [
        (block, np.maximum(distance, free[block]), tube, k, wall, level)
        for tube, wall, level in loops
        for block, distance, k in _capsules(p, tube)
    ]
    for block, distance, *_ in pieces:
        p.tissue[block][distance < 0] = Tissue.BOWEL_WALL
    for block, distance, tube, k, wall, level in pieces:
        part, lumen = p.tissue[block], distance < -wall
        part[lumen] = Tissue.BOWEL_FLUID
        top = max(tube.points[k][1], tube.points[k + 1][1]) + level * tube.radii[k]
        part[lumen & (p.y[block] > top)] = Tissue.BOWEL_GAS


def _paint_liver(subject: Subject, p: _Points, liver: np.ndarray) -> None:
    """The liver, the fat of its hilum, its vessels, its findings and the gallbladder."""
    tissue = p.tissue
    tissue[liver < 0] = Tissue.LIVER
    for organ, paint_with in (
        (subject.hilum, Tissue.VISCERAL_FAT),
        *((e, Tissue.LESION) for e in subject.lesions),
        *((e, Tissue.CYST) for e in subject.cysts),
    ):
        if block := p.block(shapes.ellipsoid_box(organ)):
            part = tissue[block]
            mask = shapes.squared_radius(organ, *p.at(block)) < 1
            part[mask & (part == Tissue.LIVER)] = paint_with
    if p.z_range[1] > -250:
        for vessel in subject.liver_vessels:
            _paint_tube(p, vessel, Tissue.LIVER_VESSEL, (Tissue.LIVER,))
    _paint_tube(p, subject.portal_vein, Tissue.VEIN, (Tissue.VISCERAL_FAT, Tissue.PANCREAS))
    _paint_tube(p, subject.portal_vein, Tissue.LIVER_VESSEL, (Tissue.LIVER,))
    if block := p.block(shapes.ellipsoid_box(subject.gallbladder)):
        distance = shapes.ellipsoid_distance(subject.gallbladder, *p.at(block))
        part = tissue[block]
        part[distance < 0] = Tissue.BOWEL_WALL
        part[distance < -1.5] = Tissue.BILE


def _paint_behind(subject: Subject, p: _Points) -> None:
    """Kidneys, great vessels, psoas, the muscles of the back and the spine."""
    tissue = p.tissue
    abdominal = (Tissue.LUNG, Tissue.MUSCLE)
    for kidney in subject.kidneys:
        bed = dataclasses.replace(kidney, semi_axes=tuple(s + 4 for s in kidney.semi_axes))
        if block := p.block(shapes.ellipsoid_box(bed)):
            x, y, z = p.at(block)
            distance = shapes.ellipsoid_distance(kidney, x, y, z)
            part = tissue[block]
            free = ~np.isin(part, abdominal)
            part[free & (distance < 2.5)] = Tissue.VISCERAL_FAT
            part[free & (distance < 0)] = Tissue.KIDNEY_CORTEX
            lobes = 2.5 * np.sin(z * 0.35) * np.sin(y * 0.3)
            part[free & (distance < -8 + lobes)] = Tissue.KIDNEY_MEDULLA
            side = 1.0 if kidney.centre[0] > 0 else -1.0
            sinus = Ellipsoid(
                (kidney.centre[0] - side * 12, kidney.centre[1] + 8, kidney.centre[2]),
                (17.0, 11.0, 24.0),
                kidney.yaw_deg,
            )
            hollow = shapes.squared_radius(sinus, x, y, z) < 1
            part[hollow & free & (distance < 0)] = Tissue.VISCERAL_FAT

    spine_y = subject.spine_y
    for side in (-1.0, 1.0):
        if p.z_range[0] < -95:
            psoas = Tube(
                ((side * 28.0, spine_y + 2, -100.0), (side * 46.0, spine_y + 6, -300.0)),
                (7.0, 22.0),
            )
            _paint_tube(p, psoas, Tissue.MUSCLE)
        crus = Tube(
            ((side * 12.0, spine_y + 22, -190.0), (side * 14.0, spine_y + 24, -40.0)), (4.0, 5.0)
        )
        _paint_tube(p, crus, Tissue.MUSCLE)
    _paint_tube(p, subject.vena_cava, Tissue.VEIN)
    _paint_tube(p, subject.aorta, Tissue.ARTERY)
    _paint_spine(subject, p)


def _paint_spine(subject: Subject, p: _Points) -> None:
    """The muscles of the back in their fat, vertebrae, discs, arches, the canal and the cord."""
    spine_y = subject.spine_y
    block = p.block(((-72.0, spine_y - 78, -_FAR_MM), (72.0, spine_y + 22, _FAR_MM)))
    if block is None:
        return
    x, y, z = p.at(block)
    part = p.tissue[block]
    behind = part == Tissue.MUSCLE
    beside = np.abs(x)
    bed = ((beside - 34) * (1 / 36)) ** 2 + ((y - spine_y + 40) * (1 / 26)) ** 2
    part[behind & (bed < 1)] = Tissue.VISCERAL_FAT
    muscle = ((beside - 33) * (1 / 33)) ** 2 + ((y - spine_y + 41) * (1 / 24)) ** 2
    soft = (Tissue.MUSCLE, Tissue.VISCERAL_FAT, Tissue.SUBCUTANEOUS_FAT, Tissue.LUNG)
    within = np.isin(part, soft)
    part[within & (muscle < 1)] = Tissue.MUSCLE

    period = 34.0
    level = np.mod(z + subject.disc_phase_mm, period)
    disc = level < 7.0
    waist = 1.0 - 0.06 * np.sin(np.clip((level - 7.0) * (math.pi / 27.0), 0.0, math.pi))
    radius = np.sqrt((x * (1 / 23.0)) ** 2 + ((y - spine_y) * (1 / 17.5)) ** 2)
    body = (radius / waist - 1.0) * 20.0
    arch_level = (level > 14.0) & (level < 28.0)
    lamina = np.abs(np.sqrt(x**2 + (y - spine_y + 25) ** 2) - 12.5) - 2.5
    process = np.maximum(np.abs(x) - 3.0, np.abs(y - spine_y + 51) - 14.0)
    transverse = np.maximum(np.abs(y - spine_y + 26) - 4.0, np.abs(beside - 24) - 12.0)
    arch = np.minimum(np.minimum(lamina, process), transverse)
    for bone, where in ((arch, arch_level), (body, ~disc)):
        part[where & (bone < 0)] = Tissue.CORTICAL_BONE
        part[where & (bone < -1.5)] = Tissue.MARROW
    part[disc & (body < 0)] = Tissue.DISC
    canal = np.sqrt(x**2 + ((y - spine_y + 25) * 1.15) ** 2)
    part[canal < 9.0] = Tissue.CSF
    part[canal < 5.0] = Tissue.CORD
