"""An ensemble of implicit quantile networks: the critic of RADAC and RAFMAC."""

import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer

from ramac_jax.compute.flat_params import functional
from ramac_jax.critics.quantile_loss import quantile_loss
from ramac_jax.errors import check_counts
from ramac_jax.networks.heads import HeadFn, plain_head
from ramac_jax.networks.quantile_network import CRITIC_NORMAL, QuantileNetwork
from ramac_jax.pickling import picklable
from ramac_jax.types import Array, Critic, Key, Params


@picklable
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
      kernel_init: initial parameters below the head.
      head: implementation of the last two layers, from `ramac_jax.networks.heads`.
      dtype: that the network computes in, such as "bfloat16"; parameters, quantiles
        and loss keep theirs. None: the dtype of the parameters.

    Raises `InputError` for a number below 1.
    """
    check_counts(
        num_critics=num_critics,
        width=width,
        embedding_width=embedding_width,
        num_cosines=num_cosines,
    )
    network = QuantileNetwork(
        width=width,
        embedding_width=embedding_width,
        num_cosines=num_cosines,
        kernel_init=kernel_init,
        head=head,
    )
    member = functional(network, dtype)

    def init(key: Key, observation: Array, action: Array) -> Params:
        def init_member(member_key: Key) -> Params:
            return member.init(member_key, observation, action, jnp.zeros(1))

        return jax.vmap(init_member)(jax.random.split(key, num_critics))

    def quantiles(
        params: Params, observation: Array, action: Array, tau: Array
    ) -> Array:
        each = jax.vmap(member.apply, in_axes=(0, None, None, None))
        return each(params, observation, action, tau)

    return Critic(init=init, quantiles=quantiles, loss=quantile_loss(quantiles))
