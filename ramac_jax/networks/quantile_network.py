"""The implicit quantile network of a distributional critic."""

import flax.linen as nn
import jax.numpy as jnp
from jax.nn.initializers import Initializer

from ramac_jax.networks.heads import HeadFn, plain_head
from ramac_jax.networks.layers import Layer, dense, symmetric_uniform
from ramac_jax.types import Array

CRITIC_NORMAL = nn.initializers.normal(0.1)
HEAD_BOUND = 3e-4


class QuantileNetwork(nn.Module):
    """Implicit quantile network (Dabney et al., 2018).

    (observation [..., O], action [..., A], tau [N]) -> quantiles [..., N]. The pair
    (s, a) is encoded once and tau once; only their product has both axes.
    """

    width: int
    embedding_width: int
    num_cosines: int
    kernel_init: Initializer = CRITIC_NORMAL
    head: HeadFn = plain_head

    @nn.compact
    def __call__(self, observation: Array, action: Array, tau: Array) -> Array:
        from_observation = nn.relu(dense(observation, self.width, self.kernel_init))
        from_action = nn.relu(dense(action, self.width, self.kernel_init))
        pair = jnp.concatenate([from_observation, from_action], axis=-1)
        feature = nn.relu(
            dense(pair, self.embedding_width, self.kernel_init)
        )  # [..., E]
        turns = jnp.pi * jnp.arange(self.num_cosines)
        cosines = jnp.cos(turns[None, :] * tau[:, None])
        weight = nn.relu(
            dense(cosines, self.embedding_width, self.kernel_init)
        )  # [N, E]
        kernel, bias = Layer(self.embedding_width, self.width, self.kernel_init)()
        last = Layer(
            self.width, 1, symmetric_uniform(HEAD_BOUND), nn.initializers.zeros
        )
        rows = feature.reshape(-1, self.embedding_width)
        quantiles = self.head(rows, weight, kernel, bias, *last())
        return quantiles.reshape(*feature.shape[:-1], tau.shape[0])
