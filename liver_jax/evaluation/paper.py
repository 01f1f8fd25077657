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
    """A published mean and standard deviation.

    Attributes:
        mean: As printed.
        sd: As printed.
        n: Examinations, where the paper says how many.
        n_taken: What a test takes for n where it is not said; the comment beside the figure says
            why.
    """

    mean: float
    sd: float
    n: int | None = None
    n_taken: int | None = None


@dataclasses.dataclass(frozen=True)
class PublishedTest:
    """A published test: its F where there is one, and its P, exact or as a bound (`<`)."""

    p: float
    is_bound: bool = False
    f: float | None = None


@dataclasses.dataclass(frozen=True)
class PublishedRange:
    """The spread of the volumes or fat fractions in a cohort."""

    min: float
    max: float
    mean: float | None = None
    sd: float | None = None


@dataclasses.dataclass(frozen=True)
class PublishedAgreement:
    """Automated against manual measurements, in mL or in percentage points of PDFF.

    `r` for PDFF and `r_squared` for volumes, as the paper prints them.
    """

    manual: PublishedRange
    slope: float
    intercept: float
    bias: float
    bias_test: PublishedTest
    lower_limit: float
    upper_limit: float
    n: int | None = None
    n_taken: int | None = None
    automated: PublishedRange | None = None
    r: float | None = None
    r_squared: float | None = None

    @property
    def sd_difference(self) -> float:
        """The standard deviation of the differences: the limits are the bias -/+ 1.96 of it."""
        return (self.upper_limit - self.lower_limit) / (2 * 1.96)


# Experiment 1, initial network: the lowest and the highest of the means for each TE and sequence.
# Which TE and sequence they belong to is not said; n is 50 for 2D and 33 for 3D, of which the
# smaller leaves the more room for chance.
ECHO_DICE = {
    "lowest": Published(0.90, 0.07, n_taken=33),
    "highest": Published(0.95, 0.02, n_taken=33),
}
ECHO_TESTS = {
    "te": PublishedTest(0.23, f=1.29),
    "sequence": PublishedTest(0.31, f=1.005),
}

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
# The paired t tests of these, after Bonferroni's correction.
DICE_DIFFERENCE_TEST = {technique: PublishedTest(0.001, is_bound=True) for technique in TECHNIQUES}

# Experiment 3: Dice on the arm's own technique against the number of its sets in stage 2. No n is
# printed; 0 sets and the most sets repeat experiment 2, whose n is therefore taken.
ABLATION_TECHNIQUE = {"ct": "ct", "hbp": "hbp_t1w"}
ABLATION = {
    "ct": {
        0: Published(0.82, 0.14, n_taken=230),
        1: Published(0.88, 0.13, n_taken=230),
        2: Published(0.91, 0.10, n_taken=230),
        10: Published(0.94, 0.06, n_taken=230),
    },
    "hbp": {
        0: Published(0.08, 0.15, n_taken=100),
        1: Published(0.81, 0.12, n_taken=100),
        2: Published(0.88, 0.06, n_taken=100),
        20: Published(0.95, 0.03, n_taken=100),
    },
}
# Where the paper sees the curve flatten: at its largest number of sets, without a definition.
PLATEAU = {"ct": 10, "hbp": 20}

# Experiment 4, multimodal network, mL.
VOLUME_ML = {
    "ct": PublishedAgreement(
        manual=PublishedRange(577, 5186, 1677, 540),
        automated=PublishedRange(400, 5006, 1619, 532),
        r_squared=0.95,
        slope=0.96,
        intercept=11.7,
        bias=-58.1,
        bias_test=PublishedTest(0.001, is_bound=True),
        lower_limit=-298,
        upper_limit=180,
        n=230,
    ),
    "hbp_t1w": PublishedAgreement(
        manual=PublishedRange(858, 5445, 2315, 901),
        automated=PublishedRange(856, 5357, 2226, 858),
        r_squared=0.98,
        slope=0.94,
        intercept=45.1,
        bias=-89,
        bias_test=PublishedTest(0.01, is_bound=True),
        lower_limit=-358,
        upper_limit=180,
        n=100,
    ),
}

# Experiment 5, multimodal network, percentage points of PDFF. No n is printed. P, bias and limits
# of 3D go with its 33 examinations. Those of 2D go with about 34 (with all 168, P would be .001),
# so that is taken; the larger n would only make the published figures look surer.
PDFF_PERCENT = {
    "spgr2d": PublishedAgreement(
        manual=PublishedRange(1.7, 53),
        r=0.99,
        slope=1.001,
        intercept=0.01,
        bias=0.09,
        bias_test=PublishedTest(0.15),
        lower_limit=-0.62,
        upper_limit=0.80,
        n_taken=34,
    ),
    "spgr3d": PublishedAgreement(
        manual=PublishedRange(3.3, 32),
        r=0.99,
        slope=0.99,
        intercept=0.27,
        bias=-0.21,
        bias_test=PublishedTest(0.10),
        lower_limit=-1.63,
        upper_limit=1.21,
        n_taken=33,
    ),
}
