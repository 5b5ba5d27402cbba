"""Risk measures as distortions of the fractions that an agent reads.

A risk-adjusted value is a mean of quantiles; a distortion maps the uniform fractions of
that mean to others. Every `RiskMeasure` is a function `(tau, level) -> tau` with a
traced level, so one compiled update serves every level.

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

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax.scipy.stats import norm

from ramac_jax.hyperparams import ANY, POSITIVE_FRACTION, Range
from ramac_jax.types import Array, RiskMeasureFn, Scalar


@dataclasses.dataclass(frozen=True)
class RiskMeasure:
    """A distortion of fractions, and the levels at which it makes sense."""

    distort: RiskMeasureFn
    """(fractions [N], level []) -> fractions [N]."""
    levels: Range = ANY
    """What `check_hyperparams` allows as `risk_level`."""

    def __call__(self, tau: Array, level: Scalar) -> Array:
        """Return the fractions [N] that the measure reads for uniform ones [N]."""
        return self.distort(tau, level)

    def __reduce__(self) -> Any:
        """Pickle a decorated distortion by its name in a module, as functions do."""
        name = vars(self).get("__qualname__")
        return name or (RiskMeasure, (self.distort, self.levels))


def with_levels(levels: Range) -> Callable[[RiskMeasureFn], RiskMeasure]:
    """Decorate a distortion: build the `RiskMeasure` that allows these levels."""

    def build(distort: RiskMeasureFn) -> RiskMeasure:
        measure = RiskMeasure(distort=distort, levels=levels)
        for name in ("__doc__", "__module__", "__qualname__"):
            object.__setattr__(measure, name, getattr(distort, name, None))
        return measure

    return build


@with_levels(ANY)
def neutral(tau: Array, level: Scalar = 1.0) -> Array:
    """Leave every fraction alone: the mean."""
    del level
    return tau


@with_levels(POSITIVE_FRACTION)
def cvar(tau: Array, level: Scalar) -> Array:
    """CVaR, the mean of the worst `level` share of returns: tau -> level tau.

    RAMAC, eq. 3: CVaR_alpha(Z) = (1/alpha) int_0^alpha Z(tau) dtau.
    """
    return level * tau


@with_levels(ANY)
def wang(tau: Array, level: Scalar) -> Array:
    """Wang (2000): tau -> Phi(Phi^-1(tau) + level), a shift of normal scores."""
    return norm.cdf(norm.ppf(tau) + level)


@with_levels(POSITIVE_FRACTION)
def cpw(tau: Array, level: Scalar) -> Array:
    """Cumulative prospect weighting (Tversky and Kahneman, 1992).

    tau -> tau^level / (tau^level + (1 - tau)^level)^(1/level), applied to the fractions
    as Dabney et al. (2018) do: below 1 it leaves both ends quickly, so that the middle
    of the returns is read more and the extremes, bad and good, less.
    """
    worse, better = tau**level, (1.0 - tau) ** level
    return worse / (worse + better) ** (1.0 / level)


@with_levels(ANY)
def power(tau: Array, level: Scalar) -> Array:
    """Power distortion (Dabney et al., 2018, eq. 10), with p = 1 / (1 + |level|).

    tau -> 1 - (1 - tau)^p below level 0, which reads lower fractions; tau^p above.
    """
    exponent = 1.0 / (1.0 + jnp.abs(level))
    return jnp.where(level < 0.0, 1.0 - (1.0 - tau) ** exponent, tau**exponent)
