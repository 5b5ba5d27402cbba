"""The bounds of RAMAC's theory, in numbers.

beta is the behaviour, pi a policy, both at one state; I_s is the support of beta, and
delta = pi(outside I_s) the rate of out-of-distribution actions. KL(beta || pi) over
cells is at most that of the densities, so that a bound which holds for cells holds for
densities.
"""

import math

import numpy as np

from ramac_jax.errors import InputError


def kl_divergence(beta: np.ndarray, pi: np.ndarray) -> float:
    """Return KL(beta || pi) of probabilities [C] of cells, in nats.

    It is inf where pi gives no probability to a cell of beta. Raises `InputError` for
    negative probabilities, a sum other than 1, and different numbers of cells.
    """
    beta, pi = np.asarray(beta, np.float64), np.asarray(pi, np.float64)
    for cells in (beta, pi):
        if cells.ndim != 1 or beta.shape != pi.shape or not (cells >= 0.0).all():
            raise InputError(
                "beta and pi are not probabilities of the same cells: give two [C]"
            )
        if abs(cells.sum() - 1.0) > 1e-6:
            raise InputError(f"probabilities sum to {cells.sum():g}: give all cells")
    support = beta > 0.0
    if not (pi[support] > 0.0).all():
        return math.inf
    return max(float(beta[support] @ np.log(beta[support] / pi[support])), 0.0)


def ood_rate_bound(divergence: float) -> float:
    """Bound the OOD rate: delta <= 1 - exp(-KL(beta || pi)) (RAMAC, proposition 1)."""
    return -math.expm1(-divergence)


def cvar_gap_bound(divergence: float, level: float, low: float, high: float) -> float:
    """Bound |CVaR of beta - CVaR of pi| by (M - m) / alpha sqrt(KL(beta || pi) / 2).

    Args:
      divergence: KL(beta || pi).
      level: alpha, in (0, 1].
      low: m, the least return possible.
      high: M, the largest return possible.

    Raises `InputError` for a divergence below 0, and a level outside (0, 1].
    """
    if not (divergence >= 0.0 and 0.0 < level <= 1.0):
        raise InputError(
            f"the divergence is {divergence:g} and the level {level:g}: give a "
            "divergence of at least 0, and a level above 0 and at most 1"
        )
    return (high - low) / level * math.sqrt(0.5 * divergence)


def leakage_bound(least_density: float, volume_outside: float) -> float:
    """Bound the OOD rate from below: delta >= p_min vol(ball outside I_s).

    Source: RAMAC, lemma 4.1.

    Args:
      least_density: p_min, the policy's least density in the ball about an anchor.
      volume_outside: volume of the part of the ball that is outside I_s.
    """
    return least_density * volume_outside
