"""Dice predicted from signals of quality: ridge regression that cannot turn a signal round.

Few cases are there to learn from, and hardly any of them bad, so the model is kept simple: a
straight line in each signal, on scales on which errors spread evenly; weights that are shrunk, and
never negative, so that a better signal never lowers the prediction (Lawson and Hanson's
non-negative least squares).
"""

from collections.abc import Sequence

import numpy as np
from scipy import optimize, special

# What can be learnt from fewer cases is their mean.
MIN_CASES = 10
# Shrinks each weight as this many cases would that say it is 0.
_PENALTY_CASES = 1.0
# Dice and shares beyond these ends are as good, or as bad, as at them.
_LEAST, _MOST = 0.02, 0.995
# A signal farther from the mean than this many standard deviations counts as that far.
_REACH_SD = 6.0


def predict(
    known_signals: np.ndarray,
    known_dice: np.ndarray,
    signals: np.ndarray,
    directions: Sequence[int],
) -> np.ndarray:
    """Predicts Dice, having learnt from cases whose Dice is known.

    A missing signal is not guessed: each case is predicted by a model of the signals that it has,
    learnt from the known cases that have these, too (reduced models: Saar-Tsechansky and Provost,
    J Mach Learn Res 2007;8:1625). Where too few of them have, the rarest signal is left out.

    Args:
        known_signals: [n, k], NaN where missing.
        known_dice: [n].
        signals: [m, k], of the cases to predict.
        directions: [k], as `quality.Signal` has them.

    Returns:
        [m]; NaN for a case that has no signal that `MIN_CASES` known cases have.
    """
    predicted = np.full(len(signals), np.nan)
    if len(known_dice) < MIN_CASES:
        return predicted
    middle = _medians(known_signals)
    known = _turned(known_signals, middle, directions)
    wanted = _turned(signals, middle, directions)
    patterns, kind = np.unique(~np.isnan(wanted), axis=0, return_inverse=True)
    for place, pattern in enumerate(patterns):
        columns = _usable(known, np.flatnonzero(pattern))
        if columns.size:
            complete = ~np.isnan(known[:, columns]).any(axis=1)
            of_kind = kind.ravel() == place
            predicted[of_kind] = _regress(
                known[np.ix_(complete, columns)],
                known_dice[complete],
                wanted[np.ix_(of_kind, columns)],
            )
    return predicted


def turned(signals: np.ndarray, known_signals: np.ndarray, directions: Sequence[int]) -> np.ndarray:
    """The signals on the scales of the model, each the higher the better.

    Args:
        signals: [m, k], NaN where missing.
        known_signals: [n, k], whose medians are the usual values of signals of direction 0.
        directions: [k].
    """
    return _turned(signals, _medians(known_signals), directions)


def _medians(signals: np.ndarray) -> np.ndarray:
    """[k]; 0 for a signal that no case has."""
    present = [column[~np.isnan(column)] for column in signals.T]
    return np.array([np.median(column) if column.size else 0.0 for column in present])


def _turned(signals: np.ndarray, middle: np.ndarray, directions: Sequence[int]) -> np.ndarray:
    columns = []
    for column, usual, direction in zip(signals.T, middle, directions, strict=True):
        if direction > 0:  # a share or a Dice
            columns.append(_logit(column))
        elif direction < 0:  # an amount above 0
            columns.append(-np.log(np.maximum(column, 1e-3)))
        else:
            columns.append(-np.abs(column - usual))
    return np.column_stack(columns)


def _logit(share: np.ndarray) -> np.ndarray:
    return special.logit(np.clip(share, _LEAST, _MOST))


def _usable(known: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The columns that enough known cases have all together."""
    present = ~np.isnan(known)
    while columns.size and np.count_nonzero(present[:, columns].all(axis=1)) < MIN_CASES:
        columns = np.delete(columns, np.argmin(present[:, columns].sum(axis=0)))
    return columns


def _regress(known: np.ndarray, known_dice: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Non-negative ridge regression of the logit of Dice: [n, k], [n], [m, k] to [m]."""
    mean, sd = known.mean(axis=0), known.std(axis=0)
    sd[sd < 1e-9] = np.inf  # a signal that never changes says nothing
    x = np.clip((known - mean) / sd, -_REACH_SD, _REACH_SD)
    y = _logit(known_dice)
    center = x.mean(axis=0)
    penalty = np.sqrt(_PENALTY_CASES) * np.eye(x.shape[1])
    weights, _ = optimize.nnls(
        np.concatenate([x - center, penalty]),
        np.concatenate([y - y.mean(), np.zeros(x.shape[1])]),
    )
    reached = np.clip((wanted - mean) / sd, -_REACH_SD, _REACH_SD)
    return special.expit(y.mean() + (reached - center) @ weights)
