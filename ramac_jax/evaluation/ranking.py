"""Rank settings by some seeds, and score them by the others.

The best of many noisy figures is partly luck. So the agents that choose a setting do
not tell its worth: the order comes from the selection alone, the scores from the rest.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy.stats

from ramac_jax.validation import InputError

QUANTILE = 0.975  # of Student's t, for intervals of 95 %


class Interval(NamedTuple):
    """A mean over seeds and its bounds, NaN where there is nothing to tell it from."""

    value: float
    low: float
    high: float


class Ranked(NamedTuple):
    """A setting at its place in the ranking."""

    setting: int
    label: str
    chosen_by: float  # mean of the finite figures of its selection agents
    score: dict[str, Interval]  # of its scoring agents, for each measure
    frozen: int  # agents that diverged, of all its seeds
    unscored: int  # scoring agents without a finite figure, so left out of the score


def mean_interval(values: np.ndarray) -> Interval:
    """Mean of the finite values [K] of K seeds, with Student's t 95 % interval.

    It speaks of agents that other seeds would train. One value alone has no bounds.
    """
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return Interval(math.nan, math.nan, math.nan)
    mean = float(finite.mean())
    if finite.size == 1:
        return Interval(mean, math.nan, math.nan)
    quantile = scipy.stats.t.ppf(QUANTILE, finite.size - 1)
    reach = float(quantile * finite.std(ddof=1) / math.sqrt(finite.size))
    return Interval(mean, mean - reach, mean + reach)


def rank(
    labels: Mapping[int, str],
    selection: np.ndarray,
    scores: Mapping[str, np.ndarray],
    frozen: np.ndarray,
) -> list[Ranked]:
    """Order the settings, best first, by the mean over their selection agents.

    A setting with a selection agent that diverged or has no finite figure comes after
    every one without. Ties go to the lower number.

    Args:
      labels: number of each of S settings -> its label; in the order of all rows.
      selection: what the agents of the first K seeds came to [S, K]; more is better.
      scores: measure -> what the scoring agents came to: those of the other seeds
        [S, N - K], or of the only one [S, 1], in other episodes than chose.
      frozen: which agents diverged [S, N], the selection seeds first.

    Raises `InputError` for an array without a row for each setting or a column for each
    seed.
    """
    selection, frozen = np.asarray(selection, np.float64), np.asarray(frozen, bool)
    scores = {name: np.asarray(x, np.float64) for name, x in scores.items()}
    named = [("selection", selection), ("frozen", frozen), *scores.items()]
    for name, rows in named:
        if rows.ndim != 2 or len(rows) != len(labels) or not rows.size:
            raise InputError(
                f"{name} has shape {list(rows.shape)} for {len(labels)} settings: "
                "give a row for each setting and a column for each seed"
            )
    chosen, seeds = selection.shape[1], frozen.shape[1]
    scoring = max(seeds - chosen, 1)
    if chosen > seeds or any(x.shape[1] != scoring for x in scores.values()):
        raise InputError(
            f"{chosen} of {seeds} seeds choose: give no more than there are, and each "
            f"score {scoring} columns"
        )
    sound = np.isfinite(selection) & ~frozen[:, :chosen]
    ranked = []
    for row, (setting, label) in enumerate(labels.items()):
        figures = {name: values[row] for name, values in scores.items()}
        finite = [np.isfinite(values) for values in figures.values()]
        ranked.append(
            Ranked(
                setting=setting,
                label=label,
                chosen_by=mean_interval(selection[row]).value,
                score={name: mean_interval(x) for name, x in figures.items()},
                frozen=int(frozen[row].sum()),
                unscored=int(np.sum(~np.all(finite, axis=0))),
            )
        )

    def order(row: int) -> tuple[bool, float, int]:
        value = ranked[row].chosen_by
        worst = math.inf if math.isnan(value) else -value
        return not sound[row].all(), worst, ranked[row].setting

    return [ranked[row] for row in sorted(range(len(ranked)), key=order)]
