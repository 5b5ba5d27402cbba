"""One update: the losses of critics and actor as the paper writes them, for a batch.

Every function takes the agent's `AgentConfig` first and is deterministic: the random
numbers are drawn before (`ramac_jax.agent.noise`).
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ramac_jax import losses
from ramac_jax.agent.config import AgentConfig
from ramac_jax.agent.noise import Fractions, sample_ood_actions
from ramac_jax.agent.optimizer import clip, clip_children, descend
from ramac_jax.compute import gradient, map_rows, mean_over_rows
from ramac_jax.compute.flat_params import unpack
from ramac_jax.hyperparams import Hyperparams
from ramac_jax.types import (
    Array,
    MeanFn,
    Metrics,
    Noise,
    Params,
    ReturnLaw,
    State,
    Transition,
)


class CriticRows(NamedTuple):
    """The rows that the critics learn from; every leaf is [B, ...]."""

    transition: Transition
    target: ReturnLaw  # [B, E or 1, M], of each critic or one for every critic
    candidates: Any  # [B, 2 C, A], uniform ones and the policy's; or None
    ood_actions: Any  # [B, A] or None


def update_from_noise(
    config: AgentConfig,
    state: State,
    batch: Transition,
    noise: Noise,
    hyperparams: Hyperparams,
    mean: MeanFn,
) -> tuple[State, Metrics]:
    """Take one gradient step of the critics, then of the actor."""
    config = config._replace(mean=mean)
    decay = losses.cosine_decay(state.step, hyperparams.decay_steps)

    grads, critic_metrics = critic_gradient(config, state, batch, noise, hyperparams)
    descend_each = jax.vmap(partial(descend, config.optimizer), (0, 0, 0, None))
    critic_params, critic_opt_state = descend_each(
        state.critic_params,
        jax.vmap(clip, (0, None))(grads, hyperparams.max_grad_norm),
        state.critic_opt_state,
        decay * hyperparams.critic_learning_rate,
    )
    state = state._replace(
        critic_params=critic_params, critic_opt_state=critic_opt_state
    )

    actor_gradient = jax.grad(partial(actor_loss, config), has_aux=True)
    grads, actor_metrics = mean(
        actor_gradient(state.actor_params, state, batch, noise, hyperparams)
    )
    actor_params, actor_opt_state = descend(
        config.optimizer,
        state.actor_params,
        clip_children(grads, hyperparams.max_grad_norm),
        state.actor_opt_state,
        decay * hyperparams.actor_learning_rate,
    )
    state = state._replace(
        actor_params=actor_params,
        target_actor_params=optax.incremental_update(
            actor_params, state.target_actor_params, hyperparams.ema_rate
        ),
        target_critic_params=optax.incremental_update(
            critic_params, state.target_critic_params, hyperparams.target_rate
        ),
        actor_opt_state=actor_opt_state,
        step=state.step + 1,
    )
    return state, critic_metrics | actor_metrics


def critic_gradient(
    config: AgentConfig,
    state: State,
    batch: Transition,
    noise: Noise,
    hyperparams: Hyperparams,
) -> tuple[Params, Metrics]:
    """Gradient of the critics' loss, and its metrics."""
    actor, rows = config.actor, noise.rows
    candidates = None
    if config.conservative is not None:
        uniform, policy_noise = rows.candidates
        each = jnp.broadcast_to(
            batch.observation, (len(uniform), *batch.observation.shape)
        )
        drawn = actor.sample_from_noise(state.actor_params, each, policy_noise)
        candidates = jnp.swapaxes(jnp.concatenate([uniform, drawn]), 0, 1)
    ood_actions = None
    if rows.ood_actions is not None:
        ood_actions = sample_ood_actions(batch.action, rows.ood_actions)

    def loss(params: Params, rows: CriticRows) -> tuple[Array, Metrics]:
        return critic_loss(config, params, rows, noise.shared, hyperparams)

    target, num_rows = batch_targets(config, state, batch, noise, hyperparams)
    rows = CriticRows(batch, target, candidates, ood_actions)
    return config.mean(gradient(loss, state.critic_params, rows, num_rows))


def batch_targets(
    config: AgentConfig,
    state: State,
    batch: Transition,
    noise: Noise,
    hyperparams: Hyperparams,
) -> tuple[ReturnLaw, int | None]:
    """Targets [B, E or 1, M] of a batch, at a' ~ pi(s') of the target actor.

    Those of single steps are the rewards, clipped. The second value is the number of
    rows of a micro-batch; None: the batch stays whole.
    """
    size = len(batch.reward)
    if config.single_step:
        reward = jnp.clip(batch.reward, *value_bounds(config, hyperparams))
        # The predictions have N values, and a target one.
        num_rows = config.micro_batch(size, config.num_quantiles)
        return ReturnLaw(reward[:, None, None]), num_rows
    next_action = config.actor.sample_from_noise(
        state.target_actor_params, batch.next_observation, noise.rows.next_action
    )
    params = unpack(state.target_critic_params)

    def targets(rows: tuple[Transition, Array]) -> ReturnLaw:
        tau = noise.shared.target
        return bellman_targets(config, params, *rows, tau, hyperparams)

    each = jax.eval_shape(targets, (batch, next_action)).value.shape[-1]  # M
    num_rows = config.micro_batch(size, each)
    return map_rows(targets, (batch, next_action), num_rows), num_rows


def bellman_targets(
    config: AgentConfig,
    target_params: Params,
    batch: Transition,
    next_action: Array,
    tau: Array,
    hyperparams: Hyperparams,
) -> ReturnLaw:
    """Target returns r + gamma (1 - d) min_e Z'_e(s', a'), clipped: [B, E or 1, M].

    All critics share them, or with `independent_targets` each has those of its own Z'.
    Z' is read at the fractions tau' [N], or as the whole law of a critic that has one.
    Of n joined steps, r is the sum of gamma^k r_k, and gamma^n takes gamma's place.
    """
    critic, following = config.critic, (batch.next_observation, next_action)
    alone = config.independent_targets
    if critic.law is None:
        quantiles = critic.quantiles(target_params, *following, tau)  # [E, B, N]
        groups = quantiles[:, None] if alone else quantiles[None]
        probability = None
    else:
        values, laws = critic.law(target_params, *following)  # [M], [E, B, M]
        groups = jnp.broadcast_to(values, (1, 1, len(batch.reward), len(values)))
        if not alone:
            laws = jax.vmap(losses.least_law, in_axes=1)(laws)[None]
        probability = jax.lax.stop_gradient(jnp.swapaxes(laws, 0, 1))
    reward, discount = batch.reward, jnp.full_like(batch.reward, hyperparams.discount)
    if batch.steps is not None and batch.reward.ndim == 2:  # joined steps
        reward, discount = losses.join_steps(
            batch.reward, batch.steps, hyperparams.discount
        )
    per_row = jax.vmap(losses.bellman_target, (0, 0, 0, 1, None, None))
    per_group = jax.vmap(per_row, (None, None, None, 0, None, None), out_axes=1)
    bounds = value_bounds(config, hyperparams)
    value = per_group(reward, batch.terminated, discount, groups, *bounds)
    return ReturnLaw(value, probability)


def value_bounds(config: AgentConfig, hyperparams: Hyperparams) -> tuple[Array, Array]:
    """The range that targets are clipped to: of the hyperparameters and the critic."""
    low = jnp.maximum(hyperparams.value_min, config.critic.low)
    return low, jnp.minimum(hyperparams.value_max, config.critic.high)


def critic_loss(
    config: AgentConfig,
    params: Params,
    rows: CriticRows,
    fractions: Fractions,
    hyperparams: Hyperparams,
) -> tuple[Array, Metrics]:
    """The critic's own loss (eq. 2: of quantiles), summed over critics; and metrics.

    It is a mean over rows, plus `conservative_weight` times the conservative penalty,
    plus `ood_weight` times the loss of OOD actions. The sum keeps the gradients
    of the critics apart.
    """
    critic, batch, target = config.critic, rows.transition, rows.target
    low, high = value_bounds(config, hyperparams)
    taken = batch.observation, batch.action
    kappa = hyperparams.huber_threshold
    per_critic = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), target)
    each = critic.loss(params, *taken, per_critic, fractions.critic, kappa)  # [E, B]
    loss = jnp.mean(each, axis=1)
    value = target.value
    clipped = ((value <= low) | (value >= high)).astype(value.dtype)
    metrics = {
        "critic_loss": jnp.mean(loss),
        "target_mean": losses.expectation(target),
        "target_clipped": losses.expectation(target._replace(value=clipped)),
    }
    if config.conservative is not None:
        tau = fractions.penalty
        at_candidates = jax.vmap(critic.quantiles, in_axes=(None, None, 1, None))(
            params, batch.observation, rows.candidates, tau
        )
        gap = jax.vmap(jax.vmap(config.conservative, in_axes=(1, 0)), in_axes=(1, 0))
        quantiles = critic.quantiles(params, *taken, tau)
        penalty = jnp.mean(gap(at_candidates, quantiles), axis=1)
        loss += hyperparams.conservative_weight * penalty
        metrics["conservative_gap"] = jnp.mean(penalty)
    if critic.ood_loss is not None:
        ood_loss = critic.ood_loss(params, batch.observation, rows.ood_actions)
        loss += hyperparams.ood_weight * jnp.mean(ood_loss, axis=1)
        metrics["ood_loss"] = jnp.mean(ood_loss)
    return jnp.sum(loss), metrics


def actor_loss(
    config: AgentConfig,
    params: Params,
    state: State,
    batch: Transition,
    noise: Noise,
    hyperparams: Hyperparams,
) -> tuple[Array, Metrics]:
    """bc_weight L_bc - risk_weight(t) E[value of psi(s, z)], eqs. 4 to 6; and metrics.

    The gradient passes through every step of the sampler psi.
    """
    actor, observation = config.actor, batch.observation
    action = actor.sample_from_noise(params, observation, noise.rows.action)
    tau = config.risk_measure(noise.shared.risk, hyperparams.risk_level)
    value, size = risk_value(config, state.critic_params, observation, action, tau)
    bc_loss = actor.bc_loss_from_noise(
        params, observation, batch.action, noise.rows.cloning
    )
    ramp = losses.linear_ramp(
        state.step, hyperparams.risk_warmup, hyperparams.risk_ramp
    )
    objective = value / (config.mean(size) + 1e-8) if config.normalize_value else value
    weight = hyperparams.risk_weight * ramp
    loss = hyperparams.bc_weight * bc_loss - weight * objective
    return loss, {"actor_loss": loss, "bc_loss": bc_loss, "risk_value": value}


def risk_value(
    config: AgentConfig,
    critic_params: Params,
    observation: Array,
    action: Array,
    tau: Array,
) -> tuple[Array, Array]:
    """Batch means of the risk-adjusted value (eq. 3) and of its absolute value."""
    params = unpack(critic_params)

    def sums(action: Array, observation: Array) -> tuple[Array, Array]:
        quantiles = config.critic.acting_quantiles(params, observation, action, tau)
        values = jax.vmap(losses.risk_adjusted_value, in_axes=1)(quantiles)
        return jnp.sum(values), jnp.sum(jnp.abs(values))

    num_rows = config.micro_batch(len(action), len(tau))
    return mean_over_rows(sums, action, observation, num_rows)
