"""Noise of a reconstructed CT: its spectrum, and how much of it the body lets through where."""

import numpy as np
from scipy import fft

from liver_jax.phantom import texture

FWHM_PER_SD = 2 * np.sqrt(2 * np.log(2))
# Effective attenuation of water at 120 kVp.
_WATER_PER_MM = 0.0195
# The water cylinder in whose middle a protocol's noise is measured.
_REFERENCE_MM = 300.0
# What the bow-tie filter and the modulation of the tube current leave of a ray's excess of noise.
_UNCOMPENSATED = 0.45
_COARSE_MM = 8.0
# Rays near the lateral direction, and the others, in degrees from the x axis.
_LATERAL_DEG = (-14, -7, 0, 7, 14)
_OTHER_DEG = tuple(range(24, 157, 12))
# Lateral rays have a share of sin(phi)^20 in the power at a frequency in the direction phi.
_LATERAL_POWER = 20


def spectrum(frequency: np.ndarray, kernel_fwhm_mm: float, iterative: float) -> np.ndarray:
    """Noise power at frequencies in 1/mm, without a unit.

    Filtered back-projection: a ramp times the square of the kernel's transfer function (Riederer
    et al., Phys Med Biol 1978;23:446), and a little at zero, where real scanners have some.
    Iterative reconstruction takes away more of the high frequencies than of the low ones.

    Args:
        frequency: Radial.
        kernel_fwhm_mm: Width of the kernel's point-spread function, a Gaussian.
        iterative: Strength of the iterative reconstruction, 0 for none to 1.
    """
    transfer = np.exp(-2 * (np.pi * frequency * kernel_fwhm_mm / FWHM_PER_SD) ** 2)
    return (frequency + 0.03) * transfer**2 / (1 + (frequency / 0.12) ** 2) ** iterative


class Noise:
    """Noise slice by slice, of SD 1 in the middle of 30 cm of water.

    Rays that pass through more body bring more noise (fewer photons), each into the spatial
    frequencies across it: the noise is greater in the middle than at the skin, greater in large
    bodies, and drawn out sideways where the lateral rays have the longest way.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        pixel_mm: float,
        kernel_fwhm_mm: float,
        iterative: float,
        slice_correlation: float,
        generator: np.random.Generator,
    ) -> None:
        """Starts the noise of one examination.

        Args:
            shape: Voxels along x and y.
            pixel_mm: Between them.
            kernel_fwhm_mm: See `spectrum`.
            iterative: See `spectrum`.
            slice_correlation: Of the noise of neighbouring slices.
            generator: Source of the noise.
        """
        self._shape, self._generator = shape, generator
        self._keep = np.float32(slice_correlation)
        self._renew = np.float32(np.sqrt(1 - slice_correlation**2))
        fx = np.fft.fftfreq(shape[0], pixel_mm)[:, None]
        fy = np.fft.rfftfreq(shape[1], pixel_mm)[None, :]
        frequency = np.hypot(fx, fy)
        power = spectrum(frequency, kernel_fwhm_mm, iterative)
        power /= _total(power, shape[1]) / (shape[0] * shape[1])
        lateral = (fy / np.maximum(frequency, 1e-9)) ** _LATERAL_POWER
        # In quadrature: then the two share their white noise and yet add up in power.
        self._sectors = [
            (np.sqrt(power * part) * phase).astype(np.complex64)
            for part, phase in ((lateral, 1j), (1 - lateral, 1))
        ]
        # Each sector's ray lengths are looked up on a coarse image.
        self._step = max(1, round(_COARSE_MM / pixel_mm))
        coarse = tuple(-(-n // self._step) for n in shape)
        self._rays = [
            _Rays(coarse, self._step * pixel_mm, degrees) for degrees in (_LATERAL_DEG, _OTHER_DEG)
        ]
        self._refine = [
            texture.spline(n, 1.0, float(self._step))[:, : m + 3]
            for n, m in zip(shape, coarse, strict=True)
        ]
        self._white = self._fresh()

    def layer(self, hu: np.ndarray, beside_mm: np.ndarray) -> np.ndarray:
        """The noise of the next slice.

        Args:
            hu: Of the slice without noise, [x, y].
            beside_mm: Water to the left and right of the image, that lateral rays pass too, [y].

        Returns:
            float32 [x, y].
        """
        water = np.maximum(1 + hu[:: self._step, :: self._step] / 1000, 0)
        outside = (beside_mm[:: self._step], 0.0)
        noise = np.zeros(self._shape, np.float32)
        for amplitude, rays, more in zip(self._sectors, self._rays, outside, strict=True):
            variance = _relative_variance(rays.lengths_mm(water) + more).mean(axis=0)
            sd = np.sqrt(variance).astype(np.float32)
            sd = np.pad(sd, (1, 2), mode="edge")
            part = fft.irfft2(self._white * amplitude, s=self._shape)
            noise += part * texture.upsampled(sd, *self._refine)
        self._white *= self._keep
        self._white += self._renew * self._fresh()
        return noise

    def _fresh(self) -> np.ndarray:
        return fft.rfft2(self._generator.standard_normal(self._shape, dtype=np.float32))


def _total(power: np.ndarray, columns: int) -> float:
    """The sum over all frequencies, of which rfft2 leaves half the columns out."""
    weight = np.full(power.shape[1], 2.0)
    weight[0] = 1.0
    if columns % 2 == 0:
        weight[-1] = 1.0
    return float((power * weight).sum())


def _relative_variance(water_mm: np.ndarray) -> np.ndarray:
    """Of a ray through so much water, relative to the reference."""
    return np.exp(_UNCOMPENSATED * _WATER_PER_MM * (water_mm - _REFERENCE_MM))


class _Rays:
    """Parallel rays in some directions through a coarse image."""

    def __init__(self, shape: tuple[int, int], pixel_mm: float, degrees: tuple[float, ...]) -> None:
        x, y = (np.arange(n) - (n - 1) / 2 for n in shape)
        angle = np.deg2rad(degrees)[:, None, None]
        # Two pixels to a ray: with one, rays at 45 degrees would miss some and hit some twice.
        place = (y[None, None, :] * np.cos(angle) - x[None, :, None] * np.sin(angle)) / 2
        place = np.floor(place - place.min() + 1e-6).astype(np.intp)
        self._count = int(place.max()) + 1
        place += self._count * np.arange(len(degrees))[:, None, None]
        self._index = place.reshape(len(degrees), -1)
        self._mm = pixel_mm / 2  # pixel^2 / width of a ray
        self._shape = shape

    def lengths_mm(self, water: np.ndarray) -> np.ndarray:
        """Water in the ray through each pixel in each direction, [direction, x, y]."""
        weights = np.broadcast_to(water.ravel(), self._index.shape)
        lengths = np.bincount(self._index.ravel(), weights.ravel(), self._count * len(self._index))
        return (lengths * self._mm)[self._index].reshape(-1, *self._shape)
