"""Generative policies: each file builds one kind of `Actor`."""

from ramac_jax.actors.diffusion import diffusion_actor
from ramac_jax.actors.flow import flow_actor

BUILDERS = {"diffusion": diffusion_actor, "flow": flow_actor}
"""Every kind by the name it has on the command line and in a checkpoint."""

__all__ = ["BUILDERS", "diffusion_actor", "flow_actor"]
