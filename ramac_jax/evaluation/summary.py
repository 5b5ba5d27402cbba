"""The summary of an evaluation: figures with intervals, and notes for the reader."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ramac_jax.errors import InputError
from ramac_jax.evaluation.estimates import (
    Statistic,
    mean,
    per_seed_cvar,
    pooled_cvar,
    pooled_iqm,
    ratio,
)
from ramac_jax.evaluation.intervals import OVER_EPISODES, jackknife_interval
from ramac_jax.evaluation.rollouts import Episodes
from ramac_jax.evaluation.statistics import normalized_score

FEW = 10  # episodes in a tail below which its interval is not to be trusted
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
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Summarise the episodes of a population; failed episodes are counted, not used.

    Args:
      episodes: of P agents.
      seeds: the training seed of each agent [P].
      level: of the CVaR, in (0, 1].
      reference: returns of the random and the expert policy; None: no score.
      reference_horizon: steps behind these returns; None: unknown.
      confidence: of the intervals.

    Returns an object for strict JSON. Each figure is {"value", "low", "high"} by
    `jackknife_interval`, with None for what the episodes do not determine; "intervals"
    names the method.

    Raises `InputError` for another number of seeds, and a level outside (0, 1].
    """
    population, num_episodes = episodes.returns.shape
    if len(seeds) != population:
        raise InputError(f"{len(seeds)} seeds for {population} agents: give one each")
    if not 0.0 < level <= 1.0:
        raise InputError(f"level is {level:g}: give one above 0 and at most 1")
    summary: dict[str, Any] = {
        name: jackknife_interval(rows, statistic, confidence)
        for name, (rows, statistic) in figures(episodes, level, reference).items()
    }
    summary["risky_share"] = summary["risky_share"].clipped(0.0, 1.0)
    summary = {name: interval.to_json() for name, interval in summary.items()}
    return summary | {
        "intervals": OVER_EPISODES,
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
    scores = [normalized_score(x, *reference) for x in returns] if reference else []
    return {
        "mean": (returns, mean),
        "pooled_cvar": (returns, pooled_cvar(level)),
        "per_seed_cvar": (returns, per_seed_cvar(level)),
        "iqm": (returns, pooled_iqm),
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
    """Return which CVaRs have intervals that are not to be trusted."""
    finished = (~episodes.failed).sum(axis=-1)
    sizes = {"pooled": finished.sum(), "per-seed": finished[finished > 0].min()}
    if len(finished) == 1:
        del sizes["per-seed"]
    found = [
        f"{name} CVaR_{level:g} of {size} episodes is of the worst "
        f"{max(level * size, 1):.3g}, and its interval is not to be trusted: give "
        f"{math.ceil(FEW / level)} or more"
        for name, size in sizes.items()
        if level * size < FEW
    ]
    ordered = np.sort(episodes.returns[~episodes.failed])
    tail = math.ceil(level * ordered.size)
    if (
        level * ordered.size >= FEW
        and ordered[0] == ordered[min(tail, ordered.size - 1)]
    ):
        found.append(
            f"the worst {tail} of {ordered.size} episodes have the same return: "
            f"CVaR_{level:g} and its interval do not speak of worse episodes that are "
            "too rare to be among them"
        )
    return found
