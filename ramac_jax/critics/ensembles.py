"""Critics: ensembles of quantiles or of plain values, and one that knows nothing."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer

from ramac_jax.compute.flat_params import functional
from ramac_jax.losses import quantile_huber, squared_error
from ramac_jax.networks.heads import HeadFn, plain_head
from ramac_jax.networks.layers import CRITIC_NORMAL, MLP, QuantileNetwork
from ramac_jax.types import Array, Critic, Key, Params


def iqn_critic(
    num_critics: int = 2,
    *,
    width: int = 256,
    embedding_width: int = 128,
    num_cosines: int = 32,
    kernel_init: Initializer = CRITIC_NORMAL,
    head: HeadFn = plain_head,
    dtype: str | None = None,
) -> Critic:
    """Build an ensemble of implicit quantile networks on a leading axis [E].

    Args:
      num_critics: E; the agent takes the minimum over them.
      width: units of the encoders and of the layer under the head.
      embedding_width: units of the product of the (s, a) and the tau embedding.
      num_cosines: cosines cos(pi i tau) that describe a fraction.
      kernel_init: initial weights below the head.
      head: how the last two layers are computed, one of `ramac_jax.networks.heads.HEADS`.
      dtype: that the network computes in, such as "bfloat16"; weights, quantiles and
        loss keep theirs. None: the weights' own.
    """
    member = functional(
        QuantileNetwork(width, embedding_width, num_cosines, kernel_init, head), dtype
    )

    def init(key: Key, observation: Array, action: Array) -> Params:
        def init_member(member_key):
            return member.init(member_key, observation, action, jnp.zeros(1))

        return jax.vmap(init_member)(jax.random.split(key, num_critics))

    def quantiles(
        params: Params, observation: Array, action: Array, tau: Array
    ) -> Array:
        each = jax.vmap(member.apply, in_axes=(0, None, None, None))
        return each(params, observation, action, tau)

    return Critic(init, quantiles, quantile_huber, width)


def value_critic(num_critics: int = 2, *, widths: Sequence[int] = (256, 256)) -> Critic:
    """Build an ensemble of plain action values: every quantile is the mean.

    For agents that know no risk.

    Args:
      num_critics: E; the agent takes the minimum over them.
      widths: hidden layers.
    """
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

    return Critic(init, quantiles, squared_error)


def constant_critic() -> Critic:
    """Build the critic to whom every return is 0, whatever it is shown.

    No gradient comes from it, and XLA removes the sampler whose actions it ignores, so
    `ramac(actor, constant_critic())` is plain behaviour cloning at its own price.
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

    return Critic(init, quantiles, quantile_huber)
