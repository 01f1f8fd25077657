"""What water and fat of every tissue give in a protocol, where the flip angle and B0 are off."""

import numpy as np

from liver_jax.phantom.mr.properties import TissueValues
from liver_jax.phantom.mr.protocol import Protocol
from liver_jax.physics import signal, spectra, tissues
from liver_jax.physics.tissues import Tissue

# Flip angles, relative to the one asked for, at which signals are computed; others are interpolated
# (quadratic, within 0.2 % between them).
_FLIP_SCALES = (0.8, 1.0, 1.2)
# The spectral selection of fat: its centre lies at the main peak, its half-width is customary.
_SATURATION_PPM, _SATURATION_HALF_WIDTH_PPM = -3.4, 1.5


def signal_tables(values: TissueValues, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """Magnitudes of water and of fat in each tissue, relative to lean liver without decay.

    Args:
        values: Of the tissues.
        protocol: TR, flip angle, echo times, field.

    Returns:
        float32 [tissue, flip scale, 2, echo]: water and fat where a tissue fills the voxel, with
        R2* but without the interference of fat's peaks; and their change for each point of PDFF.
    """
    lean = tissues.MR[Tissue.LIVER]
    angles = protocol.flip_angle_deg * np.asarray(_FLIP_SCALES)

    def weight(t1_ms: np.ndarray | float) -> np.ndarray:
        return signal.spgr_weight(np.asarray(t1_ms)[..., None], protocol.tr_ms, angles)

    lean_t1_ms = lean.t1_ms[protocol.field_strength_t]
    unit = lean.proton_density * signal.spgr_weight(
        lean_t1_ms, protocol.tr_ms, protocol.flip_angle_deg
    )
    te_s = np.asarray(protocol.te_ms) / 1000
    decay = values.proton_density[:, None] / unit * np.exp(-values.r2star_per_s[:, None] * te_s)
    water = weight(values.t1_ms)[:, :, None] * decay[:, None]
    fat = weight(values.fat_t1_ms)[:, None] * decay[:, None]
    share = values.pdff_percent[:, None, None] / 100
    table = np.stack([(1 - share) * water, share * fat], axis=2)
    slope = np.stack([-0.01 * water, 0.01 * fat], axis=2)
    return table.astype(np.float32), slope.astype(np.float32)


def flip_weights(scale: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights of a table's three flip angles for the flip angle of a place.

    Args:
        scale: Flip angle relative to the one asked for, any shape.

    Returns:
        Of each of the three, the shape of `scale`; they sum to 1 (quadratic interpolation).
    """
    step = (scale - 1) / np.float32(_FLIP_SCALES[2] - 1)
    return 0.5 * step * (step - 1), 1 - step * step, 0.5 * step * (step + 1)


def saturation_passes(field_hz: np.ndarray, protocol: Protocol) -> np.ndarray:
    """What the fat suppression leaves of water and of fat where the field is off.

    A pulse selects the frequencies about the main peak of fat. Where the field is off by as much as
    the pulse is wide fat escapes it, and water falls into it where it is off by fat's own shift.

    Args:
        field_hz: Off-resonance of water, any shape.
        protocol: Field strength, and what is left where the field is even.

    Returns:
        float32 [..., 2]: of water and of fat.
    """
    hz_per_ppm = spectra.GYROMAGNETIC_RATIO_MHZ_PER_T * protocol.field_strength_t
    offset_ppm = np.asarray(field_hz, np.float32) / np.float32(hz_per_ppm)
    off_centre = np.stack([offset_ppm - np.float32(_SATURATION_PPM), offset_ppm], axis=-1)
    selected = np.exp(-((off_centre / np.float32(_SATURATION_HALF_WIDTH_PPM)) ** 4))
    return 1 - np.float32(1 - protocol.fat_residual) * selected
