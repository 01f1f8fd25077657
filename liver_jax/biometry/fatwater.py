"""Fat fraction and R2* from the echoes themselves."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from liver_jax.physics import spectra
from liver_jax.physics.spectra import Spectrum


@dataclasses.dataclass(frozen=True, eq=False)
class Fit:
    """Maps of one examination, each of the leading shape of the echoes and finite everywhere.

    Outside `fitted` they are 0 and mean nothing.

    Attributes:
        pdff_percent: 100 F / (W + F), after the T1 correction where one was asked for. Not cut off
            at 0 or 100: of a liver without fat, noise makes as many values below 0 as above it,
            and cutting them off would turn its mean into fat.
        r2star_per_s: Common to water and fat.
        water: In the units of the echoes, at echo time 0.
        fat: As `water`; not corrected for T1.
        field_map_hz: Of complex data; None for magnitude, which does not show it.
        residual: Root mean square of what the model leaves, in the units of the echoes.
        ambiguous: Fat and water may be exchanged: the two ways to explain the echoes differ by
            less than noise does.
        fitted: Where there is a result: inside the mask, and the fit is sound.
        failed: Inside the mask, and no sound result (R2* or an amplitude ran to its bound).
        pdff_standard_error_percent: From the Fisher information at the solution.
        r2star_standard_error_per_s: As `pdff_standard_error_percent`.
        noise: One number: the standard deviation of the noise of each channel, in the units of the
            echoes, estimated from the residuals of all voxels, or as given.
    """

    pdff_percent: jax.Array
    r2star_per_s: jax.Array
    water: jax.Array
    fat: jax.Array
    field_map_hz: jax.Array | None
    residual: jax.Array
    ambiguous: jax.Array
    fitted: jax.Array
    failed: jax.Array
    pdff_standard_error_percent: jax.Array
    r2star_standard_error_per_s: jax.Array
    noise: jax.Array


def fit_magnitude(
    echoes: np.ndarray | jax.Array,
    te_ms: Sequence[float],
    field_strength_t: float,
    spectrum: Spectrum | str = spectra.HAMILTON_LIVER,
    t1_weight: float | None = None,
    mask: np.ndarray | None = None,
    regularised: bool = False,
) -> Fit:
    """Fits magnitude echoes [..., echo]."""
    raise NotImplementedError


def fit_complex(
    echoes: np.ndarray | jax.Array,
    te_ms: Sequence[float],
    field_strength_t: float,
    spectrum: Spectrum | str = spectra.HAMILTON_LIVER,
    precession: str = "clockwise",
    spacing_mm: Sequence[float] | None = None,
    t1_weight: float | None = None,
    mask: np.ndarray | None = None,
) -> Fit:
    """Fits complex echoes [x, y, echo] or [x, y, z, echo]."""
    raise NotImplementedError
