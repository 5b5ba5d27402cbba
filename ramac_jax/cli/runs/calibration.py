"""The critics of a run, compared with the episodes of its agents."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ramac_jax.cli.options.agent import DEFAULT_PRECISION, AgentSpec
from ramac_jax.cli.runs.agents import build_critic
from ramac_jax.errors import InputError, first_line
from ramac_jax.evaluation import (
    Calibration,
    Episodes,
    TrainedCritic,
    calibrate,
    summarise_calibration,
)
from ramac_jax.policy import Policy, load_critic_params


class Calibrated(NamedTuple):
    """A calibration and its figures."""

    found: Calibration
    summary: dict[str, Any]


def compare_critics(
    policy: Policy, trained: TrainedCritic | None, episodes: Episodes, level: float
) -> Calibrated | None:
    """Compare the critics of agents with their episodes; None where they have none."""
    if trained is None or episodes.failed.all():
        return None
    found = calibrate(policy, trained, episodes)
    return Calibrated(found, summarise_calibration(found, level, trained.discount))


def trained_critic(
    agent: AgentSpec, params: Any, discount: float, reward_scale: float
) -> TrainedCritic | None:
    """Return the critics of agents; None for agents whose critics know no tail.

    Args:
      agent: with the value range of a categorical critic.
      params: of the critics [P, E, ...].
      discount: of their returns.
      reward_scale: factor on the rewards that they learned.
    """
    if not agent.num_critics or agent.critic == "value":
        return None
    acting = dataclasses.replace(agent, precision=DEFAULT_PRECISION)
    return TrainedCritic(build_critic(acting), params, discount, reward_scale)


def read_critic(folder: Path, record: Mapping[str, Any]) -> TrainedCritic | None:
    """Read the critics of a run of `ramac train` from its checkpoint and its record.

    Args:
      folder: of the run.
      record: its run.json.

    Returns None for a run without such critics, and for one of an older version, whose
    record does not describe them. Raises `InputError` for a damaged checkpoint.
    """
    options = record.get("options", {})
    if "value_range" not in record:
        return None
    names = {x.name for x in dataclasses.fields(AgentSpec)}
    try:
        known = {k: as_tuple(v) for k, v in options.items() if k in names}
        agent = AgentSpec(**known | {"value_range": as_tuple(record["value_range"])})
        discount = float(options["hyperparams"]["discount"])
        scale = float(options["reward_scale"])
        if trained_critic(agent, None, discount, scale) is None:
            return None
        critic = build_critic(agent)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder / 'run.json'} is damaged: {first_line(error)}"
        ) from None
    params = load_critic_params(folder / "checkpoint", critic)
    return trained_critic(agent, params, discount, scale)


def as_tuple(value: Any) -> Any:
    """Return a list of JSON as a tuple, and any other value as it is."""
    return tuple(value) if isinstance(value, list) else value
