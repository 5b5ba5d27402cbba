"""Generative policies, one file for each kind of `Actor`."""

from collections.abc import Callable

from ramac_jax.actors.diffusion import diffusion_actor
from ramac_jax.actors.distilled import distilled, distilled_flow_actor
from ramac_jax.actors.flow import flow_actor
from ramac_jax.actors.gaussian import gaussian_actor
from ramac_jax.actors.noise import from_noise
from ramac_jax.actors.perturbed import (
    perturbed,
    perturbed_diffusion_actor,
    perturbed_flow_actor,
    perturbed_vae_actor,
)
from ramac_jax.actors.vae import vae_actor
from ramac_jax.types import Actor

BUILDERS: dict[str, Callable[..., Actor]] = {
    "diffusion": diffusion_actor,
    "flow": flow_actor,
    "vae": vae_actor,
    "gaussian": gaussian_actor,
    "distilled-flow": distilled_flow_actor,
    "perturbed-vae": perturbed_vae_actor,
    "perturbed-diffusion": perturbed_diffusion_actor,
    "perturbed-flow": perturbed_flow_actor,
}
"""Every kind by the name it has on the command line and in a checkpoint."""

__all__ = [
    "BUILDERS",
    "diffusion_actor",
    "distilled",
    "distilled_flow_actor",
    "flow_actor",
    "from_noise",
    "gaussian_actor",
    "perturbed",
    "perturbed_diffusion_actor",
    "perturbed_flow_actor",
    "perturbed_vae_actor",
    "vae_actor",
]
