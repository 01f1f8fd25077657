"""Dice by volume on held-out subjects, for choices during training.

Of several processes each takes its share of the examinations, each examination is counted once, and
all learn the same figures.

It is measured on the network's grid, where examinations are prepared once and kept in memory;
`evaluate` measures on each scan's own grid.
"""

import collections
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from jax.experimental import multihost_utils

from liver_jax.cohort.manifest import Exam
from liver_jax.data import preprocess, slices
from liver_jax.inference import postprocess, predictor


def make_validator(
    model: nn.Module, exams: Sequence[Exam], settings: preprocess.Settings
) -> Callable[[Mapping[str, Any]], dict[str, float]]:
    """Reads and prepares the examinations once.

    Args:
        model: The network.
        exams: Validation examinations; of several echoes the first is taken (the paper's choice).
        settings: The preprocessing.

    Returns:
        A function from the network's variables to the mean Dice of each technique, over volumes.
    """
    forward = predictor.make_forward(model)
    process, process_count = jax.process_index(), jax.process_count()
    prepared = {}
    for place in range(process, len(exams), process_count):
        images, masks, _ = slices.slices_of(exams[place], settings)
        prepared[place] = (images[:, 0].astype(np.float32), masks.astype(bool))

    def validate(variables: Mapping[str, Any]) -> dict[str, float]:
        # Each process computes on a device of its own, whatever the others do meanwhile.
        local = jax.tree.map(lambda leaf: leaf.addressable_data(0), dict(variables))
        network = predictor.Predictor(forward, local, settings, predictor.default_batch_size())
        found = np.zeros(len(exams))
        for place, (images, truth) in prepared.items():
            mask = postprocess.threshold(network.slices(images))
            # The masks are never empty (slices_of refuses that), so neither is the denominator.
            found[place] = 2.0 * np.sum(mask & truth) / (np.sum(mask) + np.sum(truth))
        if process_count > 1:
            # Each place was filled by one process alone: the sum is the whole. As float32 pairs,
            # since a gather may not keep float64.
            shares = multihost_utils.process_allgather(found.view(np.uint32))
            found = np.sum(shares.view(np.float64), axis=0)
        dice = collections.defaultdict(list)
        for exam, value in zip(exams, found.tolist(), strict=True):
            dice[exam.technique].append(value)
        return {technique: float(np.mean(values)) for technique, values in sorted(dice.items())}

    return validate
