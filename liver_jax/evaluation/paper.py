"""The published figures, as data, and the margins within which ours count as the same.

Wang K, Mamidipalli A, Retson T, et al. Automated CT and MRI Liver Segmentation and Biometry Using
a Generalized Convolutional Neural Network. Radiology: Artificial Intelligence 2019;1(2):e180022.
"""

import dataclasses

SOURCE = "Wang et al., Radiology: Artificial Intelligence 2019;1(2):e180022"

# The paper's image types, in its order (Table of experiment 2).
TECHNIQUES = ("spgr2d", "spgr3d", "ct", "hbp_t1w")

# Fixed before any result was seen: half-widths within which a figure counts as reproduced.
MARGINS = {"dice": 0.02, "volume_percent": 5.0, "pdff_points": 0.5}


@dataclasses.dataclass(frozen=True)
class Published:
    """A published mean and standard deviation over `n` examinations (None: not stated)."""

    mean: float
    sd: float
    n: int | None = None


# Experiment 2: Dice of both networks, on the first echo where there are several.
DICE = {
    ("spgr2d", "initial"): Published(0.93, 0.04, 168),
    ("spgr3d", "initial"): Published(0.95, 0.02, 33),
    ("ct", "initial"): Published(0.82, 0.14, 230),
    ("hbp_t1w", "initial"): Published(0.08, 0.15, 100),
    ("spgr2d", "multimodal"): Published(0.92, 0.05, 168),
    ("spgr3d", "multimodal"): Published(0.93, 0.02, 33),
    ("ct", "multimodal"): Published(0.94, 0.06, 230),
    ("hbp_t1w", "multimodal"): Published(0.95, 0.03, 100),
}

# Experiment 2: Dice of the multimodal network minus that of the initial one.
DICE_DIFFERENCE = {
    "spgr2d": Published(-0.01, 0.02, 168),
    "spgr3d": Published(-0.03, 0.02, 33),
    "ct": Published(0.12, 0.12, 230),
    "hbp_t1w": Published(0.87, 0.16, 100),
}

# Experiment 3: Dice on the arm's own technique against the number of its sets in stage 2.
ABLATION_TECHNIQUE = {"ct": "ct", "hbp": "hbp_t1w"}
ABLATION = {
    "ct": {
        0: Published(0.82, 0.14),
        1: Published(0.88, 0.13),
        2: Published(0.91, 0.10),
        10: Published(0.94, 0.06),
    },
    "hbp": {
        0: Published(0.08, 0.15),
        1: Published(0.81, 0.12),
        2: Published(0.88, 0.06),
        20: Published(0.95, 0.03),
    },
}


def beside(summary: dict) -> dict:
    """Sets each published figure that this evaluation can give beside ours.

    Args:
        summary: As `summary.summarise` returns it.

    Returns:
        `source`, `margins` and `figures`: for each its experiment, technique, measure, model,
        `published`, `ours` (failed cases counted as Dice 0), `difference` (ours minus published)
        and `margin`. A figure without a defined case of ours is left out.
    """
    figures = []
    for group in summary["groups"]:
        published = DICE.get((group["technique"], group["model"]))
        if published and group["echo"] in (None, 1):
            ours = group["measures"]["dice"]
            figures.append(
                _figure(
                    group,
                    {"measure": "dice", "model": group["model"]},
                    published,
                    {
                        "n": ours["n_all"],
                        "mean": ours["mean_all"],
                        "sd": ours["sd_all"],
                        "interval_95": ours["interval_95_all"],
                    },
                )
            )
    for pair in summary["paired"]:
        published = DICE_DIFFERENCE.get(pair["technique"])
        if published and pair["echo"] in (None, 1):
            ours = {key: pair[key] for key in ("n", "mean", "sd", "interval_95")}
            what = {"measure": "dice_difference", "model": "multimodal - initial"}
            figures.append(_figure(pair, what, published, ours))
    return {
        "source": SOURCE,
        "margins": MARGINS,
        "figures": [figure for figure in figures if figure["ours"]["n"]],
    }


def _figure(group: dict, what: dict, published: Published, ours: dict) -> dict:
    return {
        "experiment": 2,
        "technique": group["technique"],
        **what,
        "published": dataclasses.asdict(published),
        "ours": ours,
        "difference": ours["mean"] - published.mean if ours["n"] else None,
        "margin": MARGINS["dice"],
    }
