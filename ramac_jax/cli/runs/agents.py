"""Agents and their policies, built from an `AgentSpec`."""

import contextlib
import dataclasses
from collections.abc import Iterable

import jax

import ramac_jax as rj
from ramac_jax.cli.options.agent import AgentSpec
from ramac_jax.compute import whole_batch
from ramac_jax.devices.cache import fit_cache
from ramac_jax.errors import check_names
from ramac_jax.normalization import Scaling
from ramac_jax.policy import PolicySpec, build_actor
from ramac_jax.registry import ACTORS, HEADS, PENALTIES, PRECISIONS, RISK_MEASURES
from ramac_jax.types import MicroBatchFn
from ramac_jax.validation import check_target_steps


def policy_spec(agent: AgentSpec, scaling: Scaling) -> PolicySpec:
    """Return the spec of the agent's policy, with all options of its actor.

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
    return rj.ramac_agent(actor, rj.constant_critic(), rj.risk.neutral, num_quantiles=1)


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


def build_agent(agent: AgentSpec, spec: PolicySpec) -> rj.Agent:
    """Build the agent of a spec."""
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
        normalize_value=agent.normalize_value,
        target_steps=agent.target_steps,
        independent_targets=agent.independent_targets,
        micro_batch=micro_batch,
    )


def build_critic(agent: AgentSpec) -> rj.Critic:
    """Build the critics of a spec, whose value range is known."""
    widths = (agent.critic_width,) * 2
    if agent.critic == "categorical":
        assert agent.value_range is not None
        return rj.categorical_critic(
            *agent.value_range,
            agent.num_critics,
            widths=widths,
            num_atoms=agent.num_atoms,
            dtype=PRECISIONS[agent.precision].dtype,
        )
    if agent.critic == "value":
        return rj.value_critic(agent.num_critics, widths=widths)
    return rj.iqn_critic(
        agent.num_critics,
        width=agent.critic_width,
        embedding_width=agent.embedding_width,
        num_cosines=agent.num_cosines,
        head=HEADS[agent.head].load(),
        dtype=PRECISIONS[agent.precision].dtype,
    )
