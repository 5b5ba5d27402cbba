"""Statistics of observed returns."""

import numpy as np

from ramac_jax.validation import InputError


def cvar(returns: np.ndarray, level: float) -> np.ndarray:
    """Mean of the worst `level` share of the returns [..., M] along the last axis.

    The empirical CVaR: where level M is no whole number, the last return counts by its
    fraction. Raises `InputError` for no returns or a level outside (0, 1].
    """
    returns = np.asarray(returns, np.float64)
    if not 0.0 < level <= 1.0 or not returns.shape[-1]:
        raise InputError(
            f"CVaR of {returns.shape[-1]} returns at level {level:g}: give at least "
            "one return and a level above 0 and at most 1"
        )
    size = returns.shape[-1]
    weight = np.clip(level * size - np.arange(size), 0.0, 1.0)
    return np.sort(returns, axis=-1) @ weight / (level * size)
