"""The summary of an evaluation: figures with intervals, and notes for the reader."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.evaluation.intervals import bootstrap_interval
from ramac_jax.evaluation.rollouts import Episodes
from ramac_jax.evaluation.statistics import (
    Statistic,
    cvar,
    iqm,
    normalized_score,
    per_seed_cvar,
    pooled,
    ratio,
)

FEW = 10  # episodes in a tail below which its mean is not reliable
D4RL_HORIZON = 1000  # steps behind D4RL's reference returns

Figure = tuple[list[np.ndarray], Statistic]
"""The rows of each seed [M, ...], and the statistic of them."""


def summarise(
    episodes: Episodes,
    seeds: Sequence[int],
    *,
    level: float = 0.1,
    reference: tuple[float, float] | None = None,
    reference_horizon: int | None = D4RL_HORIZON,
    num_resamples: int = 2000,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Summarise the episodes of a population; failed episodes are counted, not used.

    Args:
      episodes: of P agents.
      seeds: the training seed of each agent [P].
      level: of the CVaR, in (0, 1].
      reference: returns of the random and the expert policy; None: no score.
      reference_horizon: steps behind these returns; None: unknown.
      num_resamples: of the bootstrap.
      confidence: of its intervals.

    Returns an object for strict JSON. Each figure is {"value", "low", "high"} with the
    bounds of `stratified_bootstrap`, and None where no episode determines it.

    Raises `InputError` for another number of seeds, and a level outside (0, 1].
    """
    population, num_episodes = episodes.returns.shape
    if len(seeds) != population:
        raise InputError(f"{len(seeds)} seeds for {population} agents: give one each")
    if not 0.0 < level <= 1.0:
        raise InputError(f"level is {level:g}: give one above 0 and at most 1")
    summary: dict[str, Any] = {
        name: bootstrap_interval(rows, statistic, num_resamples, confidence).to_json()
        for name, (rows, statistic) in figures(episodes, level, reference).items()
    }
    return summary | {
        "num_failed": int(episodes.failed.sum()),
        "num_episodes": population * num_episodes,
        "num_seeds": population,
        "notes": notes(
            episodes, seeds, level, None if reference is None else reference_horizon
        ),
    }


def figures(
    episodes: Episodes, level: float, reference: tuple[float, float] | None
) -> dict[str, Figure]:
    """Return each figure of a summary; a seed whose episodes all failed has no row."""
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
    scores = [normalized_score(x, *reference) for x in returns] if reference else []
    return {
        "mean": (returns, mean),
        "pooled_cvar": (returns, pooled(lambda x: cvar(x, level))),
        "per_seed_cvar": (returns, per_seed_cvar(level)),
        "iqm": (returns, pooled(iqm)),
        "normalized_score": (scores, mean),
        "risky_share": (of_steps, ratio),
        "length": (length, mean),
    }


def notes(
    episodes: Episodes, seeds: Sequence[int], level: float, scored: int | None
) -> list[str]:
    """Return what a reader of the figures must know, in plain sentences.

    `scored` is the number of steps behind the reference of a normalized score; None:
    there is no score, or it is unknown.
    """
    failed = failure_notes(episodes, seeds)
    if episodes.failed.all():
        return [*failed, "every episode failed: there are no figures"]
    found = [*failed, *tail_notes(episodes, level)]
    horizon = episodes.monitored.shape[-1]
    if scored is not None and horizon != scored:
        charged = episodes.penalties.any()
        found.append(
            f"the normalized score compares {horizon} steps"
            f"{' with penalties' if charged else ''} to references of {scored} steps"
            f"{' without' if charged else ''}: compare it only to scores of the same "
            "horizon"
        )
    return found


def failure_notes(episodes: Episodes, seeds: Sequence[int]) -> list[str]:
    """Return which seeds have failed episodes, if any."""
    failures = episodes.failed.sum(axis=-1)
    if not failures.any():
        return []
    counts = zip(seeds, failures, strict=True)
    bad = ", ".join(f"seed {seed} ({count})" for seed, count in counts if count)
    return [
        f"{failures.sum()} of {episodes.failed.size} episodes failed (a NaN, an "
        f"infinity or an error of the simulator) and are left out: {bad}"
    ]


def tail_notes(episodes: Episodes, level: float) -> list[str]:
    """Return which CVaRs are means of too few episodes."""
    finished = (~episodes.failed).sum(axis=-1)
    sizes = {"pooled": finished.sum(), "per-seed": finished[finished > 0].min()}
    if len(finished) == 1:
        del sizes["per-seed"]
    return [
        f"{name} CVaR_{level:g} of {size} episodes is the mean of the worst "
        f"{max(level * size, 1):.3g}: give {math.ceil(FEW / level)} or more for a "
        "reliable figure"
        for name, size in sizes.items()
        if level * size < FEW
    ]
