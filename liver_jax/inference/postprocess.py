"""From probability to mask."""

import numpy as np


def threshold(probability: np.ndarray) -> np.ndarray:
    """The mask of a probability map on the scan's own grid: bool, at least one half.

    The paper names no other step after the network, so none is taken for its figures.
    """
    return probability >= 0.5
