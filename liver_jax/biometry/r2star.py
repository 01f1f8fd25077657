"""R2* of the whole liver, as PDFF is summarised."""

import numpy as np

from liver_jax.biometry import summary


def summarise(
    r2star_per_s: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    vessels: np.ndarray | None = None,
    fitted: np.ndarray | None = None,
) -> summary.Summary:
    """Summarises an R2* map, in 1/s; see `summary.summarise`. No threshold is common to all."""
    return summary.summarise(r2star_per_s, mask, affine, "r2star_per_s", vessels, fitted)
