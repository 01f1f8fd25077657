"""What k-space a scanner acquires, and the filter it lays over it: an image's true resolution."""

import numpy as np
from scipy import fft

_TAPER = 0.35  # the part of the window that falls off, against ringing; customary


def window(lines: int, resolution: float) -> np.ndarray:
    """A Tukey window over the acquired lines, the rest filled with zeros.

    Args:
        lines: Of the reconstructed image, along one axis.
        resolution: Part of them that is acquired, about the middle of k-space.

    Returns:
        float32 [line] in the order of the discrete Fourier transform: zero frequency first.
    """
    frequency = np.abs(fft.fftfreq(lines)) / (0.5 * resolution)
    edge = np.clip((frequency - (1 - _TAPER)) / _TAPER, 0, 1)
    return (0.5 + 0.5 * np.cos(np.pi * edge)).astype(np.float32)


def filtered(image: np.ndarray, window_x: np.ndarray, window_y: np.ndarray) -> np.ndarray:
    """An image whose k-space is weighted along both axes.

    Args:
        image: Complex [x, y, channel].
        window_x: [x], zero frequency first.
        window_y: [y], likewise.

    Returns:
        complex64 [x, y, channel].
    """
    spectrum = fft.fft2(image.astype(np.complex64, copy=False), axes=(0, 1))
    spectrum *= (window_x[:, None] * window_y)[..., None]
    return fft.ifft2(spectrum, axes=(0, 1), overwrite_x=True)
