"""Confidence intervals over seeds and over episodes, by the jackknife."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.evaluation.estimates import Estimate, Statistic, mean

OVER_EPISODES = (
    "95 % intervals over the episodes of these seeds, by Student's t and the jackknife"
)
OVER_SEEDS = "95 % intervals over the seeds, by Student's t and the jackknife"
"""What the brackets of a table are, for its explanation."""
LONGEST = 0.6  # logarithm of the greatest factor by which one side is longer


class Interval(NamedTuple):
    """A figure and its bounds; NaN where the data do not determine them."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float | None]:
        """Return a JSON object, with None in place of NaN."""
        return {
            name: None if math.isnan(x) else x for name, x in self._asdict().items()
        }

    def clipped(self, low: float, high: float) -> "Interval":
        """Return the interval of a figure that lies between two numbers."""
        return Interval(*(min(max(x, low), high) for x in self))

    def scaled(self, factor: float) -> "Interval":
        """Return the interval of a figure in other units."""
        return Interval(*(factor * x for x in self))


SHARES = ("risky_share", "ood_nearest", "ood_density", "ood")
"""Figures that are shares."""
UNKNOWN = Interval(value=math.nan, low=math.nan, high=math.nan)


def mean_interval(values: np.ndarray, confidence: float = 0.95) -> Interval:
    """Return the mean of K seeds' values [K] and its interval over seeds.

    Values that are not finite are left out. The interval covers agents of other
    training seeds: a value is one draw, its own episodes included. One value alone has
    no bounds. `jackknife_interval` describes the bounds.
    """
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    return jackknife_interval([finite] if finite.size else [], mean, confidence)


def seeds_interval(figure: str, values: np.ndarray) -> Interval:
    """Return `mean_interval` of a figure by its name; that of a share is in [0, 1]."""
    interval = mean_interval(values)
    return interval.clipped(0.0, 1.0) if figure in SHARES else interval


def jackknife_interval(
    rows: Sequence[np.ndarray], statistic: Statistic, confidence: float = 0.95
) -> Interval:
    """Return a statistic of the rows [M, ...] of each seed, and its bounds.

    Seeds are held fixed: the interval covers other episodes of these agents, not agents
    of other training seeds. Every episode counts as an independent draw: no two seeds
    may share one. The bounds are those of `bounds`. Too few episodes determine no
    bounds, and no rows no value either.

    Args:
      rows: the episodes of each seed [M, ...].
      statistic: `pooled_cvar`(level), `per_seed_cvar`(level) or another `Statistic`.
      confidence: share of such intervals that hold the figure of infinitely many
        episodes. The guide to evaluation shows how often they do.

    Raises `InputError` for a seed without episodes, and a confidence outside (0, 1).
    """
    if not 0.0 < confidence < 1.0:
        raise InputError(f"confidence is {confidence:g}: give one between 0 and 1")
    if not all(len(row) for row in rows):
        raise InputError("an interval needs at least one episode of every seed")
    return bounds(statistic(rows), confidence) if rows else UNKNOWN


def bounds(estimate: Estimate, confidence: float) -> Interval:
    """Return Student's t interval of an estimate.

    Its deviation is the jackknife's within seeds. The side to which the figure is
    skewed is longer, by Hall's term of second order (P. Hall, "On the removal of
    skewness by transformation", 1992): the deviation of a sample without its rare, bad
    episodes is too small.
    """
    if estimate.degrees < 1.0:
        return UNKNOWN._replace(value=estimate.value)
    changes = [x - x.mean() for x in estimate.influence]
    squares = [(x @ x) * len(x) / max(len(x) - 1, 1) for x in changes]
    deviation = math.hypot(math.sqrt(sum(squares)), estimate.correction)
    if not deviation:
        return Interval(*[estimate.value] * 3)
    from scipy.special import stdtrit  # takes a fifth of a second to import

    quantile = float(stdtrit(estimate.degrees, 0.5 + 0.5 * confidence))
    skewness = sum(float((x**3).sum()) for x in changes) / deviation**3
    term = skewness / 6.0 * (2.0 * quantile + 1.0 / quantile)
    longer = math.exp(min(abs(term), LONGEST))
    below, above = (longer, 1.0) if term < 0.0 else (1.0, longer)
    reach = quantile * deviation
    return Interval(
        value=estimate.value,
        low=estimate.value - below * reach,
        high=estimate.value + above * reach,
    )
