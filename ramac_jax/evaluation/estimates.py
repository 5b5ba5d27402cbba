"""Estimates of a figure of several seeds, with what each episode contributes.

Several seeds are a list of arrays, one for each seed: seeds may have different numbers
of episodes that count.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ramac_jax.evaluation.statistics import (
    check_returns,
    cvar_weights,
    iqm_weights,
    resampled_weights,
)


class Estimate(NamedTuple):
    """A figure, and the sources of its interval."""

    value: float
    influence: list[np.ndarray]
    """Change of the figure by each episode [M], for each seed, up to a constant."""
    degrees: float
    """Degrees of freedom of its deviation; it is unknown below 1."""
    correction: float = 0.0
    """Size of the bias that is subtracted from the value, a deviation of its own."""


Statistic = Callable[[Sequence[np.ndarray]], Estimate]
"""Rows [M, ...] of each seed -> their estimate. Every seed has a row."""


def mean(rows: Sequence[np.ndarray]) -> Estimate:
    """Estimate the mean of all episodes together; rows [M]."""
    size = sum(map(len, rows))
    value = float(sum(row.sum() for row in rows) / size)
    influence = [(row - value) / size for row in rows]
    return Estimate(value, influence, degrees_of_freedom(rows, 1.0))


def ratio(rows: Sequence[np.ndarray]) -> Estimate:
    """Estimate the sum of the first column over that of the second; rows [M, 2]."""
    part, whole = np.sum([row.sum(axis=0) for row in rows], axis=0)
    value = float(part / whole)
    influence = [(row[:, 0] - value * row[:, 1]) / whole for row in rows]
    return Estimate(value, influence, degrees_of_freedom(rows, 1.0))


def pooled_iqm(rows: Sequence[np.ndarray]) -> Estimate:
    """Estimate the mean of the middle half of all episodes together; rows [M]."""
    returns = np.concatenate(rows)
    order = np.argsort(returns)
    ordered, size = returns[order], len(returns)
    value = float(ordered @ iqm_weights(size))
    influence = jackknife(ordered, value, iqm_weights(size - 1))
    degrees = degrees_of_freedom(rows, 0.5)
    return Estimate(value, split(influence, order, rows), degrees)


def pooled_cvar(level: float) -> Statistic:
    """Return the statistic: CVaR of all episodes together; rows [M].

    Its bias is that of resampling within each seed: see `corrected_cvar`.
    """

    def estimate(rows: Sequence[np.ndarray]) -> Estimate:
        returns = check_returns(np.concatenate(rows), level)
        order = np.argsort(returns)
        ordered, size = returns[order], len(returns)
        empirical = float(ordered @ cvar_weights(size, level))
        resampled = ordered @ resampled_weights(level, seed_of(rows)[order])
        bias = float(resampled - empirical)
        influence = jackknife(ordered, empirical, cvar_weights(size - 1, level))
        return Estimate(
            value=empirical - bias,
            influence=split(influence, order, rows),
            degrees=degrees_of_freedom(rows, level),
            correction=abs(bias),
        )

    return estimate


def per_seed_cvar(level: float) -> Statistic:
    """Return the statistic: CVaR of each seed's own episodes, then mean over seeds."""

    def estimate(rows: Sequence[np.ndarray]) -> Estimate:
        seeds = [pooled_cvar(level)([row]) for row in rows]
        return Estimate(
            value=float(np.mean([x.value for x in seeds])),
            influence=[x.influence[0] / len(rows) for x in seeds],
            degrees=sum(max(x.degrees, 0.0) for x in seeds),
            correction=math.hypot(*(x.correction for x in seeds)) / len(rows),
        )

    return estimate


def jackknife(ordered: np.ndarray, value: float, weight: np.ndarray) -> np.ndarray:
    """Return the change of a figure by each of N ordered returns [N].

    Args:
      ordered: the returns [N], the lowest first.
      value: the figure of all returns, a weighted sum.
      weight: of N - 1 ordered returns in their figure [N - 1].
    """
    size, x = len(ordered), ordered - ordered[0]
    before = np.append(0.0, np.cumsum(weight * x[:-1]))
    after = np.append(0.0, np.cumsum(weight * x[1:]))
    without = ordered[0] + before + after[-1] - after
    return (value - without) * (size - 1) / size


def degrees_of_freedom(rows: Sequence[np.ndarray], share: float) -> float:
    """Return the degrees of freedom of a figure that a share of all episodes decides.

    N episodes of K seeds that are held fixed have N - K for their mean, and a tail of
    `share` N episodes has about one less than its number.
    """
    return share * (sum(map(len, rows)) - len(rows) + 1) - 1.0


def seed_of(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Return the number of the seed of each episode [N]."""
    return np.repeat(np.arange(len(rows)), [len(row) for row in rows])


def split(
    values: np.ndarray, order: np.ndarray, rows: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return values [N] in `order` as one array for each seed, in the rows' order."""
    unordered = np.empty_like(values)
    unordered[order] = values
    return np.split(unordered, np.cumsum([len(row) for row in rows])[:-1])
