"""A checkpoint applied to scans: probability of liver on each scan's own grid."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from liver_jax.checkpoint import store
from liver_jax.data import preprocess
from liver_jax.inference import doubt
from liver_jax.model import compiler, precision, unet
from liver_jax.volume.geometry import Volume

# Slices in a batch: the last one is padded, so there is one compilation whatever the scan.
_BATCH_ON_CPU, _BATCH_ON_ACCELERATOR = 8, 32


@dataclasses.dataclass(frozen=True, eq=False)
class Segmentation:
    """What a network finds on a scan, and how far it is to be trusted (module `doubt`).

    Attributes:
        probability: [x, y, z] float32 in [0, 1], on the scan's own grid.
        augmentation_dice: How much the mask stays the same when the image changes.
        border_entropy: Bits for each pixel of the mask.
        soft_dice: The Dice that the probabilities let expect.
    """

    probability: np.ndarray
    augmentation_dice: float | None
    border_entropy: float | None
    soft_dice: float | None

    def doubts(self) -> dict[str, float | None]:
        """The figures without the probability, by name."""
        return {
            "augmentation_dice": self.augmentation_dice,
            "border_entropy": self.border_entropy,
            "soft_dice": self.soft_dice,
        }


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A network with its weights and its preprocessing.

    Attributes:
        forward: (variables, [batch, row, column]) -> probability, jitted, of one batch size.
        variables: The network's variables.
        settings: The preprocessing that the network was trained with.
        batch_size: Slices in a batch.
        record: The run record of the checkpoint; empty for a network in training.
        config: What it was trained with; empty for a network in training.
        checkpoint: Which checkpoint it is, for people; empty for a network in training.
        step: The checkpoint's step.
    """

    forward: Callable[[Any, jax.Array], jax.Array]
    variables: Mapping[str, Any]
    settings: preprocess.Settings
    batch_size: int
    record: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    checkpoint: str = ""
    step: int = 0

    @classmethod
    def from_checkpoint(cls, folder: str | pathlib.Path) -> "Predictor":
        """Loads a run folder (its best checkpoint) or RUN/latest.

        Raises:
            InputError: There is no checkpoint.
        """
        location = store.resolve(folder)
        meta = store.read_meta(location)
        architecture = dict(meta["model"])
        model = unet.UNet(**architecture, dtype=precision.compute_dtype("auto"))
        return cls(
            forward=make_forward(model),
            variables=jax.device_put(store.read_model(location)),
            settings=preprocess.Settings(**meta["preprocess"]),
            batch_size=default_batch_size(),
            record=meta["record"],
            config=meta["config"],
            checkpoint=str(location),
            step=location.step,
        )

    def slices(self, images: np.ndarray) -> np.ndarray:
        """Probability of liver in preprocessed slices, [slice, row, column] float32 both ways."""
        padded = -len(images) % self.batch_size
        images = np.concatenate([images, np.zeros((padded, *images.shape[1:]), images.dtype)])
        parts = [
            self.forward(self.variables, images[start : start + self.batch_size])
            for start in range(0, len(images), self.batch_size)
        ]
        # Asked for only when all are under way: the device computes while this thread dispatches.
        whole = np.concatenate([np.asarray(part) for part in parts])
        return whole[: len(whole) - padded]

    def probability(self, volume: Volume, modality: str, subject: str = "scan") -> np.ndarray:
        """Probability of liver on the scan's own grid.

        Args:
            volume: [x, y, z] scan (one echo) in any orientation.
            modality: "CT" (Hounsfield units) or "MR" (magnitude, any scale).
            subject: The file or examination, for messages.

        Returns:
            [x, y, z] float32 in [0, 1].

        Raises:
            InputError: Intensities that cannot be used.
        """
        images, placement = self._prepared(volume, modality, subject)
        return preprocess.to_scan_grid(self.slices(images), placement, volume)

    def segment(self, volume: Volume, modality: str, subject: str = "scan") -> Segmentation:
        """The same probability, and what it and a few more forward passes say of its worth.

        Args:
            volume: As for `probability`.
            modality: As for `probability`.
            subject: As for `probability`.

        Raises:
            InputError: Intensities that cannot be used.
        """
        images, placement = self._prepared(volume, modality, subject)
        found = self.slices(images)
        return Segmentation(
            probability=preprocess.to_scan_grid(found, placement, volume),
            augmentation_dice=doubt.augmentation_dice(self.slices, images, found),
            border_entropy=doubt.border_entropy(found),
            soft_dice=doubt.soft_dice(found),
        )

    def _prepared(
        self, volume: Volume, modality: str, subject: str
    ) -> tuple[np.ndarray, preprocess.Placement]:
        placement = preprocess.place(volume, modality, self.settings)
        images = preprocess.image_slices(volume, modality, placement, self.settings, subject)
        return images, placement


def identity(predictor: Predictor) -> dict:
    """Tells a checkpoint from another one that was trained into the same folder later."""
    record = json.dumps(dict(predictor.record), sort_keys=True, default=str)
    return {
        "checkpoint": predictor.checkpoint,
        "step": int(predictor.step),
        "record_sha256": hashlib.sha256(record.encode()).hexdigest(),
    }


def make_forward(model: nn.Module) -> Callable[[Any, jax.Array], jax.Array]:
    """The jitted forward pass: (variables, [batch, row, column]) -> probability of liver."""

    def forward(variables: Any, images: jax.Array) -> jax.Array:
        return jax.nn.sigmoid(model.apply(variables, images[..., None], train=False))

    return jax.jit(forward, compiler_options=compiler.options())


def default_batch_size() -> int:
    """Slices in a batch on this machine's default device."""
    return _BATCH_ON_CPU if jax.default_backend() == "cpu" else _BATCH_ON_ACCELERATOR
