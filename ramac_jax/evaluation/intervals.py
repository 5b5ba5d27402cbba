"""Intervals: over seeds by Student's t, over episodes by the bootstrap."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.evaluation.statistics import Statistic

QUANTILE = 0.975  # of Student's t, for intervals of 95 %
AT_ONCE = 2_000_000  # resampled episodes in memory


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


UNKNOWN = Interval(value=math.nan, low=math.nan, high=math.nan)


def mean_interval(values: np.ndarray) -> Interval:
    """Return the mean of K seeds' values [K] and its Student's t 95 % interval.

    Values that are not finite are left out. The interval covers agents of other
    training seeds. One value alone has no bounds.
    """
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return UNKNOWN
    mean = float(finite.mean())
    if finite.size == 1:
        return UNKNOWN._replace(value=mean)
    from scipy.special import stdtrit  # takes a second to import

    quantile = stdtrit(finite.size - 1, QUANTILE)
    reach = float(quantile * finite.std(ddof=1) / math.sqrt(finite.size))
    return Interval(value=mean, low=mean - reach, high=mean + reach)


def bootstrap_interval(
    rows: Sequence[np.ndarray],
    statistic: Statistic,
    num_resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Return a statistic of the rows [M, ...] of each seed, and its bounds.

    The bounds are those of `stratified_bootstrap`. Without rows nothing is known.
    """
    if not rows:
        return UNKNOWN
    low, high = stratified_bootstrap(
        rows, statistic, num_resamples=num_resamples, confidence=confidence
    )
    value = float(statistic([row[None] for row in rows])[0])
    return Interval(value=value, low=low, high=high)


def stratified_bootstrap(
    rows: Sequence[np.ndarray],
    statistic: Statistic,
    *,
    num_resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile interval of a statistic, resampling within each seed.

    Seeds are held fixed: the interval covers other episodes of these agents, not agents
    of other training seeds. Every episode counts as an independent draw: no two seeds
    may share one.

    Args:
      rows: the episodes of each seed [M, ...].
      statistic: see `Statistic`.
      num_resamples: R.
      confidence: share of resamples inside the interval.
      seed: of the resampling.

    Raises `InputError` for a seed without episodes, no resample, and a confidence
    outside (0, 1).
    """
    if not rows or not all(len(row) for row in rows):
        raise InputError("a bootstrap needs at least one episode of every seed")
    if num_resamples < 1 or not 0.0 < confidence < 1.0:
        raise InputError(
            f"num_resamples is {num_resamples} and confidence {confidence:g}: give 1 "
            "or more, and a share between 0 and 1"
        )
    draw = np.random.default_rng(seed)
    size = max(AT_ONCE // sum(map(len, rows)), 1)
    values = []
    for start in range(0, num_resamples, size):
        count = min(size, num_resamples - start)
        resampled = [
            np.asarray(row)[draw.integers(len(row), size=(count, len(row)))]
            for row in rows
        ]
        values.append(statistic(resampled))
    tail = 0.5 * (1.0 - confidence)
    low, high = np.quantile(np.concatenate(values), [tail, 1.0 - tail])
    return float(low), float(high)
