"""The static field of a body in the scanner: what its air does to B0, and what shimming leaves."""

import dataclasses

import numpy as np
from scipy import fft, ndimage, sparse

from liver_jax.phantom import noise, texture
from liver_jax.phantom.mr.lattice import Lattice
from liver_jax.phantom.noise import Noise
from liver_jax.physics.spectra import GYROMAGNETIC_RATIO_MHZ_PER_T
from liver_jax.physics.tissues import Tissue

# Air (+0.36 ppm) less tissue (-9.04 ppm, water at body temperature): Schenck, Med Phys 1996;23:815.
AIR_SUSCEPTIBILITY_PPM = 9.4
# Air in a lung held in shallow inspiration; customary.
LUNG_AIR_SHARE = 0.75
# What an active shim leaves, SD per tesla; some +/-100 Hz over an abdomen at 3 T, customary.
_REMAINDER_HZ_PER_T = 9.0
_PAD_MM = 130.0
_CELL_SD = 0.6  # in steps of the lattice


@dataclasses.dataclass(frozen=True, eq=False)
class FieldMap:
    """The off-resonance of water at any point of a body; in air, that of the tissue nearby.

    Attributes:
        spline_hz: float32 [x, y, z], cubic spline coefficients on a lattice, in Hz.
        first_mm: The lattice's first point.
        step_mm: Between its points.
        remainder: What varies smoothly beside them, in Hz.
    """

    spline_hz: np.ndarray
    first_mm: tuple[float, float, float]
    step_mm: float
    remainder: Noise

    def at(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Off-resonance in Hz at points in mm; float32 of the broadcast shape."""
        index = [
            (p - first) / self.step_mm for p, first in zip((x, y, z), self.first_mm, strict=True)
        ]
        if x.shape[1:] == y.shape[:1] == z.shape[:1] == z.shape[1:] == (1,):
            # The layer of an upright grid: one axis after the other.
            along = [
                _spline_weights(i.ravel(), n)
                for i, n in zip(index, self.spline_hz.shape, strict=True)
            ]
            # Sparse, so that no number of BLAS threads changes the last digit.
            columns = self.spline_hz.reshape(-1, self.spline_hz.shape[2])
            plane = (columns @ along[2].T).reshape(self.spline_hz.shape[:2])
            dipoles = texture.upsampled(plane, along[0], along[1])
        else:
            dipoles = ndimage.map_coordinates(
                self.spline_hz,
                np.broadcast_arrays(*index),
                output=np.float32,
                order=3,
                mode="nearest",
                prefilter=False,
            )
        return dipoles + noise.at(self.remainder, x, y, z)


def _spline_weights(index: np.ndarray, count: int) -> sparse.csr_array:
    """What each coefficient of a cubic spline weighs at indices [n]: float32 [n, count]."""
    index = np.clip(index, 0, count - 1)
    first = np.floor(index).astype(int)
    t = index - first
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    # Mirrored about the ends' edges, as the filter had it when the coefficients were computed.
    places = first[:, None] + np.arange(-1, 3)
    places = np.where(places < 0, -1 - places, places)
    places = np.where(places >= count, 2 * count - 1 - places, places).clip(0, count - 1)
    rows = np.repeat(np.arange(len(index)), 4)
    values = np.stack(weights, axis=1).astype(np.float32) / np.float32(6)
    shape = (len(index), count)
    return sparse.coo_array((values.ravel(), (rows, places.ravel())), shape).tocsr()


def compute(
    lattice: Lattice,
    shimmed_mm: tuple[float, float],
    field_strength_t: float,
    generator: np.random.Generator,
) -> FieldMap:
    """The field map of a body, shimmed over its tissue to second order.

    Args:
        lattice: The body; beyond its lowest and highest layer these go on unchanged.
        shimmed_mm: The heights between which the scanner shims.
        field_strength_t: B0, along z.
        generator: Source of the smooth remainder.

    Returns:
        The field map.
    """
    labels, step = lattice.labels, lattice.step_mm
    air = np.zeros(len(Tissue), np.float32)
    air[[Tissue.AIR, Tissue.BOWEL_GAS]] = 1.0
    air[Tissue.LUNG] = LUNG_AIR_SHARE
    # Tissue in air, rather than air in tissue: then nothing is where the lattice ends.
    tissue_share = 1.0 - air[labels]
    z = lattice.points_mm(2)
    solid = tissue_share == 1.0
    # Points of a lattice make stairs of every surface; a cell's average does not.
    tissue_share = ndimage.gaussian_filter(tissue_share, _CELL_SD, mode="nearest")
    solid &= tissue_share > 0.88
    shimmed_part = solid & (z >= shimmed_mm[0] - step) & (z <= shimmed_mm[1] + step)
    pad = round(_PAD_MM / step)
    padding = [(pad, _fast(n + 2 * pad) - n - pad) for n in labels.shape]
    padded = np.pad(tissue_share, [*padding[:2], (0, 0)])
    padded = np.pad(padded, [(0, 0), (0, 0), padding[2]], mode="edge")
    field_ppm = dipole_field(-AIR_SUSCEPTIBILITY_PPM * padded, (step,) * 3)
    inside = tuple(slice(low, low + n) for (low, _), n in zip(padding, labels.shape, strict=True))
    hz_per_ppm = GYROMAGNETIC_RATIO_MHZ_PER_T * field_strength_t
    field_hz = shimmed(field_ppm[inside], shimmed_part) * np.float32(hz_per_ppm)
    field_hz = _continued(field_hz, solid)
    return FieldMap(
        ndimage.spline_filter(field_hz, order=3, output=np.float32, mode="nearest"),
        lattice.first_mm,
        step,
        noise.draw(generator, (220, 450), _REMAINDER_HZ_PER_T * field_strength_t),
    )


def dipole_field(susceptibility: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """The relative change of B0 (along z) that a susceptibility makes, seen by nuclei.

    The convolution with a Lorentz-corrected dipole, a product with 1/3 - kz^2/k^2 of the Fourier
    transform (Salomir et al., Concepts Magn Reson B 2003;19B:26; Marques and Bowtell, Concepts
    Magn Reson B 2005;25B:65). The array repeats periodically: pad it.

    Args:
        susceptibility: [x, y, z], volume susceptibility in ppm (SI).
        spacing_mm: Of its points.

    Returns:
        float32 [x, y, z] in ppm.
    """
    shape = susceptibility.shape
    kx, ky, kz = (
        fft.fftfreq(n, d).astype(np.float32) ** 2 for n, d in zip(shape, spacing_mm, strict=True)
    )
    kz = kz[: shape[2] // 2 + 1]
    total = kx[:, None, None] + ky[:, None] + kz
    total[0, 0, 0] = 1.0
    kernel = np.float32(1 / 3) - kz / total
    kernel[0, 0, 0] = 0.0
    spectrum = fft.rfftn(susceptibility.astype(np.float32))
    spectrum *= kernel
    return fft.irfftn(spectrum, s=shape)


def shimmed(field: np.ndarray, region: np.ndarray) -> np.ndarray:
    """A field less the second-order polynomial that fits it best (least squares) in a region.

    Args:
        field: [x, y, z].
        region: bool [x, y, z], where the scanner measures it; not empty.

    Returns:
        [x, y, z]; first-order shims and the usual five of second order span no more than this.
    """
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in field.shape]
    x, y, z = axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :]
    one = np.float32(1)
    terms = (one, x, y, z, x * x, y * y, z * z, x * y, y * z, z * x)
    # In double precision: sums of squares over a body lose what single precision holds.
    columns = np.stack(
        [np.broadcast_to(t, field.shape)[region] for t in terms], axis=1, dtype=float
    )
    normal = columns.T @ columns
    # Where a region is a plane or a line, some terms are not determined: the shortest solution.
    weights = np.linalg.lstsq(normal, columns.T @ field[region], rcond=1e-6)[0]
    for weight, term in zip(weights.astype(np.float32), terms, strict=True):
        field = field - weight * term
    return field


def _continued(field: np.ndarray, region: np.ndarray) -> np.ndarray:
    """A field of a region, continued beyond it.

    The field jumps where tissue ends. What an interpolation between points makes of the jump is
    seen by no proton: on its far side there is none, or next to none.
    """
    if not region.any():
        return field
    _, nearest = ndimage.distance_transform_edt(~region, return_indices=True)
    filled = np.where(region, field, field[tuple(nearest)])
    # What is nearest changes abruptly: averages of growing reach change less so.
    for _ in range(3):
        filled = np.where(region, field, ndimage.gaussian_filter(filled, 1.5, mode="nearest"))
    return filled


def _fast(n: int) -> int:
    return fft.next_fast_len(n, real=True)
