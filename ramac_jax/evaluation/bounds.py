"""The bounds of RAMAC's theory, in numbers.

beta is the behaviour, pi a policy, both at one state; I_s is the support of beta, and
delta = pi(outside I_s) the rate of out-of-distribution actions. KL(beta || pi) over
cells is never above that of the densities, so that a bound which holds with cells holds
with densities.
"""

import math

import numpy as np

from ramac_jax.validation import InputError


def kl_divergence(beta: np.ndarray, pi: np.ndarray) -> float:
    """KL(beta || pi) of shares [C] over cells; inf where pi misses a cell of beta.

    Raises `InputError` for shares that are not, or that differ in number.
    """
    beta, pi = np.asarray(beta, np.float64), np.asarray(pi, np.float64)
    for shares in (beta, pi):
        if shares.ndim != 1 or beta.shape != pi.shape or not (shares >= 0.0).all():
            raise InputError("the shares are not of the same cells: give two [C]")
        if abs(shares.sum() - 1.0) > 1e-6:
            raise InputError(f"the shares sum to {shares.sum():g}: give all cells")
    there = beta > 0.0
    if not (pi[there] > 0.0).all():
        return math.inf
    return max(float(beta[there] @ np.log(beta[there] / pi[there])), 0.0)


def ood_rate_bound(divergence: float) -> float:
    """delta <= 1 - exp(-KL(beta || pi)): RAMAC, proposition 1."""
    return -math.expm1(-divergence)


def cvar_gap_bound(divergence: float, level: float, low: float, high: float) -> float:
    """|CVaR of beta - CVaR of pi| <= (M - m) / alpha sqrt(KL(beta || pi) / 2).

    Args:
      divergence: KL(beta || pi).
      level: alpha, in (0, 1].
      low: m, no return is lower.
      high: M, no return is higher.

    Raises `InputError` for a divergence below 0, or a level outside (0, 1].
    """
    if not (divergence >= 0.0 and 0.0 < level <= 1.0):
        raise InputError(
            f"the divergence is {divergence:g} and the level {level:g}: give a "
            "divergence of at least 0, and a level above 0 and at most 1"
        )
    return (high - low) / level * math.sqrt(0.5 * divergence)


def leakage_bound(least_density: float, volume_outside: float) -> float:
    """delta >= p_min vol(ball outside I_s): RAMAC, lemma 4.1.

    Args:
      least_density: p_min, of the policy anywhere in the ball about an anchor.
      volume_outside: of the part of the ball that is outside I_s.
    """
    return least_density * volume_outside
