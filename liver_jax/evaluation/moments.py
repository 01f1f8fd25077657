"""The figures of agreement as functions of sums over the cases.

So one formula serves the sample, all its resamples at once, and the samples that leave one case
out. Sums are of deviations from the sample's means, for the sake of their last digits.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import stats

from liver_jax.evaluation import hypothesis

# Limits of agreement hold 95 % of normal differences: 2.5 % lie above the upper one.
BELOW_UPPER_LIMIT = 0.975
LIMIT_SD = float(stats.norm.ppf(BELOW_UPPER_LIMIT))


@dataclasses.dataclass(frozen=True)
class Moments:
    """Sums over pairs of measurements, and what follows from them.

    Attributes:
        columns: [n, 10], what is summed over the cases; the first one is 1.
        manual_mean: Origin of the manual deviations.
        automated_mean: Origin of the automated ones.
        floors: Sums of squares up to here are rounding: of manual, automated, difference, mean.
    """

    columns: np.ndarray
    manual_mean: float
    automated_mean: float
    floors: tuple[float, float, float, float]

    @classmethod
    def of(cls, automated: Sequence[float], manual: Sequence[float]) -> "Moments":
        """From automated [n] and manual [n], n > 0."""
        x, y = np.asarray(manual, np.float64), np.asarray(automated, np.float64)
        u, v, difference = x - x.mean(), y - y.mean(), y - x
        w, m = difference - difference.mean(), (u + v) / 2
        positive = x > 0
        percent = np.divide(100 * np.abs(difference), x, out=np.zeros_like(x), where=positive)
        one = np.ones_like(x)
        columns = np.stack(
            [one, u, v, u * u, v * v, u * v, w * w, np.abs(difference), positive * one, percent], 1
        )
        magnitude = float(np.abs([x, y]).max())
        grain = x.size * (hypothesis.ROUNDING * magnitude) ** 2
        floors = tuple(
            grain + hypothesis.ROUNDING * float(np.sum(part**2)) for part in (u, v, w, m)
        )
        return cls(columns, float(x.mean()), float(y.mean()), floors)

    def total(self) -> np.ndarray:
        """The sums of the sample: [1, 10]."""
        return self.columns.sum(axis=0, keepdims=True)

    def without_one(self) -> np.ndarray:
        """The sums of the n samples that leave one case out: [n, 10]."""
        return self.total() - self.columns

    def figures(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """The figures of each row of sums.

        Args:
            sums: [m, 10], sums of `columns` over the cases of m samples.

        Returns:
            Name -> [m]; NaN where undefined: correlations and lines for fewer than three cases or
            without spread, limits for fewer than two.
        """
        n, u, v, uu, vv, uv, ww, absolute, positive, percent = sums.T
        x_floor, y_floor, difference_floor, mean_floor = self.floors
        with np.errstate(divide="ignore", invalid="ignore"):
            x, y = self.manual_mean + u / n, self.automated_mean + v / n
            bias = y - x
            # Sums of squares and products about the means: manual, automated, both.
            xx, yy, xy = uu - u * u / n, vv - v * v / n, uv - u * v / n
            of_mean = (uu + vv + 2 * uv) / 4 - (u + v) ** 2 / (4 * n)
            of_difference = ww - (v - u) ** 2 / n
            sd = np.sqrt(np.where(of_difference > difference_floor, of_difference, 0) / (n - 1))
            sd = np.where(n >= 2, sd, np.nan)
            skew, spread = yy - xx, _above(xx + yy, x_floor + y_floor, n)
            xx, yy = _above(xx, x_floor, n), _above(yy, y_floor, n)
            r = np.clip(xy / np.sqrt(xx * yy), -1.0, 1.0)
            slope = xy / xx
            # Variance ratio 1: the line of least squared distances (Linnet 1993, equation 1).
            deming = (skew + np.sqrt(skew**2 + 4 * xy**2)) / (2 * xy)
            deming = np.where(np.abs(r) > hypothesis.ROUNDING, deming, np.nan)
            return {
                "pearson_r": r,
                "r_squared": r**2,
                "ols_slope": slope,
                "ols_intercept": y - slope * x,
                "deming_slope": deming,
                "deming_intercept": y - deming * x,
                "bias": bias,
                "sd_difference": sd,
                "lower_limit": bias - LIMIT_SD * sd,
                "upper_limit": bias + LIMIT_SD * sd,
                # Slope of y - x on (x + y) / 2.
                "proportional_bias": skew / (2 * _above(of_mean, mean_floor, n)),
                # Lin 1989, with the variances of n.
                "ccc": 2 * xy / (spread + n * bias**2),
                "mean_absolute_error": absolute / n,
                "mean_absolute_error_percent": percent / np.where(positive > 0, positive, np.nan),
                "bias_percent": 100 * bias / np.where(x > 0, x, np.nan),
            }


def _above(squares: np.ndarray, floor: float, n: np.ndarray) -> np.ndarray:
    """Sums of squares; NaN where they are rounding only, and for fewer than three cases."""
    return np.where((n >= 3) & (squares > floor), squares, np.nan)
