"""Records of evaluated runs: the episodes, their summary and the task."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ramac_jax.evaluation import Episodes, summarise
from ramac_jax.evaluation.summary import D4RL_HORIZON
from ramac_jax.tasks import Hazard


class Scored(NamedTuple):
    """The episodes of a run under a name, and their summary."""

    name: str
    episodes: Episodes
    summary: Mapping[str, Any]  # by `ramac_jax.evaluation.summarise`


class Run(NamedTuple):
    """A run that was evaluated."""

    task: str  # or the id of its environment where there is no task
    horizon: int  # steps of an episode
    hazard: Hazard | None
    scored: Scored
    record: Mapping[str, Any]  # the contents of evaluation.json


def score_episodes(
    name: str,
    episodes: Episodes,
    seeds: Sequence[int],
    level: float,
    reference: tuple[float, float] | None,
    reference_horizon: int | None = D4RL_HORIZON,
) -> Scored:
    """Summarise the episodes of a run.

    Args:
      name: of the run.
      episodes: of every agent, [P, M].
      seeds: of the agents [P].
      level: of the CVaR.
      reference: returns of a random and of an expert policy; None: unknown.
      reference_horizon: steps behind these returns; None: unknown.
    """
    summary = summarise(
        episodes,
        seeds,
        level=level,
        reference=reference,
        reference_horizon=reference_horizon,
    )
    return Scored(name=name, episodes=episodes, summary=summary)
