"""What the statistics give back: a figure with its intervals, and a test with its P.

A figure that is not defined is None with a reason, never 0 and never NaN.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A figure with the intervals that say how sure it is.

    Attributes:
        value: The figure in the unit of its field; None where it is undefined.
        interval_95: 95 % percentile interval of the bootstrap that draws whole subjects.
        exact_interval_95: 95 % interval of the formula that the figure has (t, Fisher's z, F,
            noncentral t), which takes the cases as independent; None where there is none.
        reason: Why the value, or an interval that it should have, is None.
    """

    value: float | None
    interval_95: tuple[float, float] | None
    exact_interval_95: tuple[float, float] | None = None
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class Test:
    """A test of a hypothesis; all P are two-sided where a test has sides.

    Attributes:
        method: Its name, with what a reader needs to do it again.
        statistic: t, F, W, ... as `method` says; None where the test is undefined.
        df: Degrees of freedom, none, one or two.
        p: The probability of such data under the hypothesis.
        n: Number of units that went in, which the test takes as independent: subjects, or cases
            (of a signed-rank test, those whose difference is not zero). Where cases are more than
            their subjects, `method` says that they are taken so.
        reason: Why `p` is None.
    """

    __test__ = False  # a result, not a test that pytest should collect

    method: str
    statistic: float | None
    df: tuple[float, ...]
    p: float | None
    n: int
    reason: str | None = None
