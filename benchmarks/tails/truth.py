"""The law of a discounted return, by simulation with its error stated."""

from typing import NamedTuple

import numpy as np

from benchmarks.tails.laws import Law, step, tabulate

LEVEL = 0.1
"""Level of the CVaR."""
REST = 1e-4
"""An episode is followed until its next reward weighs less than this; the mean of the
last rewards then stands for the rest, which would shift a mean that is far from 0."""
PARTS = 20
"""Equal parts of the episodes, whose spread gives the standard errors."""


class Statistics(NamedTuple):
    """Mean, standard deviation and CVaR_0.1 of a return."""

    mean: float
    std: float
    cvar: float


def statistics(quantiles: np.ndarray) -> Statistics:
    """Return the statistics of quantiles at equal steps of the fraction."""
    worst = quantiles[: max(1, round(LEVEL * len(quantiles)))]
    mean, std, cvar = quantiles.mean(), quantiles.std(), worst.mean()
    return Statistics(mean=float(mean), std=float(std), cvar=float(cvar))


def simulate_returns(
    law: Law, state: int, action: int, num_episodes: int, seed: int
) -> np.ndarray:
    """Return discounted returns [num_episodes] after a state and an action."""
    rng, tables = np.random.default_rng(seed), tabulate(law)
    states = np.full(num_episodes, state)
    walk = step(law, tables, rng, states, np.full(num_episodes, action))
    returns, weight = walk.reward.copy(), law.discount
    running = np.flatnonzero(~walk.ends)  # the episodes that go on
    states = walk.next_state[running]
    while weight > REST and running.size:
        walk = step(law, tables, rng, states)
        returns[running] += weight * walk.reward
        running, states = running[~walk.ends], walk.next_state[~walk.ends]
        weight *= law.discount
    if running.size:
        returns[running] += weight / (1.0 - law.discount) * walk.reward.mean()
    return returns


def measure(returns: np.ndarray) -> tuple[Statistics, Statistics]:
    """Return the statistics of simulated returns, and their standard errors."""
    parts = [statistics(np.sort(part)) for part in np.array_split(returns, PARTS)]
    errors = np.std(parts, axis=0, ddof=1) / np.sqrt(PARTS)
    return statistics(np.sort(returns)), Statistics(*map(float, errors))
