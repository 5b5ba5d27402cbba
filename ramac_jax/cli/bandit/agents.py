"""Actors, critics and agents of the bandit, built from the list of agents.

`dtype` is the compute dtype of diffusions, flows and quantile critics; None means
float32. All other networks compute in float32.
"""

import jax
import jax.numpy as jnp

import ramac_jax as rj
from ramac_jax.actors.diffusion import cosine_betas
from ramac_jax.cli.agents import AgentEntry
from ramac_jax.cli.bandit import settings
from ramac_jax.cli.runs.agents import build_cloning_agent
from ramac_jax.compute import whole_batch
from ramac_jax.devices.cache import fit_cache
from ramac_jax.registry import PENALTIES, RISK_MEASURES
from ramac_jax.types import Array, Key, MicroBatchFn, Params


def build_behaviour_model(name: str, dtype: str | None = None) -> rj.Actor:
    """Build the model that clones the data, by its name."""
    match name:
        case "vae":
            return rj.vae_actor(
                settings.ACTION_DIM,
                widths=settings.WIDTHS,
                latent_bound=3.0,
                kl_weight=0.01,
            )
        case "diffusion":
            return rj.diffusion_actor(
                settings.ACTION_DIM,
                settings.DENOISING_STEPS,
                cosine_betas,
                widths=settings.WIDTHS,
                dtype=dtype,
            )
        case "flow":
            return rj.flow_actor(
                settings.ACTION_DIM,
                settings.EULER_STEPS,
                widths=settings.WIDTHS,
                dtype=dtype,
            )
    raise ValueError(f"unknown behaviour model {name!r}")


def build_student(model: str, dtype: str | None = None) -> rj.Actor:
    """Build the one-step student of a behaviour model."""
    teacher = build_behaviour_model(model, dtype)
    return rj.distilled_actor(teacher, settings.ACTION_DIM, widths=settings.WIDTHS)


def build_actor(
    config: AgentEntry, radius: float = settings.RADIUS, dtype: str | None = None
) -> rj.Actor:
    """Build the actor of an agent; `radius` is that of perturbed actors."""
    if config.behaviour_model is None:
        return rj.gaussian_actor(settings.ACTION_DIM, widths=settings.NARROW)
    if config.role == "teacher":
        return build_student(config.behaviour_model, dtype)
    model = build_behaviour_model(config.behaviour_model, dtype)
    if config.role == "prior":
        return rj.perturbed_actor(model, radius, widths=settings.NARROW)
    return model


def build_critic(name: str, dtype: str | None = None) -> rj.Critic:
    """Build a small critic by its name.

    The initial weights of a quantile critic are large, so that its function varies
    within the small action space from the start.
    """
    if name == "value":
        return rj.value_critic(widths=settings.NARROW)
    return rj.iqn_critic(
        width=settings.NARROW[0],
        embedding_width=settings.EMBEDDING_WIDTH,
        num_cosines=settings.NUM_COSINES,
        kernel_init=jax.nn.initializers.he_normal(),
        dtype=dtype,
    )


def choose_micro_batch(critic: str) -> MicroBatchFn:
    """Choose how many rows a critic computes at once."""
    return fit_cache(settings.NARROW[0]) if critic == "quantile" else whole_batch


def build_agent(
    config: AgentEntry, actor: rj.Actor, dtype: str | None = None
) -> rj.Agent:
    """Build an agent with this actor."""
    if config.critic is None:
        return build_cloning_agent(actor)
    penalty = None if config.penalty is None else PENALTIES[config.penalty].load()
    return rj.ramac_agent(
        actor,
        build_critic(config.critic, dtype),
        RISK_MEASURES[config.risk_measure].load(),
        settings.NUM_QUANTILES,
        conservative=penalty,
        num_candidates=settings.NUM_CANDIDATES,
        num_penalty_quantiles=settings.NUM_PENALTY_QUANTILES,
        normalize_value=config.normalize_value,
        single_step=True,
        micro_batch=choose_micro_batch(config.critic),
    )


def build_critic_trainer(critic: str, dtype: str | None = None) -> rj.Agent:
    """Build an agent that trains its critic, without the cost of an actor."""

    def init(key: Key, observation: Array, action: Array) -> Params:
        return jnp.zeros(1)

    def draw_noise(observation: Array, key: Key) -> None:
        return None

    def sample_from_noise(params: Params, observation: Array, noise: None) -> Array:
        return jnp.zeros((*observation.shape[:-1], settings.ACTION_DIM))

    def bc_loss_from_noise(
        params: Params, observation: Array, action: Array, noise: None
    ) -> Array:
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
        build_critic(critic, dtype),
        rj.risk.neutral,
        settings.NUM_QUANTILES,
        single_step=True,
        micro_batch=choose_micro_batch(critic),
    )
