"""Agents and their policies, built from an `AgentSpec`."""

import contextlib
import dataclasses
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

import ramac_jax as rj
from ramac_jax.cli.options.agent import AgentSpec
from ramac_jax.compute import whole_batch
from ramac_jax.devices.cache import fit_cache
from ramac_jax.errors import check_names
from ramac_jax.normalization import Scaling
from ramac_jax.policy import CriticSpec, PolicySpec, build_actor
from ramac_jax.registry import (
    ACTORS,
    CRITICS,
    HEADS,
    PENALTIES,
    PRECISIONS,
    RISK_MEASURES,
)
from ramac_jax.types import MicroBatchFn
from ramac_jax.validation import check_target_steps


def policy_spec(agent: AgentSpec, scaling: Scaling) -> PolicySpec:
    """Return the spec of the agent's actor, with all of its options.

    Nothing in it is about training: a policy acts in float32.

    Raises `InputError` for an option that this actor does not have.
    """
    given = {
        "num_steps": agent.sampler_steps,
        "widths": agent.actor_widths,
        "radius": agent.radius,
    }
    given = {name: value for name, value in given.items() if value is not None}
    options = dict(ACTORS[agent.actor].options)
    check_names(f"option of the {agent.actor} actor", given, options)
    return PolicySpec(scaling=scaling, actor=agent.actor, actor_options=options | given)


def with_critic(
    spec: PolicySpec, agent: AgentSpec, hyperparams: rj.Hyperparams, reward_scale: float
) -> PolicySpec:
    """Return the spec with the critics of the agent, if it has any.

    Args:
      spec: of the actor.
      agent: with the value range of a categorical critic.
      hyperparams: of the training, or of several, every leaf an array.
      reward_scale: factor on the rewards of the data.
    """
    if not agent.num_critics:
        return spec
    critic = CriticSpec(
        name=agent.critic,
        options=critic_options(agent),
        risk_measure=agent.risk_measure,
        risk_level=shared(hyperparams.risk_level),
        num_quantiles=agent.num_quantiles,
        discount=shared(hyperparams.discount),
        reward_scale=reward_scale,
    )
    return spec._replace(critic=critic)


def shared(values: Any) -> float | None:
    """Return the number that all of these are; None where they differ."""
    found = np.unique(values)
    return float(found[0]) if found.size == 1 else None


def training_in(precision: str) -> contextlib.AbstractContextManager[None]:
    """Compile the programs of training within this context."""
    matmul: contextlib.AbstractContextManager[None]
    matmul = jax.default_matmul_precision(PRECISIONS[precision].matmul)
    return matmul


def training_actor(spec: PolicySpec, precision: str) -> rj.Actor:
    """Build the actor of a policy for training in a precision."""
    dtype = PRECISIONS[precision].dtype
    if dtype is not None:
        spec = spec._replace(actor_options={**spec.actor_options, "dtype": dtype})
    return build_actor(spec)


def build_pretraining_agent(agent: AgentSpec, spec: PolicySpec) -> rj.Agent:
    """Build behaviour cloning alone, whose update costs a tenth of the others'."""
    return build_cloning_agent(training_actor(spec, agent.precision))


def build_cloning_agent(actor: rj.Actor) -> rj.Agent:
    """Build an agent that only clones the behaviour."""
    return rj.ramac_agent(actor, rj.constant_critic(), rj.risk.neutral)


def fit_to_data(
    agent: AgentSpec, transitions: rj.Transition, discounts: Iterable[float]
) -> AgentSpec:
    """Return the spec with a value range, where its critic needs one and has none.

    The range holds the returns of the data at every discount.

    Raises `InputError` for targets of more steps than an episode has, and for data that
    show no range.
    """
    if not agent.num_critics:
        return agent
    check_target_steps(agent.target_steps, transitions)
    if agent.critic != "categorical" or agent.value_range is not None:
        return agent
    found = [rj.value_range(transitions, x) for x in sorted(set(discounts))]
    low, high = min(x for x, _ in found), max(x for _, x in found)
    return dataclasses.replace(agent, value_range=(low, high))


def build_agent(
    agent: AgentSpec, spec: PolicySpec, *, ood_weighted: bool = False
) -> rj.Agent:
    """Build the agent of a spec.

    Args:
      agent: with the value range of a categorical critic.
      spec: of its policy.
      ood_weighted: some `ood_weight` is above 0, so that a categorical critic needs
        OOD actions.
    """
    if not agent.num_critics:
        return build_pretraining_agent(agent, spec)
    micro_batch: MicroBatchFn = whole_batch
    if agent.critic == "quantile":
        micro_batch = fit_cache(agent.critic_width)
    penalty = agent.conservative
    return rj.ramac_agent(
        training_actor(spec, agent.precision),
        build_critic(agent),
        RISK_MEASURES[agent.risk_measure].load(),
        agent.num_quantiles,
        num_risk_quantiles=agent.num_risk_quantiles,
        conservative=None if penalty is None else PENALTIES[penalty].load(),
        num_candidates=agent.num_candidates,
        num_penalty_quantiles=agent.num_penalty_quantiles,
        normalize_value=agent.normalize_value,
        target_steps=agent.target_steps,
        independent_targets=agent.independent_targets,
        ood_actions=ood_weighted and agent.critic == "categorical",
        micro_batch=micro_batch,
    )


def build_critic(agent: AgentSpec) -> rj.Critic:
    """Build the critics of a spec, whose value range is known, for training."""
    entry, options = CRITICS[agent.critic], critic_options(agent)
    if entry.takes_dtype:
        options["dtype"] = PRECISIONS[agent.precision].dtype
    if agent.critic == "quantile":
        options["head"] = HEADS[agent.head].load()
    critic: rj.Critic = entry.load()(**options)
    return critic


def critic_options(agent: AgentSpec) -> dict[str, Any]:
    """Return the options of the agent's critics, none of which is about training."""
    options: dict[str, Any] = {"num_critics": agent.num_critics}
    if agent.critic == "quantile":
        return options | {
            "width": agent.critic_width,
            "embedding_width": agent.embedding_width,
            "num_cosines": agent.num_cosines,
        }
    options["widths"] = (agent.critic_width,) * 2
    if agent.critic == "categorical":
        assert agent.value_range is not None
        low, high = agent.value_range
        options |= {"low": low, "high": high, "num_atoms": agent.num_atoms}
    return options
