"""RAMAC: a generative actor and a distributional critic under one update."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ramac_jax import losses, risk
from ramac_jax.agent import actor_loss, critic_loss
from ramac_jax.agent.design import Design
from ramac_jax.agent.optimizer import ADAM, descend
from ramac_jax.compute import data_parallel as sharing
from ramac_jax.compute import random_numbers as randomness
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
    State,
    Transition,
)
from ramac_jax.validation import InputError


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
    if block_size is not None and block_size < 1:
        raise InputError(f"block_size is {block_size}: give 1 or more, or None")
    design = Design(
        actor,
        critic,
        distortion,
        num_quantiles,
        num_risk_quantiles,
        conservative,
        num_candidates,
        normalize_value,
        num_ranked,
        block_size,
    )

    def update(
        state: State, batch: Transition, key: Key, hyperparams: Hyperparams
    ) -> tuple[State, Metrics]:
        """Take one gradient step of the critics, then of the actor."""
        return shared_update(design, state, batch, key, hyperparams, None)

    return Agent(
        partial(init, design),
        update,
        partial(act, design),
        partial(shared_update, design) if sharing.can_share(actor) else None,
    )


def init(design: Design, key: Key, example: Transition) -> State:
    """Draw the first weights."""
    actor_key, critic_key = jax.random.split(key)
    actor_params = design.actor.init(actor_key, example.observation, example.action)
    critic_params = design.critic.init(critic_key, example.observation, example.action)
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


def shared_update(
    design: Design,
    state: State,
    batch: Transition,
    key: Key,
    hyperparams: Hyperparams,
    axis_name: str | None,
) -> tuple[State, Metrics]:
    """Take one step with a share of the batch along an axis; None: with all of it."""
    sharing.check_axis(axis_name)
    h = hyperparams
    keys = jax.random.split(key, 5)
    tau_key, critic_keys, actor_keys = keys[0], keys[1:3], keys[3:]
    target_tau, tau, risk_tau = draw_fractions(design, tau_key, batch.reward.dtype)
    decay = losses.cosine_decay(state.step, h.decay_steps)

    grads, critic_metrics = critic_loss.gradient(
        design, state, batch, target_tau, tau, critic_keys, h, axis_name
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

    grads, actor_metrics = actor_loss.gradient(
        design, state, batch, risk_tau, actor_keys, h, axis_name
    )
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


def draw_fractions(design: Design, key: Key, dtype: Any) -> Sequence[Array]:
    """Fractions of the targets, of the critics' loss and of the actor's value."""
    risk_size = design.num_risk_quantiles
    sizes = (
        design.num_quantiles,
        design.num_quantiles,
        risk_size or design.num_quantiles,
    )
    drawn = randomness.uniform(key, (sum(sizes),), dtype)
    *free, last = jnp.split(drawn, np.cumsum(sizes)[:-1])
    return *free, last if risk_size is None else randomness.stratified(last)


def act(design: Design, state: State, observation: Array, key: Key) -> Array:
    """Draw one action per observation from the policy that is being trained."""
    if design.num_ranked == 1:
        return design.actor.sample(state.actor_params, observation, key)
    each = jnp.broadcast_to(observation, (design.num_ranked, *observation.shape))
    actions = design.actor.sample(state.actor_params, each, key)  # [C, ..., A]
    asked, drawn = (x.reshape(-1, x.shape[-1]) for x in (each, actions))
    tau = (jnp.arange(design.num_quantiles) + 0.5) / design.num_quantiles
    quantiles = design.critic.quantiles(state.critic_params, asked, drawn, tau)
    values = jax.vmap(losses.risk_adjusted_value, in_axes=1)(quantiles)
    best = jnp.argmax(values.reshape(actions.shape[:-1]), axis=0)
    return jnp.take_along_axis(actions, best[None, ..., None], axis=0)[0]
