"""A conditional variational autoencoder: the behaviour model of BCQ and ORAAC."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ramac_jax.compute import random_numbers
from ramac_jax.compute.flat_params import functional
from ramac_jax.errors import check_counts
from ramac_jax.networks.layers import MLP
from ramac_jax.pickling import picklable
from ramac_jax.types import Actor, Array, Key, Params

LOG_STD_RANGE = (-4.0, 15.0)  # of the encoder, as BCQ clips it


@picklable
def vae_actor(
    action_dim: int,
    *,
    widths: Sequence[int] = (256, 256),
    latent_bound: float = 0.5,
    kl_weight: float = 0.5,
) -> Actor:
    """Build a VAE `Actor` (Fujimoto et al., 2019); its noise z is [..., 2 A].

    It acts with a = tanh(decoder(s, clip(z, latent_bound))), z ~ N(0, I).

    Args:
      action_dim: A; there are twice as many latents.
      widths: hidden layers of encoder and decoder.
      latent_bound: largest absolute value of a latent when acting; inf: no bound.
      kl_weight: weight of the divergence from the prior, relative to the squared
        error.

    Raises `InputError` for a number below 1.
    """
    check_counts(action_dim=action_dim, widths=widths)
    latent_dim = 2 * action_dim
    encoder = functional(MLP(tuple(widths), 2 * latent_dim))
    decoder = functional(MLP(tuple(widths), action_dim))

    def decode(params: Params, observation: Array, latent: Array) -> Array:
        inputs = jnp.concatenate([observation, latent], axis=-1)
        return jnp.tanh(decoder.apply(params["decoder"], inputs))

    def init(key: Key, observation: Array, action: Array) -> Params:
        encoder_key, decoder_key = jax.random.split(key)
        latent = jnp.zeros((*action.shape[:-1], latent_dim), action.dtype)
        pair = jnp.concatenate([observation, action], axis=-1)
        coded = jnp.concatenate([observation, latent], axis=-1)
        return {
            "encoder": encoder.init(encoder_key, pair),
            "decoder": decoder.init(decoder_key, coded),
        }

    def draw_noise(observation: Array, key: Key) -> Array:
        shape = (*observation.shape[:-1], latent_dim)
        return random_numbers.normal(key, shape, observation.dtype)

    def sample_from_noise(params: Params, observation: Array, noise: Array) -> Array:
        return decode(params, observation, jnp.clip(noise, -latent_bound, latent_bound))

    def bc_loss_from_noise(
        params: Params, observation: Array, action: Array, noise: Array
    ) -> Array:
        """E|a - decoder(s, z)|^2 / A + kl_weight KL(q(z | s, a) || N(0, I)) / (2 A)."""
        pair = jnp.concatenate([observation, action], axis=-1)
        mean, log_std = jnp.split(encoder.apply(params["encoder"], pair), 2, axis=-1)
        log_std = jnp.clip(log_std, *LOG_STD_RANGE)
        decoded = decode(params, observation, mean + jnp.exp(log_std) * noise)
        divergence = 0.5 * (mean**2 + jnp.exp(2.0 * log_std) - 1.0) - log_std
        return jnp.mean((action - decoded) ** 2) + kl_weight * jnp.mean(divergence)

    return Actor(
        init=init,
        draw_noise=draw_noise,
        sample_from_noise=sample_from_noise,
        draw_bc_noise=draw_noise,
        bc_loss_from_noise=bc_loss_from_noise,
    )
