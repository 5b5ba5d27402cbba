"""Episodes of a dataset: where they end, and the returns that they hold."""

from typing import Any

import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.types import Transition

OUTER = 1e-4
"""Share of the returns that a critic's range leaves out at each end, before `MARGIN`:
the few largest would take most of the range."""
MARGIN = 0.25
"""Share of the range by which a critic's range is then wider at each end."""


def steps_to_end(ends: np.ndarray) -> np.ndarray:
    """Steps [D] from each row to the first end at or after it, both included.

    Args:
      ends: [D] bool, the last steps of episodes; the last row is one in any case.
    """
    rows = np.arange(len(ends))
    last = np.where(ends, rows, len(ends) - 1)
    return np.minimum.accumulate(last[::-1])[::-1] - rows + 1


def discounted_returns(dataset: Transition, discount: float) -> np.ndarray:
    """Return sum_k discount^k r_k [D] from each row to the end of its episode.

    An episode that was cut off goes on for ever with its own mean reward.

    Args:
      dataset: transitions [D, ...] in the order of time, with `steps`.
      discount: 0 to 1.

    Raises `InputError` for a dataset without `steps`, and for a discount of 1 where an
    episode was cut off, whose return is then unknown.
    """
    if dataset.steps is None:
        raise InputError(
            "the dataset does not say where its episodes end: give Transition.steps"
        )
    reward = np.asarray(dataset.reward, np.float64)
    ends = np.flatnonzero(np.asarray(dataset.steps) == 1)
    is_cut = np.asarray(dataset.terminated)[ends] == 0
    if discount >= 1.0 and is_cut.any():
        raise InputError(
            f"the discount is {discount:g} and {is_cut.sum()} episodes were cut off, "
            "so that their returns are unknown: give a discount below 1, or a range"
        )
    returns = reward.copy()
    first = 0
    for end, cut in zip(ends.tolist(), is_cut, strict=True):
        episode = returns[first : end + 1]
        after = episode.mean() / (1.0 - discount) if cut else 0.0
        episode[:] = accumulate(episode, discount, after)
        first = end + 1
    return returns


def accumulate(reward: np.ndarray, discount: float, after: float) -> list[float]:
    """Discounted sums [T] of rewards [T], and of the return after the last of them."""
    sums: list[Any] = [after]
    for r in reward[::-1].tolist():
        sums.append(r + discount * sums[-1])
    return sums[:0:-1]


def value_range(dataset: Transition, discount: float) -> tuple[float, float]:
    """Return bounds of the returns of a dataset, for `categorical_critic`.

    The bounds are quantiles of the discounted returns, at the fractions `OUTER` and
    1 - `OUTER`, moved apart by `MARGIN` of their distance at each end: a policy may do
    worse and better than the data.

    The arguments and errors are those of `discounted_returns`.
    """
    returns = discounted_returns(dataset, discount)
    low, high = np.quantile(returns, [OUTER, 1.0 - OUTER]).tolist()
    margin = MARGIN * (high - low) or 1.0  # of returns that are all alike
    return low - margin, high + margin
