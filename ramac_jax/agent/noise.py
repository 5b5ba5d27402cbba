"""The random numbers of one update."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ramac_jax.agent.config import AgentConfig
from ramac_jax.compute import random_numbers
from ramac_jax.types import Array, Key, Noise, Transition

NEAR = 0.4
"""Standard deviation of the OOD actions near the data's, of actions in [-1, 1]."""


class Fractions(NamedTuple):
    """Uniform fractions of an update, shared by its batch."""

    target: Array  # tau' [N], of the targets
    critic: Array  # tau [N], of the critics' quantiles
    risk: Array  # [N], of the actor's value, before the risk measure
    penalty: Array  # [N], of the conservative penalty


class RowNoise(NamedTuple):
    """Noise of the rows of a batch; every leaf is [..., B, Z]."""

    next_action: Any  # of a' ~ pi(s'); None: every transition ends its episode
    candidates: Any  # actions [C, B, A] and the actor's noise, or None
    ood_actions: Any  # that critics learn to avoid, or None
    action: Any  # of a ~ pi(s)
    cloning: Any  # of the behaviour-cloning loss


class OODNoise(NamedTuple):
    """Noise of one OOD action for each row."""

    coin: Array  # [B, 1] from U(0, 1): near the data's action, or anywhere
    near: Array  # [B, A] from N(0, 1)
    anywhere: Array  # [B, A] from U(-1, 1)


def draw_noise(config: AgentConfig, batch: Transition, key: Key) -> Noise:
    """Draw all random numbers of one update; the batch gives shapes and types."""
    keys = jax.random.split(key, 5)
    tau_key, target_key, candidate_key, action_key, bc_key = keys
    actor, dtype = config.actor, batch.reward.dtype
    size, num_risk = config.num_quantiles, config.num_risk_quantiles
    num_penalty = None if config.conservative is None else config.num_penalty_quantiles
    sizes = size, size, num_risk or size, num_penalty or 0
    drawn = random_numbers.uniform(tau_key, (sum(sizes),), dtype)
    target, critic, risk, penalty = jnp.split(drawn, np.cumsum(sizes)[:-1])
    uniform_key, policy_key, ood_key = jax.random.split(candidate_key, 3)
    candidates = None
    if config.conservative is not None:
        shape = (config.num_candidates, *batch.action.shape)
        each = jnp.broadcast_to(batch.observation, (shape[0], *batch.observation.shape))
        candidates = (
            random_numbers.uniform(uniform_key, shape, batch.action.dtype, -1.0, 1.0),
            actor.draw_noise(each, policy_key),
        )
    next_action = None
    if not config.single_step:
        next_action = actor.draw_noise(batch.next_observation, target_key)
    ood_actions = None
    if config.critic.ood_loss is not None:
        ood_actions = draw_ood_noise(batch.action, ood_key)
    return Noise(
        shared=Fractions(
            target=target,
            critic=critic,
            risk=risk if num_risk is None else random_numbers.stratified(risk),
            penalty=random_numbers.stratified(penalty) if num_penalty else critic,
        ),
        rows=RowNoise(
            next_action=next_action,
            candidates=candidates,
            ood_actions=ood_actions,
            action=actor.draw_noise(batch.observation, action_key),
            cloning=actor.draw_bc_noise(batch.observation, bc_key),
        ),
    )


def draw_ood_noise(action: Array, key: Key) -> OODNoise:
    """Draw the noise of one OOD action for each of the data's [B, A]."""
    coin_key, near_key, anywhere_key = jax.random.split(key, 3)
    shape, dtype = action.shape, action.dtype
    return OODNoise(
        coin=random_numbers.uniform(coin_key, (*shape[:-1], 1), dtype),
        near=random_numbers.normal(near_key, shape, dtype),
        anywhere=random_numbers.uniform(anywhere_key, shape, dtype, -1.0, 1.0),
    )


def sample_ood_actions(action: Array, noise: OODNoise) -> Array:
    """Sample an OOD action for each of the data's [B, A]: half of them lie near it.

    Uniform actions alone would say little of the data's edge where A is large. A few
    samples are actions that the data have.
    """
    near = jnp.clip(action + NEAR * noise.near, -1.0, 1.0)
    return jnp.where(noise.coin < 0.5, near, noise.anywhere)
