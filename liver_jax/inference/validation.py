"""Dice by volume on held-out subjects, for choices during training.

It is measured on the network's grid, where examinations are prepared once and kept in memory;
`evaluate` measures on each scan's own grid.
"""

import collections
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from flax import linen as nn

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
    prepared = []
    for exam in exams:
        images, masks, _ = slices.slices_of(exam, settings)
        prepared.append((exam.technique, images[:, 0].astype(np.float32), masks.astype(bool)))

    def validate(variables: Mapping[str, Any]) -> dict[str, float]:
        network = predictor.Predictor(forward, variables, settings, predictor.default_batch_size())
        dice = collections.defaultdict(list)
        for technique, images, truth in prepared:
            mask = postprocess.threshold(network.slices(images))
            # The masks are never empty (slices_of refuses that), so neither is the denominator.
            overlap = 2.0 * np.sum(mask & truth) / (np.sum(mask) + np.sum(truth))
            dice[technique].append(float(overlap))
        return {technique: float(np.mean(values)) for technique, values in sorted(dice.items())}

    return validate
