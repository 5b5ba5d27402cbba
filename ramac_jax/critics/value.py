"""An ensemble of plain action values, for agents that ignore risk."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ramac_jax.compute.flat_params import functional
from ramac_jax.critics.quantile_loss import quantile_loss
from ramac_jax.errors import check_counts
from ramac_jax.losses import squared_error
from ramac_jax.networks.layers import MLP
from ramac_jax.pickling import picklable
from ramac_jax.types import Array, Critic, Key, Params


@picklable
def value_critic(num_critics: int = 2, *, widths: Sequence[int] = (256, 256)) -> Critic:
    """Build an ensemble of plain action values: every quantile is the mean.

    Args:
      num_critics: E; the agent takes the minimum over them.
      widths: hidden layers.

    Raises `InputError` for a number below 1.
    """
    check_counts(num_critics=num_critics, widths=widths)
    member = functional(MLP(tuple(widths), 1))

    def init(key: Key, observation: Array, action: Array) -> Params:
        pair = jnp.concatenate([observation, action], axis=-1)
        keys = jax.random.split(key, num_critics)
        return jax.vmap(member.init, in_axes=(0, None))(keys, pair)

    def quantiles(
        params: Params, observation: Array, action: Array, tau: Array
    ) -> Array:
        pair = jnp.concatenate([observation, action], axis=-1)
        values = jax.vmap(member.apply, in_axes=(0, None))(params, pair)
        return jnp.broadcast_to(values, (*values.shape[:-1], tau.shape[0]))

    return Critic(
        init=init,
        quantiles=quantiles,
        loss=quantile_loss(quantiles, squared_error),
        mean_only=True,
    )
