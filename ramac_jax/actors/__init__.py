"""Generative policies, one file for each kind of `Actor`."""

from ramac_jax.actors.diffusion import diffusion_actor
from ramac_jax.actors.distilled import distilled_actor, distilled_flow_actor
from ramac_jax.actors.flow import flow_actor
from ramac_jax.actors.gaussian import gaussian_actor
from ramac_jax.actors.perturbed import (
    perturbed_actor,
    perturbed_diffusion_actor,
    perturbed_flow_actor,
    perturbed_vae_actor,
)
from ramac_jax.actors.vae import vae_actor

__all__ = [
    "diffusion_actor",
    "distilled_actor",
    "distilled_flow_actor",
    "flow_actor",
    "gaussian_actor",
    "perturbed_actor",
    "perturbed_diffusion_actor",
    "perturbed_flow_actor",
    "perturbed_vae_actor",
    "vae_actor",
]
