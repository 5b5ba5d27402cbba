"""Statistics of observed returns.

Several seeds are a list of arrays, one for each seed: seeds may have different numbers
of episodes that count.
"""

from collections.abc import Callable

import numpy as np

from ramac_jax.errors import InputError

Statistic = Callable[[list[np.ndarray]], np.ndarray]
"""Rows of each seed [R, M, ...] -> one figure for each of R resamples [R]."""


def cvar(returns: np.ndarray, level: float) -> np.ndarray:
    """Return the mean of the worst `level` share of returns [..., M], last axis.

    This is the empirical CVaR: where `level` M is not a whole number, the last return
    counts by its fraction. Raises `InputError` for no returns, a scalar, and a level
    outside (0, 1].
    """
    returns = np.asarray(returns, np.float64)
    size = returns.shape[-1] if returns.ndim else 0
    if not 0.0 < level <= 1.0 or not size:
        found = f"{size} returns" if returns.ndim else "a scalar"
        raise InputError(
            f"CVaR of {found} at level {level:g}: give at least "
            "one return and a level above 0 and at most 1"
        )
    weight = np.clip(level * size - np.arange(size), 0.0, 1.0)
    return np.sort(returns, axis=-1) @ weight / (level * size)


def iqm(returns: np.ndarray) -> np.ndarray:
    """Return the mean of the middle half of returns [..., M] along the last axis.

    A quarter of the returns, rounded down, is left out at either end. Raises
    `InputError` for no returns and a scalar.
    """
    size = np.shape(returns)[-1] if np.ndim(returns) else 0
    if not size:
        raise InputError("the mean of the middle half needs at least one return")
    cut = size // 4
    ordered = np.partition(returns, (cut, size - cut - 1), axis=-1)
    return np.mean(ordered[..., cut : size - cut], axis=-1)


def normalized_score(
    returns: np.ndarray, random_return: float, expert_return: float
) -> np.ndarray:
    """Return D4RL's score in percent: 0 at the random return, 100 at the expert's."""
    returns = np.asarray(returns, np.float64)
    return 100.0 * (returns - random_return) / (expert_return - random_return)


def pooled(function: Callable[[np.ndarray], np.ndarray]) -> Statistic:
    """Turn a function of returns [R, M] into a statistic of all seeds together."""
    return lambda rows: function(np.concatenate(rows, axis=1))


def per_seed_cvar(level: float) -> Statistic:
    """Return the statistic: CVaR of each seed's own episodes, then mean over seeds."""
    return lambda rows: np.mean([cvar(row, level) for row in rows], axis=0)


def ratio(rows: list[np.ndarray]) -> np.ndarray:
    """Return the sum of the first column over that of the second; rows [R, M, 2]."""
    part, whole = np.moveaxis(np.concatenate(rows, axis=1).sum(axis=1), -1, 0)
    return part / whole
