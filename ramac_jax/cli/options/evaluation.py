"""Options of the evaluations during and after training."""

import dataclasses

FIRST_EPISODE_SEED = 1_000_000
"""Seed of the first evaluation episode: far from the seeds of training."""


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
    """The episodes that evaluate the agents."""

    eval_every: int | None = None
    """Updates between two evaluations; None: only at the end."""
    eval_episodes: int = 20
    """Episodes per seed of the evaluations during training."""
    episodes: int = 100
    """Episodes per seed of the evaluation at the end; 0: no evaluation at all."""
    eval_seed: int = FIRST_EPISODE_SEED
    """Seed of the first evaluation episode; each agent plays its own episodes, the same
    in every run."""
    eval_level: float = 0.1
    """Level of the CVaR of the episodes."""
    horizon: str | None = None
    """Steps of an evaluation episode: paper (the task's own), full (1000) or a number;
    None: paper for a task, full otherwise."""
    workers: int = 0
    """Processes that step the simulators of an evaluation; 0: this process."""
