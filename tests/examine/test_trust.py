import json

import numpy as np
import pytest

from liver_jax.examine import intensity, trust

AFFINE = np.array([[4.0, 0, 0, -160], [0, 4, 0, -120], [0, 0, 5, 30], [0, 0, 0, 1]])
SHAPE = (80, 60, 40)  # 320 x 240 x 200 mm, voxels of 0.08 mL
GOOD = {"augmentation_dice": 0.97, "border_entropy": 0.25, "soft_dice": 0.97}
LIVER = np.s_[45:71, 10:40, 5:30]  # 26 x 30 x 25 voxels: 1560 mL, on the right


@pytest.fixture(autouse=True)
def known_intensities(request, monkeypatch):
    if "intensities" not in request.fixturenames:
        monkeypatch.setattr(intensity, "doubt", lambda image, mask, modality: None)


def box(*places: tuple) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    for place in places:
        mask[place] = True
    return mask


def judge(mask, probability=None, doubts=GOOD, agreement=None):
    image = np.zeros(mask.shape, np.float32)
    return trust.judge(mask, probability, AFFINE, image, "MR", doubts, agreement)


def reasons(found: trust.Trust) -> dict[str, str]:
    return {flag.name: flag.reason for flag in found.flags}


def test_a_plausible_liver_has_no_flags():
    found = judge(box(LIVER), box(LIVER).astype(np.float32))
    assert found.flags == ()
    assert found.score == 0.97
    assert found.signals["right_share"] == 1.0
    assert found.signals["largest_component_share"] == 1.0
    interval = found.volume_interval_ml
    assert (interval.low, interval.high, interval.level) == pytest.approx((1560, 1560, 0.95))
    assert found.volume_interval_reason is None


def test_an_empty_mask_says_so_and_nothing_else():
    nothing = dict.fromkeys(GOOD)
    found = judge(box(), np.zeros(SHAPE, np.float32), nothing)
    assert reasons(found) == {"empty": "no liver was found"}
    assert found.score is None
    assert set(found.signals.values()) == {None}
    assert found.volume_interval_ml is None
    assert found.volume_interval_reason == "the mask is empty"


def test_a_cut_liver_tells_the_area_of_the_cut():
    found = judge(box(np.s_[45:71, 10:40, 10:]))  # 26 x 30 pixels of 0.16 cm2 in the last section
    assert reasons(found).keys() == {"touches_fov_border"}
    assert reasons(found)["touches_fov_border"].startswith("124.8 cm2 of the mask lie on the edge")
    corner = box(LIVER, np.s_[70, 10:16, -1])  # 0.96 cm2
    assert "touches_fov_border" not in reasons(judge(corner))


@pytest.mark.parametrize(
    ("place", "volume"), [(np.s_[50:60, 10:20, 5:15], "80 mL"), (np.s_[2:78, 2:58, 2:38], "12257")]
)
def test_a_volume_that_no_adult_has(place, volume):
    reason = reasons(judge(box(place)))["implausible_volume"]
    assert volume in reason and "577 to 5445 mL" in reason


def test_what_was_cut_off_at_a_neck_is_told_in_ml():
    mask, image = box(LIVER), np.zeros(SHAPE, np.float32)
    small, large = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    small[0, 0, 0] = True
    large[:20, :20, :10] = True
    found = [
        trust.judge(mask, None, AFFINE, image, "MR", GOOD, cut=cut) for cut in (None, small, large)
    ]
    assert ["cut_at_neck" in reasons(one) for one in found] == [False, False, True]
    volume_ml = large.sum() * abs(np.linalg.det(AFFINE)) / 1000
    assert reasons(found[2])["cut_at_neck"].startswith(f"{volume_ml:.0f} mL that hung")


def test_a_network_trained_on_contrasts_by_chance_must_be_surer():
    assert trust.threshold({"data": {"from_labels": True}}) > trust.threshold({}) == 0.96
    image = np.zeros(SHAPE, np.float32)
    probability = box(LIVER).astype(np.float32)
    found = trust.judge(box(LIVER), probability, AFFINE, image, "MR", GOOD, low_confidence=0.975)
    assert "less than 0.975" in reasons(found)["low_confidence"]
    assert found.volume_interval_ml is None


def test_the_wrong_side_tells_the_share():
    found = judge(box(np.s_[5:39, 10:40, 5:30], np.s_[41:44, 10:40, 5:30]))
    assert reasons(found)["wrong_side"].startswith("8% of the mask lie on the patient's right")


def test_pieces_are_told_whether_the_mask_still_has_them_or_not():
    pieces = box(LIVER, np.s_[10:20, 10:20, 10:20])  # a second one of 80 mL
    kept = judge(pieces, pieces.astype(np.float32))
    left_out = judge(box(LIVER), pieces.astype(np.float32))
    unknown = judge(pieces)
    for found, fate in ((kept, "is in the mask"), (left_out, "was left out"), (unknown, "is in")):
        reason = reasons(found)["several_components"]
        assert "2 pieces of 10 mL or more" in reason and "80 mL" in reason and fate in reason
        assert found.signals["largest_component_share"] == pytest.approx(1560 / 1640)


def test_a_low_score_is_flagged_and_withholds_the_interval():
    doubts = GOOD | {"soft_dice": 0.9599}
    found = judge(box(LIVER), box(LIVER).astype(np.float32), doubts)
    assert found.score == 0.9599
    assert "0.9599 of its own mask, less than 0.96" in reasons(found)["low_confidence"]
    assert found.volume_interval_ml is None
    assert "too low" in found.volume_interval_reason
    assert "low_confidence" not in reasons(judge(box(LIVER), doubts=GOOD | {"soft_dice": 0.96}))


def test_without_the_networks_signals_there_is_no_score_and_no_flag_for_it():
    found = judge(box(LIVER), doubts={})
    assert found.score is None
    assert found.flags == ()
    assert found.volume_interval_reason == "the probability is not known"


def test_the_interval_counts_what_is_sure_and_what_is_possible_nearby():
    probability = np.zeros(SHAPE, np.float32)
    probability[43:73, 8:42, 5:30] = 0.06  # 30 x 34 x 25 voxels
    probability[LIVER] = 0.9
    probability[47:69, 12:38, 5:30] = 0.96  # 22 x 26 x 25 voxels
    probability[0:20, 0:8, 0:10] = 0.4  # too far away to be liver
    interval = judge(box(LIVER), probability).volume_interval_ml
    assert interval.low == pytest.approx(22 * 26 * 25 * 0.08)
    assert interval.high == pytest.approx(30 * 34 * 25 * 0.08)


def test_the_interval_hardly_depends_on_how_fine_the_grid_is():
    """Fine voxels are sampled; the shares stay those of all voxels, and the volume exact."""
    x = (np.arange(160) - 80.0) * 1.0
    distance_mm = np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2)
    probability = (1 / (1 + np.exp((distance_mm - 50) / 1.5))).astype(np.float32)
    mask = probability >= 0.5
    image, doubts = np.zeros(mask.shape, np.float32), GOOD
    fine = trust.judge(mask, probability, np.diag([0.9, 0.9, 0.9, 1]), image, "MR", doubts)
    whole = trust.judge(mask, probability, np.diag([2.1, 2.1, 2.1, 1]), image, "MR", doubts)
    ratio = (2.1 / 0.9) ** 3
    for name in ("low", "high"):
        sampled = getattr(fine.volume_interval_ml, name) * ratio
        assert sampled == pytest.approx(getattr(whole.volume_interval_ml, name), rel=0.01)
    volume_ml = mask.sum() * 0.9**3 / 1000
    assert fine.volume_interval_ml.low < volume_ml < fine.volume_interval_ml.high


@pytest.mark.parametrize("dice", [0.83, None])
def test_json_has_every_key_and_no_nan(dice):
    found = judge(
        box(LIVER), box(LIVER).astype(np.float32), agreement={"echo_dice": dice}
    ).to_json()
    json.dumps(found, allow_nan=False)
    assert list(found["quality"]) == [
        *("score", "augmentation_dice", "border_entropy", "soft_dice"),
        *("echo_dice", "contrast_dice"),
        *("volume_z", "right_share", "largest_component_share"),
    ]
    assert found["quality"]["echo_dice"] == dice
    assert set(found["volume_interval_ml"]) == {"low", "high", "level", "method"}
    assert found["volume_interval_ml_reason"] is None
    empty = judge(box(), doubts={}).to_json()
    assert empty["flags"] == [{"flag": "empty", "reason": "no liver was found"}]


def test_an_unknown_scale_is_a_flag(intensities):
    mask = box(LIVER)
    image = np.where(mask, 5.0, -3.0)
    found = trust.judge(mask, None, AFFINE, image, "MR", GOOD, None)
    assert "negative" in reasons(found)["unknown_intensity_scale"]


@pytest.fixture
def intensities():
    """Asks for the true look at intensities."""


def test_flags_keep_their_order():
    mask = box(np.s_[0:8, 0:8, 0:8], np.s_[0:8, 20:28, 0:8])
    names = [flag.name for flag in judge(mask, doubts=GOOD | {"soft_dice": 0.1}).flags]
    assert names == [name for name in trust.FLAGS if name in names]
    assert len(names) == 5


def test_shapes_that_differ_are_a_defect():
    with pytest.raises(ValueError, match="probability"):
        judge(box(LIVER), np.zeros((2, 2, 2), np.float32))
