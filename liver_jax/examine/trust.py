"""How far to trust one mask, without a reference: a score, flags with their reasons, an interval.

- The score is the network's Soft Dice Confidence (`inference.doubt.soft_dice`), the Dice that its
  probabilities let expect, of passes without augmentation. It is one signal and no mixture. On the
  first echoes of 120 simulated examinations, each segmented by two networks, it ranked masks a
  little worse than its product with `augmentation_dice` (Spearman .82 and .89; AUROC for a Dice
  below .85 .954 and .976); on all echoes, and on 6 real scans, it told the bad ones better (.941
  and .906; 1.00 and .91). It is no forecast of Dice: on real scans of a sort never trained on,
  masks with a Dice of .3 scored up to .93.
- `LOW_CONFIDENCE` was chosen on 46 of these examinations, where it flags all 12 bad masks and none
  of 80 good ones. On 44 others like them it flags 14 of 15 bad ones and none of 73; on 30 harder
  ones (real shapes, findings, motion) 16 of 26, all 16 of a Dice below .7 among them, and none of
  34; of the real scans 11 of 11, and not the one that is good.
- `LOW_CONFIDENCE_ANY_CONTRAST` separates what the built-in network finds: 22 phantom examinations
  of Dice .925 or more and a real CT of .946 score .978 to .988, six real scans of .69 to .93 score
  .949 to .972. It was chosen on these very scans.
- The volume's interval runs between the volumes at high and at low probability. How often it holds
  a reader's volume was measured, not derived: first echoes with a score that is not low, 75 of 80
  and, on the 44 that the method was not chosen on, 71 of 74 (96 %, 95 % interval 89 to 99 %); on
  real shapes 21 of 24, but with many findings and motion only 13 of 20. Its 95 % holds for scans
  like those trained on; where the score is low there is no interval, as none would hold.
- The other flags do not depend on the network: each is one thing that a reader can check.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import ndimage

from liver_jax.biometry import border, components, extent, plausibility, volumetry
from liver_jax.examine import intensity
from liver_jax.inference import postprocess
from liver_jax.volume import geometry

# Scores below are flagged; the module's docstring has how they were chosen. The second is for
# networks that were trained on label maps with contrasts by chance.
LOW_CONFIDENCE, LOW_CONFIDENCE_ANY_CONTRAST = 0.96, 0.975
# A corner of the mask may touch the border; more than this is a liver cut off.
_CUT_CM2 = 1.0
INTERVAL_LEVEL = 0.95
# What of the mask is surer than the first; what near it is likelier than the second.
_SURE, _POSSIBLE = 0.95, 0.05
_NEAR_MM = 15.0
_FINE_MM = 2.0  # finer voxels are sampled: the ratio of two volumes needs no more
INTERVAL_METHOD = (
    "from the volume of the mask's voxels with a probability of 0.95 or more to that of all voxels "
    "within 15 mm of it with 0.05 or more; it held 96 % of volumes on simulated scans like those "
    "trained on, 65 to 88 % on harder ones"
)
_SIGNALS = ("augmentation_dice", "border_entropy", "soft_dice", "echo_dice", "contrast_dice")


@dataclasses.dataclass(frozen=True)
class Flag:
    """One thing that speaks against a mask.

    Attributes:
        name: One of `FLAGS`.
        reason: A plain sentence with the figures.
    """

    name: str
    reason: str


FLAGS = (
    "empty",
    "touches_fov_border",
    "implausible_volume",
    "several_components",
    "cut_at_neck",
    "wrong_side",
    "low_confidence",
    "unknown_intensity_scale",
)


@dataclasses.dataclass(frozen=True)
class Interval:
    """An interval for the liver's volume, which holds the mask's own.

    Attributes:
        low: Its lower end, mL.
        high: Its upper end, mL.
        level: How often it is meant to hold what a reader would draw, 0 to 1.
        method: How it was made.
    """

    low: float
    high: float
    level: float = INTERVAL_LEVEL
    method: str = INTERVAL_METHOD


@dataclasses.dataclass(frozen=True)
class Trust:
    """What speaks for and against one mask.

    Attributes:
        score: 0 to 1, the higher the better; None where the network told nothing, or found none.
        signals: What the score and the flags rest on, None where a signal is not to be had.
        flags: Some of `FLAGS`, in that order.
        volume_interval_ml: None where there is none.
        volume_interval_reason: Why there is none, or None.
    """

    score: float | None
    signals: Mapping[str, float | None]
    flags: tuple[Flag, ...]
    volume_interval_ml: Interval | None
    volume_interval_reason: str | None

    def to_json(self) -> dict[str, Any]:
        """The fields of measurements.json: quality, flags, the interval and its reason."""
        interval = self.volume_interval_ml
        return {
            "quality": {"score": self.score, **self.signals},
            "flags": [{"flag": flag.name, "reason": flag.reason} for flag in self.flags],
            "volume_interval_ml": None if interval is None else dataclasses.asdict(interval),
            "volume_interval_ml_reason": self.volume_interval_reason,
        }


def threshold(config: Mapping[str, Any]) -> float:
    """The score below which a mask of the network with this training config is flagged."""
    from_labels = config.get("data", {}).get("from_labels", False)
    return LOW_CONFIDENCE_ANY_CONTRAST if from_labels else LOW_CONFIDENCE


def judge(
    mask: np.ndarray,
    probability: np.ndarray | None,
    affine: np.ndarray,
    image: np.ndarray,
    modality: str,
    doubts: Mapping[str, float | None],
    agreement: Mapping[str, float | None] | None = None,
    cut: np.ndarray | None = None,
    low_confidence: float = LOW_CONFIDENCE,
) -> Trust:
    """Judges one mask.

    Args:
        mask: bool [x, y, z], as it is given out.
        probability: [x, y, z] in [0, 1], what the mask was made from; None where it is not known.
            Pieces that were taken off the mask afterwards show in it.
        affine: [4, 4], voxel indices to RAS+ millimetres.
        image: [x, y, z], what was segmented: HU for CT, magnitude for MR.
        modality: `CT` or `MR`.
        doubts: As of `Segmentation.doubts`; may lack some. `soft_dice` is that of single passes:
            of a mean over augmented passes or echoes it is lower for masks that are as good.
        agreement: `echo_dice` and `contrast_dice` of `Segmentation`; may lack some.
        cut: bool [x, y, z], what was taken off the mask (`postprocess.cleaned`).
        low_confidence: The score below which there is a flag and no interval (`threshold`).

    Raises:
        ValueError: The shapes differ.
    """
    for name, data in (("image", image), ("probability", probability)):
        if data is not None and data.shape != mask.shape:
            raise ValueError(f"{name} {data.shape} and mask {mask.shape} differ in shape")
    mask = mask.astype(bool, copy=False)
    given = {**dict.fromkeys(_SIGNALS), **doubts, **(agreement or {})}
    judged = plausibility.judge(mask, affine)
    found = mask if probability is None else postprocess.threshold(probability)
    sizes_ml = components.voxel_counts(found) * _voxel_ml(affine)
    empty = not mask.any()
    score = None if empty else given["soft_dice"]
    raised = {
        "empty": "no liver was found" if empty else None,
        "touches_fov_border": _cut(mask, affine),
        "implausible_volume": _implausible(mask, affine, judged),
        "several_components": _several(mask, found, sizes_ml),
        "cut_at_neck": None if cut is None else _at_neck(cut, affine),
        "wrong_side": _wrong_side(judged),
        "low_confidence": _unsure(score, low_confidence),
        "unknown_intensity_scale": intensity.doubt(image, mask, modality),
    }
    interval, reason = _interval(mask, probability, affine, score, low_confidence)
    return Trust(
        score=score,
        signals={
            **{name: given[name] for name in _SIGNALS},
            "volume_z": judged.volume_z,
            "right_share": judged.right_share,
            "largest_component_share": (
                float(sizes_ml[0] / sizes_ml.sum()) if sizes_ml.size else None
            ),
        },
        flags=tuple(Flag(name, raised[name]) for name in FLAGS if raised[name] is not None),
        volume_interval_ml=interval,
        volume_interval_reason=reason,
    )


def _voxel_ml(affine: np.ndarray) -> float:
    return float(abs(np.linalg.det(np.asarray(affine, np.float64)[:3, :3]))) / 1000.0


def _cut(mask: np.ndarray, affine: np.ndarray) -> str | None:
    area_cm2 = border.cut_area_cm2(mask, affine)
    if area_cm2 < _CUT_CM2:
        return None
    return (
        f"{area_cm2:.1f} cm2 of the mask lie on the edge of the scan: what is beyond is missing "
        "from the volume"
    )


def _implausible(
    mask: np.ndarray, affine: np.ndarray, judged: plausibility.Plausibility
) -> str | None:
    if "implausible_volume" not in judged.flags:
        return None
    low, high = plausibility.VOLUME_RANGE_ML
    volume_ml = volumetry.volume_ml(mask, affine)
    return f"{volume_ml:.0f} mL is outside {low:.0f} to {high:.0f} mL, as adults' livers have"


def _several(mask: np.ndarray, found: np.ndarray, sizes_ml: np.ndarray) -> str | None:
    """Pieces that the network found, whether or not the mask still has them."""
    if sizes_ml.size < 2 or sizes_ml[1] < plausibility.PIECE_ML:
        return None
    large = int(np.count_nonzero(sizes_ml >= plausibility.PIECE_ML))
    others_ml = float(sizes_ml[1:].sum())
    kept = np.count_nonzero(mask & found) > sizes_ml[0] / sizes_ml.sum() * np.count_nonzero(found)
    fate = "is in the mask" if kept else "was left out"
    return (
        f"the network found {large} pieces of {plausibility.PIECE_ML:g} mL or more; what is not "
        f"in the largest, {others_ml:.0f} mL, {fate}"
    )


def _at_neck(cut: np.ndarray, affine: np.ndarray) -> str | None:
    cut_ml = volumetry.volume_ml(cut, affine)
    if cut_ml < plausibility.PIECE_ML:
        return None
    return (
        f"{cut_ml:.0f} mL that hung on the mask by a neck were left out: bowel below the liver, as "
        "a rule; look whether some of it is liver"
    )


def _wrong_side(judged: plausibility.Plausibility) -> str | None:
    if "wrong_side" not in judged.flags:
        return None
    return (
        f"{judged.right_share:.0%} of the mask lie on the patient's right: the liver is on the "
        "left, or the file tells the sides wrong"
    )


def _unsure(score: float | None, least: float) -> str | None:
    if score is None or score >= least:
        return None
    return f"the network expects a Dice of {score:.4f} of its own mask, less than {least:g}"


def _interval(
    mask: np.ndarray,
    probability: np.ndarray | None,
    affine: np.ndarray,
    score: float | None,
    low_confidence: float,
) -> tuple[Interval | None, str | None]:
    if probability is None:
        return None, "the probability is not known"
    spacing_mm = geometry.spacing_mm(affine)
    margin = int(np.ceil(_NEAR_MM / spacing_mm.min()))
    box = extent.bounding_box(mask, margin=margin)
    if box is None:
        return None, "the mask is empty"
    if score is not None and score < low_confidence:
        return None, f"the score of {score:.4f} is too low to trust any interval"
    every = np.maximum(1, np.floor(_FINE_MM / spacing_mm)).astype(int)
    sampled = tuple(slice(None, None, step) for step in every)
    inside, likely = mask[box][sampled], probability[box][sampled]
    far_mm = ndimage.distance_transform_edt(~inside, sampling=spacing_mm * every)
    count = np.count_nonzero(inside)
    if not count:
        return None, "the mask is too thin to be sampled"
    sure = np.count_nonzero(inside & (likely >= _SURE))
    more = np.count_nonzero(~inside & (likely >= _POSSIBLE) & (far_mm <= _NEAR_MM))
    volume_ml = volumetry.volume_ml(mask, affine)
    return Interval(float(volume_ml * sure / count), float(volume_ml * (1 + more / count))), None
