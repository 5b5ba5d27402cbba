"""A critic that is always 0: it turns the agent into behaviour cloning."""

import jax.numpy as jnp

from ramac_jax.critics.quantile_loss import quantile_loss
from ramac_jax.pickling import picklable
from ramac_jax.types import Array, Critic, Key, Params


@picklable
def constant_critic() -> Critic:
    """Build the critic for which every return is 0.

    It has no gradient, and XLA removes the sampler whose actions it ignores, so
    `ramac_agent(actor, constant_critic())` is plain behaviour cloning at its own price.
    """

    def init(key: Key, observation: Array, action: Array) -> Params:
        del key, observation, action
        return jnp.zeros(1)

    def quantiles(
        params: Params, observation: Array, action: Array, tau: Array
    ) -> Array:
        del action
        shape = (*params.shape, *observation.shape[:-1], *tau.shape)
        return jnp.zeros(shape, params.dtype)

    loss = quantile_loss(quantiles)
    return Critic(init=init, quantiles=quantiles, loss=loss, mean_only=True)
