"""A checkpoint applied to scans: probability of liver on each scan's own grid."""

import collections
import contextlib
import dataclasses
import hashlib
import json
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import linen as nn

from liver_jax.checkpoint import trained
from liver_jax.data import preprocess
from liver_jax.errors import InputError
from liver_jax.inference import doubt, passes, postprocess
from liver_jax.model import compiler, precision, unet
from liver_jax.volume.geometry import Volume

# Slices in a batch: the last one is padded, so there is one compilation whatever the scan.
_BATCH_ON_CPU, _BATCH_ON_ACCELERATOR = 8, 32


@dataclasses.dataclass(frozen=True, eq=False)
class Segmentation:
    """What a network finds on a scan, and how far it is to be trusted (module `doubt`).

    Attributes:
        probability: [x, y, z] float32 in [0, 1], on the scan's own grid.
        augmentation_dice: How much the mask stays the same when the image changes; of several
            echoes that of the first.
        border_entropy: Bits for each pixel of the mask; of several echoes the mean over those that
            show a liver, each by itself and without augmentation.
        soft_dice: The Dice that the probabilities let expect; of echoes as before.
        echo_dice: Mean Dice of every two echoes' masks; None of a single echo, and where no echo
            shows a liver.
        contrast_dice: Mean Dice of every two masks of the same slices with other grey values; of
            echoes as `border_entropy`; None where they were not asked for.
        seconds: What each stage took: `preprocess`, `network` (with what the doubts need of it)
            and `resample`.
    """

    probability: np.ndarray
    augmentation_dice: float | None
    border_entropy: float | None
    soft_dice: float | None
    echo_dice: float | None = None
    contrast_dice: float | None = None
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def doubts(self) -> dict[str, float | None]:
        """What the network says of a single image, by name."""
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
        architecture: The arguments of `unet.UNet` but its dtype; empty for a network in training.
        record_sha256: Of the whole run record, where `record` is what an exported file keeps of it.
    """

    forward: Callable[[Any, jax.Array], jax.Array]
    variables: Mapping[str, Any]
    settings: preprocess.Settings
    batch_size: int
    record: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    checkpoint: str = ""
    step: int = 0
    architecture: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    record_sha256: str | None = None

    @classmethod
    def from_checkpoint(cls, path: str | pathlib.Path) -> "Predictor":
        """Loads a run folder (its best checkpoint), RUN/latest, an exported file, or `builtin`.

        Raises:
            InputError: There is no checkpoint, or the file cannot be used.
        """
        found = trained.load(path)
        try:
            settings = preprocess.Settings(**found.preprocess)
            settings.check(2 ** found.architecture["depth"])
        except (KeyError, TypeError, ValueError) as error:
            fault = f"does not say how its network is to be used ({error})"
            raise InputError(path, fault, "Export it anew from its run folder") from error
        return cls._loaded(
            found.architecture,
            found.variables,
            settings,
            record=found.record,
            config=found.config,
            checkpoint=found.checkpoint,
            step=found.step,
            record_sha256=found.record_sha256,
        )

    @classmethod
    def _loaded(
        cls,
        architecture: Mapping[str, Any],
        variables: Mapping[str, Any],
        settings: preprocess.Settings,
        **told: Any,
    ) -> "Predictor":
        model = unet.UNet(**architecture, dtype=precision.compute_dtype("auto"))
        return cls(
            forward=make_forward(model),
            variables=jax.device_put(variables),
            settings=settings,
            batch_size=default_batch_size(),
            architecture=architecture,
            **told,
        )

    def slices(self, images: np.ndarray) -> np.ndarray:
        """Probability of liver in preprocessed slices, [slice, row, column] float32 both ways.

        A slice's probability does not depend on the others in its batch.
        """
        starts = range(0, len(images), self.batch_size)
        parts = [
            self.forward(self.variables, self._batch(images[start : start + self.batch_size]))
            for start in starts
        ]
        # Asked for only when all are under way: the device computes while this thread dispatches.
        probability = np.empty(images.shape, np.float32)
        for start in starts:
            wanted = probability[start : start + self.batch_size]
            wanted[:] = np.asarray(parts.pop(0))[: len(wanted)]
        return probability

    def _batch(self, images: np.ndarray) -> np.ndarray:
        """Fills up the last batch, so that all have the shape that was compiled."""
        missing = self.batch_size - len(images)
        return np.pad(images, ((0, missing), (0, 0), (0, 0))) if missing else images

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

    def segment(
        self,
        volume: Volume,
        modality: str,
        subject: str = "scan",
        augmented: bool = False,
        contrasts: bool = False,
    ) -> Segmentation:
        """The same probability, and what it and a few more forward passes say of its worth.

        Args:
            volume: As for `probability`.
            modality: As for `probability`.
            subject: As for `probability`.
            augmented: Whether to take the mean over slices turned and magnified a little (module
                `passes`), at five times the cost.
            contrasts: Whether to take the mean over slices with other grey values, too, at three
                more passes.

        Raises:
            InputError: Intensities that cannot be used.
        """
        return self._segment([volume], modality, subject, augmented, contrasts)

    def consensus(
        self,
        volume: Volume,
        modality: str,
        subject: str = "scan",
        augmented: bool = False,
        contrasts: bool = False,
    ) -> Segmentation:
        """All echoes of an examination together: the mean of their probabilities.

        Args:
            volume: [x, y, z, echo] magnitude, or [x, y, z], which is `segment`.
            modality: As for `probability`.
            subject: As for `probability`.
            augmented: As for `segment`, for every echo.
            contrasts: As for `segment`, for every echo.

        Raises:
            InputError: Intensities of an echo that cannot be used.
        """
        if volume.data.ndim == 3:
            return self.segment(volume, modality, subject, augmented, contrasts)
        echoes = [Volume(volume.data[..., k], volume.affine) for k in range(volume.echo_count)]
        return self._segment(echoes, modality, subject, augmented, contrasts)

    def _segment(
        self,
        echoes: Sequence[Volume],
        modality: str,
        subject: str,
        augmented: bool,
        contrasts: bool,
    ) -> Segmentation:
        seconds = collections.defaultdict(float)
        with _timed(seconds, "preprocess"):
            placement = preprocess.place(echoes[0], modality, self.settings)
        mean, masks, steadiness = 0.0, [], None
        entropies, expected, steady = [], [], []
        for number, echo in enumerate(echoes, 1):
            named = f"{subject}, echo {number}" if len(echoes) > 1 else subject
            with _timed(seconds, "preprocess"):
                images = preprocess.image_slices(echo, modality, placement, self.settings, named)
            with _timed(seconds, "network"):
                found = self.slices(images)
                if number == 1:
                    steadiness = doubt.augmentation_dice(self.slices, images, found)
                # Of each pass by itself: a mean over passes is softer where all of them are right.
                entropies.append(doubt.border_entropy(found))
                expected.append(doubt.soft_dice(found))
                if augmented:
                    found = passes.mean_probability(self.slices, images, found)
                if contrasts:
                    looks = [found, *passes.other_contrasts(self.slices, images)]
                    steady.append(doubt.agreement([postprocess.threshold(look) for look in looks]))
                    found = np.mean(looks, axis=0)
                masks.append(postprocess.threshold(found))
                mean = mean + found if number > 1 else found
        if len(echoes) > 1:
            mean /= np.float32(len(echoes))
        with _timed(seconds, "resample"):
            probability = preprocess.to_scan_grid(mean, placement, echoes[0])
        return Segmentation(
            probability=probability,
            augmentation_dice=steadiness,
            border_entropy=_mean(entropies),
            soft_dice=_mean(expected),
            echo_dice=doubt.agreement(masks),
            contrast_dice=_mean(steady),
            seconds=dict(seconds),
        )

    def _prepared(
        self, volume: Volume, modality: str, subject: str
    ) -> tuple[np.ndarray, preprocess.Placement]:
        placement = preprocess.place(volume, modality, self.settings)
        images = preprocess.image_slices(volume, modality, placement, self.settings, subject)
        return images, placement


def identity(predictor: Predictor) -> dict:
    """Tells a checkpoint from another one that was trained into the same folder later.

    An exported file has the step and the hash of the run that it came from.
    """
    record = json.dumps(dict(predictor.record), sort_keys=True, default=str)
    sha256 = predictor.record_sha256 or hashlib.sha256(record.encode()).hexdigest()
    return {
        "checkpoint": predictor.checkpoint,
        "step": int(predictor.step),
        "record_sha256": sha256,
    }


def make_forward(model: nn.Module) -> Callable[[Any, jax.Array], jax.Array]:
    """The jitted forward pass: (variables, [batch, row, column]) -> probability of liver."""
    return jax.jit(forward_of(model), compiler_options=compiler.options())


def forward_of(model: nn.Module) -> Callable[[Any, jax.Array], jax.Array]:
    """What `make_forward` compiles."""

    def forward(variables: Any, images: jax.Array) -> jax.Array:
        return jax.nn.sigmoid(model.apply(variables, images[..., None], train=False))

    return forward


def default_batch_size() -> int:
    """Slices in a batch on this machine's default device."""
    return _BATCH_ON_CPU if jax.default_backend() == "cpu" else _BATCH_ON_ACCELERATOR


def _mean(values: Sequence[float | None]) -> float | None:
    """Of those that there are; None where there is none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Adds the time of what is done within to a stage; arrays are then numpy's, so it is done."""
    start = time.perf_counter()
    yield
    seconds[stage] += time.perf_counter() - start
