"""Options of the evaluations during and after training."""

import dataclasses

FIRST_EPISODE_SEED = 1_000_000
"""Seed of the first evaluation episode: far from the seeds of training."""
MEASURES = ("cvar", "mean")
"""Measures of the episodes that select a setting: higher is better."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CandidateFlags:
    """How agents choose among several actions in evaluations."""

    acting_num_candidates: int = 1
    """Actions drawn at each step of an evaluation; of the typical half the critics
    choose one."""
    acting_risk_level: float | None = None
    """Level of --risk-measure that ranks the candidates; None: that of training."""
    acting_softmax_temperature: float = 0.0
    """Draw a candidate from the softmax of the critics' values over this temperature,
    in their unit; 0: take the best."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActingFlags(CandidateFlags):
    """How agents act in evaluations; `ramac_jax.acting.ActingOptions`."""

    acting_temperature: float = 1.0
    """Factor on the noise of the sampler in evaluations; 0: deterministic, 1: as
    trained."""


@dataclasses.dataclass(frozen=True)
class EvaluationOptions(ActingFlags):
    """The episodes that evaluate the agents."""

    eval_every: int | None = None
    """Updates between two evaluations; None: only at the end."""
    eval_episodes: int = 20
    """Episodes per seed of the evaluations during training."""
    episodes: int = 100
    """Episodes per seed of the evaluation at the end; 0: no evaluation at all."""
    eval_seed: int = FIRST_EPISODE_SEED
    """Seed of the first evaluation episode; each seed plays its own episodes, the same
    in every run."""
    eval_level: float = 0.1
    """Level of the CVaR of the episodes."""
    horizon: str | None = None
    """Steps of an evaluation episode: paper (the task's own), full (1000) or a number;
    None: paper for a task, otherwise the environment's time limit, or else full."""
    workers: int = 0
    """Processes that step the simulators of an evaluation; for robots in batches, the
    most threads. 0: this process, with one thread."""
