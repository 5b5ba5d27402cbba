"""Ranking of settings: select on some seeds, report on the held-out seeds.

The best of many noisy figures is partly luck. So the agents that select a setting do
not report on it: the order follows from the selection alone, the scores from the rest.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.evaluation.intervals import Interval, mean_interval, seeds_interval


class Ranked(NamedTuple):
    """A setting at its place in the ranking."""

    setting: int
    label: str
    chosen_by: float  # mean of the finite figures of its selection agents
    score: dict[str, Interval]  # of its held-out agents, for each measure
    frozen: int  # agents that diverged, of all its seeds
    unscored: int  # held-out agents without a finite figure, left out of the score


def rank(
    labels: Mapping[int, str],
    selection: np.ndarray,
    scores: Mapping[str, np.ndarray],
    frozen: np.ndarray,
) -> list[Ranked]:
    """Order the settings, best first, by the mean over their selection agents.

    A setting with a selection agent that diverged or has no finite figure comes after
    every setting without one. Ties go to the lower number.

    Args:
      labels: number of each of S settings -> its label; in the order of all rows.
      selection: figures of the agents of the first K seeds [S, K]; more is better.
      scores: measure -> figures of the held-out agents: those of the other seeds
        [S, N - K], or of the only seed [S, 1], in other episodes than it selected on.
      frozen: which agents diverged [S, N], the selection seeds first.

    Raises `InputError` for an array without a row for each setting or a column for each
    seed.
    """
    selection, frozen = np.asarray(selection, np.float64), np.asarray(frozen, bool)
    scores = {name: np.asarray(x, np.float64) for name, x in scores.items()}
    check_shapes(len(labels), selection, scores, frozen)
    sound = np.isfinite(selection) & ~frozen[:, : selection.shape[1]]
    ranked = []
    for row, (setting, label) in enumerate(labels.items()):
        figures = {name: values[row] for name, values in scores.items()}
        finite = [np.isfinite(values) for values in figures.values()]
        ranked.append(
            Ranked(
                setting=setting,
                label=label,
                chosen_by=mean_interval(selection[row]).value,
                score={name: seeds_interval(name, x) for name, x in figures.items()},
                frozen=int(frozen[row].sum()),
                unscored=int(np.sum(~np.all(finite, axis=0))),
            )
        )

    def order(row: int) -> tuple[bool, float, int]:
        value = ranked[row].chosen_by
        worst = math.inf if math.isnan(value) else -value
        return not sound[row].all(), worst, ranked[row].setting

    return [ranked[row] for row in sorted(range(len(ranked)), key=order)]


def check_shapes(
    num_settings: int,
    selection: np.ndarray,
    scores: Mapping[str, np.ndarray],
    frozen: np.ndarray,
) -> None:
    """Raise `InputError` where the arrays of `rank` do not fit together."""
    named = [("selection", selection), ("frozen", frozen), *scores.items()]
    for name, rows in named:
        if rows.ndim != 2 or len(rows) != num_settings or not rows.size:
            raise InputError(
                f"{name} has shape {list(rows.shape)} for {num_settings} settings: "
                "give a row for each setting and a column for each seed"
            )
    chosen, seeds = selection.shape[1], frozen.shape[1]
    held_out = max(seeds - chosen, 1)
    if chosen > seeds or any(x.shape[1] != held_out for x in scores.values()):
        raise InputError(
            f"{chosen} of {seeds} seeds select: give at most {seeds}, and each score "
            f"{held_out} columns"
        )


def pareto_front(values: np.ndarray | Sequence[Sequence[float]]) -> np.ndarray:
    """Return which rows of scores no other row dominates [N]; more is better.

    A row dominates another one that is nowhere better and somewhere worse.

    Args:
      values: [N, K].
    """
    table = np.asarray(values, np.float64)
    if not table.size:
        return np.zeros(len(table), bool)
    at_least = np.all(table[:, None] >= table[None], axis=-1)
    above = np.any(table[:, None] > table[None], axis=-1)
    return ~np.any(at_least & above, axis=0)
