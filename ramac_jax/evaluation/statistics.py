"""Statistics of observed returns, with bootstrap intervals.

Several seeds are a list of arrays, one for each: they may have kept different numbers
of episodes. Intervals resample episodes within each seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.stats

from ramac_jax.validation import InputError

if TYPE_CHECKING:
    from ramac_jax.evaluation.rollouts import Episodes

FEW = 10  # episodes in a tail below which its mean is no figure to trust
AT_ONCE = 2_000_000  # resampled episodes held in memory
D4RL_HORIZON = 1000  # steps behind D4RL's reference returns

Statistic = Callable[[list[np.ndarray]], np.ndarray]
"""Rows of each seed [R, M, ...] -> one figure for each of R resamples [R]."""


def cvar(returns: np.ndarray, level: float) -> np.ndarray:
    """Mean of the worst `level` share of the returns [..., M] along the last axis.

    The empirical CVaR: where level M is no whole number, the last return counts by its
    fraction. Raises `InputError` for no returns, a scalar or a level outside (0, 1].
    """
    returns = np.asarray(returns, np.float64)
    size = returns.shape[-1] if returns.ndim else 0
    if not 0.0 < level <= 1.0 or not size:
        found = f"{size} returns" if returns.ndim else "a scalar"
        raise InputError(
            f"CVaR of {found} at level {level:g}: give at least "
            "one return and a level above 0 and at most 1"
        )
    weight = np.clip(level * size - np.arange(size), 0.0, 1.0)
    return np.sort(returns, axis=-1) @ weight / (level * size)


def iqm(returns: np.ndarray) -> np.ndarray:
    """Mean of the middle half of the returns [..., M] along the last axis."""
    return scipy.stats.trim_mean(returns, 0.25, axis=-1)


def normalized_score(
    returns: np.ndarray, random_return: float, expert_return: float
) -> np.ndarray:
    """D4RL's score in percent: 0 is the random policy's return, 100 the expert's."""
    returns = np.asarray(returns, np.float64)
    return 100.0 * (returns - random_return) / (expert_return - random_return)


def pooled(function: Callable[[np.ndarray], np.ndarray]) -> Statistic:
    """A statistic of all seeds' episodes together, from one of returns [R, M]."""
    return lambda rows: function(np.concatenate(rows, axis=1))


def per_seed_cvar(level: float) -> Statistic:
    """The CVaR of each seed's own episodes, then the mean over seeds."""
    return lambda rows: np.mean([cvar(row, level) for row in rows], axis=0)


def share(rows: list[np.ndarray]) -> np.ndarray:
    """Sum of the first column over that of the second: rows are [R, M, 2]."""
    part, whole = np.moveaxis(np.concatenate(rows, axis=1).sum(axis=1), -1, 0)
    return part / whole


def stratified_bootstrap(
    rows: Sequence[np.ndarray],
    statistic: Statistic,
    *,
    num_resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic, resampling episodes within each seed.

    Seeds are held fixed: the interval speaks of these agents and of the luck of their
    episodes, not of agents that other seeds would have trained. Every episode counts as
    an independent draw: no two seeds may have met the same one.

    Args:
      rows: the episodes of each seed [M, ...].
      statistic: see `Statistic`.
      num_resamples: R.
      confidence: share of resamples inside the interval.
      seed: of the resampling.

    Raises `InputError` for a seed without episodes, no resample, or a confidence
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


def summarise(
    episodes: Episodes,
    seeds: Sequence[int],
    *,
    level: float = 0.1,
    reference: tuple[float, float] | None = None,
    num_resamples: int = 2000,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """What a population's episodes come to; failed ones are left out and counted.

    Each figure is {"value", "low", "high"}, the bounds those of
    `stratified_bootstrap`; None where there is nothing to tell it from. Strict JSON can
    hold it all.

    Args:
      episodes: of P agents.
      seeds: the seed of each agent [P].
      level: of the CVaR, in (0, 1].
      reference: returns of the random and the expert policy; None: no score.
      num_resamples: of the bootstrap.
      confidence: of its intervals.

    Raises `InputError` for another number of seeds or a level outside (0, 1].
    """
    population, num_episodes = episodes.returns.shape
    if len(seeds) != population:
        raise InputError(f"{len(seeds)} seeds for {population} agents: give one each")
    if not 0.0 < level <= 1.0:
        raise InputError(f"level is {level:g}: give one above 0 and at most 1")
    kept = [np.flatnonzero(~failed) for failed in episodes.failed]
    columns = np.stack(
        [episodes.returns, episodes.length, episodes.risky_steps], axis=-1
    )
    tables = [columns[p][rows] for p, rows in enumerate(kept) if rows.size]
    returns, length, risky = (
        [table[:, column] for table in tables] for column in range(3)
    )
    of_steps = [np.stack(pair, -1) for pair in zip(risky, length, strict=True)]
    mean = pooled(lambda x: x.mean(axis=-1))
    figures: dict[str, tuple[list[np.ndarray], Statistic]] = {
        "mean": (returns, mean),
        "pooled_cvar": (returns, pooled(lambda x: cvar(x, level))),
        "per_seed_cvar": (returns, per_seed_cvar(level)),
        "iqm": (returns, pooled(iqm)),
        "normalized_score": (
            [normalized_score(row, *reference) for row in returns] if reference else [],
            mean,
        ),
        "risky_share": (of_steps, share),
        "length": (length, mean),
    }
    summary: dict[str, Any] = {
        name: interval(rows, statistic, num_resamples, confidence)
        for name, (rows, statistic) in figures.items()
    }
    return summary | {
        "num_failed": int(episodes.failed.sum()),
        "num_episodes": population * num_episodes,
        "num_seeds": population,
        "notes": notes(episodes, seeds, level, reference is not None),
    }


def interval(
    rows: list[np.ndarray], statistic: Statistic, num_resamples: int, confidence: float
) -> dict[str, float | None]:
    """A statistic of the rows [M, ...] of each seed, and its bounds."""
    if not rows:
        return dict.fromkeys(("value", "low", "high"))
    value = float(statistic([row[None] for row in rows])[0])
    low, high = stratified_bootstrap(
        rows, statistic, num_resamples=num_resamples, confidence=confidence
    )
    return {"value": value, "low": low, "high": high}


def notes(
    episodes: Episodes, seeds: Sequence[int], level: float, scored: bool
) -> list[str]:
    """What a reader of the figures must know, in plain sentences."""
    said = []
    failures = episodes.failed.sum(axis=-1)
    if failures.any():
        bad = ", ".join(
            f"seed {seed} ({count})"
            for seed, count in zip(seeds, failures, strict=True)
            if count
        )
        said.append(
            f"{failures.sum()} of {episodes.failed.size} episodes failed (a NaN, an "
            f"infinity or an error of the simulator) and are left out: {bad}"
        )
    if episodes.failed.all():
        return [*said, "every episode failed: there is no figure to tell"]
    finished = (~episodes.failed).sum(axis=-1)
    sizes = {"pooled": finished.sum(), "per-seed": finished[finished > 0].min()}
    enough = math.ceil(FEW / level)
    for name, size in sizes.items():
        if level * size < FEW and not (name == "per-seed" and len(seeds) == 1):
            said.append(
                f"{name} CVaR_{level:g} of {size} episodes is the mean of the worst "
                f"{max(level * size, 1):.3g}: give {enough} or more for a figure to "
                "trust"
            )
    horizon = episodes.monitored.shape[-1]
    if scored and horizon != D4RL_HORIZON:
        said.append(
            f"the normalized score compares {horizon} steps with penalties to D4RL's "
            f"references of {D4RL_HORIZON} steps without: read it beside others of "
            "the same horizon alone"
        )
    return said
