"""Statistics of observed returns.

CVaR and the mean of the middle half are weighted sums of the ordered returns: their
weights are functions of the number of returns alone.
"""

import numpy as np

from ramac_jax.errors import InputError


def cvar(returns: np.ndarray, level: float) -> np.ndarray:
    """Return the mean of the worst `level` share of returns [..., M], last axis.

    This is the empirical CVaR: where `level` M is not a whole number, the last return
    counts by its fraction. Of few returns it is too high on average: see
    `corrected_cvar`. Raises `InputError` for no returns, a scalar, and a level outside
    (0, 1].
    """
    returns = check_returns(returns, level)
    return np.sort(returns, axis=-1) @ cvar_weights(returns.shape[-1], level)


def corrected_cvar(returns: np.ndarray, level: float) -> np.ndarray:
    """Return the CVaR of returns [..., M] without the bias of few returns, last axis.

    The expectation of the empirical CVaR exceeds the CVaR of the policy. The bootstrap
    estimates this bias as the difference between the mean CVaR of all resamples, which
    has a closed form, and the CVaR of the returns; here it is subtracted. The result
    may be lower than the worst return. Raises `InputError` as `cvar` does.
    """
    returns = check_returns(returns, level)
    size = returns.shape[-1]
    resampled = resampled_weights(level, np.zeros(size, int))
    weight = 2.0 * cvar_weights(size, level) - resampled
    return np.sort(returns, axis=-1) @ weight


def iqm(returns: np.ndarray) -> np.ndarray:
    """Return the mean of the middle half of returns [..., M] along the last axis.

    A quarter of the returns, rounded down, is left out at either end. Raises
    `InputError` for no returns and a scalar.
    """
    size = np.shape(returns)[-1] if np.ndim(returns) else 0
    if not size:
        raise InputError("the mean of the middle half needs at least one return")
    return np.sort(np.asarray(returns, np.float64), axis=-1) @ iqm_weights(size)


def normalized_score(
    returns: np.ndarray, random_return: float, expert_return: float
) -> np.ndarray:
    """Return D4RL's score in percent: 0 at the random return, 100 at the expert's."""
    returns = np.asarray(returns, np.float64)
    return 100.0 * (returns - random_return) / (expert_return - random_return)


def check_returns(returns: np.ndarray, level: float) -> np.ndarray:
    """Return the returns [..., M] in float64; `InputError` where they have no CVaR."""
    returns = np.asarray(returns, np.float64)
    size = returns.shape[-1] if returns.ndim else 0
    if not 0.0 < level <= 1.0 or not size:
        found = f"{size} returns" if returns.ndim else "a scalar"
        raise InputError(
            f"CVaR of {found} at level {level:g}: give at least "
            "one return and a level above 0 and at most 1"
        )
    return returns


def cvar_weights(size: int, level: float) -> np.ndarray:
    """Return the weight [M] of each of M ordered returns in their CVaR."""
    return np.clip(level * size - np.arange(size), 0.0, 1.0) / (level * size)


def iqm_weights(size: int) -> np.ndarray:
    """Return the weight [M] of each of M ordered returns in the mean of the middle."""
    cut, place = size // 4, np.arange(size)
    return ((place >= cut) & (place < size - cut)) / (size - 2 * cut)


def resampled_weights(level: float, seed: np.ndarray) -> np.ndarray:
    """Return the weight [N] of each of N ordered returns in the CVaR of resamples.

    Of the resampled returns, B_j are among the j lowest. The mean over all resamples of
    the share min(B_j, tail) / tail of the tail is the sum of the first j weights. For
    one seed, B_j is binomial. For several, each resampled within itself, B_j is a sum
    of binomials: seeds that are whole among the j lowest give all of theirs, and the
    rest is nearly the binomial with its mean and variance.

    Args:
      level: of the CVaR; the tail is level N returns.
      seed: number of the seed of each return [N], from 0 on.
    """
    from scipy.special import betainc  # takes a fifth of a second to import

    size, by_seed = np.bincount(seed), np.argsort(seed, kind="stable")
    place = np.empty(len(seed), int)  # of a return among those of its seed, from 1 on
    place[by_seed] = np.arange(len(seed)) - (np.cumsum(size) - size)[seed[by_seed]] + 1
    total = size[seed]
    whole = place == total  # from here on the seed is whole among the lowest
    tail = level * len(seed) - np.cumsum(np.where(whole, total, 0))
    mean = np.cumsum(np.where(whole, 1 - total, 1))
    variance = np.maximum(np.cumsum(1.0 - (2 * place - 1) / total), 0.0)
    last, failure = np.floor(tail), variance / np.maximum(mean, 1)
    beyond = mean / (1.0 - failure) - last  # trials of the binomial, less `last`
    a, b = np.maximum(beyond, 1e-9), np.maximum(last, 0.0)
    few = np.where(beyond > 0.0, betainc(a, b + 1.0, failure), 1.0)  # B <= last
    # B - 1 of one trial fewer is at most last - 1:
    fewer = np.where(beyond > 0.0, betainc(a, np.maximum(b, 1.0), failure), 1.0)
    missing = np.maximum(tail, 0.0) * few - mean * np.where(last > 0.0, fewer, 0.0)
    below = 1.0 - missing / (level * len(seed))  # mean of max(tail - B, 0) is missing
    return np.diff(np.where(tail > 0.0, below, 1.0), prepend=0.0)
