"""Physical figures of an examination, the same for a real one and a simulated one."""

import numpy as np
from scipy import ndimage

_LIVER_MARGIN_MM = 6.0
_HIGH_PASS_MM, _LOW_PASS_MM = 4.0, 20.0
_PATCH_MM = 30.0
HISTOGRAM_HU = np.arange(-150.0, 251.0, 5.0)


def body_mask(image: np.ndarray, spacing_mm: np.ndarray, threshold: float) -> np.ndarray:
    """The body without couch and arms: what is above a threshold, opened, the largest part."""
    steps = max(1, round(4 / spacing_mm[0]))
    cross = ndimage.generate_binary_structure(2, 1)
    mask = np.zeros(image.shape, bool)
    for k in range(image.shape[2]):
        filled = ndimage.binary_fill_holes(image[..., k] > threshold)
        opened = ndimage.binary_opening(filled, cross, iterations=steps)
        parts, count = ndimage.label(opened)
        if count:
            mask[..., k] = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    return mask


def eroded(mask: np.ndarray, spacing_mm: np.ndarray, margin_mm: float) -> np.ndarray:
    """The voxels of a mask that are further than a margin from its border, slice by slice."""
    inner = np.zeros_like(mask)
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        distance = ndimage.distance_transform_edt(mask[..., k], sampling=spacing_mm[:2])
        inner[..., k] = distance > margin_mm
    return inner


def _smoothed(image: np.ndarray, spacing_mm: np.ndarray, sd_mm: float) -> np.ndarray:
    return ndimage.gaussian_filter(image, (sd_mm / spacing_mm[0], sd_mm / spacing_mm[1], 0))


def _low_pass(
    image: np.ndarray, mask: np.ndarray, spacing_mm: np.ndarray, sd_mm: float
) -> np.ndarray:
    """The image smoothed within a mask alone, in the plane."""
    weight = _smoothed(mask.astype(np.float32), spacing_mm, sd_mm)
    return _smoothed(image * mask, spacing_mm, sd_mm) / np.maximum(weight, 1e-3)


def power_spectrum(
    image: np.ndarray, mask: np.ndarray, spacing_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The noise power spectrum in a mask, averaged over directions.

    Square patches of 30 mm that lie in the mask, a plane taken off each, in a Hann window.

    Returns:
        Frequencies in 1/mm and the power, in the squared unit of the image times mm^2.
    """
    pixel = float(spacing_mm[0])
    size = max(8, 2 * round(_PATCH_MM / pixel / 2))
    window = np.hanning(size + 2)[1:-1]
    window = window[:, None] * window
    line = np.linspace(-1, 1, size)
    plane = np.stack([np.ones(size * size), np.repeat(line, size), np.tile(line, size)], axis=1)
    whole = ndimage.minimum_filter(mask, (size, size, 1), origin=(-(size // 2), -(size // 2), 0))
    total, count = np.zeros((size, size)), 0
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        for i in range(0, image.shape[0] - size, size // 2):
            for j in range(0, image.shape[1] - size, size // 2):
                if not whole[i, j, k]:
                    continue
                patch = image[i : i + size, j : j + size, k].astype(float)
                fit = np.linalg.lstsq(plane, patch.ravel(), rcond=None)[0]
                patch -= (plane @ fit).reshape(size, size)
                total += np.abs(np.fft.fft2(patch * window)) ** 2
                count += 1
    if not count:
        raise ValueError("no patch fits into the mask")
    total *= pixel**2 / (window**2).sum() / count
    axis = np.fft.fftfreq(size, pixel)
    radius = np.rint(np.hypot(axis[:, None], axis) * size * pixel).astype(int)
    sums = np.bincount(radius.ravel(), total.ravel())
    power = sums / np.bincount(radius.ravel())
    kept = slice(1, size // 2 + 1)
    return np.arange(len(power))[kept] / (size * pixel), power[kept]


def liver_figures(
    image: np.ndarray, liver: np.ndarray, spacing_mm: np.ndarray
) -> dict[str, float | list[float]]:
    """SDs within the liver at fine and at coarse scales, and how they are spread.

    `fine` is what a Gaussian of 4 mm takes away, `coarse` what one of 20 mm leaves.
    """
    image = image.astype(np.float32)
    inner = eroded(liver, spacing_mm, _LIVER_MARGIN_MM)
    values = image[inner]
    fine = (image - _low_pass(image, inner, spacing_mm, _HIGH_PASS_MM)) * inner
    coarse = _low_pass(image, inner, spacing_mm, _LOW_PASS_MM)
    frequency, power = power_spectrum(image, inner, spacing_mm)
    both = inner[..., 1:] & inner[..., :-1]
    neighbours = (fine[..., 1:] * fine[..., :-1])[both].mean() / (fine[both.nonzero()] ** 2).mean()
    across, along = (
        np.diff(fine, axis=axis)[np.diff(inner.astype(np.int8), axis=axis) == 0].std()
        for axis in (0, 1)
    )
    return {
        "liver_mean": float(values.mean()),
        "liver_sd": float(values.std()),
        "liver_fine_sd": float(fine[inner].std()),
        "liver_coarse_sd": float(coarse[inner].std()),
        "noise_mean_frequency_per_mm": float(
            (frequency**2 * power).sum() / (frequency * power).sum()
        ),
        "noise_slice_correlation": float(neighbours),
        "noise_front_to_side": float(along / across),
        "spectrum_per_mm": frequency.tolist(),
        "spectrum": power.tolist(),
        **_border(image, liver, spacing_mm),
    }


def _steepest(
    image: np.ndarray, mask: np.ndarray, spacing_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """At each voxel of a mask's border, the steepest gradient within 3 mm of it in the plane.

    Readers and tools draw a border a voxel or two off the edge.

    Returns:
        The gradients, in the image's unit for each mm, and the border [x, y, z].
    """
    gradient = np.hypot(*(np.gradient(image, s, axis=a) for a, s in enumerate(spacing_mm[:2])))
    cross = ndimage.generate_binary_structure(2, 1)[..., None]
    border = mask & ~ndimage.binary_erosion(mask, cross, border_value=1)
    reach = max(1, round(3 / spacing_mm[0]))
    x, y = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    disc = (np.hypot(x, y) <= reach)[..., None]
    return ndimage.maximum_filter(gradient, footprint=disc)[border], border


def _border(image: np.ndarray, liver: np.ndarray, spacing_mm: np.ndarray) -> dict[str, float]:
    """How steep the image is at the liver's border."""
    steepest, border = _steepest(image, liver, spacing_mm)
    near = np.zeros_like(liver)
    for k in np.flatnonzero(border.any(axis=(0, 1))):
        distance = ndimage.distance_transform_edt(~border[..., k], sampling=spacing_mm[:2])
        near[..., k] = distance < 8
    return {
        "border_gradient_per_mm": float(np.median(steepest)),
        # Free of the unit: how much of the spread near the border it goes through in one mm.
        "border_sharpness_per_mm": float(np.median(steepest) / image[near].std()),
    }


def ct_figures(
    image: np.ndarray, body: np.ndarray, spacing_mm: np.ndarray
) -> dict[str, float | list[float]]:
    """What the body is made of by its HU, the evenness of its fat, and its histogram."""
    values = image[body]
    local = _smoothed(image.astype(np.float32), spacing_mm, 3.0)
    fat = eroded((local > -135) & (local < -75) & body, spacing_mm, _LIVER_MARGIN_MM / 2)
    counts, _ = np.histogram(values, HISTOGRAM_HU)
    skin, _ = _steepest(image, body, spacing_mm)
    return {
        "skin_gradient_per_mm": float(np.median(skin)),
        "fat_mean": float(image[fat].mean()),
        "fat_sd": float(image[fat].std()),
        "share_gas_percent": 100 * float((values < -300).mean()),
        "share_fat_percent": 100 * float(((values >= -190) & (values < -30)).mean()),
        "share_soft_percent": 100 * float(((values >= -30) & (values < 250)).mean()),
        "share_bone_percent": 100 * float((values >= 250).mean()),
        "histogram": (counts / counts.sum()).tolist(),
    }


def histogram_distance_hu(first: list[float], second: list[float]) -> float:
    """Wasserstein distance of two histograms over `HISTOGRAM_HU`."""
    step = HISTOGRAM_HU[1] - HISTOGRAM_HU[0]
    return float(np.abs(np.cumsum(first) - np.cumsum(second)).sum() * step)
