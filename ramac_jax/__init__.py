"""Risk-aware offline reinforcement learning with generative actors, in JAX."""

from ramac_jax import losses, risk
from ramac_jax.actors import diffusion_actor, flow_actor
from ramac_jax.agent.ramac import ramac
from ramac_jax.critics.ensembles import constant_critic, iqn_critic, value_critic
from ramac_jax.training import grid, sample_batch, train
from ramac_jax.types import Actor, Agent, Critic, Hyperparams, State, Transition
from ramac_jax.validation import InputError, check_hyperparams, check_transitions
from ramac_jax.version import __version__

__all__ = [
    "Actor",
    "Agent",
    "Critic",
    "Hyperparams",
    "InputError",
    "State",
    "Transition",
    "__version__",
    "check_hyperparams",
    "check_transitions",
    "constant_critic",
    "diffusion_actor",
    "flow_actor",
    "grid",
    "iqn_critic",
    "losses",
    "ramac",
    "risk",
    "sample_batch",
    "train",
    "value_critic",
]
