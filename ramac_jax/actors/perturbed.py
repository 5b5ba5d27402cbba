"""Prior-anchored perturbation: a cloned action, moved a little by the value alone."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ramac_jax.actors.diffusion import diffusion_actor
from ramac_jax.actors.flow import flow_actor
from ramac_jax.actors.vae import vae_actor
from ramac_jax.compute.flat_params import Network, functional
from ramac_jax.errors import InputError, check_counts, check_kind
from ramac_jax.networks.layers import MLP
from ramac_jax.pickling import picklable
from ramac_jax.types import Actor, Array, Key, Params


@picklable
def perturbed_actor(
    prior: Actor, radius: float = 0.25, *, widths: Sequence[int] = (256, 256)
) -> Actor:
    """Build an `Actor` that moves the actions of a behaviour model a little.

    a = clip(b + radius tanh(f(s, b))), b ~ prior. Over a VAE this is the actor of ORAAC
    (Urpi et al., 2021); RAMAC compares diffusion and flow priors. The prior learns by
    behaviour cloning only and f by the value only: no gradient of a sample reaches the
    prior, none of the cloning loss reaches f.

    Args:
      prior: any actor; its noise is the noise of this one.
      radius: Phi, the farthest that f moves a coordinate of the prior's action.
      widths: hidden layers of f.

    Raises `InputError` for a prior that is no actor, for a radius that is not positive
    and at most 2, the box, and for a width below 1.
    """
    check_kind("prior", prior, Actor)
    check_counts(widths=widths)
    if not 0.0 < radius <= 2.0:
        raise InputError(f"radius is {radius}: it must be above 0 and at most 2")

    def network(action_dim: int) -> Network:
        return functional(MLP(tuple(widths), action_dim))

    def init(key: Key, observation: Array, action: Array) -> Params:
        prior_key, perturbation_key = jax.random.split(key)
        pair = jnp.concatenate([observation, action], axis=-1)
        return {
            "prior": prior.init(prior_key, observation, action),
            "perturbation": network(action.shape[-1]).init(perturbation_key, pair),
        }

    def sample_from_noise(params: Params, observation: Array, noise: Any) -> Array:
        anchor = prior.sample_from_noise(params["prior"], observation, noise)
        anchor = jax.lax.stop_gradient(anchor)
        pair = jnp.concatenate([observation, anchor], axis=-1)
        move = network(anchor.shape[-1]).apply(params["perturbation"], pair)
        return jnp.clip(anchor + radius * jnp.tanh(move), -1.0, 1.0)

    def bc_loss_from_noise(
        params: Params, observation: Array, action: Array, noise: Any
    ) -> Array:
        """Return the prior's own loss."""
        return prior.bc_loss_from_noise(params["prior"], observation, action, noise)

    return Actor(
        init=init,
        draw_noise=prior.draw_noise,
        sample_from_noise=sample_from_noise,
        draw_bc_noise=prior.draw_bc_noise,
        bc_loss_from_noise=bc_loss_from_noise,
    )


def perturbed_vae_actor(
    action_dim: int, radius: float = 0.25, *, widths: Sequence[int] = (256, 256)
) -> Actor:
    """Build ORAAC's `Actor`; all its networks have the same hidden layers."""
    return perturbed_actor(vae_actor(action_dim, widths=widths), radius, widths=widths)


def perturbed_diffusion_actor(
    action_dim: int,
    num_steps: int = 5,
    radius: float = 0.25,
    *,
    widths: Sequence[int] = (256, 256, 256),
) -> Actor:
    """Build the `Actor` of ORAAC-Diff.; both networks have the same hidden layers."""
    prior = diffusion_actor(action_dim, num_steps, widths=widths)
    return perturbed_actor(prior, radius, widths=widths)


def perturbed_flow_actor(
    action_dim: int,
    num_steps: int = 10,
    radius: float = 0.25,
    *,
    widths: Sequence[int] = (128, 128, 128),
) -> Actor:
    """Build the `Actor` of ORAAC-Flow; both networks have the same hidden layers."""
    prior = flow_actor(action_dim, num_steps, widths=widths)
    return perturbed_actor(prior, radius, widths=widths)
