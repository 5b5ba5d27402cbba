"""RAMAC: a generative actor and a distributional critic under one update."""

from functools import partial

import jax
import jax.numpy as jnp
import optax

from ramac_jax import losses, risk
from ramac_jax.types import (
    Actor,
    Agent,
    Array,
    ConservativeFn,
    Critic,
    DistortionFn,
    Hyperparams,
    Key,
    Metrics,
    Params,
    Scalar,
    State,
    Transition,
)

ADAM = optax.scale_by_adam()  # rates are applied by hand, so that they can be traced


def descend(
    params: Params,
    grads: Params,
    opt_state: optax.OptState,
    learning_rate: Scalar,
    max_grad_norm: Scalar,
) -> tuple[Params, optax.OptState]:
    """Take one Adam step along gradients scaled down to norm `max_grad_norm`.

    Parts side by side at the top of the tree, such as a prior and its perturbation, are
    scaled apart: what one learns from must not hold the other back.
    """

    def clip(part):
        norm = optax.tree.norm(part)
        scale = jnp.minimum(1.0, max_grad_norm / jnp.maximum(norm, 1e-12))
        return jax.tree.map(lambda g: scale * g, part)

    clipped = jax.tree.map(clip, grads, is_leaf=lambda x: x is not grads)
    direction, opt_state = ADAM.update(clipped, opt_state)
    params = jax.tree.map(lambda p, d: p - learning_rate * d, params, direction)
    return params, opt_state


def ramac(
    actor: Actor,
    critic: Critic,
    distortion: DistortionFn = risk.cvar,
    num_quantiles: int = 32,
    *,
    conservative: ConservativeFn | None = None,
    num_candidates: int = 10,
    normalize_value: bool = False,
    num_ranked: int = 1,
) -> Agent:
    """Wire an actor, a critic and a risk measure into an `Agent`.

    With `diffusion_actor` this is RADAC, with `flow_actor` RAFMAC.

    Args:
      actor: the policy, trained and acting.
      critic: the value of its actions, and the loss that it learns by.
      distortion: risk measure, one of `ramac_jax.risk` or your own.
      num_quantiles: N, fractions drawn per update, shared by the batch.
      conservative: penalty on critics that value candidate actions above those of the
        data, times `conservative_weight`; None: there is none.
      num_candidates: for each observation, drawn uniformly and as many from the policy.
      normalize_value: divide the value that the actor seeks by its mean absolute value
        in the batch (Fujimoto and Gu, 2021), so that its weight suits any returns.
      num_ranked: actions that `act` draws for each observation, to take the one of the
        highest value, the mean of the least critic's quantiles, as Diffusion-QL does
        with 50; 1: the one drawn is taken.
    """
    per_transition = partial(jax.vmap, in_axes=(0, 0, None, None))

    def init(key: Key, example: Transition) -> State:
        actor_key, critic_key = jax.random.split(key)
        actor_params = actor.init(actor_key, example.observation, example.action)
        critic_params = critic.init(critic_key, example.observation, example.action)
        copy = partial(jax.tree.map, jnp.copy)  # donation needs buffers of their own
        return State(
            actor_params=actor_params,
            target_actor_params=copy(actor_params),
            critic_params=critic_params,
            target_critic_params=copy(critic_params),
            actor_opt_state=ADAM.init(actor_params),
            critic_opt_state=jax.vmap(ADAM.init)(critic_params),
            step=jnp.zeros((), jnp.int32),
        )

    def bellman_targets(state: State, batch: Transition, key: Key, h: Hyperparams):
        """Target returns [B, N] at fresh fractions tau' and actions a' ~ pi(s')."""
        action_key, tau_key = jax.random.split(key)
        next_action = actor.sample(
            state.target_actor_params, batch.next_observation, action_key
        )
        tau = jax.random.uniform(tau_key, (num_quantiles,), batch.reward.dtype)
        quantiles = critic.quantiles(
            state.target_critic_params, batch.next_observation, next_action, tau
        )
        return jax.vmap(losses.bellman_target, in_axes=(0, 0, None, 1, None, None))(
            batch.reward,
            batch.terminated,
            h.discount,
            quantiles,
            h.value_min,
            h.value_max,
        )

    def critic_loss(
        params: Params,
        state: State,
        batch: Transition,
        target: Array,
        keys: tuple[Key, Key],
        h: Hyperparams,
    ) -> tuple[Array, Metrics]:
        """Sum over critics of the batch mean of eq. 2: their gradients stay apart.

        The conservative penalty is added, and told beside it.
        """
        tau_key, candidate_key = keys
        tau = jax.random.uniform(tau_key, (num_quantiles,), batch.reward.dtype)
        quantiles = critic.quantiles(params, batch.observation, batch.action, tau)
        per_batch = per_transition(critic.loss)
        per_critic = jax.vmap(per_batch, in_axes=(0, None, None, None))
        loss = jnp.mean(per_critic(quantiles, target, tau, h.huber_threshold), axis=1)
        metrics = {"critic_loss": jnp.mean(loss)}
        if conservative is not None:
            actions = candidates(state, batch, candidate_key)
            others = jax.vmap(critic.quantiles, in_axes=(None, None, 0, None))(
                params, batch.observation, actions, tau
            )
            per_row = jax.vmap(jax.vmap(conservative, in_axes=(1, 0)), in_axes=(1, 0))
            penalty = jnp.mean(per_row(others, quantiles), axis=1)
            loss += h.conservative_weight * penalty
            metrics["conservative_gap"] = jnp.mean(penalty)
        return jnp.sum(loss), metrics

    def candidates(state: State, batch: Transition, key: Key) -> Array:
        """Actions [2 C, B, A] beside the data's: uniform ones, then the policy's."""
        uniform_key, policy_key = jax.random.split(key)
        shape = (num_candidates, *batch.action.shape)
        uniform = jax.random.uniform(uniform_key, shape, batch.action.dtype, -1.0, 1.0)
        observation = jnp.broadcast_to(
            batch.observation, (num_candidates, *batch.observation.shape)
        )
        own = actor.sample(state.actor_params, observation, policy_key)
        return jnp.concatenate([uniform, own])

    def actor_loss(
        params: Params, state: State, batch: Transition, key: Key, h: Hyperparams
    ) -> tuple[Array, Metrics]:
        """bc_weight L_bc + risk_weight(t) L_risk, eqs. 4 to 6."""
        action_key, tau_key, bc_key = jax.random.split(key, 3)
        action = actor.sample(params, batch.observation, action_key)
        tau = jax.random.uniform(tau_key, (num_quantiles,), batch.reward.dtype)
        quantiles = critic.quantiles(
            state.critic_params,
            batch.observation,
            action,
            distortion(tau, h.risk_level),
        )
        values = jax.vmap(losses.risk_adjusted_value, in_axes=1)(quantiles)
        value, scale = jnp.mean(values), jnp.mean(jnp.abs(values)) + 1e-8
        bc_loss = actor.bc_loss(params, batch.observation, batch.action, bc_key)
        weight = h.risk_weight * losses.linear_ramp(
            state.step, h.risk_warmup, h.risk_ramp
        )
        sought = value / jax.lax.stop_gradient(scale) if normalize_value else value
        loss = h.bc_weight * bc_loss - weight * sought
        return loss, {"actor_loss": loss, "bc_loss": bc_loss, "risk_value": value}

    def update(
        state: State, batch: Transition, key: Key, hyperparams: Hyperparams
    ) -> tuple[State, Metrics]:
        """Take one gradient step of the critics, then of the actor."""
        h = hyperparams
        target_key, critic_key, actor_key, candidate_key = jax.random.split(key, 4)
        decay = losses.cosine_decay(state.step, h.decay_steps)

        target = bellman_targets(state, batch, target_key, h)
        grads, critic_metrics = jax.grad(critic_loss, has_aux=True)(
            state.critic_params, state, batch, target, (critic_key, candidate_key), h
        )
        descend_each = jax.vmap(descend, in_axes=(0, 0, 0, None, None))
        critic_params, critic_opt_state = descend_each(
            state.critic_params,
            grads,
            state.critic_opt_state,
            decay * h.critic_learning_rate,
            h.max_grad_norm,
        )
        state = state._replace(
            critic_params=critic_params, critic_opt_state=critic_opt_state
        )

        grads, actor_metrics = jax.grad(actor_loss, has_aux=True)(
            state.actor_params, state, batch, actor_key, h
        )
        actor_params, actor_opt_state = descend(
            state.actor_params,
            grads,
            state.actor_opt_state,
            decay * h.actor_learning_rate,
            h.max_grad_norm,
        )
        clipped = (target <= h.value_min) | (target >= h.value_max)
        metrics = {"target_mean": jnp.mean(target), "target_clipped": jnp.mean(clipped)}
        state = state._replace(
            actor_params=actor_params,
            target_actor_params=optax.incremental_update(
                actor_params, state.target_actor_params, h.ema_rate
            ),
            target_critic_params=optax.incremental_update(
                critic_params, state.target_critic_params, h.target_rate
            ),
            actor_opt_state=actor_opt_state,
            step=state.step + 1,
        )
        return state, critic_metrics | actor_metrics | metrics

    def act(state: State, observation: Array, key: Key) -> Array:
        """Draw one action per observation from the policy that is being trained."""
        if num_ranked == 1:
            return actor.sample(state.actor_params, observation, key)
        each = jnp.broadcast_to(observation, (num_ranked, *observation.shape))
        actions = actor.sample(state.actor_params, each, key)  # [C, ..., A]
        asked, drawn = (x.reshape(-1, x.shape[-1]) for x in (each, actions))
        tau = (jnp.arange(num_quantiles) + 0.5) / num_quantiles
        quantiles = critic.quantiles(state.critic_params, asked, drawn, tau)
        values = jax.vmap(losses.risk_adjusted_value, in_axes=1)(quantiles)
        best = jnp.argmax(values.reshape(actions.shape[:-1]), axis=0)
        return jnp.take_along_axis(actions, best[None, ..., None], axis=0)[0]

    return Agent(init, update, act)
