"""Small scans, and a network that calls bright voxels liver."""

import types

import numpy as np
import pytest

from liver_jax.cohort.manifest import Exam
from liver_jax.inference.predictor import Segmentation
from liver_jax.volume import nifti
from liver_jax.volume.geometry import Volume

AFFINE = np.diag([3.0, 3.0, 8.0, 1.0])


class Network:
    """Stands for `Predictor`: voxels above 100 are liver; each scan that it saw is remembered."""

    checkpoint, step, record = "runs/fake/best", 10, types.MappingProxyType({})
    record_sha256 = None
    config = types.MappingProxyType({})

    def __init__(self):
        self.asked = []

    def segment(self, volume, modality, subject, augmented=False, contrasts=False):
        self.asked.append(subject)
        return self._found((volume.data > 100).astype(np.float32))

    def consensus(self, volume, modality, subject, augmented=False, contrasts=False):
        self.asked.append(subject)
        votes = (volume.data > 100).mean(axis=-1, dtype=np.float32)
        return self._found(votes, echo_dice=0.5)

    def _found(self, probability, echo_dice=None):
        doubts = {"augmentation_dice": 0.97, "border_entropy": 0.1, "soft_dice": 0.98}
        return Segmentation(
            probability, **doubts, echo_dice=echo_dice, seconds={"network": 0.25, "resample": 0.1}
        )


@pytest.fixture
def network():
    return Network()


@pytest.fixture
def scan_of(tmp_path):
    """Writes a scan with a box of "liver" on the patient's right, and gives its examination."""

    def make(name, boxes=(((60, 80), (40, 70), (2, 9)),), echoes=0, modality="MR", **fields):
        data = np.full((100, 90, 12, max(1, echoes)), 20.0, np.float32)
        for x, y, z in boxes:
            data[slice(*x), slice(*y), slice(*z)] = [200.0, 90.0, 60.0][: data.shape[3]]
        data += np.random.default_rng(0).normal(0, 2, data.shape).astype(np.float32)
        if modality == "CT":
            data -= 120.0
        data = data if echoes else data[..., 0]
        path = tmp_path / f"{name}.nii.gz"
        nifti.write(path, data, Volume(data, AFFINE))
        return Exam(
            exam_id=name,
            subject_id=name,
            modality=modality,
            technique="",
            images=(path,),
            **fields,
        )

    return make
