"""What a network's own output says of how far to trust it; no reference is needed.

All is measured on the network's grid, where it costs least. Each figure is one number for a whole
examination, None where the network finds no liver at all.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from liver_jax.inference import postprocess

# Test-time augmentation sees this many slices, evenly through the liver: one batch on a CPU.
_SLICES = 8
_SHIFT_PIXELS = (5, 3)  # no multiple of the network's stride, so that its poolings fall elsewhere
_NOISE = 0.06  # standard deviation, of the intensity range


def augmentation_dice(
    forward: Callable[[np.ndarray], np.ndarray], images: np.ndarray, probability: np.ndarray
) -> float | None:
    """How much the mask stays the same when the image changes in ways that should not matter.

    A few slices are segmented again, every other one shifted, the rest with noise. In a trial these
    two changes ranked Dice better than rotation, magnification or other grey values. There is no
    flip: the liver has a side.

    Args:
        forward: From images to probability, [slice, row, column] both ways.
        images: [slice, row, column] in [0, 1], the network's input.
        probability: [slice, row, column], what it makes of them.

    Returns:
        The Dice of the mask found after the change with the one found before, over all chosen
        slices together.
    """
    mask = postprocess.threshold(probability)
    found = np.flatnonzero(mask.any(axis=(1, 2)))
    if not found.size:
        return None
    # Not its ends, whose slices hold little of it.
    places = np.linspace(0, found.size - 1, _SLICES + 2)[1:-1]
    chosen = found[np.unique(np.round(places).astype(int))]
    changed = images[chosen]
    changed[::2] = np.roll(changed[::2], _SHIFT_PIXELS, axis=(1, 2))
    noise = np.random.default_rng(0).standard_normal(changed[1::2].shape, np.float32)
    changed[1::2] = np.clip(changed[1::2] + _NOISE * noise, 0.0, 1.0)
    after = postprocess.threshold(forward(changed))
    after[::2] = np.roll(after[::2], [-pixels for pixels in _SHIFT_PIXELS], axis=(1, 2))
    before = mask[chosen]
    both = np.count_nonzero(before & after)
    return float(2 * both / (np.count_nonzero(before) + np.count_nonzero(after)))


def border_entropy(probability: np.ndarray) -> float | None:
    """Entropy of the probability map in bits for each pixel of its mask.

    Nearly all of it lies at the mask's border, which is sharp where the network is sure. It is set
    against the area, not against the length of the border: so much of the mask is open to doubt.

    Args:
        probability: [slice, row, column].
    """
    pixels = np.count_nonzero(postprocess.threshold(probability))
    if not pixels:
        return None
    nats = special.entr(probability) + special.entr(1 - probability)
    return float(nats.sum(dtype=float) / np.log(2) / pixels)


def soft_dice(probability: np.ndarray) -> float | None:
    """The Dice that the network expects of its own mask, if its probabilities are right.

    The Soft Dice Confidence, 2 sum(p m) / (sum p + sum m), with m the mask: Borges, Pacheco and
    Silva, Soft Dice Confidence, arXiv 2402.10665.

    Args:
        probability: [slice, row, column].
    """
    mask = postprocess.threshold(probability)
    pixels = np.count_nonzero(mask)
    if not pixels:
        return None
    inside = probability[mask].sum(dtype=float)
    return float(2 * inside / (probability.sum(dtype=float) + pixels))


def agreement(masks: Sequence[np.ndarray]) -> float | None:
    """Mean Dice of every two masks: one liver should be found on all echoes, in all contrasts.

    Args:
        masks: bool [slice, row, column], one for each.

    Returns:
        None of a single mask, and where all are empty; two empty ones among others count for
        nothing, an empty one with another for 0.
    """
    sizes = [np.count_nonzero(mask) for mask in masks]
    found = [
        2 * np.count_nonzero(masks[first] & masks[second]) / (sizes[first] + sizes[second])
        for first, second in itertools.combinations(range(len(masks)), 2)
        if sizes[first] + sizes[second]
    ]
    return float(np.mean(found)) if found else None
