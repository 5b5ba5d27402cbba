"""Risk measures: one distortion of quantile fractions each.

A distortion maps uniform fractions tau in (0, 1) to the fractions at which the return's
quantiles are read; the mean of those readings is the risk-adjusted value. Every
function is `(tau, level) -> tau` with a traced level, so one compiled update serves
every level.

One convention of sign: *the smaller the level, the more averse to risk*.

| measure   | levels     | averse     | neutral | seeking    |
|-----------|------------|------------|---------|------------|
| `neutral` | any        |            | any     |            |
| `cvar`    | (0, 1]     | level < 1  | 1       |            |
| `wang`    | (-inf, inf)| level < 0  | 0       | level > 0  |
| `power`   | (-inf, inf)| level < 0  | 0       | level > 0  |
| `cpw`     | (0, 1]     |            | 1       |            |

`cpw` is neither averse nor seeking: below 1 it reads both extremes less.
"""

import jax.numpy as jnp
from jax.scipy.stats import norm

from ramac_jax.types import Array, Scalar


def neutral(tau: Array, level: Scalar = 1.0) -> Array:
    """Leave every fraction alone: the mean."""
    del level
    return tau


def cvar(tau: Array, level: Scalar) -> Array:
    """CVaR, the mean of the worst `level` share of returns: tau -> level tau.

    RAMAC, eq. 3: CVaR_alpha(Z) = (1/alpha) int_0^alpha Z(tau) dtau.
    """
    return level * tau


def wang(tau: Array, level: Scalar) -> Array:
    """Wang (2000): tau -> Phi(Phi^-1(tau) + level), a shift of normal scores."""
    return norm.cdf(norm.ppf(tau) + level)


def cpw(tau: Array, level: Scalar) -> Array:
    """Cumulative prospect weighting (Tversky and Kahneman, 1992).

    tau -> tau^level / (tau^level + (1 - tau)^level)^(1/level), applied to the fractions
    as Dabney et al. (2018) do: below 1 it leaves both ends quickly, so that the middle
    of the returns is read more and the extremes, bad and good, less.
    """
    worse, better = tau**level, (1.0 - tau) ** level
    return worse / (worse + better) ** (1.0 / level)


def power(tau: Array, level: Scalar) -> Array:
    """Power distortion (Dabney et al., 2018, eq. 10), with p = 1 / (1 + |level|).

    tau -> 1 - (1 - tau)^p below level 0, which reads lower fractions; tau^p above.
    """
    exponent = 1.0 / (1.0 + jnp.abs(level))
    return jnp.where(level < 0.0, 1.0 - (1.0 - tau) ** exponent, tau**exponent)
