"""A Gaussian actor with a single mode: the policy of CQL and CODAC."""

from collections.abc import Sequence

import jax.numpy as jnp

from ramac_jax.compute import random_numbers
from ramac_jax.compute.flat_params import functional
from ramac_jax.errors import check_counts
from ramac_jax.networks.layers import MLP
from ramac_jax.pickling import picklable
from ramac_jax.types import Actor, Array, Key, Params

LOG_STD_RANGE = (-5.0, 2.0)


@picklable
def gaussian_actor(action_dim: int, *, widths: Sequence[int] = (256, 256)) -> Actor:
    """Build a Gaussian `Actor`; its noise z is [..., A], a = clip(mu(s) + sigma(s) z).

    tanh keeps mu within the box; log sigma is clipped to `LOG_STD_RANGE`.

    Args:
      action_dim: A.
      widths: hidden layers of the network of mu and log sigma.

    Raises `InputError` for a number below 1.
    """
    check_counts(action_dim=action_dim, widths=widths)
    network = functional(MLP(tuple(widths), 2 * action_dim))

    def moments(params: Params, observation: Array) -> tuple[Array, Array]:
        mean, log_std = jnp.split(network.apply(params, observation), 2, axis=-1)
        return jnp.tanh(mean), jnp.clip(log_std, *LOG_STD_RANGE)

    def init(key: Key, observation: Array, action: Array) -> Params:
        del action
        return network.init(key, observation)

    def draw_noise(observation: Array, key: Key) -> Array:
        shape = (*observation.shape[:-1], action_dim)
        return random_numbers.normal(key, shape, observation.dtype)

    def sample_from_noise(params: Params, observation: Array, noise: Array) -> Array:
        mean, log_std = moments(params, observation)
        return jnp.clip(mean + jnp.exp(log_std) * noise, -1.0, 1.0)

    def draw_bc_noise(observation: Array, key: Key) -> None:
        """Draw nothing: the loss needs no noise."""

    def bc_loss_from_noise(
        params: Params, observation: Array, action: Array, noise: None
    ) -> Array:
        """-log N(a; mu, sigma^2) / A without its constant, before clipping."""
        mean, log_std = moments(params, observation)
        error = (action - mean) * jnp.exp(-log_std)
        return jnp.mean(0.5 * error**2 + log_std)

    return Actor(
        init=init,
        draw_noise=draw_noise,
        sample_from_noise=sample_from_noise,
        draw_bc_noise=draw_bc_noise,
        bc_loss_from_noise=bc_loss_from_noise,
    )
