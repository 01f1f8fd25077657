"""Truth: masks nested in the liver, and a voxelised volume that is the continuous one's."""

import numpy as np
import pytest

from liver_jax.phantom import anatomy, person, sampling
from liver_jax.phantom.person import Finding
from liver_jax.phantom.truth import Truth
from liver_jax.physics.tissues import LIVER_TISSUES, Tissue


def seen(body, grid, samples):
    truth = Truth.empty(grid)
    for k, composition in sampling.compositions(body, grid, samples):
        truth.fill(k, composition)
    return truth


@pytest.fixture(scope="module")
def subjects():
    found = []
    for k in range(6):
        generator = np.random.default_rng([21, k])
        prevalence = {Finding.LESIONS: 1.0, Finding.CYSTS: 1.0}
        volume = person.VolumeRange(1700, 500, 900, 3500)
        found.append(anatomy.draw(person.draw(generator, prevalence, volume), generator))
    return found


def test_voxelised_volumes_are_within_half_a_percent_and_each_within_one_and_a_half(subjects):
    errors = []
    for place, subject in enumerate(subjects):
        matrix, slice_mm, samples = [(192, 8.0, 7), (224, 5.0, 3)][place % 2]
        grid = sampling.around(subject, matrix, slice_mm, (15.0, 15.0), 0.05)
        volume_ml = seen(subject, grid, samples).liver.sum() * np.prod(grid.spacing_mm) / 1000
        errors.append(100 * (volume_ml / subject.liver_volume_ml - 1))
    assert abs(np.mean(errors)) < 0.5
    assert np.abs(errors).max() < 1.5


def test_vessels_and_lesions_lie_in_the_liver_and_labels_agree(subjects):
    grid = sampling.around(subjects[0], 112, 8.0, (15.0, 15.0), 0.05)
    truth = seen(subjects[0], grid, 5)
    assert truth.vessels.any() and truth.lesions.any()
    assert not (truth.vessels & ~truth.liver).any()
    assert not (truth.lesions & ~truth.liver).any()
    assert not (truth.vessels & truth.lesions).any()
    liver_labels = np.isin(truth.labels, LIVER_TISSUES)
    assert (liver_labels == truth.liver).mean() > 0.995
    assert set(np.unique(truth.labels[truth.lesions])) <= {*LIVER_TISSUES}
    assert (truth.labels == Tissue.AIR).any()
