"""The agents of the bandit: what each of them is made of and learns with.

Throughout, `dtype` is what diffusions, flows and quantile critics compute in; all else
is float32, and so are they where it is None.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

import ramac_jax as rj
from ramac_jax.actors import (
    distilled_actor,
    gaussian_actor,
    perturbed_actor,
    vae_actor,
)
from ramac_jax.actors.diffusion import cosine_betas
from ramac_jax.compute import whole_batch
from ramac_jax.devices.cache import fit_cache
from ramac_jax.types import ConservativeFn, MicroBatchFn, RiskMeasureFn

ACTION_DIM = 2
WIDTHS = (64, 64, 64, 64)  # of behaviour models and students
NARROW = (64, 64)  # of all other networks
DENOISING_STEPS, EULER_STEPS = 40, 30  # enough to keep the gap empty
RADIUS = 0.25  # of perturbed actors, unless told
RISK_LEVEL = 0.1
NUM_QUANTILES = 16


def behaviour_models(dtype: str | None = None) -> dict[str, rj.Actor]:
    """The models that clone the data."""
    return {
        "vae": vae_actor(ACTION_DIM, widths=WIDTHS, latent_bound=3.0, kl_weight=0.01),
        "diffusion": rj.diffusion_actor(
            ACTION_DIM, DENOISING_STEPS, cosine_betas, widths=WIDTHS, dtype=dtype
        ),
        "flow": rj.flow_actor(ACTION_DIM, EULER_STEPS, widths=WIDTHS, dtype=dtype),
    }


def critics(dtype: str | None = None) -> dict[str, rj.Critic]:
    """Small critics; initial weights bend the first inside so small an action space."""
    he_normal = jax.nn.initializers.he_normal()
    return {
        "quantile": rj.iqn_critic(
            width=NARROW[0],
            embedding_width=32,
            num_cosines=16,
            kernel_init=he_normal,
            dtype=dtype,
        ),
        "value": rj.value_critic(widths=NARROW),
    }


def micro_batch(critic: str) -> MicroBatchFn:
    """Choose how many rows a critic computes at a time."""
    return fit_cache(NARROW[0]) if critic == "quantile" else whole_batch


class Recipe(NamedTuple):
    """How one agent of the bandit comes about."""

    title: str
    model: str | None = None  # the clone that it begins as; None: from nothing
    model_is: str | None = None  # "prior" or "teacher" of its actor; None: the actor
    critic: str | None = None  # None: it clones alone
    risk_weight: float = 0.0
    penalty: ConservativeFn | None = None

    @property
    def distortion(self) -> RiskMeasureFn:
        """The risk measure."""
        return rj.risk.cvar if self.critic == "quantile" else rj.risk.neutral


RECIPES = {
    "bc-vae": Recipe("BC, VAE", "vae"),
    "bc-diffusion": Recipe("BC, diffusion", "diffusion"),
    "bc-flow": Recipe("BC, flow", "flow"),
    "cvae-ql": Recipe("CVAE-QL", "vae", None, "value", 0.1),
    "diffusion-ql": Recipe("Diffusion-QL", "diffusion", None, "value", 0.1),
    "fql": Recipe("FQL", "flow", "teacher", "value", 0.1),
    "oraac": Recipe("ORAAC", "vae", "prior", "quantile", 1.0),
    "oraac-diffusion": Recipe("ORAAC-Diff.", "diffusion", "prior", "quantile", 1.0),
    "oraac-flow": Recipe("ORAAC-Flow", "flow", "prior", "quantile", 1.0),
    "rafmac-distilled": Recipe("RAFMAC, distilled", "flow", "teacher", "quantile", 1.0),
    "codac": Recipe("CODAC", None, None, "quantile", 1.0, rj.losses.quantile_gap),
    "cql": Recipe("CQL", None, None, "value", 1.0, rj.losses.value_gap),
    "radac": Recipe("RADAC", "diffusion", None, "quantile", 3.0),
    "rafmac": Recipe("RAFMAC", "flow", None, "quantile", 1.5),
}
"""Every agent by name, in the order of tables and panels."""


def actor_of(
    recipe: Recipe, radius: float = RADIUS, dtype: str | None = None
) -> rj.Actor:
    """The actor of an agent."""
    if recipe.model is None:
        return gaussian_actor(ACTION_DIM, widths=NARROW)
    model = behaviour_models(dtype)[recipe.model]
    around: dict[str | None, Callable[[rj.Actor], rj.Actor]] = {
        None: lambda model: model,
        "prior": lambda model: perturbed_actor(model, radius, widths=NARROW),
        "teacher": lambda model: distilled_actor(model, ACTION_DIM, widths=WIDTHS),
    }
    return around[recipe.model_is](model)


def agent_of(recipe: Recipe, actor: rj.Actor, dtype: str | None = None) -> rj.Agent:
    """An agent with this actor."""
    if recipe.critic is None:
        return cloner(actor)
    return rj.ramac_agent(
        actor,
        critics(dtype)[recipe.critic],
        recipe.distortion,
        NUM_QUANTILES,
        conservative=recipe.penalty,
        num_candidates=5,
        normalize_value=recipe.critic == "value" and recipe.penalty is None,
        micro_batch=micro_batch(recipe.critic),
    )


def cloner(actor: rj.Actor) -> rj.Agent:
    """Behaviour cloning alone."""
    return rj.ramac_agent(actor, rj.constant_critic(), num_quantiles=1)


def critic_alone(critic: str, dtype: str | None = None) -> rj.Agent:
    """An agent that trains its critic, without the cost of an actor.

    Every step is terminated, so that no target asks for the action that comes next.
    """

    def init(key, observation, action):
        return jnp.zeros(1)

    def draw_noise(observation, key):
        return None

    def sample_from_noise(params, observation, noise):
        return jnp.zeros((*observation.shape[:-1], ACTION_DIM))

    def bc_loss_from_noise(params, observation, action, noise):
        return jnp.zeros(())

    actor = rj.Actor(
        init=init,
        draw_noise=draw_noise,
        sample_from_noise=sample_from_noise,
        draw_bc_noise=draw_noise,
        bc_loss_from_noise=bc_loss_from_noise,
    )
    return rj.ramac_agent(
        actor,
        critics(dtype)[critic],
        rj.risk.neutral,
        NUM_QUANTILES,
        micro_batch=micro_batch(critic),
    )
