"""What the critics of an agent learn from a batch: eq. 2, and its gradient."""

from functools import partial

import jax
import jax.numpy as jnp

from ramac_jax import losses
from ramac_jax.agent.design import Design
from ramac_jax.compute import data_parallel as sharing
from ramac_jax.compute import random_numbers as randomness
from ramac_jax.compute.flat_params import unpack
from ramac_jax.compute.microbatches import each_block, mean_over_blocks
from ramac_jax.types import Array, Hyperparams, Key, Metrics, Params, State, Transition


def gradient(
    design: Design,
    state: State,
    batch: Transition,
    target_tau: Array,
    tau: Array,
    keys: Key,
    h: Hyperparams,
    axis_name: str | None,
) -> tuple[Params, Metrics]:
    """The gradient of every critic's loss with respect to its weights, and metrics.

    Args:
      design: what the agent is made of.
      state: of the agent.
      batch: transitions [B], a share of the batch where it is shared.
      target_tau: fractions of the targets, [N].
      tau: fractions of the critics' quantiles, [N].
      keys: two, for the targets' actions and for the candidates of the penalty.
      h: hyperparameters.
      axis_name: the axis of the shares; None: there is one.
    """
    target_key, candidate_key = keys
    target = bellman_targets(design, state, batch, target_tau, target_key, h, axis_name)
    candidates = None
    if design.conservative is not None:
        candidates = draw_candidates(design, state, batch, candidate_key, axis_name)
    slope = jax.grad(partial(batch_loss, design), has_aux=True)
    layers, pack_again = jax.vjp(unpack, state.critic_params)
    grads, metrics = mean_over_blocks(
        lambda *rows: slope(layers, *rows, tau, h),
        design.at_a_time(batch.reward, design.num_quantiles),
        batch,
        target,
        candidates,
    )
    clipped = (target <= h.value_min) | (target >= h.value_max)
    metrics |= {
        "target_mean": jnp.mean(target),
        "target_clipped": jnp.mean(clipped),
    }
    (grads,) = pack_again(grads)
    return sharing.mean_of_shares((grads, metrics), axis_name)


def bellman_targets(
    design: Design,
    state: State,
    batch: Transition,
    tau: Array,
    key: Key,
    h: Hyperparams,
    axis_name: str | None,
) -> Array:
    """Target returns [B, N] at fractions tau' and actions a' ~ pi(s')."""
    next_action = sharing.sample(
        design.actor, state.target_actor_params, batch.next_observation, key, axis_name
    )
    per_row = jax.vmap(losses.bellman_target, in_axes=(0, 0, None, 1, None, None))
    params = unpack(state.target_critic_params)

    def of_block(batch, action):
        quantiles = design.critic.quantiles(params, batch.next_observation, action, tau)
        return per_row(
            batch.reward,
            batch.terminated,
            h.discount,
            quantiles,
            h.value_min,
            h.value_max,
        )

    block = design.at_a_time(batch.reward, design.num_quantiles)
    targets = each_block(of_block, block, batch, next_action)
    return targets.reshape(-1, design.num_quantiles)


def draw_candidates(
    design: Design, state: State, batch: Transition, key: Key, axis_name: str | None
) -> Array:
    """Actions [B, 2 C, A] beside the data's: uniform ones, then the policy's."""
    uniform_key, policy_key = jax.random.split(key)
    observation = jnp.broadcast_to(
        batch.observation, (design.num_candidates, *batch.observation.shape)
    )

    def draw(observation: Array, key: Key) -> Array:
        shape = (*observation.shape[:-1], batch.action.shape[-1])
        return randomness.uniform(key, shape, batch.action.dtype, -1.0, 1.0)

    uniform = sharing.own_noise(draw, observation, uniform_key, axis_name)
    own = sharing.sample(
        design.actor, state.actor_params, observation, policy_key, axis_name
    )
    return jnp.swapaxes(jnp.concatenate([uniform, own]), 0, 1)


def batch_loss(
    design: Design,
    params: Params,
    batch: Transition,
    target: Array,
    candidates: Array | None,
    tau: Array,
    h: Hyperparams,
) -> tuple[Array, Metrics]:
    """Sum over critics of the batch mean of eq. 2: their gradients stay apart.

    The conservative penalty is added, and told beside it.
    """
    critic, conservative = design.critic, design.conservative
    quantiles = critic.quantiles(params, batch.observation, batch.action, tau)
    per_batch = jax.vmap(critic.loss, in_axes=(0, 0, None, None))
    per_critic = jax.vmap(per_batch, in_axes=(0, None, None, None))
    loss = jnp.mean(per_critic(quantiles, target, tau, h.huber_threshold), axis=1)
    metrics = {"critic_loss": jnp.mean(loss)}
    if conservative is not None:
        others = jax.vmap(critic.quantiles, in_axes=(None, None, 1, None))(
            params, batch.observation, jnp.asarray(candidates), tau
        )
        per_row = jax.vmap(jax.vmap(conservative, in_axes=(1, 0)), in_axes=(1, 0))
        penalty = jnp.mean(per_row(others, quantiles), axis=1)
        loss += h.conservative_weight * penalty
        metrics["conservative_gap"] = jnp.mean(penalty)
    return jnp.sum(loss), metrics
