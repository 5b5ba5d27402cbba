"""What the actor of an agent learns from a batch: eqs. 3 to 6, and their gradient."""

from functools import partial

import jax
import jax.numpy as jnp

from ramac_jax import losses
from ramac_jax.agent.design import Design
from ramac_jax.compute import data_parallel as sharing
from ramac_jax.compute.flat_params import unpack
from ramac_jax.compute.microbatches import count_blocks, each_block
from ramac_jax.types import Array, Hyperparams, Key, Metrics, Params, State, Transition


def gradient(
    design: Design,
    state: State,
    batch: Transition,
    tau: Array,
    keys: Key,
    h: Hyperparams,
    axis_name: str | None,
) -> tuple[Params, Metrics]:
    """The gradient of the actor's loss with respect to its weights, and metrics.

    Args:
      design: what the agent is made of.
      state: of the agent, its critics as they have just learned.
      batch: transitions [B], a share of the batch where it is shared.
      tau: fractions of the actor's value, before they are distorted.
      keys: two, for the actions and for cloning.
      h: hyperparameters.
      axis_name: the axis of the shares; None: there is one.
    """
    slope = jax.grad(partial(batch_loss, design), has_aux=True)
    grads, metrics = slope(state.actor_params, state, batch, tau, keys, h, axis_name)
    return sharing.mean_of_shares((grads, metrics), axis_name)


def batch_loss(
    design: Design,
    params: Params,
    state: State,
    batch: Transition,
    tau: Array,
    keys: Key,
    h: Hyperparams,
    axis_name: str | None,
) -> tuple[Array, Metrics]:
    """bc_weight L_bc + risk_weight(t) L_risk, eqs. 4 to 6."""
    actor, (action_key, bc_key) = design.actor, keys
    action = sharing.sample(actor, params, batch.observation, action_key, axis_name)
    tau = design.distortion(tau, h.risk_level)
    value, size = risk_value(design, state, batch.observation, action, tau)
    bc_loss = sharing.bc_loss(
        actor, params, batch.observation, batch.action, bc_key, axis_name
    )
    weight = h.risk_weight * losses.linear_ramp(state.step, h.risk_warmup, h.risk_ramp)
    sought = value
    if design.normalize_value:
        sought = value / (sharing.mean_of_shares(size, axis_name) + 1e-8)
    loss = h.bc_weight * bc_loss - weight * sought
    return loss, {"actor_loss": loss, "bc_loss": bc_loss, "risk_value": value}


def risk_value(
    design: Design, state: State, observation: Array, action: Array, tau: Array
) -> tuple[Array, Array]:
    """The batch means of the risk-adjusted value (eq. 3) and of its size.

    Of several blocks each is differentiated with respect to its actions at once, so
    that its quantiles are done with before the next block's.
    """
    params = unpack(state.critic_params)

    def total(action, observation):
        quantiles = design.critic.quantiles(params, observation, action, tau)
        values = jax.vmap(losses.risk_adjusted_value, in_axes=1)(quantiles)
        return jnp.sum(values), jnp.sum(jnp.abs(values))

    num_rows, block = len(action), design.at_a_time(action, len(tau))
    if count_blocks(num_rows, block) == 1:
        value, size = total(action, observation)
        return value / num_rows, jax.lax.stop_gradient(size) / num_rows
    fixed = jax.lax.stop_gradient(action)
    (values, sizes), slopes = each_block(
        jax.value_and_grad(total, has_aux=True), block, fixed, observation
    )
    value = jnp.sum(values) + jnp.sum(slopes.reshape(action.shape) * (action - fixed))
    return value / num_rows, jnp.sum(sizes) / num_rows
