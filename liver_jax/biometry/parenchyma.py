"""The parenchyma of a liver mask: what lies away from its border, and which voxels are vessels."""

import numpy as np
from scipy import ndimage

from liver_jax.biometry import extent
from liver_jax.volume import geometry

# Within this of its surface a mask holds what is partly something else: fat, lung, a reader's hand.
BORDER_MM = 5.0
# Axes finer than this are not refined to find the mask's surface: half of it is the error at most.
_FINE_MM = 1.0
_SLAB = 64  # sections eroded at once

# The surroundings that a voxel is compared with are wider than the trunk of the portal vein (about
# 13 mm) and narrower than what a receive coil shades: the standard deviation of a Gaussian weight.
_SURROUNDINGS_MM = 15.0
# Averages the noise, and keeps a vessel of 3 mm: the standard deviation of a Gaussian, in plane.
_SMOOTHING_MM = 1.0
# In standard deviations of the parenchyma: a vessel starts above the first, ends at the second.
_SEED, _EDGE = 3.5, 2.0
_SMALLEST_ML = 0.1
_CLIPPED = 2.5  # standard deviations; farther off is not parenchyma
_SD_OF_CLIPPED = 1.3  # over the mean absolute deviation, of a normal clipped there
_SMALLEST_SPREAD = 1e-3  # of the parenchyma's signal: what differs by less is rounded
_ROUNDS = 4


def depth_mm(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """How deep in a mask the centre of each voxel lies: its distance to the mask's surface.

    The surface runs between voxels, as boxes, so that a thick section at the mask's end has its
    centre half a thickness deep. Where the organ's surface is slanted, corners of voxels jut in,
    and the depth is up to half a voxel's diagonal less than that below a smooth surface. The edge
    of the grid is no surface: what lies beyond is not known.
    Exact where the axes of the grid are at right angles, in any direction. On a sheared grid (the
    gantry tilt of a CT) each axis is taken as it runs, as if it were at right angles to the others.

    Args:
        mask: bool [x, y, z].
        affine: [4, 4], voxel indices to RAS+ millimetres.

    Returns:
        float64 [x, y, z] in mm: 0 outside; infinite throughout where the mask fills the grid.
    """
    mask = mask.astype(bool, copy=False)
    depth = np.zeros(mask.shape)
    if not mask.any():
        return depth
    if mask.all():
        return np.full(mask.shape, np.inf)
    box = extent.bounding_box(mask, margin=1)
    # A coarse axis gets points between the voxels, too: the nearest point of a box outside is then
    # one of the grid, and the Euclidean transform exact.
    spacing_mm = geometry.spacing_mm(affine)
    inside, centres = mask[box], [slice(None)] * 3
    for axis in np.flatnonzero(spacing_mm > _FINE_MM):
        before, after = np.delete(inside, -1, axis), np.delete(inside, 0, axis)
        shape = list(inside.shape)
        shape[axis] = 2 * shape[axis] - 1
        refined = np.empty(shape, bool)
        even = tuple(slice(0 if k == axis else None, None, 2 if k == axis else 1) for k in range(3))
        odd = tuple(slice(1 if k == axis else None, None, 2 if k == axis else 1) for k in range(3))
        refined[even], refined[odd] = inside, before & after
        inside, centres[axis] = refined, slice(None, None, 2)
    steps_mm = np.where(spacing_mm > _FINE_MM, spacing_mm / 2, spacing_mm)
    if inside.all():
        return np.where(mask, np.inf, 0.0)
    depth[box] = ndimage.distance_transform_edt(inside, sampling=steps_mm)[tuple(centres)]
    return depth


def erode_mm(mask: np.ndarray, affine: np.ndarray, distance_mm: float) -> np.ndarray:
    """Takes off what lies within a distance of the mask's surface.

    A voxel stays where its centre is deeper than the distance (`depth_mm`): with sections of 8 mm,
    whose ends lie 4 mm deep, 3 mm leaves the mask's end sections and 5 mm takes them off, as the
    partial volume in them demands. The edge of the grid takes nothing off.

    Args:
        mask: bool [x, y, z].
        affine: [4, 4], voxel indices to RAS+ millimetres.
        distance_mm: 0 leaves the mask as it is.

    Returns:
        bool [x, y, z]; empty where the mask is thinner than twice the distance everywhere.

    Raises:
        ValueError: The distance is negative.
    """
    if distance_mm < 0:
        raise ValueError(f"a mask cannot be eroded by {distance_mm} mm")
    core = np.zeros(mask.shape, bool)
    box = extent.bounding_box(mask)
    if box is None:
        return core
    # Slab by slab: the transform takes some 50 bytes for each voxel. What lies farther off than the
    # distance does not matter, so that the slabs' own edges take nothing off.
    halo = int(np.ceil(distance_mm / geometry.spacing_mm(affine)[2])) + 2
    for start in range(box[2].start, box[2].stop, _SLAB):
        stop = min(start + _SLAB, box[2].stop)
        low = max(0, start - halo)
        deep = depth_mm(mask[..., low : stop + halo], affine) > distance_mm
        core[..., start:stop] = deep[..., start - low : stop - low]
    return core


def find_vessels(
    image: np.ndarray, mask: np.ndarray, affine: np.ndarray, vessels_are: str = "brighter"
) -> np.ndarray:
    """Finds the vessels of the liver by their contrast with the parenchyma around them.

    Of several echoes the mean of the later half is looked at. There, blood is brighter than liver
    in any sequence without contrast agent, as its R2* is less than half of the liver's; its water
    alone, and the first echo, tell little. A fat fraction is not looked at: taking out the voxels
    in which noise makes PDFF low would raise the mean of the others. For R2* that cannot be had,
    as R2* is what tells them: the few voxels taken out for their noise alone had a low R2*. An R2*
    map serves as an image where there are no echoes (`vessels_are="darker"`).

    A voxel's surroundings are the parenchyma within some 15 mm, found by taking off in turns what
    differs most. What differs by 3.5 standard deviations is a vessel, with all that is connected
    to it and differs by 2; less than 0.1 mL is none. Noise alone makes vessels of less than 1 in
    100 voxels. What else is found, cysts and metastases say, is no parenchyma either. Nearer than
    `BORDER_MM` to the mask's surface nothing is sought: partial volume there looks like a vessel.

    Args:
        image: [x, y, z], or magnitude or complex [x, y, z, echo].
        mask: bool [x, y, z], the liver.
        affine: [4, 4], voxel indices to RAS+ millimetres.
        vessels_are: `brighter` or `darker` than liver, or `either` where that is not known. It is
            `darker` in the hepatobiliary phase and in unenhanced CT, `brighter` in portal venous.

    Returns:
        bool [x, y, z], within the mask.

    Raises:
        ValueError: The shapes differ, or `vessels_are` is another word.
    """
    if image.shape[:3] != mask.shape or image.ndim not in (3, 4):
        raise ValueError(f"image {image.shape} and mask {mask.shape} do not belong together")
    if vessels_are not in ("brighter", "darker", "either"):
        raise ValueError(f"vessels_are={vessels_are!r}: want brighter, darker or either")
    if np.iscomplexobj(image):
        image = np.abs(image)
    if image.ndim == 4:
        image = image[..., image.shape[3] // 2 :].mean(axis=3)
    core = erode_mm(mask, affine, BORDER_MM)
    found = np.zeros(mask.shape, bool)
    if not core.any():
        return found
    box = extent.bounding_box(core)
    deviation = _deviation(image[box].astype(np.float32), core[box], affine)
    if vessels_are == "darker":
        deviation = -deviation
    elif vessels_are == "either":
        deviation = np.abs(deviation)
    parts, count = ndimage.label(deviation > _EDGE)
    labels = np.arange(1, count + 1)
    voxel_ml = abs(np.linalg.det(affine[:3, :3])) / 1000.0
    sizes = ndimage.sum_labels(np.ones(parts.shape), parts, labels)
    strong = ndimage.maximum(deviation, parts, labels) > _SEED
    vessels = strong & (sizes > 1) & (sizes * voxel_ml >= _SMALLEST_ML)
    found[box] = np.isin(parts, labels[vessels])
    return found


def _deviation(image: np.ndarray, core: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Difference from the parenchyma around, in its standard deviations; 0 outside the core."""
    spacing_mm = geometry.spacing_mm(affine)
    section_axis = int(np.flatnonzero(geometry.canonical_transform(affine)[:, 0] == 2)[0])
    smoothing = _SMOOTHING_MM / spacing_mm
    smoothing[section_axis] = 0  # sections are as thick as vessels
    image = _mean_around(image, core, smoothing)
    least = _SMALLEST_SPREAD * float(np.abs(np.median(image[core])))
    parenchyma = core
    for _ in range(_ROUNDS):
        difference = image - _mean_around(image, parenchyma, _SURROUNDINGS_MM / spacing_mm)
        difference -= np.median(difference[parenchyma])
        spread = 1.4826 * float(np.median(np.abs(difference[parenchyma])))  # of a normal: 1 SD
        spread = max(spread, least)
        if spread == 0:
            return np.zeros(image.shape, np.float32)
        parenchyma = core & (np.abs(difference) < _CLIPPED * spread)
    # Far from the coils there is more noise than near them: each place has its own.
    around = _mean_around(np.abs(difference), parenchyma, _SURROUNDINGS_MM / spacing_mm)
    local = np.maximum(_SD_OF_CLIPPED * around, max(least, 0.1 * spread))
    return np.where(core, difference / local, 0)


def _mean_around(image: np.ndarray, where: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """A Gaussian mean over the voxels `where`; the image's mean where none is near."""
    weight = ndimage.gaussian_filter(where.astype(np.float32), sigma)
    total = ndimage.gaussian_filter(np.where(where, image, 0), sigma)
    far = image[where].mean()
    return np.where(weight > 1e-4, total / np.maximum(weight, 1e-4), far)
