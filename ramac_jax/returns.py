"""Episodes of a dataset: where they end, and the returns that they hold."""

import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.types import Transition

OUTER = 1e-4
"""Share of the returns that a critic's range leaves out at each end, before `MARGIN`:
the few largest would take most of the range."""
MARGIN = 0.25
"""Share of the range by which a critic's range is then wider at each end."""
ROUNDING = 1e-6
"""Share of the returns by which rounding alone may move them."""


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

    An episode that was cut off continues with the mean return V of all rows. The return
    of a row is a + b V, where b is 0 if its episode ends, so that V is the mean of a
    over 1 minus the mean of b.

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
    seen = reward.copy()  # a: what the rewards of the data give
    first = 0
    for end in ends.tolist():
        seen[first : end + 1] = accumulate(seen[first : end + 1], discount)
        first = end + 1
    left = np.asarray(dataset.steps, np.float64)
    is_cut_later = np.repeat(is_cut, np.diff(ends, prepend=-1))
    after: np.ndarray = np.where(is_cut_later, discount**left, 0.0)  # b
    return seen + after * (seen.mean() / (1.0 - after.mean()))


def accumulate(reward: np.ndarray, discount: float) -> list[float]:
    """Discounted sums [T] of rewards [T] from each step on."""
    total = 0.0
    sums = [total := r + discount * total for r in reward[::-1].tolist()]
    return sums[::-1]


def value_range(dataset: Transition, discount: float) -> tuple[float, float]:
    """Return bounds of the returns of a dataset, for `categorical_critic`.

    The bounds are quantiles of the discounted returns, at the fractions `OUTER` and
    1 - `OUTER`, moved apart by `MARGIN` of their distance at each end: a policy may do
    worse and better than the data.

    The arguments and errors are those of `discounted_returns`.
    """
    returns = discounted_returns(dataset, discount)
    low, high = np.quantile(returns, [OUTER, 1.0 - OUTER]).tolist()
    margin = MARGIN * (high - low)
    if margin <= ROUNDING * max(abs(low), abs(high)):
        margin = 1.0  # of returns that are all alike
    return low - margin, high + margin
