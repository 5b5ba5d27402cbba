"""RAMAC: a generative actor and a distributional critic under one update."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ramac_jax import losses, randomness, risk, sharing
from ramac_jax.blocks import count_blocks, each_block, mean_over_blocks, rows_in_cache
from ramac_jax.descent import ADAM, descend
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
    State,
    Transition,
)
from ramac_jax.validation import InputError
from ramac_jax.weights import unpack


def ramac(
    actor: Actor,
    critic: Critic,
    distortion: DistortionFn = risk.cvar,
    num_quantiles: int = 32,
    *,
    num_risk_quantiles: int | None = None,
    conservative: ConservativeFn | None = None,
    num_candidates: int = 10,
    normalize_value: bool = False,
    num_ranked: int = 1,
    block_size: int | None = None,
) -> Agent:
    """Wire an actor, a critic and a risk measure into an `Agent`.

    With `diffusion_actor` this is RADAC, with `flow_actor` RAFMAC.

    Args:
      actor: the policy, trained and acting.
      critic: the value of its actions, and the loss that it learns by.
      distortion: risk measure, one of `ramac_jax.risk` or your own.
      num_quantiles: N, fractions drawn per update, shared by the batch.
      num_risk_quantiles: fractions that the actor's value is read at, one of each of as
        many equal strata (`randomness.stratified`); None: N of them, drawn freely as
        the paper does.
      conservative: penalty on critics that value candidate actions above those of the
        data, times `conservative_weight`; None: there is none.
      num_candidates: for each observation, drawn uniformly and as many from the policy.
      normalize_value: divide the value that the actor seeks by its mean absolute value
        in the batch (Fujimoto and Gu, 2021), so that its weight suits any returns.
      num_ranked: actions that `act` draws for each observation, to take the one of the
        highest value, the mean of the least critic's quantiles, as Diffusion-QL does
        with 50; 1: the one drawn is taken.
      block_size: transitions whose quantiles are computed at a time, at most; the
        results are those of the whole batch but for rounding. None: as many as suit the
        device, a CPU's cache or the whole batch.

    Raises `InputError` for a block of no transition.
    """
    per_transition = partial(jax.vmap, in_axes=(0, 0, None, None))

    if block_size is not None and block_size < 1:
        raise InputError(f"block_size is {block_size}: give 1 or more, or None")

    def at_a_time(rows: Array, count: int) -> int | None:
        return block_size or rows_in_cache(len(rows), count * critic.width)

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

    def draw_fractions(key: Key, dtype: Any) -> Sequence[Array]:
        """Fractions of the targets, of the critics' loss and of the actor's value."""
        sizes = num_quantiles, num_quantiles, num_risk_quantiles or num_quantiles
        drawn = randomness.uniform(key, (sum(sizes),), dtype)
        *free, last = jnp.split(drawn, np.cumsum(sizes)[:-1])
        strata = num_risk_quantiles is not None
        return *free, randomness.stratified(last) if strata else last

    def bellman_targets(
        state: State,
        batch: Transition,
        tau: Array,
        key: Key,
        h: Hyperparams,
        axis_name: str | None,
    ) -> Array:
        """Target returns [B, N] at fractions tau' and actions a' ~ pi(s')."""
        next_action = sharing.sample(
            actor, state.target_actor_params, batch.next_observation, key, axis_name
        )
        per_row = jax.vmap(losses.bellman_target, in_axes=(0, 0, None, 1, None, None))

        params = unpack(state.target_critic_params)

        def of_block(batch, action):
            quantiles = critic.quantiles(params, batch.next_observation, action, tau)
            return per_row(
                batch.reward,
                batch.terminated,
                h.discount,
                quantiles,
                h.value_min,
                h.value_max,
            )

        block = at_a_time(batch.reward, num_quantiles)
        targets = each_block(of_block, block, batch, next_action)
        return targets.reshape(-1, num_quantiles)

    def critic_loss(
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
        quantiles = critic.quantiles(params, batch.observation, batch.action, tau)
        per_batch = per_transition(critic.loss)
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

    def draw_candidates(
        state: State, batch: Transition, key: Key, axis_name: str | None
    ) -> Array:
        """Actions [B, 2 C, A] beside the data's: uniform ones, then the policy's."""
        uniform_key, policy_key = jax.random.split(key)
        observation = jnp.broadcast_to(
            batch.observation, (num_candidates, *batch.observation.shape)
        )

        def draw(observation: Array, key: Key) -> Array:
            shape = (*observation.shape[:-1], batch.action.shape[-1])
            return randomness.uniform(key, shape, batch.action.dtype, -1.0, 1.0)

        uniform = sharing.own_noise(draw, observation, uniform_key, axis_name)
        params = state.actor_params
        own = sharing.sample(actor, params, observation, policy_key, axis_name)
        return jnp.swapaxes(jnp.concatenate([uniform, own]), 0, 1)

    def risk_value(
        state: State, observation: Array, action: Array, tau: Array
    ) -> tuple[Array, Array]:
        """The batch means of the risk-adjusted value (eq. 3) and of its size.

        Of several blocks each is differentiated with respect to its actions at once, so
        that its quantiles are done with before the next block's.
        """

        params = unpack(state.critic_params)

        def total(action, observation):
            quantiles = critic.quantiles(params, observation, action, tau)
            values = jax.vmap(losses.risk_adjusted_value, in_axes=1)(quantiles)
            return jnp.sum(values), jnp.sum(jnp.abs(values))

        num_rows, block = len(action), at_a_time(action, len(tau))
        if count_blocks(num_rows, block) == 1:
            value, size = total(action, observation)
            return value / num_rows, jax.lax.stop_gradient(size) / num_rows
        fixed = jax.lax.stop_gradient(action)
        (values, sizes), slopes = each_block(
            jax.value_and_grad(total, has_aux=True), block, fixed, observation
        )
        value = jnp.sum(values) + jnp.sum(
            slopes.reshape(action.shape) * (action - fixed)
        )
        return value / num_rows, jnp.sum(sizes) / num_rows

    def actor_loss(
        params: Params,
        state: State,
        batch: Transition,
        tau: Array,
        keys: Key,
        h: Hyperparams,
        axis_name: str | None,
    ) -> tuple[Array, Metrics]:
        """bc_weight L_bc + risk_weight(t) L_risk, eqs. 4 to 6."""
        action_key, bc_key = keys
        action = sharing.sample(actor, params, batch.observation, action_key, axis_name)
        tau = distortion(tau, h.risk_level)
        value, size = risk_value(state, batch.observation, action, tau)
        bc_loss = sharing.bc_loss(
            actor, params, batch.observation, batch.action, bc_key, axis_name
        )
        weight = h.risk_weight * losses.linear_ramp(
            state.step, h.risk_warmup, h.risk_ramp
        )
        sought = value
        if normalize_value:
            sought = value / (sharing.mean_of_shares(size, axis_name) + 1e-8)
        loss = h.bc_weight * bc_loss - weight * sought
        return loss, {"actor_loss": loss, "bc_loss": bc_loss, "risk_value": value}

    def shared_update(
        state: State,
        batch: Transition,
        key: Key,
        hyperparams: Hyperparams,
        axis_name: str | None,
    ) -> tuple[State, Metrics]:
        """As `update`, of a share of the batch along an axis; None: of all of it."""
        sharing.check_axis(axis_name)
        h = hyperparams
        keys = jax.random.split(key, 5)
        tau_key, target_key, candidate_key = keys[:3]
        actor_keys = keys[3:]
        target_tau, tau, risk_tau = draw_fractions(tau_key, batch.reward.dtype)
        decay = losses.cosine_decay(state.step, h.decay_steps)

        target = bellman_targets(state, batch, target_tau, target_key, h, axis_name)
        candidates = None
        if conservative is not None:
            candidates = draw_candidates(state, batch, candidate_key, axis_name)
        gradient = jax.grad(critic_loss, has_aux=True)
        layers, pack_again = jax.vjp(unpack, state.critic_params)
        grads, critic_metrics = mean_over_blocks(
            lambda *rows: gradient(layers, *rows, tau, h),
            at_a_time(batch.reward, num_quantiles),
            batch,
            target,
            candidates,
        )
        clipped = (target <= h.value_min) | (target >= h.value_max)
        critic_metrics |= {
            "target_mean": jnp.mean(target),
            "target_clipped": jnp.mean(clipped),
        }
        (grads,) = pack_again(grads)
        grads, critic_metrics = sharing.mean_of_shares(
            (grads, critic_metrics), axis_name
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
            state.actor_params, state, batch, risk_tau, actor_keys, h, axis_name
        )
        grads, actor_metrics = sharing.mean_of_shares((grads, actor_metrics), axis_name)
        actor_params, actor_opt_state = descend(
            state.actor_params,
            grads,
            state.actor_opt_state,
            decay * h.actor_learning_rate,
            h.max_grad_norm,
        )
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
        return state, critic_metrics | actor_metrics

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

    def update(
        state: State, batch: Transition, key: Key, hyperparams: Hyperparams
    ) -> tuple[State, Metrics]:
        """Take one gradient step of the critics, then of the actor."""
        return shared_update(state, batch, key, hyperparams, None)

    shared = shared_update if sharing.can_share(actor) else None
    return Agent(init, update, act, shared)
